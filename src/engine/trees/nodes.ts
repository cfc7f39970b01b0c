/** Trees as they are read: a task and, page by page, those directly below it. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { TreeNode } from '../../../protocol/wire/trees.ts';
import type { Params, TaskView } from '../../../protocol/wire/types.ts';
import type { State } from '../kernel/state.ts';
import type { TaskRecord, Draft } from '../records.ts';
import { countsOf } from './families.ts';

/** Of a task in memory, or of one as the archive has it. */
export function treeNode(s: State, task: TaskRecord | TaskView): TreeNode {
  const { tree } = task;
  const node: Draft<TreeNode> = {
    id: task.id,
    type: task.type,
    status: task.status,
    depth: tree?.depth ?? 0,
    createdAt: task.createdAt,
  };
  const family = s.families.get(task.id);
  const children = family === undefined ? tree?.children : countsOf(family);
  if (task.agentId !== undefined) node.agentId = task.agentId;
  if (task.parentId !== undefined) node.parentId = task.parentId;
  if (tree?.waits !== undefined) node.waits = tree.waits;
  if (tree?.part !== undefined) node.part = tree.part;
  if (tree?.distribution !== undefined) node.distribution = tree.distribution;
  if (task.error !== undefined) node.error = task.error;
  if (task.finishedAt !== undefined) node.finishedAt = task.finishedAt;
  if (children !== undefined) node.children = children;
  return node;
}

export interface ChildrenPage {
  readonly children: readonly TreeNode[];
  /** The id before which the next page begins; undefined at the end. */
  readonly next: string | undefined;
  /** Nothing of them has left memory. */
  readonly complete: boolean;
}

/** Children in memory below the cursor, ids descending. */
export function childrenPage(s: State, { id, limit, cursor }: Params['task.tree']): ChildrenPage {
  const max = limit ?? LIMITS.pageDefault;
  const complete = s.families.get(id)?.total === s.children.count(id);
  const children: TreeNode[] = [];
  for (const child of s.children.descending(id, cursor)) {
    children.push(treeNode(s, child));
    if (children.length === max) return { children, next: child.id, complete };
  }
  return { children, next: undefined, complete };
}
