/** The public shapes of tasks: views for replies, events for watchers, orders for holders. */
import { PRIORITIES, type TaskEventData, type TaskView } from '../../../protocol/wire/types.ts';
import { Composed, type Encoder } from '../../../protocol/wire/codec.ts';
import { must } from '../../base/assert.ts';
import type { Context } from '../kernel/context.ts';
import type { TaskRecord } from '../records.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function taskView(task: TaskRecord): TaskView {
  const view: Mutable<TaskView> = {
    id: task.id,
    type: task.type,
    status: task.status,
    priority: must(PRIORITIES[task.priority], 'a task has a priority'),
    parameters: task.parameters,
    requirements: task.requirements,
    mode: task.mode,
    strategy: task.strategy,
    attempt: task.attempt,
    losses: task.losses,
    retry: task.retry,
    createdBy: task.createdBy,
    createdAt: task.createdAt,
    updatedAt: task.updatedAt,
    rev: task.rev,
  };
  if (task.labels !== undefined) view.labels = task.labels;
  if (task.agentId !== undefined) view.agentId = task.agentId;
  if (task.timeoutMs !== undefined) view.timeoutMs = task.timeoutMs;
  if (task.progressTimeoutMs !== undefined) view.progressTimeoutMs = task.progressTimeoutMs;
  if (task.deadlineAt !== undefined) view.deadlineAt = task.deadlineAt;
  if (task.runAt !== undefined) view.runAt = task.runAt;
  if (task.percent !== undefined) view.progress = progressOf(task);
  if (task.result !== undefined) view.result = task.result;
  if (task.error !== undefined) view.error = task.error;
  if (task.dead) view.dead = true;
  if (task.workspaceId !== undefined) view.workspaceId = task.workspaceId;
  if (task.parentId !== undefined) view.parentId = task.parentId;
  if (task.retryOf !== undefined) view.retryOf = task.retryOf;
  if (task.startedAt !== undefined) view.startedAt = task.startedAt;
  if (task.finishedAt !== undefined) view.finishedAt = task.finishedAt;
  return view;
}

/** The view of a task as it goes into answers, orders and the store: `taskView`, written without making it. */
export class TaskResult extends Composed {
  readonly task: TaskRecord;

  constructor(task: TaskRecord) {
    super();
    this.task = task;
  }

  override encodeTo(to: Encoder): void {
    const { task } = this;
    to.mapHead(ALWAYS + optionals(task));
    to.member('id', task.id);
    to.member('type', task.type);
    to.member('status', task.status);
    to.member('priority', must(PRIORITIES[task.priority], 'a task has a priority'));
    to.member('parameters', task.parameters);
    to.member('requirements', task.requirements);
    to.member('mode', task.mode);
    to.member('strategy', task.strategy);
    to.member('attempt', task.attempt);
    to.member('losses', task.losses);
    to.member('retry', task.retry);
    to.member('createdBy', task.createdBy);
    to.member('createdAt', task.createdAt);
    to.member('updatedAt', task.updatedAt);
    to.member('rev', task.rev);
    if (task.labels !== undefined) to.member('labels', task.labels);
    if (task.agentId !== undefined) to.member('agentId', task.agentId);
    if (task.timeoutMs !== undefined) to.member('timeoutMs', task.timeoutMs);
    if (task.progressTimeoutMs !== undefined) to.member('progressTimeoutMs', task.progressTimeoutMs);
    if (task.deadlineAt !== undefined) to.member('deadlineAt', task.deadlineAt);
    if (task.runAt !== undefined) to.member('runAt', task.runAt);
    if (task.percent !== undefined) to.member('progress', progressOf(task));
    if (task.result !== undefined) to.member('result', task.result);
    if (task.error !== undefined) to.member('error', task.error);
    if (task.dead) to.member('dead', true);
    if (task.workspaceId !== undefined) to.member('workspaceId', task.workspaceId);
    if (task.parentId !== undefined) to.member('parentId', task.parentId);
    if (task.retryOf !== undefined) to.member('retryOf', task.retryOf);
    if (task.startedAt !== undefined) to.member('startedAt', task.startedAt);
    if (task.finishedAt !== undefined) to.member('finishedAt', task.finishedAt);
  }
}

/** Members of a view that every task has. */
const ALWAYS = 15;

function optionals(task: TaskRecord): number {
  let count = 0;
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

function progressOf(task: TaskRecord): { percentComplete: number; status?: string } {
  const percentComplete = task.percent ?? 0;
  return task.progressText === undefined ? { percentComplete } : { percentComplete, status: task.progressText };
}

/** What happened to a task, as its watchers are told. */
export type TaskHappening =
  | 'offered'
  | 'assigned'
  | 'accepted'
  | 'started'
  | 'progress'
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'timed_out'
  | 'requeued'
  | 'retrying';

function eventData(task: TaskRecord, reason: string | undefined): TaskEventData {
  const data: Mutable<TaskEventData> = { id: task.id, status: task.status, attempt: task.attempt };
  if (task.agentId !== undefined) data.agentId = task.agentId;
  if (task.error !== undefined) data.error = task.error;
  if (reason !== undefined) data.reason = reason;
  return data;
}

export interface Told {
  readonly what: TaskHappening;
  readonly reason: string | undefined;
}

/** Tells the topic of the task and the session that watches it; never parameters or outputs. */
export function tell(c: Context, task: TaskRecord, happened: TaskHappening | Told): void {
  const { what, reason } = typeof happened === 'string' ? { what: happened, reason: undefined } : happened;
  const { topic, to } = task;
  const event = `task.${what}`;
  if (what === 'progress') {
    const data = { ...eventData(task, reason), progress: progressOf(task) };
    c.events.push({ kind: 'pushed', event, to, topic, data, latestKey: `${topic} progress` });
  } else {
    c.events.push({ kind: 'pushed', event, to, topic, data: eventData(task, reason) });
  }
}

/** Gives the holder its task: a reference, rendered with the task of that moment when it is sent. */
export function order(c: Context, task: TaskRecord, to: readonly string[]): void {
  c.events.push({
    kind: 'pushed',
    event: task.mode === 'offer' ? 'task.offered' : 'task.assigned',
    to,
    order: { task: task.id, token: task.token },
    data: { id: task.id, attempt: task.attempt, token: String(task.token) },
  });
}
