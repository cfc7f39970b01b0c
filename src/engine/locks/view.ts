/** Locks, requests and what is told of them, as clients see them. */
import { lockTopic, type LockMember, type LockView, type LockWaitView } from '../../../protocol/wire/locks.ts';
import type { Data } from '../../../protocol/wire/types.ts';
import { must } from '../../base/assert.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { WORKSPACES_VERSION } from '../port.ts';
import type { LockRecord, LockWaitRecord } from './lock-records.ts';
import { audienceOf, holdsUntil, shownOwner } from './owners.ts';
import type { Draft } from '../records.ts';

export function firstOf(members: readonly LockMember[]): LockMember {
  return must(members[0], 'a lock has a path');
}

/** `progressDue`: live time at which it ends without progress, if it is another one than the state has yet. */
export function lockView(s: State, lock: LockRecord, progressDue?: number): LockView {
  const { path, mode } = firstOf(lock.members);
  const away = s.lockOwners.get(lock.owner);
  const isAway = away?.awaySince !== undefined;
  const view: Draft<LockView> = {
    id: lock.id,
    path,
    mode,
    token: String(lock.token),
    owner: shownOwner(s, lock.owner),
    count: lock.count,
    state: isAway ? 'grace' : 'held',
    ttlMs: lock.leaseMs ?? lock.holdMs ?? 0,
    expiresInMs: Math.min(leftOf(s, lock), progressLeft(s, lock, progressDue)),
    autoRefresh: lock.leaseMs === undefined,
    acquiredAt: lock.acquiredAt,
  };
  if (lock.several) view.members = lock.members;
  if (lock.metadata !== undefined) view.metadata = lock.metadata;
  return view;
}

function leftOf(s: State, lock: LockRecord): number {
  const away = s.lockOwners.get(lock.owner);
  const until = lock.expiresAt ?? (away === undefined ? undefined : holdsUntil(lock, away));
  return until === undefined ? (lock.holdMs ?? 0) : Math.max(0, until - s.counters.live);
}

/** One that was made just now has no timer yet, and all of its time. What was answered before version 4 said nothing of it. */
function progressLeft(s: State, { id, progressTimeoutMs }: LockRecord, progressDue?: number): number {
  if (progressTimeoutMs === undefined || s.counters.engineVersion < WORKSPACES_VERSION) return Infinity;
  const due = progressDue ?? s.timers.get('lockProgress', id)?.due;
  return due === undefined ? progressTimeoutMs : Math.max(0, due - s.counters.live);
}

export function waitView(s: State, wait: LockWaitRecord): LockWaitView {
  const { path, mode } = firstOf(wait.members);
  return {
    requestId: wait.id,
    owner: shownOwner(s, wait.owner),
    path,
    mode,
    ...(wait.several ? { members: wait.members } : undefined),
    waitedMs: s.counters.live - wait.sinceLive,
    ...(s.lockBook.isAway(wait.owner) ? { away: true as const } : undefined),
  };
}

/**
 * What an order says when it is sent: of the lock as it is now, for a grant that was followed by another has to be heard of too. Undefined: the
 * lock is gone, or nobody is to release it any more.
 */
export function lockOrder(
  s: State,
  push: { readonly event: string; readonly data: Data },
  order: { readonly lock: string },
): Data | undefined {
  const lock = s.locks.get(order.lock);
  if (lock === undefined) return undefined;
  const { data } = push;
  const said = typeof data === 'object' && data !== null ? data : {};
  if (push.event !== 'lock.granted') {
    return lock.revoking === undefined ? undefined : { ...said, token: String(lock.token) };
  }
  const about = 'requestId' in said ? { requestId: said.requestId } : {};
  return { ...about, lock: lockView(s, lock) };
}

type Told = 'acquired' | 'converted' | 'released' | 'ended';

/** Watchers of each path are told. */
export function tellLock(
  c: Context,
  what: Told,
  told: {
    readonly lock: LockRecord;
    readonly members?: readonly LockMember[];
    readonly more?: { readonly reason?: string; readonly by?: string; readonly message?: string };
  },
): void {
  const { lock, members = lock.members, more } = told;
  for (const { path, mode } of members) {
    const data = {
      id: lock.id,
      path,
      mode,
      owner: shownOwner(c.state, lock.owner),
      token: String(lock.token),
      ...more,
    };
    tell(c, path, { event: `lock.${what}`, data });
  }
}

/** left: it was not granted. */
export function tellWait(
  c: Context,
  what: 'queued' | 'left',
  { wait, code }: { readonly wait: LockWaitRecord; readonly code?: string },
): void {
  for (const { path, mode } of wait.members) {
    const about = { requestId: wait.id, path, mode, owner: shownOwner(c.state, wait.owner) };
    tell(c, path, { event: `lock.${what}`, data: code === undefined ? about : { ...about, code } });
  }
}

function tell(c: Context, path: string, { event, data }: { readonly event: string; readonly data: object }): void {
  const topic = lockTopic(path);
  c.events.push({ kind: 'pushed', event, to: [`t:${topic}`], topic, data });
}

/** Its owner is told: an order if it is about a lock that it has, which goes unsaid once the token is another. */
export function tellOwner(
  c: Context,
  owner: string,
  told: {
    readonly event: string;
    readonly data: object;
    readonly order?: { readonly lock: string; readonly token: number };
  },
): void {
  const { event, data, order } = told;
  const to = audienceOf(c.state, owner);
  if (to.length === 0) return;
  c.events.push({ kind: 'pushed', event, to, data, ...(order === undefined ? undefined : { order }) });
}
