/**
 * Takes the views that an entry changed into the records, and says what that was for tasks.
 */
import type { AgentView, TaskStatus, TaskView } from '../../../protocol/wire/types.ts';
import type { EventOf, SessionObservation, TaskObservation } from './history.ts';
import { latest, withCausesOf, type AgentRec, type Assignment, type Change } from './records.ts';
import type { Mark, SessionRec, TaskRec, Tenant, Version } from './records.ts';
import { effectOf, opsOn } from './request-book.ts';
import { text } from './values.ts';
import type { World } from './world.ts';

const HELD: ReadonlySet<TaskStatus> = new Set(['offered', 'assigned', 'accepted', 'in_progress']);
const TERMINAL: ReadonlySet<TaskStatus> = new Set(['completed', 'failed', 'cancelled', 'timed_out']);

export function isHeld(status: TaskStatus): boolean {
  return HELD.has(status);
}

/** A paused task is held if it has an agent; one that waits for those below it is nobody's. */
export function isHeldView(view: Pick<TaskView, 'status' | 'agentId' | 'tree'>): boolean {
  if (view.tree?.waits !== undefined) return false;
  return isHeld(view.status) || (view.status === 'paused' && view.agentId !== undefined);
}

export function isTerminal(status: TaskStatus): boolean {
  return TERMINAL.has(status);
}

/** What an agent must be able to do to get the task. A type requires itself unless requirements were given. */
export function requirementsOf(task: TaskRec, view: TaskView): readonly string[] {
  // Whoever is named needs no capability (J34).
  if (view.tree?.delegatedBy !== undefined) return view.requirements;
  if (view.requirements.length > 0 || task.origin === undefined) return view.requirements;
  const asked = (task.origin.params as { requirements?: unknown }).requirements;
  return asked === undefined && task.origin.method === 'task.create' ? [view.type] : view.requirements;
}

/** Tasks with one of these fit the same agents. */
function wantsOf(task: TaskRec, view: TaskView): string {
  return [...requirementsOf(task, view), ...(view.selectors ?? []), view.workspaceId ?? ''].join(' ');
}

interface Changes {
  readonly changes: readonly Change[];
  readonly hidden: readonly Assignment[];
}

export function applyViews(world: World, event: EventOf<'applied'>, mark: Mark): Changes {
  const tenant = world.tenant(event.tenant);
  if (event.rules !== undefined) {
    tenant.rules = event.rules;
    tenant.ruled = mark;
  }
  for (const observed of event.sessions ?? []) applySession(world, observed, mark);
  for (const view of event.agents ?? []) applyAgent(tenant, view, mark);
  for (const id of event.agentsGone ?? []) {
    const agent = tenant.agents.get(id);
    if (agent !== undefined) agent.gone = mark;
  }
  for (const observed of event.sessions ?? []) bindAgent(tenant, observed, mark);
  const changes: Change[] = [];
  for (const observed of event.tasks ?? []) {
    const change = applyTask(world, observed, mark);
    if (change !== undefined) changes.push(change);
  }
  return { changes, hidden: hiddenAssignments(tenant, event, mark) };
}

/** Assignments of which only the order is seen, because they ended in the entry that made them. */
function hiddenAssignments(tenant: Tenant, event: EventOf<'applied'>, mark: Mark): Assignment[] {
  const hidden: Assignment[] = [];
  for (const push of event.pushes ?? []) {
    if (push.event !== 'task.assigned' && push.event !== 'task.offered') continue;
    const task = tenant.tasks.get(push.taskId ?? '');
    const agentId = push.agentId ?? tenant.sessions.get(push.session ?? '')?.agentId;
    if (push.topic !== undefined || push.token === undefined || task === undefined || agentId === undefined) continue;
    if (task.assignments.some(({ token }) => token === push.token)) continue;
    const { task: view } = latest(task);
    const session = tenant.agents.get(agentId)?.session;
    const whose = { task, token: push.token, agentId, session: session?.id, awayMs: session?.awayMs ?? 0 };
    const told = { ...whose, start: mark, attempt: Math.max(1, view.attempt) };
    const end = { mark, to: view, causes: [], away: false };
    const assignment: Assignment = { ...told, status: 'assigned', confirmed: undefined, running: undefined, end };
    task.assignments.push(assignment);
    tenant.agents.get(agentId)?.assignments.push(assignment);
    hidden.push(assignment);
  }
  return hidden;
}

