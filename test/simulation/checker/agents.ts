/**
 * Agents and their slots: 44, 45 (as the server counts), 23, K, M.
 */
import type { AgentView, TaskView } from '../../../protocol/wire/types.ts';
import { leaseIsOver } from './causes.ts';
import type { AgentRec, Assignment, CauseKind, Change, Mark, Stop, TaskRec, Tenant } from './records.ts';
import { isAble, isFit, isFree, isKept } from './placing.ts';
import { isLet, rulesMoved } from './rules.ts';
import { attachmentsAround, latest, viewsIn } from './records.ts';
import { mayHaveRun, wasOk } from './request-book.ts';
import { num, text } from './values.ts';
import type { AppliedStep, Family, Step, World } from './world.ts';

/** Ends of which the holder is told, and which leave its slot taken until it has stopped. */
const TOLD: readonly CauseKind[] = ['cancel', 'accept', 'timeout', 'progressTimeout', 'deadline'];

export class Agents implements Family {
  readonly #world: World;
  /** Agents whose slots may change by the mere passing of time. */
  readonly #stopping = new Set<AgentRec>();

  constructor(world: World) {
    this.#world = world;
  }

  on(step: Step): void {
    const { applied } = step;
    if (applied === undefined) return;
    const touched = new Set<AgentRec>();
    for (const view of applied.event.agents ?? []) add(touched, applied.tenant.agents.get(view.id));
    for (const change of applied.changes) {
      if (change.started !== undefined) this.#assigned(change.started, change.next.task);
      if (change.ended !== undefined) this.#stops(change, change.ended);
      add(touched, applied.tenant.agents.get(change.started?.agentId ?? ''));
      add(touched, applied.tenant.agents.get(change.ended?.agentId ?? ''));
    }
    for (const assignment of applied.hidden) this.#hidden(assignment, touched);
    for (const agent of this.#stopping) if (agent.tenant === applied.tenant) touched.add(agent);
    for (const agent of touched) this.#count(agent, applied.mark);
    this.#oneSession(applied);
    if (applied.mark.drained && !this.#world.stopping) this.#wakeUps(applied.tenant, applied.mark);
  }

  #assigned(started: Assignment, given: TaskView): void {
    const { task, agentId, start } = started;
    const agent = task.tenant.agents.get(agentId);
    const wrong = (message: string): void =>
      this.#world.report('44', `${task.id}: ${message}`, [agent?.changed.index, start.index]);
    if (agent === undefined || (agent.gone !== undefined && agent.gone.seq !== start.seq))
      return wrong(`assigned to the unknown agent ${agentId}`);
    const states = viewsIn(agent, start);
    const active = states.some((view) => view.status === 'active');
    if (!active) wrong(`assigned to ${agentId}, which is ${agent.view.status}`);
    const missing = states.every((view) => !isAble(view, task));
    const barred = states.every((view) => !isLet(view, task, given)) && !rulesMoved(task, start);
    if (barred) wrong(`assigned to ${agentId}, which a rule keeps from it`);
    if (missing) wrong(`assigned to ${agentId}, which lacks a capability or a label`);
    const present = agent.session !== undefined && !leaseIsOver(this.#world, agent, start);
    const here = agent.session !== undefined && attachmentsAround(agent.session, start).some((state) => state.attached);
    if (!present && !here) wrong(`assigned to ${agentId}, which is away`);
    if (task.refusedBy.has(agentId)) this.#again(started);
  }

  /** Its refusal is among the newest exclusions, which are kept (J7). */
  #again(started: Assignment): void {
    const { task, agentId, start } = started;
    const refused = task.assignments.filter((old) => old.agentId === agentId && old !== started);
    const last = refused.findLast((old) => old.end?.causes.some(({ kind }) => kind === 'reject'));
    const later = task.assignments.slice(task.assignments.findIndex((one) => one === last) + 1).filter(mayExclude);
    if (later.length >= this.#world.options.excludedMax) return;
    const events = refused.map((old) => old.end?.mark.index);
    this.#world.report('M', `${task.id}: back to ${agentId}, which refused it`, [...events, start.index]);
  }

  /** Remembers a holder that was told to stop and still has its slot. */
  #stops(change: Change, ended: Assignment): void {
    const agent = change.task.tenant.agents.get(ended.agentId);
    const to = change.next.task.status;
    if (agent === undefined || to === 'completed') return;
    const causes = ended.end?.causes ?? [];
    const byHolder =
      causes.length > 0 &&
      causes.every(({ kind }) => ['complete', 'fail', 'reject', 'release', 'delegate'].includes(kind));
    if (byHolder) return;
    const told = causes.length > 0 && causes.every(({ kind }) => TOLD.includes(kind));
    // Another process may have taken over in the same entry.
    const same = (agent.bound?.seq ?? 0) < ended.start.seq;
    const sure = told && same && ended.status !== 'offered' && agent.session?.server?.attached === true;
    agent.stops.push({ assignment: ended, start: change.next.mark, sure });
    this.#stopping.add(agent);
  }

  /** Its holder may have been told to stop before it began. */
  #hidden(assignment: Assignment, touched: Set<AgentRec>): void {
    const agent = assignment.task.tenant.agents.get(assignment.agentId);
    if (agent === undefined) return;
    agent.stops.push({ assignment, start: assignment.start, sure: false });
    this.#stopping.add(agent);
    touched.add(agent);
  }

