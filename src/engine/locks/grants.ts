/**
 * Grants: a lock that is new, held once more, or held in another mode.
 *
 * LG1 Each grant and each strengthening has a token of its own; being held once more, extended or weakened changes none.
 * LG2 The owner's own holding was judged before: what is granted here conflicts with nothing of others.
 * LG3 A lock knows which requests it was granted to, as many as it is held times: whoever waits for one of them, and hears of no grant because the
 *     lock was lost before, hears of that; and one that was given up late can be taken back.
 */
import type { LockMember } from '../../../protocol/wire/locks.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { nextToken } from './changes.ts';
import type { LockRecord, LockTerms, LockWaitRecord } from './lock-records.ts';
import { bothOf, covers, modeNo, modeOf, needsOf } from './modes.ts';
import { follow, pumpFor, pumpOwn } from './owners.ts';
import { firstOf, tellLock } from './view.ts';

/** What is granted: as it was asked for. */
export interface Wanted {
  readonly owner: string;
  readonly members: readonly LockMember[];
  readonly several: boolean;
  /** Undefined: a lock is acquired. */
  readonly converts: string | undefined;
  readonly terms: LockTerms;
  /** If it had waited. */
  readonly requestId: string | undefined;
}

export function wantedBy(wait: LockWaitRecord): Wanted {
  const { owner, members, several, converts, leaseMs, holdMs, lockDelayMs, progressTimeoutMs, metadata, principal } =
    wait;
  const terms = { leaseMs, holdMs, lockDelayMs, progressTimeoutMs, metadata, principal };
  return { owner, members, several, converts, terms, requestId: wait.id };
}

/** LR1: the lock of an owner on this path alone. */
export function lockOf(s: State, owner: string, path: string): LockRecord | undefined {
  const share = s.lockBook.placeOf(path)?.shareOf(owner);
  if (share === undefined) return undefined;
  return s.locksByOwnPath.get(`${path} ${owner}`);
}

/** The lock that an owner gets another hold of by acquiring this. */
export function heldAlready(s: State, wanted: Wanted): LockRecord | undefined {
  return wanted.several ? undefined : lockOf(s, wanted.owner, firstOf(wanted.members).path);
}

/** Of those, what its mode becomes. What conflicts with neither conflicts not with both together. */
function joinedMode(lock: LockRecord, wanted: Wanted): LockMember {
  const { path, mode } = firstOf(lock.members);
  return { path, mode: modeOf(bothOf(modeNo(mode), modeNo(firstOf(wanted.members).mode))) };
}

export type Granted =
  | { readonly kind: 'granted'; readonly lock: LockRecord }
  | { readonly kind: 'REENTRY_LIMIT' }
  | { readonly kind: 'NOT_HELD' };

export function grant(s: State, c: Context, wanted: Wanted): Granted {
  if (wanted.converts !== undefined) {
    const lock = s.locks.get(wanted.converts);
    return lock === undefined ? { kind: 'NOT_HELD' } : { kind: 'granted', lock: convert(s, c, { lock, wanted }) };
  }
  const held = heldAlready(s, wanted);
  if (held === undefined) return { kind: 'granted', lock: create(s, c, wanted) };
  if (held.count >= LIMITS.lockCountMax) return { kind: 'REENTRY_LIMIT' };
  const again = { ...held, count: held.count + 1, ...askedBy(held, wanted.requestId) };
  const { path, mode } = firstOf(held.members);
  const joined = joinedMode(held, wanted);
  if (joined.mode === mode) {
    c.events.push({ kind: 'locks', change: { kind: 'put', lock: again } });
    return { kind: 'granted', lock: again };
  }
  const lock = { ...again, members: [{ path, mode: joined.mode }], token: nextToken(s) };
  strengthened(c, { before: held, lock });
  return { kind: 'granted', lock };
}