function applySession(world: World, observed: SessionObservation, mark: Mark): void {
  const tenant = world.tenant(mark.tenant);
  const session = world.session(observed.id, tenant);
  tenant.sessions.set(session.id, session);
  session.principal ??= observed.principal;
  session.agentId = observed.agentId;
  if (observed.agentId !== undefined) session.agentIds.add(observed.agentId);
  const before = session.server;
  const ended = observed.ended === true;
  if (before !== undefined && before.attached === observed.attached && before.ended === ended) return;
  const lost = before !== undefined && before.attached && !observed.attached;
  const returned = before !== undefined && !before.attached && observed.attached;
  if (returned) session.awayMs += mark.live - before.since.live;
  session.serverBefore = before;
  session.server = {
    attached: observed.attached,
    ended,
    since: before !== undefined && before.attached === observed.attached ? before.since : mark,
    byOpening: observed.attached ? false : lost ? mark.up : (before?.byOpening ?? false),
  };
}

function bindAgent(tenant: Tenant, observed: SessionObservation, mark: Mark): void {
  const agent = observed.agentId === undefined ? undefined : tenant.agents.get(observed.agentId);
  const session = tenant.sessions.get(observed.id);
  if (agent === undefined || session === undefined || agent.session === session) return;
  const better = observed.attached || agent.session === undefined;
  if (!better) return;
  agent.sessionBefore = agent.session;
  agent.session = session;
  agent.bound = mark;
}

function applyAgent(tenant: Tenant, view: AgentView, mark: Mark): void {
  const known = tenant.agents.get(view.id);
  if (known !== undefined) {
    const again = known.changed.seq === mark.seq;
    if (!again) known.before = known.view;
    known.passed = again ? [...known.passed, known.view] : [];
    if (isDraining(known.view) && !isDraining(view)) known.undrained = mark;
    known.view = view;
    known.changed = mark;
    known.gone = undefined;
    const last = known.capacities.at(-1);
    if (last?.capacity !== view.capacity) {
      // It still was that for a while of this entry.
      if (again && last !== undefined && last.index < mark.index)
        known.capacities.push({ index: mark.index, capacity: last.capacity });
      known.capacities.push({ index: mark.index, capacity: view.capacity });
    }
    return;
  }
  const agent: AgentRec = {
    id: view.id,
    tenant,
    view,
    before: undefined,
    passed: [],
    changed: mark,
    gone: undefined,
    undrained: undefined,
    capacities: [{ index: mark.index, capacity: view.capacity }],
    held: new Map(),
    assignments: [],
    stops: [],
    session: undefined,
    sessionBefore: undefined,
    bound: undefined,
  };
  tenant.agents.set(view.id, agent);
  for (const session of tenant.sessions.values()) {
    if (session.agentId !== view.id || session.server?.attached !== true) continue;
    agent.session = session;
    agent.bound = mark;
  }
}

/** Who was cut off in the entry itself, or in one whose work it goes on with, may have been there when a timer fired. */
function wasAway(session: SessionRec | undefined, causes: readonly Mark[]): boolean {
  const { server } = session ?? {};
  return server === undefined || (!server.attached && !causes.includes(server.since));
}

export function isDraining({ status, declared }: AgentView): boolean {
  return status === 'draining' || declared === 'draining';
}

