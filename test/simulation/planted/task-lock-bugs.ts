/** Planted bugs in the locks that tasks need. */
import type { PlantedBug } from './bug.ts';

export const TASK_LOCK_BUGS: readonly PlantedBug[] = [
  {
    name: 'locks-outlive-the-attempt',
    file: 'src/engine/locks/task-locks.ts',
    find: '  if (lock !== undefined) releaseLock(s, c, lock);\n',
    replace: '',
    breaks: 'The locks of a task are held on when its attempt has ended.',
    invariants: ['31'],
  },
  {
    name: 'lock-request-outlives-the-task',
    file: 'src/engine/locks/task-locks.ts',
    find: "  for (const wait of s.lockWaitsByOwner.of(id) ?? []) endWait(s, c, { wait, code: 'CANCELLED' });\n",
    replace: '',
    breaks: 'A task that ended while it waited for its locks waits on.',
    invariants: ['31'],
  },
  {
    name: 'first-path-of-a-task',
    file: 'src/engine/locks/task-locks.ts',
    find: 'return { owner: id, members: locks, several: true,',
    replace: 'return { owner: id, members: locks.slice(0, 1), several: true,',
    breaks: 'Of the paths that a task needs the first alone is locked.',
    invariants: ['31'],
  },
  {
    name: 'given-without-word-of-its-locks',
    file: 'src/node/frames.ts',
    find: '    ...(locks === undefined ? undefined : { locks }),\n',
    replace: '',
    breaks: 'Whoever is given a task is not told the tokens of its locks.',
    invariants: ['43'],
  },
  {
    name: 'given-before-its-locks',
    file: 'src/engine/assignment/group.ts',
    find: 'return locks !== undefined && lockId === undefined;',
    replace: "return locks !== undefined && lockId === 'none';",
    breaks: 'A task is given to an agent though it has not the locks that it needs.',
    invariants: ['31'],
  },
  {
    name: 'one-lock-for-all-attempts',
    file: 'src/engine/tasks/moves.ts',
    find: '  letLocksGo(c, task);\n  const free = { lockId: undefined };',
    replace: '  const free = {};',
    breaks: 'The next attempt of a task goes on under the locks of the one before.',
    invariants: ['19', '31'],
  },
];
