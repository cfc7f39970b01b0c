/** The public shapes of tasks: views for replies, events for watchers, orders for holders. */
import { Composed, Key, type Encoder } from '../../../protocol/wire/codec.ts';
import type { OrderControl } from '../../../protocol/wire/control.ts';
import type { ChildEndedData } from '../../../protocol/wire/trees.ts';
import { PRIORITIES, type TaskError, type TaskStatus, type TaskView } from '../../../protocol/wire/types.ts';
import { must } from '../../base/assert.ts';
import type { Context } from '../kernel/context.ts';
import type { TaskRecord, Draft } from '../records.ts';
import type { FamilyRecord } from '../trees/tree-records.ts';
import { countsOf } from '../trees/families.ts';
import { controlView } from './control-view.ts';
import { progressOf, treeView, type Progress } from './written.ts';

/** `whole`: with the data of its checkpoint. */
export function taskView(task: TaskRecord, whole = false): TaskView {
  const view: Draft<TaskView> = {
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
  if (task.selectors !== undefined) view.selectors = task.selectors;
  if (task.sticky !== undefined) view.sticky = task.sticky;
  if (task.concurrency !== undefined) view.concurrency = task.concurrency;
  if (task.locks !== undefined) view.locks = task.locks;
  if (task.control !== undefined) Object.assign(view, controlView(task, whole));
  if (task.agentId !== undefined) view.agentId = task.agentId;
  if (task.timeoutMs !== undefined) view.timeoutMs = task.timeoutMs;
  if (task.progressTimeoutMs !== undefined) view.progressTimeoutMs = task.progressTimeoutMs;
  if (task.deadlineAt !== undefined) view.deadlineAt = task.deadlineAt;
  if (task.runAt !== undefined) view.runAt = task.runAt;
  if (task.percent !== undefined) view.progress = progressOf(task);
  if (task.result !== undefined) view.result = task.result;
  if (task.error !== undefined) view.error = task.error;
  if (task.errors !== undefined) view.errors = task.errors;
  if (task.dead) view.dead = true;
  if (task.workspaceId !== undefined) view.workspaceId = task.workspaceId;
  if (task.parentId !== undefined) view.parentId = task.parentId;
  if (task.retryOf !== undefined) view.retryOf = task.retryOf;
  if (task.schedule !== undefined) view.schedule = task.schedule;
  if (task.tree !== undefined) view.tree = treeView(task.tree);
  if (task.startedAt !== undefined) view.startedAt = task.startedAt;
  if (task.finishedAt !== undefined) view.finishedAt = task.finishedAt;
  return view;
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
  | 'waiting'
  | 'requeued'
  | 'retrying'
  | 'paused'
  | 'resumed'
  | 'steered'
  | 'reprioritised'
  | 'extended'
  | 'acknowledged'
  | 'unacknowledged'
  | 'checkpointed'
  | 'asked'
  | 'answered'
  | 'askExpired';

const KEYS = {
  id: new Key('id'),
  status: new Key('status'),
  attempt: new Key('attempt'),
  agentId: new Key('agentId'),
  error: new Key('error'),
  reason: new Key('reason'),
  progress: new Key('progress'),
  askId: new Key('askId'),
  control: new Key('control'),
  seq: new Key('seq'),
};

/** Which order or question an event is about. */
export interface About {
  readonly askId?: string;
  readonly control?: OrderControl;
  readonly seq?: number;
}

/** What watchers are told: `TaskEventData`, which writes itself. */
class TaskEvent extends Composed {
  readonly id: string;
  readonly status: TaskStatus;
  readonly attempt: number;
  readonly agentId: string | undefined;
  readonly error: TaskError | undefined;
  readonly reason: string | undefined;
  readonly progress: Progress | undefined;
  readonly about: About | undefined;

  constructor(
    task: TaskRecord,
    reason: string | undefined,
    more?: { readonly progress?: Progress; readonly about?: About },
  ) {
    super();
    this.id = task.id;
    this.status = task.status;
    this.attempt = task.attempt;
    this.agentId = task.agentId;
    this.error = task.error;
    this.reason = reason;
    this.progress = more?.progress;
    this.about = more?.about;
  }

  override encodeTo(to: Encoder): void {
    const { agentId, error, reason, progress, about } = this;
    let count = about === undefined ? 3 : 3 + Object.keys(about).length;
    if (agentId !== undefined) count += 1;
    if (error !== undefined) count += 1;
    if (reason !== undefined) count += 1;
    if (progress !== undefined) count += 1;
    to.mapHead(count);
    to.keyed(KEYS.id, this.id);
    to.keyed(KEYS.status, this.status);
    to.keyed(KEYS.attempt, this.attempt);
    if (agentId !== undefined) to.keyed(KEYS.agentId, agentId);
    if (error !== undefined) to.keyed(KEYS.error, error);
    if (reason !== undefined) to.keyed(KEYS.reason, reason);
    if (progress !== undefined) to.keyed(KEYS.progress, progress);
    if (about?.askId !== undefined) to.keyed(KEYS.askId, about.askId);
    if (about?.control !== undefined) to.keyed(KEYS.control, about.control);
    if (about?.seq !== undefined) to.keyed(KEYS.seq, about.seq);
  }
}

/** Made once: a text put together for each event is flattened again for each. */
const EVENTS: { readonly [H in TaskHappening]: string } = {
  offered: 'task.offered',
  assigned: 'task.assigned',
  accepted: 'task.accepted',
  started: 'task.started',
  progress: 'task.progress',
  completed: 'task.completed',
  failed: 'task.failed',
  cancelled: 'task.cancelled',
  timed_out: 'task.timed_out',
  waiting: 'task.waiting',
  requeued: 'task.requeued',
  retrying: 'task.retrying',
  paused: 'task.paused',
  resumed: 'task.resumed',
  steered: 'task.steered',
  reprioritised: 'task.reprioritised',
  extended: 'task.extended',
  acknowledged: 'task.acknowledged',
  unacknowledged: 'task.unacknowledged',
  checkpointed: 'task.checkpointed',
  asked: 'task.asked',
  answered: 'task.answered',
  askExpired: 'task.askExpired',
};

export interface Told {
  readonly what: TaskHappening;
  readonly reason: string | undefined;
  readonly about?: About;
}

/** Tells the topic of the task and the session that watches it; never parameters or outputs. */
export function tell(c: Context, task: TaskRecord, happened: TaskHappening | Told): void {
  const { what, reason, about }: Told = typeof happened === 'string' ? { what: happened, reason: undefined } : happened;
  const { topic, to } = task;
  const event = EVENTS[what];
  if (what === 'progress') {
    const data = new TaskEvent(task, reason, { progress: progressOf(task) });
    c.events.push({ kind: 'pushed', event, to, topic, data, latestKey: `${topic} progress` });
  } else {
    c.events.push({ kind: 'pushed', event, to, topic, data: new TaskEvent(task, reason, about && { about }) });
  }
}

/** Tells whoever follows a task that tasks below it have ended. */
export function tellChildren(c: Context, task: TaskRecord, family: FamilyRecord): void {
  const { id, status, attempt, topic, to } = task;
  const { untold = [], untoldMore } = family;
  const data: ChildEndedData = {
    id,
    status,
    attempt,
    children: countsOf(family),
    ended: untold,
    ...(untoldMore === undefined ? undefined : { more: untoldMore }),
  };
  c.events.push({ kind: 'pushed', event: 'task.childEnded', to, topic, data });
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