function applyTask(world: World, observed: TaskObservation, mark: Mark): Change | undefined {
  const tenant = world.tenant(mark.tenant);
  const view = observed.task;
  const task = tenant.tasks.get(view.id) ?? newTask(tenant, view);
  const held = isHeldView(view);
  if (held ? observed.token === undefined || view.agentId === undefined : observed.token !== undefined) {
    const what = held ? 'without token or agent' : 'with a token';
    world.report('H', `task ${view.id} is ${view.status} ${what}`, [mark.index]);
    if (held) return undefined;
  }
  const next: Version = { task: view, mark, ...(held && observed.token !== undefined && { token: observed.token }) };
  const prev = task.versions.at(-1);
  const current = task.current;
  const keeps = held && current !== undefined && current.token === next.token && current.agentId === view.agentId;
  const ended = keeps ? undefined : current;
  if (ended !== undefined) {
    const away = wasAway(tenant.agents.get(ended.agentId)?.session, withCausesOf(tenant, mark));
    ended.end = { mark, to: view, causes: [], away };
    tenant.agents.get(ended.agentId)?.held.delete(task.id);
    task.current = undefined;
  }
  const started = held && !keeps ? begin(task, next) : undefined;
  task.versions.push(next);
  task.excluded = observed.excluded;
  progressOf(task, view, mark);
  place(task, prev?.task, view);
  return { task, observed, prev, next, ended, started };
}

function newTask(tenant: Tenant, view: TaskView): TaskRec {
  const mark = text(view.parameters, 'mark');
  // Parts that are alike have one mark: they are judged with their whole.
  const part = view.tree?.part !== undefined;
  const effect = mark === undefined || part ? undefined : effectOf(tenant, mark);
  const task: TaskRec = {
    id: view.id,
    tenant,
    versions: [],
    assignments: [],
    current: undefined,
    ops: opsOn(tenant, view.id),
    origin: view.retryOf === undefined ? effect?.ops[0] : undefined,
    excluded: undefined,
    refusedBy: new Set(),
    unconfirmedBy: new Set(),
    handedBy: new Set(),
    failures: [0, 0],
  };
  tenant.tasks.set(task.id, task);
  if (view.retryOf === undefined) effect?.tasks.push(task);
  return task;
}

function begin(task: TaskRec, version: Version): Assignment {
  const { task: view, token = '', mark } = version;
  const agent = task.tenant.agents.get(view.agentId ?? '');
  const started: Assignment = {
    task,
    token,
    agentId: view.agentId ?? '',
    session: agent?.session?.id,
    awayMs: agent?.session?.awayMs ?? 0,
    start: mark,
    attempt: view.attempt,
    status: view.status,
    confirmed: undefined,
    running: undefined,
    end: undefined,
  };
  task.current = started;
  task.assignments.push(started);
  agent?.held.set(task.id, started);
  agent?.assignments.push(started);
  return started;
}

function progressOf(task: TaskRec, view: TaskView, mark: Mark): void {
  const { current } = task;
  if (current === undefined) return;
  current.status = view.status;
  if (view.status === 'accepted' || view.status === 'in_progress') current.confirmed ??= mark;
  if (view.status === 'in_progress') current.running ??= mark;
  if (view.paused?.confirmed === true) current.confirmed ??= mark;
}

/** Keeps the tenant's sets by status. */
function place(task: TaskRec, prev: TaskView | undefined, next: TaskView): void {
  const { held, scheduled, pending, waiting } = task.tenant;
  if (prev !== undefined) pending.get(wantsOf(task, prev))?.delete(task);
  held.delete(task);
  scheduled.delete(task);
  waiting.delete(task);
  if (next.tree?.waits !== undefined) waiting.add(task);
  if (isHeldView(next)) held.add(task);
  if (next.status === 'scheduled') scheduled.add(task);
  if (next.status !== 'pending') return;
  const key = wantsOf(task, next);
  const set = pending.get(key) ?? new Set();
  pending.set(key, set.add(task));
}
