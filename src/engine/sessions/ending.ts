/** How sessions end: taken over, said BYE, revoked, lost for too long. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { ownerAway, ownersOf } from '../locks/owners.ts';
import { release } from '../notifications/keep.ts';
import { notifiedAway } from '../notifications/seen.ts';
import { sessionAbsent } from '../workspaces/presence.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { SessionEnd } from '../port.ts';
import type { SessionRecord } from '../records.ts';

/** Removes the session and its subscriptions; what its agent holds is the caller's business. */
export function removeSession(
  s: State,
  c: Context,
  gone: { readonly session: SessionRecord; readonly why: SessionEnd },
): void {
  const { session } = gone;
  endSubscriptions(s, c, session.id);
  sessionAbsent(s, c, session.id);
  c.events.push(
    { kind: 'timerCleared', timer: 'grace', entity: session.id },
    { kind: 'timerCleared', timer: 'expire', entity: session.id },
    { kind: 'sessionRemoved', id: session.id },
  );
  if (session.attached) {
    c.events.push({ kind: 'connectionEnded', session: session.id, attach: session.attach, why: gone.why });
  }
}

export function endSubscriptions(s: State, c: Context, session: string): void {
  for (const sub of s.subsBySession.of(session) ?? []) c.events.push({ kind: 'unsubscribed', key: sub.key });
}

/** The connection is gone: the grace begins, in live time. Locks have graces of their own; `locksMs` is for all at least. */
export function loseSession(
  s: State,
  c: Context,
  lost: {
    readonly session: SessionRecord;
    readonly graceMs: number;
    readonly locksMs?: number;
    readonly seen?: number;
  },
): void {
  const { session } = lost;
  c.events.push(
    { kind: 'sessionChanged', record: { ...session, attached: false, graceOver: false } },
    { kind: 'timerSet', timer: 'grace', entity: session.id, due: c.live + lost.graceMs },
    { kind: 'timerSet', timer: 'expire', entity: session.id, due: c.live + LIMITS.resumeWindowMs },
  );
  for (const owner of ownersOf(s, session)) ownerAway(s, c, { owner, graceMs: lost.locksMs ?? 0 });
  const agent = session.agentId === undefined ? undefined : s.agents.get(session.agentId);
  if (agent?.session === session.id) {
    const notified = notifiedAway(s, agent, lost.seen);
    c.events.push({
      kind: 'agentChanged',
      record: { ...agent, attached: false, notified, lastSeenAt: c.now, rev: s.rev },
    });
    release(s, c, { agent: agent.id, upTo: notified?.seen ?? 0 });
  }
}
