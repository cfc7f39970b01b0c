/**
 * What connections are known to have processed of what was said to them: the positions of their PONGs.
 *
 * HD1 A connection whose client has processed the last notification that it was handed has all of its notifications up to where it was
 *     handed pushes, whatever its PONGs said: what was in between was none.
 * HD2 That all attached agents have passed a position is said only if each of them has a connection here that says so, or the
 *     node that it is attached to does.
 * HD3 What another node says was said a while ago, of the agents that were attached to it then, and is at most the position that
 *     it had read up to. An agent that attached to it since did so after that position, and so does not count (seen.ts).
 */
import type { State } from '../engine/kernel/state.ts';
import type { Push } from '../engine/port.ts';

/** Of a connection. */
export interface Heard {
  /** The last notification that it was handed. */
  owed: number;
  /** Its client has processed everything up to here. */
  acked: number;
}

/** Of a session: which node has its connection. */
export interface AttachedTo {
  readonly id: string;
  readonly node: string;
}

export function isNotification({ event }: Pick<Push, 'event'>): boolean {
  return event === 'notification' || event === 'notification.gap';
}

/** Of a push that is logged: whether it is an order, an event, or the newest value of a key. */
export function classOf(push: Pick<Push, 'event' | 'topic' | 'latestKey'>): 'grant' | 'reliable' | 'latest' {
  if (push.latestKey !== undefined) return 'latest';
  return push.topic === undefined && !isNotification(push) ? 'grant' : 'reliable';
}

/** HD1. `handed`: it was handed everything of its own up to here. */
export function heardUpTo({ owed, acked }: Heard, handed: number): number {
  return owed > acked ? acked : Math.max(acked, handed);
}

/** HD2: what all attached agents have passed, or those of some sessions; undefined: nobody knows. */
export function passedByAll(
  s: State,
  heardBy: (session: AttachedTo) => number | undefined,
  counts: (session: AttachedTo) => boolean = () => true,
): number | undefined {
  let least = s.rev;
  for (const session of s.attachedSessions) {
    const { id, agentId } = session;
    if (agentId === undefined || s.agents.get(agentId)?.session !== id || !counts(session)) continue;
    const heard = heardBy(session);
    if (heard === undefined) return undefined;
    least = Math.min(least, heard);
  }
  return least;
}