  #count(agent: AgentRec, mark: Mark): void {
    agent.stops = agent.stops.filter((stop) => this.#mayStop(agent, stop, mark));
    if (agent.stops.length === 0) this.#stopping.delete(agent);
    if (agent.gone !== undefined) return;
    const { active } = agent.view;
    const held = [...agent.held.values()];
    for (const stop of agent.stops) stop.sure = this.#mustStop(agent, stop, mark);
    const mustStop = agent.stops.filter((stop) => stop.sure).length;
    const events = [...held.map((assignment) => assignment.start.index), agent.changed.index, mark.index];
    if (active < held.length + mustStop || active > held.length + agent.stops.length) {
      const message = `${agent.id}: active ${active} with ${held.length} assignments and ${mustStop} to ${agent.stops.length} stopping`;
      this.#world.report('45', message, events);
    }
    const overfull = agent.changed.seq === mark.seq ? overfullIn(viewsIn(agent, mark), agent.before) : undefined;
    if (overfull !== undefined) {
      this.#world.report('45', `${agent.id}: active ${overfull.active} of capacity ${overfull.capacity}`, events);
    }
  }

  /** The slot of a stopping assignment may still be taken. */
  #mayStop(agent: AgentRec, stop: Stop, mark: Mark): boolean {
    // One that was on its way when the assignment ended may have been carried out before that: it acknowledged nothing.
    const acks = acksOf(stop.assignment).filter(({ index }) => index > stop.start.index);
    if (acks.some(wasOk)) return false;
    // Timers that are due wait behind the rest of the work.
    if (!mark.drained) return true;
    const { stopMs, timerSlackMs } = this.#world.options;
    const attached = agent.session?.server;
    if (attached?.attached !== true) return true;
    const since = Math.max(stop.start.live, attached.since.live);
    return mark.live - since < stopMs + timerSlackMs;
  }

  /** The slot of a stopping assignment must still be taken. */
  #mustStop(agent: AgentRec, stop: Stop, mark: Mark): boolean {
    const { session } = agent;
    if (!stop.sure || session?.id !== stop.assignment.session || session?.server?.ended === true) return false;
    if (session === undefined || session.byes.length > 0 || leaseIsOver(this.#world, agent, mark)) return false;
    if (acksOf(stop.assignment).some(mayHaveRun)) return false;
    return mark.live - stop.start.live < this.#world.options.stopMs;
  }

  #oneSession({ tenant, event, mark }: AppliedStep): void {
    if (mark.up && mark.drained) {
      const left = [...tenant.sessions.values()].filter((session) => session.server?.attached === true);
      for (const session of left) {
        this.#world.report('K', `session ${session.id} is attached after the opening`, [
          session.server?.since.index,
          mark.index,
        ]);
      }
    }
    for (const { agentId, attached } of event.sessions ?? []) {
      if (agentId === undefined || !attached) continue;
      const all = [...tenant.sessions.values()].filter(
        (other) => other.agentId === agentId && other.server?.attached === true,
      );
      if (all.length > 1) {
        const events = all.map((session) => session.server?.since.index);
        this.#world.report('K', `${agentId} has ${all.length} attached sessions`, [...events, mark.index]);
      }
    }
  }

  /** A task that waits though somebody could work on it. */
  #wakeUps(tenant: Tenant, mark: Mark): void {
    if (tenant.pending.size === 0) return;
    const free = [...tenant.agents.values()].filter((agent) => isFree(agent));
    if (free.length === 0) return;
    for (const tasks of tenant.pending.values()) {
      const [first] = tasks;
      if (first === undefined) continue;
      const able = free.filter((agent) => isFit(agent.view, first));
      for (const task of able.length === 0 ? [] : tasks) {
        const agent = able.find((one) => !isExcluded(task, one.id) && isLet(one.view, task));
        if (agent === undefined || isKept(task)) continue;
        const events = [latest(task).mark.index, agent.changed.index, mark.index];
        this.#world.report('23', `${task.id} is pending while ${agent.id} has a free slot`, events);
        return;
      }
    }
  }
}

export function isExcluded(task: TaskRec, agentId: string): boolean {
  const { name } = task.tenant.agents.get(agentId)?.view ?? {};
  if (task.excluded !== undefined) return task.excluded.some((one) => one === agentId || one === `@${name}`);
  return task.unconfirmedBy.has(agentId);
}

/** Whoever had it may have refused it, or not confirmed it: of one that ended where it began that is not seen. */
function mayExclude({ end }: Assignment): boolean {
  if (end === undefined) return false;
  return end.causes.length === 0 || end.causes.some(({ kind }) => kind === 'reject' || kind === 'accept');
}

function acksOf(assignment: Assignment): TaskRec['ops'] {
  return assignment.task.ops.filter(
    (op) =>
      op.method === 'task.acknowledge' &&
      num(op.params, 'seq') === undefined &&
      text(op.params, 'token') === assignment.token,
  );
}

function add<T>(set: Set<T>, value: T | undefined): void {
  if (value !== undefined) set.add(value);
}

/** The first in the entry that has more than its capacity, or less than nothing. `before`: as it was when the entry began. */
function overfullIn(views: readonly AgentView[], before: AgentView | undefined): AgentView | undefined {
  return views.find((view, i) => {
    if (view === before || (view.active >= 0 && view.active <= view.capacity)) return false;
    // It was filled, and shrank, within the entry; or it was over its capacity before.
    const shrunk = views.slice(0, i).some(({ active, capacity }) => {
      const fitted = view.capacity < capacity && view.active <= capacity;
      return fitted || (view.active <= active && active > capacity);
    });
    return view.active < 0 || !shrunk;
  });
}
