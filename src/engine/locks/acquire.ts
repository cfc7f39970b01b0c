/**
 * Acquiring: held once more, granted, refused, or queued.
 *
 * LA1 What is asked is decided in this order: known to the owner already, bounds, free, not to wait, bounds of queues, a circle,
 *     queued.
 * LA2 A request ends in exactly one way: granted at once, refused, or by a push.
 */
import type { LockMember, LockParams } from '../../../protocol/wire/locks.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Value } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { LOCKS_VERSION, type Refusal, type Reply } from '../port.ts';
import type { SessionRecord } from '../records.ts';
import { findCircle, searchBudget } from './deadlock.ts';
import { grant, heldAlready, type Wanted } from './grants.ts';
import { firstBlocked } from './judge.ts';
import type { LockTerms, LockWaitRecord } from './lock-records.ts';
import { needsOf, normalised, type Need } from './modes.ts';
import { ownerOf, shownOwner } from './owners.ts';
import { firstOf, lockView, tellWait, waitView } from './view.ts';

type Options = LockParams['lock.acquire'] | LockParams['lock.acquireAll'];

export const acquireLock: Decide<LockParams['lock.acquire']> = (s, c, { session, params }) => {
  const { path, mode = 'exclusive' } = params;
  return acquire(s, c, { session, params, members: [{ path, mode }], several: false });
};

export const acquireLocks: Decide<LockParams['lock.acquireAll']> = (s, c, { session, params }) =>
  acquire(s, c, { session, params, members: normalised(params.locks), several: true });

function acquire(
  s: State,
  c: Context,
  asked: {
    readonly session: SessionRecord;
    readonly params: Options;
    readonly members: readonly LockMember[];
    readonly several: boolean;
  },
): Reply {
  const { session, params, members, several } = asked;
  const owner = ownerFor(s, session, params.scope);
  if (typeof owner !== 'string') return owner;
  const terms = termsOf(params, session);
  return take(s, c, {
    wanted: { owner, members, several, converts: undefined, terms, requestId: undefined },
    waitMs: params.waitMs ?? 0,
  });
}

/** Under which name the session asks; or why it may not. */
export function ownerFor(s: State, session: SessionRecord, scope: Options['scope']): string | Refusal {
  const early = notYet(s);
  if (early !== undefined) return early;
  if (!session.attached) return rejected('UNAVAILABLE', 'The session is away.');
  if (scope !== 'agent') return ownerOf(session);
  const agent = session.agentId === undefined ? undefined : s.agents.get(session.agentId);
  return agent?.session === session.id ? agent.id : rejected('AGENT_NOT_FOUND', 'The session speaks for no agent.');
}

/** The state is of a version without locks: another node may still run that. */
export function notYet(s: State): Refusal | undefined {
  return s.counters.engineVersion < LOCKS_VERSION ? rejected('UNAVAILABLE') : undefined;
}

function termsOf(params: Options, session: SessionRecord): LockTerms {
  const { ttlMs, autoRefresh = ttlMs === undefined, graceMs = LIMITS.lockGraceMs, external, metadata } = params;
  const length = ttlMs ?? LIMITS.lockTtlMs;
  return {
    leaseMs: autoRefresh ? undefined : length,
    holdMs: autoRefresh ? Math.max(graceMs, ttlMs ?? 0) : undefined,
    lockDelayMs: params.lockDelayMs ?? (external === true ? LIMITS.lockDelayMs : 0),
    progressTimeoutMs: params.progressTimeoutMs,
    metadata,
    principal: session.principal.id,
  };
}

/** LA1 */
export function take(s: State, c: Context, asked: { readonly wanted: Wanted; readonly waitMs: number }): Reply {
  const { wanted, waitMs } = asked;
  const fresh = wanted.converts === undefined && heldAlready(s, wanted) === undefined;
  const full = fresh ? overBounds(s, wanted) : undefined;
  if (full !== undefined) return full;
  const needs = needsOf(wanted.members);
  const blocked = firstBlocked(s.lockBook, { owner: wanted.owner, seq: Infinity }, needs);
  if (blocked === undefined) return granted(s, c, wanted);
  if (waitMs === 0) return rejected('BUSY', undefined, busyDetails(s, blocked));
  const queued = queueBounds(s, wanted);
  if (queued !== undefined) return queued;
  return queue(s, c, { wanted, waitMs, needs });
}

function granted(s: State, c: Context, wanted: Wanted): Reply {
  const outcome = grant(s, c, wanted);
  if (outcome.kind !== 'granted') return rejected(outcome.kind);
  c.events.push({ kind: 'locks', change: { kind: 'fact', fact: { kind: 'granted', waitedMs: 0 } } });
  return accepted({ granted: true, lock: lockView(s, outcome.lock) });
}

