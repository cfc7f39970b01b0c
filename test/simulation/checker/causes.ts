/**
 * Why an assignment ended: every lawful cause that the history has a record of. None means that it ended unlawfully.
 */
import type { Assignment, AgentRec, Cause, CauseKind, Change, Conn, Mark, Op, TaskRec, Version } from './records.ts';
import { roomMakers } from './placing.ts';
import { attachmentsAround, latest, withCausesOf } from './records.ts';
import { isChildCall, mayHaveRun } from './request-book.ts';
import { items, num, same, text } from './values.ts';
import { fallenAbove } from './trees.ts';
import { isDraining } from './views.ts';
import type { World } from './world.ts';

const BY_LOSS: readonly CauseKind[] = ['lost', 'replaced', 'bye', 'deregistered', 'revoked'];
const BY_FAILURE: readonly CauseKind[] = ['fail', 'timeout', 'progressTimeout'];
const BY_HOLDER: { readonly [method: string]: CauseKind } = {
  'task.complete': 'complete',
  'task.fail': 'fail',
  'task.reject': 'reject',
  'task.release': 'release',
  'task.delegate': 'delegate',
};

/** An assignment that ended, seen at `change.next`. */
export type Ending = Change & { readonly ended: Assignment; readonly prev: NonNullable<Change['prev']> };

export function isLossy(ending: Ending): boolean {
  return ending.next.task.losses > ending.prev.task.losses;
}

export function isFailure(kind: CauseKind): boolean {
  return BY_FAILURE.includes(kind);
}

/** The kinds of cause that fit what was seen. */
function fitting(ending: Ending, agent: AgentRec | undefined): readonly CauseKind[] {
  const failsWhenLost: readonly CauseKind[] = agent?.view.onLost === 'fail' ? ['lost', 'replaced', 'deregistered'] : [];
  if (isLossy(ending)) return [...BY_LOSS, 'accept'];
  const { status } = ending.next.task;
  if (status === 'completed' || ending.next.task.tree?.waits !== undefined) return ['complete'];
  if (status === 'cancelled') return ['cancel'];
  if (status === 'timed_out') return ['timeout', 'deadline', 'progressTimeout'];
  if (status === 'failed') return ['fail', ...failsWhenLost];
  return [...BY_FAILURE, 'reject', 'release', 'bye', 'revoked', 'drained', 'pause', 'delegate', 'moved', 'removed'];
}

export function causesOf(world: World, ending: Ending): Cause[] {
  const agent = ending.task.tenant.agents.get(ending.ended.agentId);
  const found = [...requested(ending), ...timers(world, ending, agent), ...losses(world, ending, agent)];
  const fits = fitting(ending, agent);
  const waits = ending.next.task.tree?.waits !== undefined;
  return found.filter(({ kind, op }) => fits.includes(kind) && (!waits || text(op?.params, 'children') === 'wait'));
}

/** What the holder or an operator asked for before the entry. */
function requested(ending: Ending): Cause[] {
  const { task, ended, next } = ending;
  const causes: Cause[] = [];
  for (const op of task.ops) {
    if (op.index > next.mark.index || !mayHaveRun(op)) continue;
    // The holder keeps what another does a part of.
    const kind = isChildCall(op) ? undefined : BY_HOLDER[op.method];
    if (op.method === 'task.cancel') causes.push({ kind: 'cancel', op });
    else if (op.method === 'task.pause' && ended.status === 'offered') causes.push({ kind: 'pause', op });
    else if (kind !== undefined && text(op.params, 'token') === ended.token) causes.push({ kind, op });
  }
  // Whoever has confirmed it keeps it (BJ5).
  if (ended.confirmed === undefined && task.tenant.moves.has(`${task.id} ${ended.token}`))
    causes.push({ kind: 'moved' });
  if (fallenAbove(task) !== undefined || isOfEnding(task)) causes.push({ kind: 'cancel' });
  for (const op of roomMakers(task, ending.prev.task)) {
    if (op.index <= next.mark.index) causes.push({ kind: 'cancel', op });
  }
  return causes;
}

/** Timers of the task and of its assignment that are due at the entry. */
function timers(world: World, ending: Ending, agent: AgentRec | undefined): Cause[] {
  const { ended, prev, next } = ending;
  const { mark } = next;
  const view = prev.task;
  const causes: Cause[] = [];
  if (view.timeoutMs !== undefined && mark.live - ended.start.live >= view.timeoutMs) causes.push({ kind: 'timeout' });
  if (view.deadlineAt !== undefined && mark.ts >= view.deadlineAt) causes.push({ kind: 'deadline' });
  if (view.progressTimeoutMs !== undefined && mark.live - lastSign(ending) >= view.progressTimeoutMs) {
    causes.push({ kind: 'progressTimeout' });
  }
  const acceptMs = agent?.view.acceptMs ?? Infinity;
  const unconfirmed = ended.confirmed === undefined && waitedPresent(world, ended, mark) >= acceptMs;
  if (unconfirmed && isPresent(agent, mark)) causes.push({ kind: 'accept' });
  return causes;
}

function isPresent(agent: AgentRec | undefined, mark: Mark): boolean {
  const { session } = agent ?? {};
  return session !== undefined && attachmentsAround(session, mark).some((state) => state.attached);
}

/** For how long, in live time, an agent that was there has had an assignment. */
function waitedPresent(world: World, ended: Assignment, mark: Mark): number {
  const session = world.sessions.get(ended.session ?? '');
  return mark.live - ended.start.live - Math.max(0, (session?.awayMs ?? 0) - ended.awayMs);
}

