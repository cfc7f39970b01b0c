/**
 * Tasks as they go into answers, orders and the store: `taskView`, written without making it.
 */
import { Composed, encodeValue, Key, type Encoder } from '../../../protocol/wire/codec.ts';
import type { TaskTreeView } from '../../../protocol/wire/trees.ts';
import { PRIORITIES } from '../../../protocol/wire/types.ts';
import { must } from '../../base/assert.ts';
import type { TaskRecord } from '../records.ts';
import type { TaskTree } from '../trees/tree-records.ts';
import { controlView } from './control-view.ts';

export interface Progress {
  readonly percentComplete: number;
  readonly status?: string;
}

export function progressOf(task: TaskRecord): Progress {
  const percentComplete = task.percent ?? 0;
  return task.progressText === undefined ? { percentComplete } : { percentComplete, status: task.progressText };
}

/** That a task stays in memory is nobody's business. */
export function treeView(tree: TaskTree): TaskTreeView {
  const { left: _, ...view } = tree;
  return view;
}

const KEYS = {
  id: new Key('id'),
  type: new Key('type'),
  priority: new Key('priority'),
  parameters: new Key('parameters'),
  requirements: new Key('requirements'),
  mode: new Key('mode'),
  strategy: new Key('strategy'),
  retry: new Key('retry'),
  createdBy: new Key('createdBy'),
  createdAt: new Key('createdAt'),
  labels: new Key('labels'),
  selectors: new Key('selectors'),
  sticky: new Key('sticky'),
  concurrency: new Key('concurrency'),
  locks: new Key('locks'),
  timeoutMs: new Key('timeoutMs'),
  progressTimeoutMs: new Key('progressTimeoutMs'),
  deadlineAt: new Key('deadlineAt'),
  workspaceId: new Key('workspaceId'),
  parentId: new Key('parentId'),
  retryOf: new Key('retryOf'),
  schedule: new Key('schedule'),
  tree: new Key('tree'),
  status: new Key('status'),
  attempt: new Key('attempt'),
  losses: new Key('losses'),
  updatedAt: new Key('updatedAt'),
  rev: new Key('rev'),
  agentId: new Key('agentId'),
  runAt: new Key('runAt'),
  progress: new Key('progress'),
  result: new Key('result'),
  error: new Key('error'),
  dead: new Key('dead'),
  errors: new Key('errors'),
  startedAt: new Key('startedAt'),
  finishedAt: new Key('finishedAt'),
};

export class TaskViews {
  #whole = new Map<TaskRecord, Uint8Array>();
  /** What does not change of the tasks that this entry has written, by id: an answer and an order often follow each other. */
  #fixed = new Map<string, Uint8Array>();

  result(task: TaskRecord): TaskResult {
    return new TaskResult(task, this);
  }

  /** With the data of its checkpoint: for whoever goes on with the task, and for the store. */
  wholeResult(task: TaskRecord): TaskResult {
    return new TaskResult(task, this, true);
  }

  /** The view of a finished task, for the store; the answer with this version of it is a copy, until `forget`. */
  whole(task: TaskRecord): Uint8Array {
    const bytes = encodeValue(this.wholeResult(task));
    this.#whole.set(task, bytes);
    return bytes;
  }

