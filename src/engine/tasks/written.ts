/**
 * Tasks as they go into answers, orders and the store: `taskView`, written without making it.
 */
import { Composed, encodeValue, type Encoder } from '../../../protocol/wire/codec.ts';
import { PRIORITIES } from '../../../protocol/wire/types.ts';
import { must } from '../../base/assert.ts';
import type { TaskRecord } from '../records.ts';

export interface Progress {
  readonly percentComplete: number;
  readonly status?: string;
}

export function progressOf(task: TaskRecord): Progress {
  const percentComplete = task.percent ?? 0;
  return task.progressText === undefined ? { percentComplete } : { percentComplete, status: task.progressText };
}

export class TaskViews {
  readonly #whole = new Map<TaskRecord, Uint8Array>();

  result(task: TaskRecord): TaskResult {
    return new TaskResult(task, this);
  }

  /** The view of a finished task, for the store; the answer with this version of it is a copy, until `forget`. */
  whole(task: TaskRecord): Uint8Array {
    const bytes = encodeValue(this.result(task));
    this.#whole.set(task, bytes);
    return bytes;
  }

  /** The entry is over and answered. */
  forget(): void {
    if (this.#whole.size > 0) this.#whole.clear();
  }

  write(to: Encoder, task: TaskRecord): void {
    const whole = task.finishedAt === undefined ? undefined : this.#whole.get(task);
    if (whole !== undefined) return to.raw(whole);
    to.mapHead(membersOf(task));
    writeMembers(to, task);
  }
}

/** A task that writes itself. */
export class TaskResult extends Composed {
  readonly task: TaskRecord;
  readonly #views: TaskViews;

  constructor(task: TaskRecord, views: TaskViews) {
    super();
    this.task = task;
    this.#views = views;
  }

  override encodeTo(to: Encoder): void {
    this.#views.write(to, this.task);
  }
}

function writeMembers(to: Encoder, task: TaskRecord): void {
  to.member('id', task.id);
  to.member('type', task.type);
  to.member('priority', must(PRIORITIES[task.priority], 'a task has a priority'));
  to.member('parameters', task.parameters);
  to.member('requirements', task.requirements);
  to.member('mode', task.mode);
  to.member('strategy', task.strategy);
  to.member('retry', task.retry);
  to.member('createdBy', task.createdBy);
  to.member('createdAt', task.createdAt);
  if (task.labels !== undefined) to.member('labels', task.labels);
  if (task.timeoutMs !== undefined) to.member('timeoutMs', task.timeoutMs);
  if (task.progressTimeoutMs !== undefined) to.member('progressTimeoutMs', task.progressTimeoutMs);
  if (task.deadlineAt !== undefined) to.member('deadlineAt', task.deadlineAt);
  if (task.workspaceId !== undefined) to.member('workspaceId', task.workspaceId);
  if (task.parentId !== undefined) to.member('parentId', task.parentId);
  if (task.retryOf !== undefined) to.member('retryOf', task.retryOf);
  to.member('status', task.status);
  to.member('attempt', task.attempt);
  to.member('losses', task.losses);
  to.member('updatedAt', task.updatedAt);
  to.member('rev', task.rev);
  if (task.agentId !== undefined) to.member('agentId', task.agentId);
  if (task.runAt !== undefined) to.member('runAt', task.runAt);
  if (task.percent !== undefined) to.member('progress', progressOf(task));
  if (task.result !== undefined) to.member('result', task.result);
  if (task.error !== undefined) to.member('error', task.error);
  if (task.dead) to.member('dead', true);
  if (task.startedAt !== undefined) to.member('startedAt', task.startedAt);
  if (task.finishedAt !== undefined) to.member('finishedAt', task.finishedAt);
}

/** Members of a view that every task has. */
const ALWAYS = 15;

function membersOf(task: TaskRecord): number {
  let count = ALWAYS;
  if (task.labels !== undefined) count += 1;
  if (task.agentId !== undefined) count += 1;
  if (task.timeoutMs !== undefined) count += 1;
  if (task.progressTimeoutMs !== undefined) count += 1;
  if (task.deadlineAt !== undefined) count += 1;
  if (task.runAt !== undefined) count += 1;
  if (task.percent !== undefined) count += 1;
  if (task.result !== undefined) count += 1;
  if (task.error !== undefined) count += 1;
  if (task.dead) count += 1;
  if (task.workspaceId !== undefined) count += 1;
  if (task.parentId !== undefined) count += 1;
  if (task.retryOf !== undefined) count += 1;
  if (task.startedAt !== undefined) count += 1;
  if (task.finishedAt !== undefined) count += 1;
  return count;
}
