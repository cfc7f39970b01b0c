/** What requests about tasks come to (PROTOCOL.md 11): a code, or nothing and a changed state. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { PRIORITIES, type TaskCreate, type TaskStatus } from '../../../protocol/wire/types.ts';
import { field, items, num, text } from '../checker/values.ts';
import { isEnded, isHeld, isOpenBelow, type RefSession, type RefState, type RefTask } from './records.ts';

/** What one unit of work changed that lets tasks be given. */
export interface Unit {
  readonly arrived: Set<RefTask>;
  /** Agents with another free slot, or another key. */
  readonly freed: Set<string>;
  /** Concurrency keys with room. */
  readonly keys: Set<string>;
}

export function newUnit(): Unit {
  return { arrived: new Set(), freed: new Set(), keys: new Set() };
}

export interface Call {
  readonly session: RefSession;
  readonly method: string;
  readonly params: unknown;
  /** Of an accepted request. */
  readonly result: unknown;
}

/** From which statuses a holder may call. */
const FROM: { readonly [method: string]: readonly TaskStatus[] } = {
  'task.accept': ['offered', 'assigned'],
  'task.reject': ['offered', 'assigned', 'accepted'],
  'task.start': ['assigned', 'accepted'],
  'task.progress': ['assigned', 'accepted', 'in_progress'],
  'task.complete': ['assigned', 'accepted', 'in_progress'],
  'task.fail': ['assigned', 'accepted', 'in_progress'],
  'task.release': ['offered', 'assigned', 'accepted', 'in_progress'],
};

/** The code of the refusal; undefined: done. */
export function decide(s: RefState, unit: Unit, call: Call): string | undefined {
  const { method, params } = call;
  if (method === 'task.create') return create(s, unit, { call, wanted: [params] });
  if (method === 'task.createBatch') return create(s, unit, { call, wanted: items(params, 'tasks') });
  if (method === 'task.cancel') return cancel(s, unit, call);
  if (method === 'task.acknowledge') return acknowledge(s, unit, call);
  if (method === 'strategy.set') return setStrategy(s, call);
  const task = s.tasks.get(text(params, 'id') ?? '');
  if (task === undefined) return 'TASK_NOT_FOUND';
  // J2
  const current = isHeld(task) || isEnded(task) ? String(task.token) : undefined;
  if (current !== text(params, 'token')) return 'STALE_TOKEN';
  if (!speaksFor(s, call.session, task.agentId)) return 'UNAUTHORIZED';
  if (FROM[method]?.includes(task.status) !== true) return 'INVALID_TRANSITION';
  held(s, unit, { task, method, params });
  return undefined;
}

/** J4 */
function speaksFor(s: RefState, session: RefSession, agentId: string | undefined): boolean {
  if (session.role === 'admin') return true;
  if (agentId === undefined) return false;
  return (
    session.agentId === agentId ||
    (session.agentName !== undefined && s.agents.get(agentId)?.name === session.agentName)
  );
}

function held(
  s: RefState,
  unit: Unit,
  of: { readonly task: RefTask; readonly method: string; readonly params: unknown },
): void {
  const { task, method, params } = of;
  const by = task.agentId ?? '';
  switch (method) {
    case 'task.accept':
    case 'task.start':
    case 'task.progress':
      task.status = method === 'task.accept' ? 'accepted' : 'in_progress';
      task.due.delete('accept');
      if (task.progressTimeoutMs !== undefined) task.due.set('progress', s.live + task.progressTimeoutMs);
      return;
    case 'task.complete':
      letGo(s, unit, { task });
      if (field(params, 'children') === 'wait' && isOpenBelow(s, task)) {
        task.status = 'in_progress';
        task.waits = true;
        return;
      }
      finish(task, 'completed');
      return;
    case 'task.fail':
      letGo(s, unit, { task });
      failed(task, { end: 'failed', retryable: field(params, 'retryable') !== false });
      return;
    case 'task.reject':
      letGo(s, unit, { task });
      exclude(task, by);
      requeue(unit, task);
      return;
    default: {
      letGo(s, unit, { task });
      const delayMs = num(params, 'delayMs') ?? 0;
      if (delayMs === 0) return requeue(unit, task);
      task.status = 'scheduled';
      task.agentId = undefined;
      task.due.set('run', s.now + delayMs);
    }
  }
}

