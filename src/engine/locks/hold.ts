/** What the owner of a lock does with it: extend, release, convert, cancel. */
import type { LockParams } from '../../../protocol/wire/locks.ts';
import { accepted, rejected, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Refusal } from '../port.ts';
import type { SessionRecord } from '../records.ts';
import { notYet, take } from './acquire.ts';
import { endWait, releaseLock, releasePaths } from './ends.ts';
import { armProgress, convert } from './grants.ts';
import type { LockRecord } from './lock-records.ts';
import { covers, modeNo } from './modes.ts';
import { ownersOf } from './owners.ts';
import { firstOf, lockView } from './view.ts';

type Found = { readonly ok: true; readonly lock: LockRecord } | Refusal;

/** The lock that the caller holds under this token. One whose time is over is gone, also if it was not taken away yet. */
function heldLock(
  s: State,
  call: { readonly session: SessionRecord; readonly params: { readonly id: string; readonly token: string } },
): Found {
  const early = notYet(s);
  if (early !== undefined) return early;
  const lock = s.locks.get(call.params.id);
  const over = lock?.expiresAt !== undefined && lock.expiresAt <= s.counters.live;
  if (lock === undefined || over || lock.token !== Number(call.params.token)) return rejected('NOT_HELD');
  return mayUse(s, call.session, lock) ? { ok: true, lock } : rejected('NOT_HELD');
}

/** Whoever it was if the session that owned it is gone: a lease outlives it. */
function mayUse(s: State, session: SessionRecord, of: { readonly owner: string; readonly principal: string }): boolean {
  const { owner, principal } = of;
  if (ownersOf(s, session).includes(owner)) return true;
  const gone =
    s.sessions.get(owner) === undefined && s.agents.get(owner) === undefined && s.tasks.get(owner) === undefined;
  const speaks = s.lockOwners.get(owner)?.session;
  return gone && (speaks === undefined || s.sessions.get(speaks) === undefined) && session.principal.id === principal;
}

export const extendLock: Decide<LockParams['lock.extend']> = (s, c, call) => {
  const found = heldLock(s, call);
  if (!found.ok) return found;
  const { ttlMs } = call.params;
  const { lock } = found;
  if (lock.leaseMs === undefined) {
    if (ttlMs === undefined) return accepted({ lock: lockView(s, lock, armProgress(c, lock)) });
    return rejected('INVALID_PARAMS', 'The lock lasts as long as its owner is there.', [
      { path: 'ttlMs', reason: 'goes with a lock that has a time of its own' },
    ]);
  }
  const progressDue = armProgress(c, lock);
  const leaseMs = ttlMs ?? lock.leaseMs;
  const extended = { ...lock, leaseMs, expiresAt: c.live + leaseMs };
  c.events.push(
    { kind: 'locks', change: { kind: 'put', lock: extended } },
    { kind: 'timerSet', timer: 'lockLease', entity: lock.id, due: extended.expiresAt },
  );
  return accepted({ lock: lockView(s, extended, progressDue) });
};

export const releaseLocks: Decide<LockParams['lock.release']> = (s, c, call) => {
  const found = heldLock(s, call);
  if (!found.ok) return found;
  const { lock } = found;
  const { all, paths } = call.params;
  if (paths !== undefined) {
    const unknown = paths.find((path) => !lock.members.some((one) => one.path === path));
    if (unknown !== undefined) return rejected('NOT_HELD', `The lock does not hold ${unknown}.`);
    if (paths.length < lock.members.length) {
      releasePaths(s, c, { lock, paths });
      return accepted({ remaining: lock.count });
    }
  }
  if (lock.count > 1 && all !== true && paths === undefined) {
    const less = { ...lock, count: lock.count - 1 };
    c.events.push({ kind: 'locks', change: { kind: 'put', lock: less } });
    return accepted({ remaining: less.count });
  }
  releaseLock(s, c, lock);
  return accepted({ remaining: 0 });
};

export const convertLock: Decide<LockParams['lock.convert']> = (s, c, call) => {
  const found = heldLock(s, call);
  if (!found.ok) return found;
  const { lock } = found;
  const { mode, waitMs = 0, path = lock.several ? undefined : firstOf(lock.members).path } = call.params;
  const member = lock.members.find((one) => one.path === path);
  if (member === undefined) {
    if (path !== undefined) return rejected('NOT_HELD', `The lock does not hold ${path}.`);
    return rejected('INVALID_PARAMS', 'The lock has several paths.', [{ path: 'path', reason: 'is required' }]);
  }
  if (member.mode === mode) return accepted({ granted: true, lock: lockView(s, lock) });
  const members = [{ path: member.path, mode }];
  if (covers(modeNo(member.mode), modeNo(mode))) {
    const weaker = convert(s, c, { lock, wanted: { members, requestId: undefined } });
    return accepted({ granted: true, lock: lockView(s, weaker) });
  }
  const { owner, several, leaseMs, holdMs, lockDelayMs, progressTimeoutMs, metadata, principal } = lock;
  const terms = { leaseMs, holdMs, lockDelayMs, progressTimeoutMs, metadata, principal };
  return take(s, c, { wanted: { owner, members, several, converts: lock.id, terms, requestId: undefined }, waitMs });
};

/** The requests that a lock was granted to, but for this one. */
function without({ requestId, earlier }: LockRecord, gone: string): Pick<LockRecord, 'requestId' | 'earlier'> {
  const left = (earlier ?? []).filter((one) => one !== gone);
  const newest = requestId === gone ? left.pop() : requestId;
  return { requestId: newest, earlier: left.length === 0 ? undefined : left };
}

/** Of a request that was granted meanwhile: what it was granted is released. */
export const cancelRequest: Decide<LockParams['lock.cancel']> = (s, c, { session, params }) => {
  const early = notYet(s);
  if (early !== undefined) return early;
  const wait = s.lockWaits.get(params.requestId);
  if (wait !== undefined) {
    if (!mayUse(s, session, wait)) return rejected('NOT_FOUND', 'No such request.');
    endWait(s, c, { wait, code: 'CANCELLED' });
    return accepted({ outcome: 'cancelled' });
  }
  const lock = s.lockOfRequest(params.requestId);
  if (lock === undefined || !mayUse(s, session, lock)) return rejected('NOT_FOUND', 'No such request.');
  if (lock.count > 1) {
    const less = { ...lock, count: lock.count - 1, ...without(lock, params.requestId) };
    c.events.push({ kind: 'locks', change: { kind: 'put', lock: less } });
  } else releaseLock(s, c, lock);
  return accepted({ outcome: 'released' });
};
