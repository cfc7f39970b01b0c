/** Tasks and the locks that they need: each has them when somebody may have it, and at no other time. */
import type { FindingCode } from '../../../protocol/wire/observing.ts';
import { byCodeUnits } from '../../base/order.ts';
import type { State } from '../kernel/state.ts';
import { endWait, releaseLock } from '../locks/ends.ts';
import type { LockRecord } from '../locks/lock-records.ts';
import type { TaskRecord } from '../records.ts';
import { lose } from '../tasks/moves.ts';
import { isHeld } from '../tasks/transitions.ts';
import { ids, type Check } from './check.ts';

/** By its id alone: the task may be gone. */
export const isOfTask = (owner: string): boolean => owner.startsWith('tsk_');

export const TASK_LOCK_CHECKS: { readonly [C in Extract<FindingCode, 'TASK_LOCKS' | 'LOCK_ORPHAN'>]: Check } = {
  TASK_LOCKS: {
    settled: true,
    entities: (s) => ids(s.tasks.hold().filter(({ locks }) => locks !== undefined)),
    wrong: ({ state: s }, id) => {
      const task = s.tasks.get(id);
      return task === undefined ? undefined : wrongOf(s, task);
    },
    mend: (s, c, id) => {
      const task = s.tasks.get(id);
      if (task === undefined) return;
      for (const lock of s.locksByOwner.of(id) ?? []) releaseLock(s, c, lock);
      for (const wait of s.lockWaitsByOwner.of(id) ?? []) endWait(s, c, { wait, code: 'CANCELLED' });
      const free = { ...task, lockId: undefined };
      if (isHeld(task)) return lose(s, c, { task: free, why: 'unlocked' });
      c.events.push({ kind: 'taskChanged', record: free }, { kind: 'followed', work: { kind: 'place', task: id } });
    },
  },
  LOCK_ORPHAN: {
    entities: (s) => [...ids(s.locks.hold()), ...ids(s.lockWaits.hold())].toSorted(byCodeUnits),
    wrong: ({ state: s }, id) => {
      const owner = (s.locks.get(id) ?? s.lockWaits.get(id))?.owner;
      if (owner === undefined || !isOfTask(owner) || s.tasks.get(owner) !== undefined) return undefined;
      return `${s.locks.get(id) === undefined ? 'a request for a lock' : 'a lock'} is of task ${owner}, which is not there`;
    },
    mend: (s, c, id) => {
      const lock = s.locks.get(id);
      const wait = s.lockWaits.get(id);
      if (lock !== undefined) releaseLock(s, c, lock);
      if (wait !== undefined) endWait(s, c, { wait, code: 'CANCELLED' });
    },
  },
};

function wrongOf(s: State, task: TaskRecord): string | undefined {
  const { id, status, lockId } = task;
  const lock = lockId === undefined ? undefined : s.locks.get(lockId);
  const count = s.locksByOwner.count(id);
  const waits = s.lockWaitsByOwner.count(id);
  if (lockId !== undefined && (lock === undefined || !isOf(lock, task)))
    return `task ${id} does not have the lock that it names`;
  if (count !== (lockId === undefined ? 0 : 1)) return `task ${id} has ${count} locks besides the one that it names`;
  if (isHeld(task)) {
    if (lockId === undefined) return `task ${id} is ${status} without the locks that it needs`;
  } else if (status !== 'pending' && count + waits > 0)
    return `task ${id} is ${status}, and has locks or asks for them`;
  const asks = status === 'pending' && lockId === undefined ? 1 : 0;
  return waits === asks ? undefined : `task ${id} is ${status}, and asks for its locks ${waits} times`;
}

function isOf({ owner, members }: LockRecord, { id, locks = [] }: TaskRecord): boolean {
  return (
    owner === id &&
    members.length === locks.length &&
    members.every(({ path, mode }, i) => path === locks[i]?.path && mode === locks[i]?.mode)
  );
}