/** The attempt is over; `control`: its holder is told, and keeps its slot until it has stopped (J17). */
export function letGo(s: RefState, unit: Unit, of: { readonly task: RefTask; readonly control?: string }): void {
  const { task, control } = of;
  if (!isHeld(task)) return;
  const agentId = task.agentId ?? '';
  for (const name of ['accept', 'timeout', 'progress'] as const) task.due.delete(name);
  if (control !== undefined && s.agents.has(agentId)) {
    const due = s.agents.get(agentId)?.attached === true ? s.live + LIMITS.stopMs : undefined;
    s.stops.push({ task: task.id, agentId, token: task.token, control, due });
  }
  unit.freed.add(agentId);
  if (task.concurrency !== undefined) unit.keys.add(task.concurrency.key);
}

export function finish(task: RefTask, status: TaskStatus): void {
  task.status = status;
  task.waits = false;
  task.due.clear();
}

function endOf(s: RefState, task: RefTask): TaskStatus | undefined {
  if (task.parts === undefined) return isOpenBelow(s, task) ? undefined : 'completed';
  const { mode, need, open } = task.parts;
  const parts = open.flatMap((id) => s.tasks.get(id) ?? []);
  const completed = task.parts.completed + parts.filter(({ status }) => status === 'completed').length;
  const left = parts.filter((part) => !isEnded(part)).length;
  if (completed >= need) return 'completed';
  if (mode === 'best_of') return left > 0 ? undefined : completed > 0 ? 'completed' : 'failed';
  return completed + left < need ? 'failed' : undefined;
}

/** J32, J37: what waited for others, which have ended or decide it. */
export function endWaiting(s: RefState): void {
  let ended = true;
  while (ended) {
    ended = false;
    for (const task of s.tasks.values()) {
      const end = task.waits ? endOf(s, task) : undefined;
      if (end === undefined) continue;
      finish(task, end);
      ended = true;
    }
  }
}

/** J7, J35: of the marks the newest are kept, and all by which names are barred. */
export function exclude(task: RefTask, mark: string): void {
  const marks = [...task.excluded.filter((one) => one !== mark), mark];
  const own = marks.filter((one) => !one.startsWith('@'));
  task.excluded = own.length > LIMITS.excludedMax ? marks.filter((one) => one !== own[0]) : marks;
}

export function requeue(unit: Unit, task: RefTask): void {
  task.status = 'pending';
  task.agentId = undefined;
  unit.arrived.add(task);
}

/** J11, J12; when it is tried again is drawn, and taken from the engine. */
export function failed(task: RefTask, how: { readonly end: TaskStatus; readonly retryable: boolean }): void {
  task.failures += 1;
  const by = task.agentId ?? '';
  if (!task.failedOn.includes(by)) task.failedOn = [...task.failedOn, by].slice(-LIMITS.excludedMax);
  if (!how.retryable || task.failures >= task.retry.maxAttempts) return finish(task, how.end);
  task.status = 'scheduled';
  task.agentId = undefined;
  task.due.set('run', Number.NaN);
}

function cancel(s: RefState, unit: Unit, { session, params }: Call): string | undefined {
  const task = s.tasks.get(text(params, 'id') ?? '');
  if (task === undefined) return 'TASK_NOT_FOUND';
  if (session.role === 'agent' && task.createdBy !== session.principal) return 'UNAUTHORIZED';
  if (isEnded(task)) return 'INVALID_TRANSITION';
  letGo(s, unit, { task, control: 'cancel' });
  finish(task, 'cancelled');
  return undefined;
}

