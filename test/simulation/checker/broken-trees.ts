/** Broken histories of trees. */
import { view } from './edit.ts';
import { complete, create, hold, take } from './stories.ts';
import { row, told, type Row } from './story-book.ts';

export const BROKEN_TREES: readonly Row[] = [
  row('W', 'a task that completes though it is to wait for one below it', {
    legal: told((made) => {
      const task = create(made);
      take(made, task);
      create(made);
      made.run.handlerEnd(made.ag, task.token ?? '');
      hold(made, 'task.complete', task, { output: { done: true }, children: 'wait' });
    }),
    broken: view(
      ({ task }) => task.id === 'task-a-2',
      () => ({ parentId: 'task-a-1', tree: { depth: 1 } }),
    ),
  }),
  row('W', 'a task that goes on below one that took it along, and completes later', {
    legal: told((made) => {
      const [task, other] = [create(made), create(made)];
      take(made, task);
      made.run.handlerEnd(made.ag, task.token ?? '');
      hold(made, 'task.complete', task, { output: { done: true }, children: 'cancel' });
      take(made, other);
      complete(made, other);
    }),
    broken: view(
      ({ task }) => task.id === 'task-a-2',
      () => ({ parentId: 'task-a-1', tree: { depth: 1 } }),
    ),
  }),
  row('W', 'more tasks below one than it may have', {
    legal: told((made) => {
      create(made);
      create(made);
    }),
    broken: view(
      ({ task }) => task.id === 'task-a-2',
      () => ({ parentId: 'task-a-1', tree: { depth: 1 } }),
    ),
    options: { childrenMax: 0 },
  }),
  row('Y', 'a distributed task of which nobody knows', {
    legal: told((made) => void create(made)),
    broken: view(
      ({ task }) => task.id === 'task-a-1',
      () => ({ tree: { depth: 0, distribution: { mode: 'all', need: 1, total: 1, aggregate: 'collect' } } }),
    ),
  }),
  row('X', 'a task that was handed on by nobody', {
    legal: told((made) => {
      const task = create(made);
      take(made, task);
    }),
    broken: view(
      ({ task }) => task.id === 'task-a-1' && task.status === 'in_progress',
      () => ({ tree: { depth: 0, delegatedBy: ['ag'] } }),
    ),
  }),
];
