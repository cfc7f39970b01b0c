/** Shapes of task trees: subtasks, delegation, distributed tasks. */
import type { TaskCreate, TaskError, TaskStatus, TaskView, Value } from './types.ts';

/** When a distributed task is decided: how many of its parts must complete. */
export const COMPLETION_MODES = ['all', 'any', 'majority', 'threshold', 'best_of'] as const;
export type CompletionMode = (typeof COMPLETION_MODES)[number];

/** What is made of the outputs of the parts. */
export const AGGREGATIONS = [
  'collect',
  'first',
  'best',
  'merge',
  'concat',
  'vote',
  'sum',
  'average',
  'min',
  'max',
] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

/** What becomes of the tasks below one that ends. */
export const CHILD_POLICIES = ['leave', 'wait', 'cancel'] as const;
export type ChildPolicy = (typeof CHILD_POLICIES)[number];

export interface Distribution {
  readonly mode: CompletionMode;
  /** So many parts must complete. */
  readonly need: number;
  readonly total: number;
  readonly aggregate: Aggregation;
  /** The member of an output that is compared, summed or voted on; absent: the output itself, for `best` its `score`. */
  readonly by?: string;
}

/** How the tasks directly below one stand. */
export interface ChildCounts {
  readonly total: number;
  /** Have not ended. */
  readonly running: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly timed_out: number;
}

/** Where a task stands in a tree, or what it waits for in one. */
export interface TaskTreeView {
  /** How far below the root. */
  readonly depth: number;
  /** Nobody holds it any more: it ends when the tasks below it have ended, or when it is decided by its parts. */
  readonly waits?: 'children' | 'parts';
  /** Of a part of a distributed task: which, from 0. */
  readonly part?: number;
  readonly distribution?: Distribution;
  /** Names of the agents that handed it on, or asked for it to be done for them; the first one first. */
  readonly delegatedBy?: readonly string[];
  /** Of a task that has ended. */
  readonly children?: ChildCounts;
}

/** A task as a node of its tree. */
export interface TreeNode {
  readonly id: string;
  readonly type: string;
  readonly status: TaskStatus;
  readonly agentId?: string;
  readonly parentId?: string;
  readonly depth: number;
  readonly waits?: 'children' | 'parts';
  readonly part?: number;
  readonly distribution?: Distribution;
  readonly error?: TaskError;
  readonly createdAt: number;
  readonly finishedAt?: number;
  /** Absent: there are none and never were. */
  readonly children?: ChildCounts;
}
/** What is particular about one part of a distributed task; all else is as of the whole. */
export type TaskPart = Partial<
  Pick<TaskCreate, 'type' | 'parameters' | 'requirements' | 'selectors' | 'labels' | 'priority'>
>;

export interface Completion {
  readonly mode: CompletionMode;
  /** How many must complete: required for `threshold`; for `best_of` so many are enough. */
  readonly threshold?: number;
}

/** One of `parts`, `copies` and `each`. */
export interface TaskDistribute extends TaskCreate {
  readonly parts?: readonly TaskPart[];
  /** So many parts that are alike. */
  readonly copies?: number;
  /** One part for each agent that fits now, for that agent alone. */
  readonly each?: { readonly max?: number };
  /** Default: all. */
  readonly completion?: Completion;
  readonly aggregate?: { readonly kind: Aggregation; readonly by?: string };
}

/** Whom a task is handed to: the agent of a name, or any with a capability, with labels. */
export interface DelegateTo {
  readonly agent?: string;
  readonly capability?: string;
  readonly selectors?: readonly string[];
}

/** The result of a distributed task. */
export interface DistributedResult {
  readonly mode: CompletionMode;
  readonly need: number;
  readonly total: number;
  readonly completed: number;
  /** Parts that ended otherwise. */
  readonly failed: number;
  readonly value: Value;
  /** The part that `first`, `best`, `min`, `max` or `vote` chose. */
  readonly part?: { readonly part: number; readonly id: string };
  /** Outputs that were not taken in, since all together would have been too large. */
  readonly omitted?: number;
}

/** Data of `task.childEnded`, to whoever is told of the parent: tasks below it have ended, never with their outputs. */
export interface ChildEndedData {
  /** Of the parent. */
  readonly id: string;
  readonly status: TaskStatus;
  readonly attempt: number;
  readonly children: ChildCounts;
  /** Which ended since the event before. */
  readonly ended: readonly { readonly id: string; readonly status: TaskStatus }[];
  /** So many more did. */
  readonly more?: number;
}

/** Params by method. */
export interface TreeParams {
  'task.distribute': TaskDistribute;
  'task.delegate': { readonly id: string; readonly token: string } & {
    readonly to: DelegateTo;
    /** transfer (default): the task itself. child: a new task below it. */
    readonly as?: 'transfer' | 'child';
    /** Of the child; default: those of the task. */
    readonly parameters?: Value;
    readonly reason?: string;
  };
  'task.tree': { readonly id: string; readonly limit?: number; readonly cursor?: string };
}

/** Results by method. */
export interface TreeResults {
  /** `parts` in the order of the params. */
  'task.distribute': {
    readonly task: TaskView;
  } & { readonly parts: readonly { readonly id: string; readonly status: TaskStatus }[] };
  /** The task that the other agent gets. */
  'task.delegate': { readonly task: TaskView };
  /** The node and a page of those directly below it, the newest first. */
  'task.tree': { readonly node: TreeNode; readonly children: readonly TreeNode[]; readonly cursor?: string };
}
