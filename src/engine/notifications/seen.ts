/**
 * What an agent has of what was said to it: changed when it attaches, when it leaves, and by what its connection heard.
 *
 * NS1 A position counts only if it is behind the last notification that the agent was told again: those have higher revs than what they
 *     tell, so a position between them says nothing.
 * NS2 An agent that is made has seen all: what was said before was not said to it.
 */
import type { State } from '../kernel/state.ts';
import { NOTIFICATIONS_VERSION } from '../port.ts';
import type { AgentRecord, SessionRecord, WeightedCapability } from '../records.ts';
import type { Notified, NotifiedAgent } from './notification-records.ts';

export function passedOf(s: State): number {
  return s.counters.notificationsPassed ?? 0;
}

/** The agent has every notification up to here. */
export function seenBy(s: State, { attached, notified }: Pick<NotifiedAgent, 'attached' | 'notified'>): number {
  const { seen = 0, from = 0 } = notified ?? {};
  const passed = passedOf(s);
  return attached && passed >= from ? Math.max(seen, passed) : seen;
}

/** NS1: the same, when it is said to have processed everything up to `rev`. */
function seenAt(s: State, agent: NotifiedAgent, rev: number | undefined): number {
  const seen = seenBy(s, agent);
  return rev === undefined || rev < (agent.notified?.told ?? 0) ? seen : Math.max(seen, rev);
}

function isCounted(s: State): boolean {
  return s.counters.engineVersion >= NOTIFICATIONS_VERSION;
}

/** Of an agent that leaves, or has left. */
export function notifiedAway(s: State, agent: AgentRecord, rev?: number): Notified | undefined {
  if (!isCounted(s)) return agent.notified;
  const { from: _, ...rest } = agent.notified ?? { bound: 0 };
  return { ...rest, seen: seenAt(s, agent, rev) };
}

/** Of an agent whose session is back, at the position that it named. */
export function notifiedBack(s: State, agent: AgentRecord, rev: number): Notified | undefined {
  if (!isCounted(s)) return agent.notified;
  return { ...(agent.notified ?? { bound: 0 }), seen: seenAt(s, agent, rev), from: s.rev };
}

/** Of an agent that is registered under a session, `known` before or not. */
export function notifiedHere(
  s: State,
  known: AgentRecord | undefined,
  made: {
    readonly session: SessionRecord;
    readonly capabilities: readonly WeightedCapability[];
    readonly seen?: number;
  },
): Notified | undefined {
  if (!isCounted(s)) return known?.notified;
  if (known === undefined) return { seen: s.rev, bound: s.rev };
  const same = known.session === made.session.id;
  const stays = same && known.attached;
  const gained = gainedBy(s, known, made.capabilities);
  const { gained: _, ...before } = stays
    ? (known.notified ?? { seen: 0, bound: 0 })
    : {
        ...known.notified,
        seen: seenAt(s, known, made.seen),
        bound: same ? (known.notified?.bound ?? 0) : s.rev,
        from: s.rev,
      };
  return gained === undefined ? before : { ...before, gained };
}

/** Of an agent whose capabilities change under its session. */
export function notifiedAs(
  s: State,
  agent: AgentRecord,
  capabilities: readonly WeightedCapability[],
): Notified | undefined {
  if (!isCounted(s) || capabilities === agent.capabilities) return agent.notified;
  const gained = gainedBy(s, agent, capabilities);
  const { gained: _, ...rest } = agent.notified ?? { seen: 0, bound: 0 };
  return gained === undefined ? rest : { ...rest, gained };
}

/** What was said to a capability before an agent had it was not said to that agent. */
function gainedBy(s: State, known: AgentRecord, fresh: readonly WeightedCapability[]): Notified['gained'] {
  if (fresh === known.capabilities) return known.notified?.gained;
  const gained: { readonly name: string; readonly rev: number }[] = [];
  for (const { name } of fresh) {
    const had = known.capabilities.some((one) => one.name === name);
    const rev = had ? known.notified?.gained?.find((one) => one.name === name)?.rev : s.rev;
    if (rev !== undefined) gained.push({ name, rev });
  }
  return gained.length === 0 ? undefined : gained;
}

/** From when on an agent has a capability, as far as that is later than the agent; undefined: it has it not. */
export function gainedAt(
  agent: Pick<AgentRecord, 'capabilities' | 'notified'>,
  capability: string,
): number | undefined {
  if (!agent.capabilities.some(({ name }) => name === capability)) return undefined;
  return agent.notified?.gained?.find(({ name }) => name === capability)?.rev ?? 0;
}
