/** New tasks: one, a batch (all or none), another try of a finished one. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { PRIORITIES, type Params, type TaskCreate, type TaskView, type Value } from '../../../protocol/wire/types.ts';
import { byCodeUnits } from '../../base/order.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { weigh } from '../kernel/weigh.ts';
import type { Refusal } from '../port.ts';
import type { SessionRecord, TaskRecord } from '../records.ts';
import { treeWith, type TaskTree } from '../trees/tree-records.ts';
import { Admission } from '../assignment/keys.ts';
import { refuseLocks } from '../locks/task-locks.ts';
import { normalised } from '../locks/modes.ts';
import { strategyFor } from '../assignment/defaults.ts';
import { Adoption } from '../trees/subtasks.ts';
import { MENDED_VERSION, WORK_VERSION } from '../port.ts';
import { charge, workspaceFor } from '../workspaces/access.ts';
import { audienceOfTask, workspaceOfTask } from '../workspaces/guard.ts';
import { refuseOwn } from '../workspaces/workspaces.ts';
import { finish, letGo } from './moves.ts';
import { isTerminal } from './transitions.ts';

/** A task without its parameters. */
const TASK_BYTES = 1_000;

export interface Origin {
  readonly session: SessionRecord;
  readonly retryOf?: string;
  readonly tree?: TaskTree | undefined;
}

/** Nobody's session: what the engine makes by itself, in somebody's name. */
interface OwnOrigin {
  readonly session?: undefined;
  readonly by: string;
  readonly retryOf?: string;
  readonly schedule?: { readonly id: string; readonly at: number };
  readonly tree?: TaskTree | undefined;
}

/** Sorted and distinct, so that equal sets share a group. */
function requirementsOf(type: string, requirements: readonly string[] | undefined): readonly string[] {
  if (requirements === undefined) return [type];
  return sortedSet(requirements);
}

export function sortedSet(names: readonly string[]): readonly string[] {
  return [...new Set(names)].toSorted(byCodeUnits);
}

/** Names the group of agents that can take a task. */
export function groupOf(requirements: readonly string[], selectors: readonly string[] | undefined): string {
  const required = requirements.join('\n');
  return selectors === undefined ? required : `${required}\0${selectors.join('\n')}`;
}

export function newTask(
  s: State,
  c: Context,
  made: { readonly params: TaskCreate; readonly origin: Origin | OwnOrigin },
): TaskRecord {
  const { params, origin } = made;
  const requirements = requirementsOf(params.type, params.requirements);
  const selectors = params.selectors === undefined ? undefined : sortedSet(params.selectors);
  const delayed = (params.delayMs ?? 0) > 0;
  const id = c.random.id('tsk');
  const topic = `task.${id}`;
  const workspaceId = workspaceFor(s, params);
  const inside = workspaceId !== undefined && s.workspaces.get(workspaceId) !== undefined ? workspaceId : undefined;
  const to = params.watch === false || origin.session === undefined ? [] : [origin.session.audience];
  return c.groups.book.judged({
    id,
    type: params.type,
    status: delayed ? 'scheduled' : 'pending',
    priority: PRIORITIES.indexOf(params.priority ?? 'normal'),
    parameters: params.parameters ?? null,
    bytes: TASK_BYTES + weigh(params.parameters ?? null),
    requirements,
    group: groupOf(requirements, selectors),
    labels: params.labels,
    strategy: params.strategy ?? strategyFor(s, params),
    ruling: undefined,
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
    errors: undefined,
    excluded: [],
    failedOn: undefined,
    selectors,
    sticky: params.sticky === undefined ? undefined : { mode: 'soft', ttlMs: LIMITS.stickyMs, ...params.sticky },
    concurrency: params.concurrency === undefined ? undefined : { policy: 'queue', ...params.concurrency },
    locks: params.locks === undefined ? undefined : normalised(params.locks),
    lockId: undefined,
    control: undefined,
    workspaceId,
    parentId: params.parentId,
    retryOf: origin.retryOf,
    schedule: origin.session === undefined ? origin.schedule : undefined,
    tree: origin.tree,
    createdBy: origin.session === undefined ? origin.by : origin.session.principal.id,
    topic,
    to: audienceOfTask([...to, `t:${topic}`], inside),
    createdAt: c.now,
    updatedAt: c.now,
    pendingAt: undefined,
    startedAt: undefined,
    finishedAt: undefined,
    rev: s.rev,
  });
}