function acknowledge(s: RefState, unit: Unit, { session, params }: Call): string | undefined {
  const [id, token] = [text(params, 'id'), text(params, 'token')];
  const stop = s.stops.find((one) => one.task === id && String(one.token) === token);
  if (stop === undefined) return undefined;
  if (!speaksFor(s, session, stop.agentId)) return 'UNAUTHORIZED';
  if (stop.control !== text(params, 'control')) return 'INVALID_TRANSITION';
  s.stops = s.stops.filter((one) => one !== stop);
  unit.freed.add(stop.agentId);
  return undefined;
}

function setStrategy(s: RefState, { params }: Call): undefined {
  const name = text(params, 'name');
  const key = name === undefined ? 'tenant' : `${text(params, 'scope') ?? ''} ${name}`;
  const { strategy } = params as { readonly strategy: RefTask['strategy'] | null };
  if (strategy === null) s.strategies.delete(key);
  else s.strategies.set(key, strategy);
}

function create(
  s: RefState,
  unit: Unit,
  of: { readonly call: Call; readonly wanted: readonly unknown[] },
): string | undefined {
  const { call } = of;
  const wanted = of.wanted as readonly TaskCreate[];
  const made = field(call.result, 'tasks') === undefined ? [field(call.result, 'task')] : items(call.result, 'tasks');
  const drops: RefTask[] = [];
  for (const [i, { concurrency }] of wanted.entries()) {
    if (concurrency?.policy === undefined || concurrency.policy === 'queue') continue;
    const { key, max, policy } = concurrency;
    // Of two that were created in one millisecond the one with the smaller id counts as older.
    const old = [...s.tasks.values()]
      .filter((one) => one.concurrency?.key === key && !isEnded(one) && !drops.includes(one))
      .toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
    const earlier = wanted.slice(0, i).filter((one) => one.concurrency?.key === key).length;
    const tooMany = old.length + earlier - max + 1;
    if (tooMany <= 0) continue;
    // Only older tasks make room, not those of the same batch (J23).
    if (policy === 'dropNew' || tooMany > old.length) return 'QUEUE_FULL';
    drops.push(...old.slice(0, tooMany));
  }
  for (const old of drops) {
    letGo(s, unit, { task: old, control: 'cancel' });
    finish(old, 'cancelled');
  }
  for (const [i, params] of wanted.entries()) {
    const task = born(s, { params, id: text(made[i], 'id') ?? '', by: call.session.principal });
    s.tasks.set(task.id, task);
    s.born.add(task.id);
    if (task.status === 'pending') unit.arrived.add(task);
  }
  return undefined;
}

function born(s: RefState, of: { readonly params: TaskCreate; readonly id: string; readonly by: string }): RefTask {
  const { params, id, by } = of;
  const due: RefTask['due'] = new Map();
  if (params.deadlineMs !== undefined) due.set('deadline', s.now + params.deadlineMs);
  const delayMs = params.delayMs ?? 0;
  if (delayMs > 0) due.set('run', s.now + delayMs);
  const set = s.strategies;
  const preferred = set.get(`workspace ${params.workspaceId}`) ?? set.get(`type ${params.type}`) ?? set.get('tenant');
  return {
    id,
    type: params.type,
    priority: PRIORITIES.indexOf(params.priority ?? 'normal'),
    createdAt: s.now,
    createdBy: by,
    requirements: params.requirements ?? [params.type],
    selectors: params.selectors ?? [],
    strategy: params.strategy ?? preferred ?? 'least_loaded',
    sticky: params.sticky === undefined ? undefined : { mode: 'soft', ttlMs: 3_600_000, ...params.sticky },
    concurrency: params.concurrency === undefined ? undefined : { policy: 'queue', ...params.concurrency },
    retry: { maxAttempts: 5, initialDelayMs: 1_000, maxDelayMs: 60_000, factor: 2, ...params.retry },
    mode: params.mode ?? 'assign',
    timeoutMs: params.timeoutMs,
    progressTimeoutMs: params.progressTimeoutMs,
    status: delayMs > 0 ? 'scheduled' : 'pending',
    parentId: params.parentId,
    waits: false,
    parts: undefined,
    agentId: undefined,
    token: 0,
    attempt: 0,
    failures: 0,
    losses: 0,
    excluded: [],
    failedOn: [],
    due,
  };
}