function create(s: State, c: Context, wanted: Wanted): LockRecord {
  const { owner, members, several, terms, requestId } = wanted;
  const id = c.random.id('lck');
  const lock: LockRecord = {
    id,
    owner,
    members,
    several,
    token: nextToken(s),
    count: 1,
    ...terms,
    expiresAt: terms.leaseMs === undefined ? undefined : c.live + terms.leaseMs,
    requestId,
    revoking: undefined,
    acquiredAt: c.now,
  };
  c.events.push({ kind: 'locks', change: { kind: 'put', lock } });
  if (lock.expiresAt !== undefined) {
    c.events.push({ kind: 'timerSet', timer: 'lockLease', entity: id, due: lock.expiresAt });
  }
  armProgress(c, lock);
  endDelays(s, c, lock);
  changed(c, { owner, what: 'acquired', lock });
  return lock;
}

/** Live time at which it ends if it is not extended until then. */
export function armProgress(c: Context, { id, progressTimeoutMs }: LockRecord): number | undefined {
  if (progressTimeoutMs === undefined) return undefined;
  const due = c.live + progressTimeoutMs;
  c.events.push({ kind: 'timerSet', timer: 'lockProgress', entity: id, due });
  return due;
}

/** LG3 */
function askedBy(lock: LockRecord, requestId: string | undefined): Partial<LockRecord> {
  if (requestId === undefined) return {};
  if (lock.requestId === undefined) return { requestId };
  return { requestId, earlier: [...(lock.earlier ?? []), lock.requestId].slice(-lock.count) };
}

/** Whoever held it before has it again: what protected that from others has no use any more. */
function endDelays(s: State, c: Context, { owner, members }: LockRecord): void {
  for (const { path } of members) {
    const id = `${path} ${owner}`;
    const delay = s.lockDelays.get(id);
    if (delay === undefined) continue;
    c.events.push(
      { kind: 'timerCleared', timer: 'lockDelay', entity: id },
      { kind: 'locks', change: { kind: 'undelay', id } },
    );
    for (const need of needsOf([delay.member])) pumpFor(c, need.path, need.mode);
  }
}

/** LG1. Also when it is weakened: then others may come in. */
export function convert(
  s: State,
  c: Context,
  asked: { readonly lock: LockRecord; readonly wanted: Pick<Wanted, 'members' | 'requestId'> },
): LockRecord {
  const { lock: before, wanted } = asked;
  const target = firstOf(wanted.members);
  const members = before.members.map((one) => (one.path === target.path ? target : one));
  const was = before.members.find((one) => one.path === target.path)?.mode ?? target.mode;
  const weaker = covers(modeNo(was), modeNo(target.mode));
  const token = weaker ? before.token : nextToken(s);
  const lock = { ...before, members, token, ...askedBy(before, wanted.requestId) };
  strengthened(c, { before, lock });
  if (covers(modeNo(target.mode), modeNo(was))) return lock;
  // It lost something, whatever it gained.
  for (const need of needsOf(before.members)) {
    pumpFor(c, need.path, need.mode);
    pumpOwn(c, need.path, before.owner);
  }
  return lock;
}

function strengthened(c: Context, { before, lock }: { readonly before: LockRecord; readonly lock: LockRecord }): void {
  c.events.push({ kind: 'locks', change: { kind: 'put', lock } });
  changed(c, { owner: before.owner, what: 'converted', lock });
}

/** What an owner holds has changed: its other requests may be granted by it, and may wait in a circle. */
function changed(
  c: Context,
  { owner, what, lock }: { readonly owner: string; readonly what: 'acquired' | 'converted'; readonly lock: LockRecord },
): void {
  tellLock(c, what, { lock });
  ownWaits(c, owner, lock.requestId);
}

/** `granted`: the request that is granted just now does not count. */
function ownWaits(c: Context, owner: string, granted: string | undefined): void {
  const s = c.state;
  const count = s.lockWaitsByOwner.count(owner);
  const gone = granted !== undefined && s.lockWaits.get(granted)?.owner === owner ? 1 : 0;
  if (count - gone <= 0 || s.lockBook.isAway(owner)) return;
  follow(c, { kind: 'regrant', owner, after: 0 });
  follow(c, { kind: 'untangle', owner, after: 0 });
}