/** The live time of the last progress that the server surely had. */
function lastSign(ending: Ending): number {
  let sign = ending.ended.start.live;
  let before: Version | undefined;
  for (const version of ending.task.versions) {
    const { progress, status } = version.task;
    const reported = !same(progress, before?.task.progress) || status !== before?.task.status;
    if (reported && version.token === ending.ended.token) sign = Math.max(sign, version.mark.live);
    before = version;
  }
  return sign;
}

function losses(world: World, ending: Ending, agent: AgentRec | undefined): Cause[] {
  if (agent === undefined) return [];
  const { ended, next } = ending;
  const causes: Cause[] = [];
  if (leaseIsOver(world, agent, next.mark)) causes.push({ kind: 'lost' });
  if (isReplaced(world, ending, agent)) causes.push({ kind: 'replaced' });
  const sessions = [agent.session, world.sessions.get(ended.session ?? '')];
  if (sessions.some((session) => session?.byes.some((bye) => bye < next.mark.index))) causes.push({ kind: 'bye' });
  for (const op of ending.task.tenant.adminOps) {
    if (!mayHaveRun(op)) continue;
    const all = [...sessions, agent.sessionBefore];
    const cutOff = agent.session === undefined || all.some((one) => one !== undefined && one.server?.attached !== true);
    if (op.method === 'apiKey.revoke' && cutOff) causes.push({ kind: 'revoked', op });
    if (op.method === 'agent.deregister' && deregisters(op, agent)) causes.push({ kind: 'deregistered', op });
  }
  if (isUnseated(ending, agent)) causes.push({ kind: 'removed' });
  const drain = ending.task.tenant.drains.find((op) => isOver(ending, agent, op));
  if (drain !== undefined) causes.push({ kind: 'drained', op: drain });
  return causes;
}

/** Where the task belongs its agent could not write at some time since it had it (S14). */
function isUnseated({ task, ended, next }: Ending, { view }: AgentRec): boolean {
  const { workspaceId } = next.task;
  const { spaces } = task.tenant;
  if (workspaceId === undefined || spaces === undefined) return false;
  const since = { workspace: workspaceId, from: ended.start.index, until: next.mark.index };
  return spaces.couldWrite({ user: `agent:${view.name}`, admin: false }, since) !== 'always';
}

/** With a workspace its tasks end (S16). */
export function isOfEnding(task: TaskRec): boolean {
  const { workspaceId } = latest(task).task;
  const { spaces } = task.tenant;
  return workspaceId !== undefined && spaces?.isEnding(workspaceId) === true;
}

/** The session has been away for the whole grace, in live time. */
export function leaseIsOver(world: World, agent: AgentRec, mark: Mark): boolean {
  return withCausesOf(agent.tenant, mark).some((cause) => leaseWasOver(world, agent, cause));
}

function leaseWasOver(world: World, agent: AgentRec, mark: Mark): boolean {
  const justReplaced = agent.bound?.seq === mark.seq ? agent.sessionBefore : undefined;
  return [agent.session, justReplaced].some((session) => {
    if (session === undefined) return false;
    return attachmentsAround(session, mark).some((state) => {
      return !state.attached && mark.live - state.since.live >= graceOf(world, agent, state.byOpening);
    });
  });
}

export function graceOf(world: World, agent: AgentRec, byOpening: boolean): number {
  const { leaseMs, recoveryGraceMs, resumeWindowMs } = world.options;
  if (agent.view.onLost === 'hold') return resumeWindowMs;
  return byOpening ? recoveryGraceMs : leaseMs;
}

/** Another session of the instance took over and did not claim the task. */
function isReplaced(world: World, ending: Ending, agent: AgentRec): boolean {
  const { ended, next } = ending;
  // Given and taken back in one entry: which session it was given under cannot be seen.
  const sameEntry = agent.bound !== undefined && agent.bound.seq === ended.start.seq;
  if (agent.session === undefined || (agent.session.id === ended.session && !sameEntry)) return false;
  const hellos = runningIn(world.hellosOf(agent), ended.start, next.mark);
  const taken = agent.session.registers.filter((op) => op.index < next.mark.index && mayHaveRun(op));
  hellos.push(...taken.map((op) => items(op.params, 'running')));
  if (hellos.length === 0) return true;
  return hellos.some((running) => {
    return !running.some((item) => text(item, 'id') === ending.task.id && text(item, 'token') === ended.token);
  });
}

/** `running` of each HELLO of the instance that may have made its present session. */
function runningIn(conns: readonly Conn[], after: Mark, until: Mark): (readonly unknown[])[] {
  const found: (readonly unknown[])[] = [];
  for (const conn of conns) {
    const { hello, welcome } = conn;
    if (hello === undefined || hello.index > until.index || welcome?.event.resumed === true) continue;
    if (welcome !== undefined && welcome.index < after.index) continue;
    found.push(items(hello.event.agent, 'running'));
  }
  return found;
}

/** A drain of the agent had a deadline, and that has passed, in live time from when it can have been asked first (A9). */
function isOver(ending: Ending, agent: AgentRec, op: Op): boolean {
  const { mark } = ending.next;
  const deadlineMs = num(op.params, 'deadlineMs');
  if (deadlineMs === undefined || op.index > mark.index || !mayHaveRun(op) || !deregisters(op, agent)) return false;
  const asked = ending.task.tenant.marks.findLast((one) => one.index <= op.index);
  if (mark.live - (asked?.live ?? 0) < deadlineMs) return false;
  // What it holds may still be on its way to others when it is active again.
  const { undrained } = agent;
  return isDraining(agent.view) || (undrained !== undefined && withCausesOf(agent.tenant, mark).includes(undrained));
}

function deregisters(op: Op, agent: AgentRec): boolean {
  const named = text(op.params, 'id');
  return named === agent.id || (named === undefined && op.session.agentIds.has(agent.id));
}
