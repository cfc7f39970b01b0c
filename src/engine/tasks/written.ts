/**
 * Tasks as they go into answers, orders and the store: `taskView`, written without making it.
 *
 * What one attempt needs is written once: the members that never change, which are most of a view, when the task is
 * given to an agent; the whole view of a finished task for the store, and again for the answer. Kept for the newest
 * tasks only, so that what is kept of a task that waits long is bounded by the number of places.
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
  readonly #fixedOf = new Array<readonly string[] | undefined>(PLACES).fill(undefined);
  readonly #fixed = new Array<Uint8Array | undefined>(PLACES).fill(undefined);
  readonly #wholeOf = new Array<TaskRecord | undefined>(WHOLE_PLACES).fill(undefined);
  readonly #whole = new Array<Uint8Array | undefined>(WHOLE_PLACES).fill(undefined);

  result(task: TaskRecord): TaskResult {
    return new TaskResult(task, this);
  }

  /** The view of a finished task, for the store; an answer with this version of it is a copy. */
  whole(task: TaskRecord): Uint8Array {
    const bytes = encodeValue(this.result(task));
    const place = task.token % WHOLE_PLACES;
    this.#wholeOf[place] = task;
    this.#whole[place] = bytes;
    return bytes;
  }

  write(to: Encoder, task: TaskRecord): void {
    const { token } = task;
    const whole = this.#wholeOf[token % WHOLE_PLACES] === task ? this.#whole[token % WHOLE_PLACES] : undefined;
    if (whole !== undefined) return to.raw(whole);
    to.mapHead(membersOf(task));
    // A task that was given to nobody yet has no place of its own.
    const place = token === 0 ? undefined : token % PLACES;
    const fixed = place !== undefined && this.#fixedOf[place] === task.to ? this.#fixed[place] : undefined;
    if (fixed !== undefined) to.raw(fixed);
    else {
      const from = to.written;
      writeFixed(to, task);
      if (place !== undefined) {
        this.#fixedOf[place] = task.to;
        this.#fixed[place] = to.keep(from);
      }
    }
    writeChanging(to, task);
  }
}

const PLACES = 2_048;
const WHOLE_PLACES = 256;

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

/** What no version of a task changes; `to` is the same array in all of them. */
function writeFixed(to: Encoder, task: TaskRecord): void {
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
}

function writeChanging(to: Encoder, task: TaskRecord): void {
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
