/**
 * The processes of agents: which agents live in which process, starting them, killing them, starting them again.
 *
 * Most live in crowds, so that one kill takes many at once and two cores still suffice; as many processes more hold one
 * each. A process that is started again runs the same agents, half of them with an outbox file.
 */
import { join } from 'node:path';
import { Child } from '../../bench/harness/child.ts';
import { sharedMs } from '../../bench/harness/shared-clock.ts';
import type { Cleanup } from '../../bench/harness/cleanup.ts';
import { must } from '../../src/base/assert.ts';
import type { AgentPlan, AgentsCalls } from './chaos-roles.ts';
import { JOURNAL_SUFFIX } from './journal.ts';
import type { JournalWriter } from './journal.ts';
import { zoneOf } from './kinds.ts';
import type { Random } from './random.ts';

/** Few enough slots that they are all in use whenever the server comes back. */
const CAPACITY_MAX = 3;

export interface FleetShape {
  /** Processes with many agents, and as many with one. */
  readonly crowds: number;
  readonly agentsPerCrowd: number;
}

export interface FleetOptions extends FleetShape {
  readonly url: string;
  readonly key: string;
  readonly journals: string;
  readonly outboxes: string;
  readonly runner: JournalWriter;
  readonly random: Random;
  readonly cleanup: Cleanup;
}

interface Member {
  readonly index: number;
  readonly agents: readonly AgentPlan[];
  births: number;
  life: string;
  child: Child<AgentsCalls> | undefined;
}

export class Fleet {
  readonly agents: number;
  kills = 0;
  readonly #options: FleetOptions;
  readonly #members: readonly Member[];

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#members = membersOf(options);
    this.agents = this.#members.reduce((sum, { agents }) => sum + agents.length, 0);
  }

  async start(): Promise<void> {
    for (const member of this.#members) await this.#bear(member);
  }

  /** Kills one process, and starts it again after a while. */
  async killOne(): Promise<void> {
    const alive = this.#members.filter(({ child }) => child !== undefined);
    if (alive.length === 0) return;
    const member = this.#options.random.pick(alive);
    const child = must(member.child, 'chosen among the living');
    member.child = undefined;
    const killedAt = sharedMs();
    await child.kill();
    this.#options.runner.write({ kind: 'died', at: sharedMs(), killedAt, life: member.life });
    this.kills += 1;
    const awayMs = this.#options.random.between(0, 1_500);
    await new Promise((resolve) => {
      setTimeout(resolve, awayMs);
    });
    await this.#bear(member);
  }

  async leave(): Promise<void> {
    const children = this.#members.flatMap(({ child }) => child ?? []);
    await Promise.all(children.map((child) => child.call('leave', null)));
    await Promise.all(children.map((child) => child.stop()));
  }

  /** What living processes printed, for a failed run. */
  output(): string {
    return this.#members
      .map(({ life, child }) => (child === undefined || child.tail === '' ? '' : `${life}: ${child.tail}`))
      .join('');
  }

  async #bear(member: Member): Promise<void> {
    const { url, key, journals, random, cleanup } = this.#options;
    member.births += 1;
    const life = `p${member.index}.${member.births}`;
    const seed = random.between(1, 2 ** 31);
    const child = await Child.start<AgentsCalls>({ module: './agents-role.ts', base: import.meta.url, cleanup });
    await child.call('launch', {
      url,
      key,
      seed,
      life,
      agents: member.agents,
      journal: join(journals, `${life}${JOURNAL_SUFFIX}`),
    });
    member.life = life;
    member.child = child;
  }
}

function membersOf({ outboxes, random, crowds, agentsPerCrowd }: FleetOptions): readonly Member[] {
  const members: Member[] = [];
  for (let index = 1; index <= 2 * crowds; index += 1) {
    const count = index <= crowds ? agentsPerCrowd : 1;
    const agents: AgentPlan[] = [];
    for (let place = 1; place <= count; place += 1) {
      const name = `agent-${index}-${place}`;
      const outbox = place % 2 === index % 2 ? { outbox: join(outboxes, name) } : {};
      agents.push({ name, capacity: random.between(1, CAPACITY_MAX), zone: zoneOf(index + place), ...outbox });
    }
    members.push({ index, agents, births: 0, life: '', child: undefined });
  }
  return members;
}
