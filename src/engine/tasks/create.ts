/** New tasks: one, a batch (all or none), another try of a finished one. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { PRIORITIES, type Params, type TaskCreate, type TaskView, type Value } from '../../../protocol/wire/types.ts';
import { byCodeUnits } from '../../base/order.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { weigh } from '../kernel/weigh.ts';
import type { Reply } from '../port.ts';
import type { SessionRecord, TaskRecord } from '../records.ts';
import { isTerminal } from './transitions.ts';

/** A task without its parameters. */
const TASK_BYTES = 1_000;

interface Origin {
  readonly session: SessionRecord;
  readonly retryOf?: string;
}

/** Sorted and distinct, so that equal sets share a group. */
function normalised(type: string, requirements: readonly string[] | undefined): readonly string[] {
  if (requirements === undefined) return [type];
  return [...new Set(requirements)].toSorted(byCodeUnits);
}

function newTask(s: State, c: Context, made: { readonly params: TaskCreate; readonly origin: Origin }): TaskRecord {
  const { params, origin } = made;
  const requirements = normalised(params.type, params.requirements);
  const delayed = (params.delayMs ?? 0) > 0;
  const id = c.random.id('tsk');
  const topic = `task.${id}`;
  return {
    id,
    type: params.type,
    status: delayed ? 'scheduled' : 'pending',
    priority: PRIORITIES.indexOf(params.priority ?? 'normal'),
    parameters: params.parameters ?? null,
    bytes: TASK_BYTES + weigh(params.parameters ?? null),
    requirements,
    group: requirements.join('\n'),
    labels: params.labels,
    strategy: params.strategy ?? 'least_loaded',
    mode: params.mode ?? 'assign',
    agentId: undefined,
    token: 0,
    attempt: 0,
    failures: 0,
    losses: 0,
    retry: { ...LIMITS.retry, ...params.retry },
    timeoutMs: params.timeoutMs,
    progressTimeoutMs: params.progressTimeoutMs,
    deadlineAt: params.deadlineMs === undefined ? undefined : c.now + params.deadlineMs,
    runAt: delayed ? c.now + (params.delayMs ?? 0) : undefined,
    percent: undefined,
    progressText: undefined,
    result: undefined,
    error: undefined,
    dead: false,
    excluded: [],
    workspaceId: params.workspaceId,
    parentId: params.parentId,
    retryOf: origin.retryOf,
    createdBy: origin.session.principal.id,
    topic,
    to: params.watch === false ? [`t:${topic}`] : [origin.session.audience, `t:${topic}`],
    createdAt: c.now,
    updatedAt: c.now,
    startedAt: undefined,
    finishedAt: undefined,
    rev: s.rev,
  };
}

function begin(c: Context, task: TaskRecord): void {
  c.events.push({ kind: 'taskChanged', record: task });
  if (task.deadlineAt !== undefined) {
    c.events.push({ kind: 'timerSet', timer: 'deadline', entity: task.id, due: task.deadlineAt });
  }
  if (task.runAt === undefined) c.events.push({ kind: 'followed', work: { kind: 'place', task: task.id } });
  else c.events.push({ kind: 'timerSet', timer: 'run', entity: task.id, due: task.runAt });
}

function full(s: State, more: number): Reply | undefined {
  if (s.taskBytes.sum > LIMITS.tasksBytesMax) {
    return rejected(
      'LIMIT_EXCEEDED',
      `The tasks in memory take ${s.taskBytes.sum} bytes; the limit is ${LIMITS.tasksBytesMax}.`,
    );
  }
  if (s.tasks.size + more <= LIMITS.tasksMax) return undefined;
  return rejected('LIMIT_EXCEEDED', `The tenant has ${s.tasks.size} tasks in memory; the limit is ${LIMITS.tasksMax}.`);
}

export const createTask: Decide<Params['task.create']> = (s, c, { session, params }) => {
  const refused = full(s, 1);
  if (refused !== undefined) return refused;
  const task = newTask(s, c, { params, origin: { session } });
  begin(c, task);
  return accepted({ task: s.views.result(task) });
};

export const createTasks: Decide<Params['task.createBatch']> = (s, c, { session, params }) => {
  const refused = full(s, params.tasks.length);
  if (refused !== undefined) return refused;
  const tasks = params.tasks.map((one) => newTask(s, c, { params: one, origin: { session } }));
  for (const task of tasks) begin(c, task);
  return accepted({ tasks: tasks.map(({ id, status }) => ({ id, status })) });
};

/** What another try needs of a finished task, from memory or from the archive. */
function paramsOf(task: TaskView | TaskRecord): TaskCreate {
  const { timeoutMs, progressTimeoutMs, labels, workspaceId, parentId } = task;
  return {
    type: task.type,
    parameters: task.parameters,
    requirements: task.requirements,
    mode: task.mode,
    priority: typeof task.priority === 'number' ? (PRIORITIES[task.priority] ?? 'normal') : task.priority,
    retry: task.retry,
    ...(task.strategy === undefined ? undefined : { strategy: task.strategy }),
    ...(timeoutMs === undefined ? undefined : { timeoutMs }),
    ...(progressTimeoutMs === undefined ? undefined : { progressTimeoutMs }),
    ...(labels === undefined ? undefined : { labels }),
    ...(workspaceId === undefined ? undefined : { workspaceId }),
    ...(parentId === undefined ? undefined : { parentId }),
  };
}

export interface RetryParams {
  readonly id: string;
  readonly parameters?: Value;
  /** The archived view, added by the node when the task has left memory. */
  readonly archived?: TaskView;
}

export const retryTask: Decide<RetryParams> = (s, c, { session, params }) => {
  const source = s.tasks.get(params.id) ?? params.archived;
  if (source === undefined) return rejected('TASK_NOT_FOUND');
  if (!isTerminal(source.status)) {
    return rejected('INVALID_TRANSITION', 'Only a finished task can be tried again.', { status: source.status });
  }
  const refused = full(s, 1);
  if (refused !== undefined) return refused;
  const again = paramsOf(source);
  const task = newTask(s, c, {
    params: params.parameters === undefined ? again : { ...again, parameters: params.parameters },
    origin: { session, retryOf: source.id },
  });
  begin(c, task);
  return accepted({ task: s.views.result(task) });
};