/** Why not all of them can be taken up, else those that are to go so that there is room for them. */
export function admit(
  s: State,
  c: Context,
  tasks: readonly TaskRecord[],
): { readonly refused: Refusal } | { readonly refused?: undefined; readonly drops: readonly TaskRecord[] } {
  if (tasks.some((task) => !c.groups.admits(task))) {
    return {
      refused: rejected('LIMIT_EXCEEDED', 'Tasks with a thousand different sets of selectors are waiting.'),
    };
  }
  const unlocked = refuseLocks(s, tasks);
  if (unlocked !== undefined) return { refused: unlocked };
  if (tasks.every((task) => task.concurrency === undefined)) return { drops: [] };
  const admission = new Admission(s);
  for (const task of tasks) {
    const refused = admission.add(task);
    if (refused !== undefined) return { refused };
  }
  if (admission.drops.some((old) => tasks.some((task) => task.parentId === old.id))) {
    return { refused: rejected('QUEUE_FULL', 'The task above it would have to be cancelled to make room.') };
  }
  return { drops: admission.drops };
}

/** Takes up all of them or none, after those are gone that make room for them. */
function beginAll(
  s: State,
  c: Context,
  begun: { tasks: readonly TaskRecord[]; adoption: Adoption },
): Refusal | undefined {
  const admitted = admit(s, c, begun.tasks);
  if (admitted.refused !== undefined) return admitted.refused;
  begun.adoption.begin(c);
  for (const old of admitted.drops) dropOld(s, c, old);
  for (const task of begun.tasks) begin(c, task);
  return undefined;
}

export function begin(c: Context, task: TaskRecord): void {
  c.events.push({ kind: 'taskChanged', record: task });
  if (task.deadlineAt !== undefined) {
    c.events.push({ kind: 'timerSet', timer: 'deadline', entity: task.id, due: task.deadlineAt });
  }
  if (task.runAt === undefined) c.events.push({ kind: 'followed', work: { kind: 'place', task: task.id } });
  else c.events.push({ kind: 'timerSet', timer: 'run', entity: task.id, due: task.runAt });
}

export function dropOld(s: State, c: Context, task: TaskRecord): void {
  cancelOwn(s, c, { task, reason: 'A newer task with the same concurrency key took its place.' });
}

/** Nobody asked for it: the engine cancels a task by itself. */
export function cancelOwn(
  s: State,
  c: Context,
  { task, reason }: { readonly task: TaskRecord; readonly reason: string },
): void {
  letGo(s, c, { task, slot: 'stop', stop: { control: 'cancel', reason } });
  finish(c, { task, change: { status: 'cancelled' }, reason });
}

export function full(s: State, more: number): Refusal | undefined {
  if (s.taskBytes.sum > LIMITS.tasksBytesMax) {
    return rejected(
      'LIMIT_EXCEEDED',
      `The tasks in memory take ${s.taskBytes.sum} bytes; the limit is ${LIMITS.tasksBytesMax}.`,
    );
  }
  if (s.tasks.size + more <= LIMITS.tasksMax) return undefined;
  return rejected('LIMIT_EXCEEDED', `The tenant has ${s.tasks.size} tasks in memory; the limit is ${LIMITS.tasksMax}.`);
}

function treeBelow(adoption: Adoption, { parentId }: TaskCreate): TaskTree | undefined {
  return parentId === undefined ? undefined : treeWith(undefined, { depth: adoption.depthBelow(parentId) });
}

export const createTask: Decide<Params['task.create']> = (s, c, { session, params }) => {
  const refused = full(s, 1);
  if (refused !== undefined) return refused;
  const adoption = new Adoption(s, session);
  const orphaned = adoption.refuse(params);
  if (orphaned !== undefined) return orphaned;
  const task = newTask(s, c, { params, origin: { session, tree: treeBelow(adoption, params) } });
  const unwanted = beginAll(s, c, { tasks: [task], adoption });
  if (unwanted !== undefined) return unwanted;
  return accepted({ task: s.views.result(task) });
};

/** For tasks that one command makes by itself, one after another: each is counted in the trees that those before it joined. */
export function adoptionOf(s: State): Adoption | undefined {
  return s.counters.engineVersion < MENDED_VERSION ? undefined : new Adoption(s, undefined);
}

