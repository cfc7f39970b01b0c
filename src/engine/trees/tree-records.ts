/** The records of trees. */
import type { ChildCounts, Distribution } from '../../../protocol/wire/trees.ts';
import type { TaskStatus, Value } from '../../../protocol/wire/types.ts';
import type { Draft } from '../records.ts';

/** What a task is in a tree. Made by `treeWith` alone, so that equal ones have equal bytes. */
export interface TaskTree {
  readonly depth: number;
  readonly waits?: 'children' | 'parts';
  /** It has ended, and tasks below it have not: it stays in memory. */
  readonly left?: true;
  readonly part?: number;
  readonly distribution?: Distribution;
  readonly delegatedBy?: readonly string[];
  /** As of its end. */
  readonly children?: ChildCounts;
}

type Changes<T> = { readonly [K in keyof T]?: T[K] | undefined };

/**
 * The members in one order, none undefined; undefined if nothing is left to say. Member by member: each child of a tree
 * passes here at its end, and spreads cost three times as much.
 */
export function treeWith(tree: TaskTree | undefined, change: Changes<TaskTree>): TaskTree | undefined {
  const depth = changed('depth', tree, change) ?? 0;
  const waits = changed('waits', tree, change);
  const left = changed('left', tree, change);
  const part = changed('part', tree, change);
  const distribution = changed('distribution', tree, change);
  const delegatedBy = changed('delegatedBy', tree, change);
  const children = changed('children', tree, change);
  const known = waits ?? left ?? part ?? distribution ?? delegatedBy ?? children;
  if (depth === 0 && known === undefined) return undefined;
  const made: Draft<TaskTree> = { depth };
  if (waits !== undefined) made.waits = waits;
  if (left !== undefined) made.left = left;
  if (part !== undefined) made.part = part;
  if (distribution !== undefined) made.distribution = distribution;
  if (delegatedBy !== undefined) made.delegatedBy = delegatedBy;
  if (children !== undefined) made.children = children;
  return made;
}

function changed<K extends keyof TaskTree>(
  key: K,
  tree: TaskTree | undefined,
  change: Changes<TaskTree>,
): TaskTree[K] | undefined {
  return key in change ? change[key] : tree?.[key];
}

/** How one part of a distributed task ended. */
export interface PartOutcome {
  readonly part: number;
  readonly id: string;
  readonly status: TaskStatus;
  /** Its output, or what is compared of it; absent if there is none or it was too large to be kept. */
  readonly value?: Value;
}

/** What is known of the tasks directly below one, without looking at them: most have left memory. */
export interface FamilyRecord {
  /** The task above. */
  readonly id: string;
  readonly root: string;
  readonly depth: number;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly timedOut: number;
  /** Have not ended, or something below them has not. */
  readonly open: number;
  /** Of a root: how many tasks its tree ever had, without it. */
  readonly size: number | undefined;
  /** A `settle` waits in the queue. */
  readonly queued: true | undefined;
  /** Ended, and not told yet. */
  readonly untold: readonly { readonly id: string; readonly status: TaskStatus }[] | undefined;
  readonly untoldMore: number | undefined;
  /** Of a distributed task, in the order in which they ended. */
  readonly outcomes: readonly PartOutcome[] | undefined;
  /** What is chosen so far, by the aggregations that keep one output. */
  readonly chosen: PartOutcome | undefined;
  /** Of the outputs that are kept. */
  readonly bytes: number | undefined;
  readonly items: number | undefined;
  readonly omitted: number | undefined;
}

/** For who changes some members: see `treeWith` for why they are named. */
export function copyOfFamily(of: FamilyRecord): Draft<FamilyRecord> {
  return {
    id: of.id,
    root: of.root,
    depth: of.depth,
    total: of.total,
    completed: of.completed,
    failed: of.failed,
    cancelled: of.cancelled,
    timedOut: of.timedOut,
    open: of.open,
    size: of.size,
    queued: of.queued,
    untold: of.untold,
    untoldMore: of.untoldMore,
    outcomes: of.outcomes,
    chosen: of.chosen,
    bytes: of.bytes,
    items: of.items,
    omitted: of.omitted,
  };
}