  /** The entry is over and answered. New maps, since what was cleared may be kept alive (slot-map.ts). */
  forget(): void {
    if (this.#whole.size > 0) this.#whole = new Map();
    if (this.#fixed.size > 0) this.#fixed = new Map();
  }

  write(to: Encoder, task: TaskRecord, withData: boolean): void {
    const whole = task.finishedAt === undefined ? undefined : this.#whole.get(task);
    if (whole !== undefined) return to.raw(whole);
    const control = task.control === undefined ? undefined : Object.entries(controlView(task, withData));
    to.mapHead(membersOf(task) + (control?.length ?? 0));
    to.keyed(KEYS.id, task.id);
    to.keyed(KEYS.type, task.type);
    to.keyed(KEYS.priority, must(PRIORITIES[task.priority], 'a task has a priority'));
    // What it requires changes when it is handed on.
    const once = task.finishedAt !== undefined || task.tree?.delegatedBy !== undefined;
    const fixed = once ? undefined : this.#fixed.get(task.id);
    if (once) writeFixed(to, task);
    else if (fixed === undefined) {
      const from = to.written;
      writeFixed(to, task);
      this.#fixed.set(task.id, to.since(from));
    } else to.raw(fixed);
    writeChanging(to, task);
    if (control !== undefined) for (const [key, value] of control) to.member(key, value);
  }
}

/** A task that writes itself. */
export class TaskResult extends Composed {
  readonly task: TaskRecord;
  readonly #views: TaskViews;
  readonly #withData: boolean;

  constructor(task: TaskRecord, views: TaskViews, withData = false) {
    super();
    this.task = task;
    this.#views = views;
    this.#withData = withData;
  }

  /** For whoever follows the task without reading it. */
  get id(): string {
    return this.task.id;
  }

  override encodeTo(to: Encoder): void {
    this.#views.write(to, this.task, this.#withData);
  }
}

/** Nothing of this changes as long as the task lives. */
function writeFixed(to: Encoder, task: TaskRecord): void {
  to.keyed(KEYS.parameters, task.parameters);
  to.keyed(KEYS.requirements, task.requirements);
  to.keyed(KEYS.mode, task.mode);
  to.keyed(KEYS.strategy, task.strategy);
  to.keyed(KEYS.retry, task.retry);
  to.keyed(KEYS.createdBy, task.createdBy);
  to.keyed(KEYS.createdAt, task.createdAt);
  if (task.labels !== undefined) to.keyed(KEYS.labels, task.labels);
  if (task.selectors !== undefined) to.keyed(KEYS.selectors, task.selectors);
  if (task.sticky !== undefined) to.keyed(KEYS.sticky, task.sticky);
  if (task.concurrency !== undefined) to.keyed(KEYS.concurrency, task.concurrency);
  if (task.locks !== undefined) to.keyed(KEYS.locks, task.locks);
}

function writeChanging(to: Encoder, task: TaskRecord): void {
  if (task.timeoutMs !== undefined) to.keyed(KEYS.timeoutMs, task.timeoutMs);
  if (task.progressTimeoutMs !== undefined) to.keyed(KEYS.progressTimeoutMs, task.progressTimeoutMs);
  if (task.deadlineAt !== undefined) to.keyed(KEYS.deadlineAt, task.deadlineAt);
  if (task.workspaceId !== undefined) to.keyed(KEYS.workspaceId, task.workspaceId);
  if (task.parentId !== undefined) to.keyed(KEYS.parentId, task.parentId);
  if (task.retryOf !== undefined) to.keyed(KEYS.retryOf, task.retryOf);
  if (task.schedule !== undefined) to.keyed(KEYS.schedule, task.schedule);
  if (task.tree !== undefined) to.keyed(KEYS.tree, treeView(task.tree));
  to.keyed(KEYS.status, task.status);
  to.keyed(KEYS.attempt, task.attempt);
  to.keyed(KEYS.losses, task.losses);
  to.keyed(KEYS.updatedAt, task.updatedAt);
  to.keyed(KEYS.rev, task.rev);
  if (task.agentId !== undefined) to.keyed(KEYS.agentId, task.agentId);
  if (task.runAt !== undefined) to.keyed(KEYS.runAt, task.runAt);
  if (task.percent !== undefined) to.keyed(KEYS.progress, progressOf(task));
  if (task.result !== undefined) to.keyed(KEYS.result, task.result);
  if (task.error !== undefined) to.keyed(KEYS.error, task.error);
  if (task.errors !== undefined) to.keyed(KEYS.errors, task.errors);
  if (task.dead) to.keyed(KEYS.dead, true);
  if (task.startedAt !== undefined) to.keyed(KEYS.startedAt, task.startedAt);
  if (task.finishedAt !== undefined) to.keyed(KEYS.finishedAt, task.finishedAt);
}

/** Members of a view that every task has. */
const ALWAYS = 15;

function membersOf(task: TaskRecord): number {
  let count = ALWAYS;
  if (task.labels !== undefined) count += 1;
  if (task.selectors !== undefined) count += 1;
  if (task.sticky !== undefined) count += 1;
  if (task.concurrency !== undefined) count += 1;
  if (task.locks !== undefined) count += 1;
  if (task.agentId !== undefined) count += 1;
  if (task.timeoutMs !== undefined) count += 1;
  if (task.progressTimeoutMs !== undefined) count += 1;
  if (task.deadlineAt !== undefined) count += 1;
  if (task.runAt !== undefined) count += 1;
  if (task.percent !== undefined) count += 1;
  if (task.result !== undefined) count += 1;
  if (task.error !== undefined) count += 1;
  if (task.errors !== undefined) count += 1;
  if (task.dead) count += 1;
  if (task.workspaceId !== undefined) count += 1;
  if (task.parentId !== undefined) count += 1;
  if (task.retryOf !== undefined) count += 1;
  if (task.schedule !== undefined) count += 1;
  if (task.tree !== undefined) count += 1;
  if (task.startedAt !== undefined) count += 1;
  if (task.finishedAt !== undefined) count += 1;
  return count;
}
