/**
 * What follows from changes of locks, one small step at a time: a step grants at most one request and ends at most one lock, and
 * comes again while there is more.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { must, unreachable } from '../../base/assert.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { cycleOf } from './acquire.ts';
import { findCircle, searchBudget, type SearchParts } from './deadlock.ts';
import { endLock, endWait, releaseLock, unqueue } from './ends.ts';
import { forceNext } from './force.ts';
import { grant, wantedBy } from './grants.ts';
import { firstBlocked, pick } from './judge.ts';
import type { LockRecord, LockWaitRecord, LockWork } from './lock-records.ts';
import { locksFor } from './task-locks.ts';
import { armGrace, follow, forgetOwner, hasAnything, holdsUntil } from './owners.ts';
import { tellOwner } from './view.ts';

export function runLockWork(s: State, c: Context, work: LockWork): void {
  switch (work.kind) {
    case 'pump':
      return pump(s, c, work);
    case 'regrant':
      return regrant(s, c, work);
    case 'untangle':
      return untangle(s, c, work);
    case 'lapse':
      return lapse(s, c, work.owner);
    case 'surrender':
      return surrenderNext(s, c, work);
    case 'unwait':
      return unwait(s, c, work);
    case 'force':
      return forceNext(s, c, work);
  }
  unreachable(work);
}

function pump(s: State, c: Context, work: Extract<LockWork, { readonly kind: 'pump' }>): void {
  const place = s.lockBook.placeOf(work.path);
  if (place === undefined) return;
  const asked = { freed: work.mode, after: work.after, max: LIMITS.lockLooksMax };
  const picked = pick(s.lockBook, place, asked);
  if (picked.kind === 'none') return;
  if (picked.kind === 'more') return follow(c, { ...work, after: picked.after });
  follow(c, { ...work, after: picked.need.wait.seq });
  grantWait(s, c, picked.need.wait);
}

/** The owner's own requests, in their order. */
function regrant(s: State, c: Context, work: Extract<LockWork, { readonly kind: 'regrant' }>): void {
  const { owner, after } = work;
  if (s.lockBook.isAway(owner)) return;
  for (const wait of s.lockWaitsByOwner.of(owner) ?? []) {
    if (wait.seq <= after || firstBlocked(s.lockBook, wait, s.lockBook.needsOf(wait)) !== undefined) continue;
    follow(c, { ...work, after: wait.seq });
    return grantWait(s, c, wait);
  }
}

function grantWait(s: State, c: Context, wait: LockWaitRecord): void {
  const outcome = grant(s, c, wantedBy(wait));
  if (outcome.kind !== 'granted') return endWait(s, c, { wait, code: outcome.kind });
  const { lock } = outcome;
  unqueue(c, wait);
  const task = s.tasks.get(wait.owner);
  if (task !== undefined) locksFor(c, task, lock);
  const data = { id: lock.id, token: String(lock.token), requestId: wait.id };
  tellOwner(c, wait.owner, { event: 'lock.granted', data, order: { lock: lock.id, token: lock.token } });
  const waitedMs = c.live - wait.sinceLive;
  c.events.push({ kind: 'locks', change: { kind: 'fact', fact: { kind: 'granted', waitedMs } } });
}

/** Of a circle the newest request ends. Each request may be searched from for a whole budget, if need be in a step of its own. */
function untangle(s: State, c: Context, work: Extract<LockWork, { readonly kind: 'untangle' }>): void {
  const { owner } = work;
  if (s.lockBook.isAway(owner)) return;
  const budget = searchBudget();
  const whole = budget.left;
  const parts: SearchParts = { book: s.lockBook, waitsOf: (one) => s.lockWaitsByOwner.of(one) ?? [] };
  let { after } = work;
  for (const wait of s.lockWaitsByOwner.of(owner) ?? []) {
    if (wait.seq <= after) continue;
    const { left } = budget;
    const root = { owner, seq: wait.seq, needs: s.lockBook.needsOf(wait) };
    const circle = findCircle(parts, root, budget);
    if (circle.kind !== 'none') follow(c, { ...work, after });
    if (circle.kind === 'found') return endNewest(s, c, [wait, ...circle.behind]);
    if (circle.kind === 'unknown') return left === whole ? endWait(s, c, { wait, code: 'LIMIT_EXCEEDED' }) : undefined;
    after = wait.seq;
  }
}

function endNewest(s: State, c: Context, waits: readonly LockWaitRecord[]): void {
  const wait = waits.reduce((a, b) => (b.seq > a.seq ? b : a));
  c.events.push({ kind: 'locks', change: { kind: 'fact', fact: { kind: 'deadlock' } } });
  endWait(s, c, { wait, code: 'DEADLOCK', more: { cycle: cycleOf(s, waits) } });
}

/** Locks of an owner that has been away for too long; those with the shortest time are first. */
function lapse(s: State, c: Context, owner: string): void {
  const away = s.lockOwners.get(owner);
  const lock = s.locksByOwner.of(owner)?.first();
  if (away?.awaySince === undefined || lock === undefined) return;
  const until = holdsUntil(lock, away);
  if (until === undefined) return;
  if (until > c.live) return armGrace(s, c, away);
  follow(c, { kind: 'lapse', owner });
  endLock(s, c, { lock, reason: 'away' });
}

function surrenderNext(s: State, c: Context, work: Extract<LockWork, { readonly kind: 'surrender' }>): void {
  const { owner, why } = work;
  const wait = firstThat(s.lockWaitsByOwner.of(owner), ({ seq }) => seq <= work.seq);
  const lock = firstThat(s.locksByOwner.of(owner), ({ token }) => token <= work.token);
  if (wait === undefined && lock === undefined) return hasAnything(s, owner) ? undefined : forgetOwner(s, c, owner);
  follow(c, work);
  // Requests first: what is released is not for the one who leaves.
  if (wait !== undefined) return endWait(s, c, { wait, code: why === 'released' ? 'CANCELLED' : 'SESSION_EXPIRED' });
  const held = must(lock, 'an owner without requests has a lock');
  if (why === 'released') releaseLock(s, c, held);
  else endLock(s, c, { lock: held, reason: why });
}

function firstThat<R>(records: Iterable<R> | undefined, fits: (record: R) => boolean): R | undefined {
  for (const record of records ?? []) if (fits(record)) return record;
  return undefined;
}

function unwait(s: State, c: Context, work: Extract<LockWork, { readonly kind: 'unwait' }>): void {
  const wait = s.lockWaitsByOwner.of(work.owner)?.first();
  if (wait === undefined) return;
  follow(c, work);
  endWait(s, c, { wait, code: work.code });
}

/** Live: a lock was not extended in its time. */
export function leaseOver(s: State, c: Context, id: string): void {
  ended(s, c, { lock: s.locks.get(id), reason: 'expired' });
}

/** Live: its owner showed no progress. */
export function progressOver(s: State, c: Context, id: string): void {
  ended(s, c, { lock: s.locks.get(id), reason: 'progressTimeout' });
}

function ended(
  s: State,
  c: Context,
  { lock, reason }: { readonly lock: LockRecord | undefined; readonly reason: 'expired' | 'progressTimeout' },
): void {
  if (lock !== undefined) endLock(s, c, { lock, reason });
}
