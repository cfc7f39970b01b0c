/** What the end of a task means for those below it, and of a distributed one for its result. */
import type { ChildPolicy } from '../../../protocol/wire/trees.ts';
import type { Context } from '../kernel/context.ts';
import type { Draft, TaskRecord } from '../records.ts';
import { treeWith } from './tree-records.ts';
import { countsOf } from './families.ts';
import { resultOf } from './outcomes.ts';

/**
 * Completes the record of a task that is about to end. What stands below it goes on if it completed, and is cancelled
 * if it came to nothing, unless `children` says otherwise.
 */
export function endTree(c: Context, task: Draft<TaskRecord>, children: Exclude<ChildPolicy, 'wait'> | undefined): void {
  const family = c.state.families.get(task.id);
  const { tree } = task;
  if (family === undefined && tree === undefined) return;
  if (tree?.distribution !== undefined && family !== undefined) {
    task.result = resultOf(tree.distribution, family);
    // Its parts stand among the dead letters; the whole has nothing that could be tried again.
    task.dead = false;
  }
  const left = family !== undefined && family.open > 0;
  task.tree = treeWith(tree, {
    waits: undefined,
    left: left ? true : undefined,
    children: family === undefined ? undefined : countsOf(family),
  });
  if (!left || (children ?? (task.status === 'completed' ? 'leave' : 'cancel')) === 'leave') return;
  c.events.push({ kind: 'followed', work: { kind: 'prune', task: task.id, after: '' } });
}
