/** What is known of the notifications of a tenant, and of its agents as far as these concern them. */
import type { AgentView } from '../../../protocol/wire/types.ts';
import type { NoticeObservation } from './history.ts';
import type { Mark, SessionRec } from './records.ts';

export interface Said extends NoticeObservation {
  /** Where it was said. */
  readonly rev: number;
  readonly made: Mark;
  /** As it was told first. */
  data: unknown;
}

export interface AgentNotices {
  readonly id: string;
  readonly registered: Mark;
  /** What it can do, and since when without a break. */
  readonly has: Map<string, number>;
  readonly ever: Set<string>;
  /** The server knows that it has processed all up to here. */
  passed: number;
  /** The last push that told it something again. */
  toldUpTo: number;
  readonly got: Set<string>;
  readonly gaps: { readonly audience: unknown; readonly upTo: number }[];
}

export class NoticeBook {
  readonly said = new Map<string, Said>();
  /** What stands at a position, for the first time or again. */
  readonly at = new Map<number, Said>();
  readonly byMark = new Map<string, Said>();
  readonly agents = new Map<string, AgentNotices>();
  /** Up to where a session was told. */
  readonly heard = new Map<SessionRec, number>();

  agent({ id, capabilities }: AgentView, mark: Mark): void {
    let agent = this.agents.get(id);
    if (agent === undefined) {
      const fresh = { id, registered: mark, has: new Map(), ever: new Set<string>(), passed: 0, toldUpTo: 0 };
      this.agents.set(id, (agent = { ...fresh, got: new Set(), gaps: [] }));
    }
    const names = new Set(capabilities.map(({ name }) => name));
    for (const name of agent.has.keys()) if (!names.has(name)) agent.has.delete(name);
    for (const name of names) {
      if (!agent.has.has(name)) agent.has.set(name, mark.rev);
      agent.ever.add(name);
    }
  }

  /** How much was said to one of its audiences. */
  countTo({ all, agents = [], capability }: Said): number {
    const list = [...this.said.values()];
    if (all === true) return list.filter((one) => one.all === true).length;
    if (capability !== undefined) return list.filter((one) => one.capability === capability).length;
    return Math.max(...agents.map((id) => list.filter((one) => one.agents?.includes(id) === true).length));
  }
}
