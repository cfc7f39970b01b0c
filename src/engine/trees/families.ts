/**
 * Families: what is known of the tasks below one, kept as these change.
 *
 * Owns: table `families`, a record for each task in memory that has or had tasks below it.
 * Does not own: what follows from it (subtasks.ts, distribute.ts).
 *
 * T1 Every change of a task comes through here, so no way in which a task ends is forgotten.
 * T2 A task is over when it has ended and all tasks below it are over. Until then it stays in memory, and so do those
 *    above it: whoever is created below a task finds its ancestors. A task that has ended goes to the store when it is over.
 * T3 A change reaches at most `treeDepthMax` records.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { ChildCounts } from '../../../protocol/wire/trees.ts';
import type { TaskStatus } from '../../../protocol/wire/types.ts';
import type { Effects } from '../kernel/events.ts';
import type { State } from '../kernel/state.ts';
import type { WorkFact } from '../port.ts';
import { copyOfTask, type Draft, type TaskRecord } from '../records.ts';
import { isTerminal } from '../tasks/transitions.ts';
import { copyOfFamily, treeWith, type FamilyRecord } from './tree-records.ts';
import { runningOf, takeOutcome } from './outcomes.ts';

export function countsOf(family: FamilyRecord): ChildCounts {
  const { total, completed, failed, cancelled, timedOut } = family;
  return { total, running: runningOf(family), completed, failed, cancelled, timed_out: timedOut };
}

export function newFamily(of: {
  readonly id: string;
  readonly root: string;
  readonly depth: number;
  readonly size: number | undefined;
}): FamilyRecord {
  return {
    id: of.id,
    root: of.root,
    depth: of.depth,
    total: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
    timedOut: 0,
    open: 0,
    size: of.size,
    queued: undefined,
    untold: undefined,
    untoldMore: undefined,
    outcomes: undefined,
    chosen: undefined,
    bytes: undefined,
    items: undefined,
    omitted: undefined,
  };
}

/** T2 */
export function isOver(task: TaskRecord): boolean {
  return task.finishedAt !== undefined && task.tree?.left !== true;
}

/** One begins unless the same command began it before. */
export function changeFamily(
  s: State,
  { kind, record }: { readonly kind: 'familyBegun' | 'familyChanged'; readonly record: FamilyRecord },
): void {
  if (kind === 'familyChanged' || s.families.get(record.id) === undefined) s.families.put(record);
}

export function archiveTask(s: State, id: string): void {
  s.tasks.drop(id);
  s.families.drop(id);
}

/** T1 */
export function changeTask(s: State, changed: TaskRecord, effects: Effects): void {
  const record = changed.tree?.left === true ? withoutLeft(s, changed) : changed;
  const before = s.tasks.replace(record);
  if (record.finishedAt !== undefined && before?.finishedAt === undefined) countEnd(record, effects);
  if (record.finishedAt !== undefined && record.tree?.left !== true) effects.finished(record);
  if (record.parentId !== undefined) count(s, effects, { before, after: record });
}

/** When it ends, and not when it leaves memory, which may be long after if others go on below it. */
function countEnd({ type, agentId, status, dead }: TaskRecord, effects: Effects): void {
  if (isEnd(status)) effects.counted({ kind: status, type, agentId, ms: 0 });
  if (dead) effects.counted({ kind: 'dead', type, agentId, ms: 0 });
}

function isEnd(status: TaskStatus): status is Extract<TaskStatus, WorkFact['kind']> {
  return isTerminal(status);
}

/** The last task below it ended in the very decision that ended it. */
function withoutLeft(s: State, task: TaskRecord): TaskRecord {
  const family = s.families.get(task.id);
  if (family !== undefined && family.open > 0) return task;
  return over(task, family);
}

function over(task: TaskRecord, family: FamilyRecord | undefined): TaskRecord {
  const next = copyOfTask(task);
  const children = family === undefined ? task.tree?.children : countsOf(family);
  next.tree = treeWith(task.tree, { left: undefined, children });
  return next;
}

function count(
  s: State,
  effects: Effects,
  change: { readonly before: TaskRecord | undefined; readonly after: TaskRecord },
): void {
  const { before, after } = change;
  const family = after.parentId === undefined ? undefined : s.families.get(after.parentId);
  // Of the first version of the engine, in which a parent is a name and nothing else.
  if (family === undefined || after.tree === undefined) return;
  if (before === undefined) return join(s, family);
  const ended = before.finishedAt === undefined && after.finishedAt !== undefined;
  const isOverNow = !isOver(before) && isOver(after);
  if (!ended && !isOverNow) return;
  const next = copyOfFamily(family);
  if (isOverNow) next.open -= 1;
  next.queued = true;
  const put = ended ? withEnd(s, next, after) : next;
  s.families.put(put);
  if (family.queued !== true) effects.follow({ kind: 'settle', task: family.id });
  if (isOverNow && next.open === 0) letGoOf(s, effects, put);
}

/** T2: nothing keeps the task above in memory any more. */
function letGoOf(s: State, effects: Effects, family: FamilyRecord): void {
  const parent = s.tasks.get(family.id);
  if (parent?.tree?.left !== true) return;
  const after = over(parent, family);
  s.tasks.put(after);
  effects.finished(after);
  if (after.parentId !== undefined) count(s, effects, { before: parent, after });
}

function join(s: State, family: FamilyRecord): void {
  const grown = copyOfFamily(family);
  grown.total += 1;
  grown.open += 1;
  const isRoot = family.root === family.id;
  if (isRoot) grown.size = (family.size ?? 0) + 1;
  s.families.put(grown);
  const root = isRoot ? undefined : s.families.get(family.root);
  if (root === undefined) return;
  const larger = copyOfFamily(root);
  larger.size = (root.size ?? 0) + 1;
  s.families.put(larger);
}

export function counterOf(status: TaskStatus): 'completed' | 'failed' | 'cancelled' | 'timedOut' | undefined {
  if (status === 'completed' || status === 'failed' || status === 'cancelled') return status;
  return status === 'timed_out' ? 'timedOut' : undefined;
}

/** Writes into the record, which nobody else has yet. */
function withEnd(s: State, counted: Draft<FamilyRecord>, task: TaskRecord): FamilyRecord {
  const { status } = task;
  const counter = counterOf(status);
  if (counter !== undefined) counted[counter] += 1;
  const untold = counted.untold ?? [];
  if (untold.length < LIMITS.childrenTold) counted.untold = [...untold, { id: task.id, status }];
  else {
    counted.untold = untold;
    counted.untoldMore = (counted.untoldMore ?? 0) + 1;
  }
  const distribution = s.tasks.get(counted.id)?.tree?.distribution;
  return distribution === undefined ? counted : takeOutcome(counted, distribution, task);
}