function overBounds(s: State, { owner, members }: Wanted): Refusal | undefined {
  if (s.locksByOwner.count(owner) + s.lockWaitsByOwner.count(owner) >= LIMITS.locksPerOwnerMax) {
    return rejected('LIMIT_EXCEEDED', `An owner has at most ${LIMITS.locksPerOwnerMax} locks and requests for locks.`);
  }
  if (s.lockBook.members + members.length > LIMITS.locksMax) {
    return rejected(
      'LIMIT_EXCEEDED',
      `The tenant has ${LIMITS.locksMax} locks and requests for locks, which is its limit.`,
    );
  }
  return undefined;
}

function queueBounds(s: State, { members, converts, owner }: Wanted): Refusal | undefined {
  for (const { path } of members) {
    if ((s.lockBook.placeOf(path)?.asked ?? 0) >= LIMITS.lockQueueMax) {
      return rejected('QUEUE_FULL', `${LIMITS.lockQueueMax} requests wait for ${path}, which is the most.`);
    }
  }
  // A new request was held against the bounds before.
  if (s.lockWaitsByOwner.count(owner) >= LIMITS.locksPerOwnerMax) {
    return rejected('LIMIT_EXCEEDED', `An owner has at most ${LIMITS.locksPerOwnerMax} requests for locks.`);
  }
  if (converts !== undefined && s.conversionOf(converts) !== undefined) {
    return rejected('INVALID_TRANSITION', 'The lock waits for another mode already.');
  }
  return undefined;
}

/** Who has what it needs, if one lock on the path itself has it. */
function busyDetails(s: State, blocked: Need): Value {
  const { path } = blocked;
  const place = s.lockBook.placeOf(path);
  const [first] = s.lockBook.locksOn(path);
  const lock = first === undefined ? undefined : s.locks.get(first);
  return {
    path,
    queueLength: place?.asked ?? 0,
    ...(lock === undefined
      ? undefined
      : { holder: { id: lock.id, owner: shownOwner(s, lock.owner), mode: firstOf(lock.members).mode } }),
  };
}

function queue(
  s: State,
  c: Context,
  asked: { readonly wanted: Wanted; readonly waitMs: number; readonly needs: readonly Need[] },
): Reply {
  const { wanted, waitMs, needs } = asked;
  const wait = requestOf(s, c, wanted);
  // Whoever holds nothing keeps nobody waiting, so nobody can be waiting for it.
  if (s.locksByOwner.count(wanted.owner) > 0 || s.lockDelays.size > 0) {
    const search = { book: s.lockBook, waitsOf: (owner: string) => s.lockWaitsByOwner.of(owner) ?? [] };
    const circle = findCircle(search, { owner: wanted.owner, seq: Infinity, needs }, searchBudget());
    if (circle.kind !== 'none')
      return refused(s, c, { wait, behind: circle.kind === 'found' ? circle.behind : undefined });
  }
  c.events.push(
    { kind: 'locks', change: { kind: 'wait', wait } },
    { kind: 'timerSet', timer: 'lockWait', entity: wait.id, due: c.live + waitMs },
  );
  tellWait(c, 'queued', { wait });
  return accepted({ granted: false, requestId: wait.id });
}

export function requestOf(s: State, c: Context, { owner, members, several, converts, terms }: Wanted): LockWaitRecord {
  const id = c.random.id('lrq');
  const seq = (s.counters.lockRequests ?? 0) + 1;
  return { id, seq, owner, members, several, converts, ...terms, since: c.now, sinceLive: c.live };
}

function refused(
  s: State,
  c: Context,
  { wait, behind }: { readonly wait: LockWaitRecord; readonly behind: readonly LockWaitRecord[] | undefined },
): Reply {
  if (behind === undefined) {
    return rejected(
      'LIMIT_EXCEEDED',
      'Too many requests wait for each other to tell whether this one would wait for ever.',
    );
  }
  c.events.push({ kind: 'locks', change: { kind: 'fact', fact: { kind: 'deadlock' } } });
  return rejected('DEADLOCK', undefined, { cycle: cycleOf(s, [wait, ...behind]) });
}

export function cycleOf(s: State, waits: readonly LockWaitRecord[]): readonly Value[] {
  return waits.slice(0, LIMITS.lockCycleMax).map((wait) => {
    const { requestId, owner, path, mode } = waitView(s, wait);
    return { requestId, owner, path, mode };
  });
}