/** A task that was not asked for by `task.create`; or why it may not be. */
export function createOwn(
  s: State,
  c: Context,
  made: {
    readonly params: TaskCreate;
    readonly origin: Origin | OwnOrigin;
    /** Who answers for it in a workspace, if that is a member of it. */
    readonly member?: string | undefined;
    /** Tasks that this command has made before. */
    readonly ahead?: number;
    /** Of a command that makes several, from `adoptionOf`. */
    readonly adoption?: Adoption | undefined;
  },
): TaskRecord | Refusal {
  const refused = full(s, 1 + (made.ahead ?? 0));
  if (refused !== undefined) return refused;
  const { parentToken: _, ...template } = made.params;
  const params = withOpenParent(s, template);
  const workspace = workspaceFor(s, params);
  const outside = refuseOwn(s, workspace, made.member);
  if (outside !== undefined) return outside;
  const adoption = made.adoption ?? new Adoption(s, undefined);
  const orphaned = adoption.refuse(params);
  if (orphaned !== undefined) return orphaned;
  const task = newTask(s, c, { params, origin: { ...made.origin, tree: treeBelow(adoption, params) } });
  const unwanted = beginAll(s, c, { tasks: [task], adoption });
  if (unwanted === undefined) {
    // What a session asked for is counted with its request.
    const inside = workspaceOfTask(task);
    if (made.origin.session === undefined && inside !== undefined) {
      charge(c, [{ workspace: inside, to: 'write', makes: 1 }]);
    }
    return task;
  }
  adoption.withdraw(params);
  return unwanted;
}

export const createTasks: Decide<Params['task.createBatch']> = (s, c, { session, params }) => {
  const refused = full(s, params.tasks.length);
  if (refused !== undefined) return refused;
  const adoption = new Adoption(s, session);
  for (const one of params.tasks) {
    const orphaned = adoption.refuse(one);
    if (orphaned !== undefined) return orphaned;
  }
  const tasks = params.tasks.map((one) =>
    newTask(s, c, { params: one, origin: { session, tree: treeBelow(adoption, one) } }),
  );
  const unwanted = beginAll(s, c, { tasks, adoption });
  if (unwanted !== undefined) return unwanted;
  return accepted({ tasks: tasks.map(({ id, status }) => ({ id, status })) });
};

/** What another try needs of a finished task, from memory or from the archive. */
export function paramsOf(task: TaskView | TaskRecord): TaskCreate {
  const { timeoutMs, progressTimeoutMs, labels, workspaceId, parentId, selectors, sticky, concurrency, locks } = task;
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
    ...(selectors === undefined ? undefined : { selectors }),
    ...(sticky === undefined ? undefined : { sticky }),
    ...(concurrency === undefined ? undefined : { concurrency }),
    ...(locks === undefined ? undefined : { locks }),
    ...(workspaceId === undefined ? undefined : { workspaceId }),
    ...(parentId === undefined ? undefined : { parentId }),
  };
}

/** Below the same task, if one can still be created there. */
function withOpenParent(s: State, params: TaskCreate): TaskCreate {
  const { parentId, ...rest } = params;
  if (parentId === undefined || s.counters.engineVersion < WORK_VERSION) return params;
  const parent = s.tasks.get(parentId);
  return parent === undefined || isTerminal(parent.status) || parent.tree?.waits === 'parts' ? rest : params;
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
  if (source.tree?.distribution !== undefined) {
    return rejected('INVALID_TRANSITION', 'A distributed task is distributed again, or its parts are tried again.', {
      status: source.status,
    });
  }
  const refused = full(s, 1);
  if (refused !== undefined) return refused;
  const again = withOpenParent(s, paramsOf(source));
  const adoption = new Adoption(s, session);
  const orphaned = adoption.refuse(again);
  if (orphaned !== undefined) return orphaned;
  const task = newTask(s, c, {
    params: params.parameters === undefined ? again : { ...again, parameters: params.parameters },
    origin: { session, retryOf: source.id, tree: treeBelow(adoption, again) },
  });
  const unwanted = beginAll(s, c, { tasks: [task], adoption });
  if (unwanted !== undefined) return unwanted;
  return accepted({ task: s.views.result(task) });
};
