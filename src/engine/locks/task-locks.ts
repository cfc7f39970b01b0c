/**
 * Locks that a task needs: it is their owner, not whoever works on it.
 *
 * LT1 A task asks for its locks when it begins to wait for an agent, with one request for all of them, and stands in the queues
 *     like anybody else. Nobody is given a task that does not have them (A2 of groups.ts).
 * LT2 It has them while it waits for an agent and while one has it. They end with the attempt, in the same entry: another
 *     attempt asks anew, behind those who waited meanwhile. So no lock is held by a task that rests or has ended.
 * LT3 A task that waits holds nothing, so nobody waits for it but those behind it in a queue: in a circle it is never the newest
 *     request, and is not the one that ends.
 */
import type { TaskLock } from '../../../protocol/wire/locks.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { assert } from '../../base/assert.ts';
import { rejected, type Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Refusal } from '../port.ts';
import type { TaskRecord } from '../records.ts';
import { notYet, requestOf } from './acquire.ts';
import { endWait, releaseLock } from './ends.ts';
import { grant, type Wanted } from './grants.ts';
import { firstBlocked } from './judge.ts';
import type { LockRecord } from './lock-records.ts';
import { needsOf } from './modes.ts';
import { tellWait } from './view.ts';

/** Why tasks that need locks may not be created. What waits already is not refused later: a task asks anew for each attempt. */
export function refuseLocks(s: State, tasks: readonly TaskRecord[]): Refusal | undefined {
  const asked = new Map<string, number>();
  let more = 0;
  for (const { locks } of tasks) {
    if (locks === undefined) continue;
    const early = notYet(s);
    if (early !== undefined) return early;
    more += locks.length;
    for (const { path } of locks) {
      const before = asked.get(path) ?? s.lockBook.placeOf(path)?.asked ?? 0;
      if (before >= LIMITS.lockQueueMax) {
        return rejected('QUEUE_FULL', `${LIMITS.lockQueueMax} requests wait for ${path}, which is the most.`);
      }
      asked.set(path, before + 1);
    }
  }
  if (more === 0 || s.lockBook.members + more <= LIMITS.locksMax) return undefined;
  return rejected(
    'LIMIT_EXCEEDED',
    `The tenant has ${LIMITS.locksMax} locks and requests for locks, which is its limit.`,
  );
}

function wantedBy({ id, locks = [], createdBy }: TaskRecord): Wanted {
  const terms = {
    leaseMs: undefined,
    holdMs: 0,
    lockDelayMs: 0,
    progressTimeoutMs: undefined,
    metadata: undefined,
    principal: createdBy,
  };
  return { owner: id, members: locks, several: true, converts: undefined, terms, requestId: undefined };
}

/** LT1. It is placed again when it has them. */
export function askForLocks(s: State, c: Context, task: TaskRecord): void {
  if (s.lockWaitsByOwner.count(task.id) > 0) return;
  const wanted = wantedBy(task);
  if (firstBlocked(s.lockBook, { owner: task.id, seq: Infinity }, needsOf(wanted.members)) === undefined) {
    const outcome = grant(s, c, wanted);
    assert(outcome.kind === 'granted', 'what is free is granted to whoever holds nothing');
    c.events.push({ kind: 'locks', change: { kind: 'fact', fact: { kind: 'granted', waitedMs: 0 } } });
    return locksFor(c, task, outcome.lock);
  }
  const wait = requestOf(s, c, wanted);
  c.events.push({ kind: 'locks', change: { kind: 'wait', wait } });
  tellWait(c, 'queued', { wait });
}

/** It has its locks, and can be given to an agent. */
export function locksFor(c: Context, task: TaskRecord, lock: LockRecord): void {
  c.events.push(
    { kind: 'taskChanged', record: { ...task, lockId: lock.id } },
    { kind: 'followed', work: { kind: 'place', task: task.id } },
  );
}

/** LT2. What it has, and what it asked for, ends; its next record is to say so. */
export function letLocksGo(c: Context, { id, locks, lockId }: TaskRecord): void {
  if (locks === undefined) return;
  const s = c.state;
  const lock = lockId === undefined ? undefined : s.locks.get(lockId);
  if (lock !== undefined) releaseLock(s, c, lock);
  for (const wait of s.lockWaitsByOwner.of(id) ?? []) endWait(s, c, { wait, code: 'CANCELLED' });
}

/** As whoever gets the task is told. */
export function taskLocks(s: State, { lockId }: TaskRecord): readonly TaskLock[] | undefined {
  const lock = lockId === undefined ? undefined : s.locks.get(lockId);
  return lock?.members.map(({ path, mode }) => ({ id: lock.id, path, mode, token: String(lock.token) }));
}
