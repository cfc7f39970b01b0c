/**
 * The moves of a task that more than one command makes: give to an agent, give up a holder, finish, fail an
 * attempt, lose an agent. Each adds whole events; the status change is asserted against the transition table.
 *
 * M1 A task has at most one current assignment; whoever ends it frees the slot or marks it stopping.
 * M2 Finishing clears every timer of the task.
 * M3 Locks that a task needs are held while it waits for an agent and while one has it, and end with the attempt.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { AttemptError } from '../../../protocol/wire/letters.ts';
import type { LeaseLostReason, TaskError, TaskStatus } from '../../../protocol/wire/types.ts';
import { assert } from '../../base/assert.ts';
import type { Context } from '../kernel/context.ts';
import { REV_EPOCH, type State } from '../kernel/state.ts';
import { letLocksGo } from '../locks/task-locks.ts';
import { stick } from '../assignment/sticky.ts';
import { WORK_VERSION } from '../port.ts';
import {
  copyOfTask,
  waitingSince,
  type AgentRecord,
  type AssignmentRecord,
  type Draft,
  type FollowUp,
  type LossReason,
  type Outcome,
  type ProbeEnd,
  type TaskRecord,
} from '../records.ts';
import { treeWith } from '../trees/tree-records.ts';
import { endTree } from '../trees/ending.ts';
import { afterEnd, afterHolder, isUnconfirmed } from './control-record.ts';
import { allows, isHeld, isTerminal } from './transitions.ts';
import { order, tell, type TaskHappening } from './view.ts';

export type Change = Partial<TaskRecord> & { readonly status?: TaskStatus };

/** A copy in its new status, stamped, to be completed before it stands in an event. */
function draft(c: Context, task: TaskRecord, status: TaskStatus): Draft<TaskRecord> {
  if (status !== task.status) allowed(task, status);
  const next = copyOfTask(task);
  next.status = status;
  next.updatedAt = c.now;
  const waitsOn = status === 'pending' && task.status === 'pending' && waitingSince(task) !== c.now;
  next.pendingAt = waitsOn ? waitingSince(task) : undefined;
  next.rev = c.state.rev;
  return next;
}

function allowed(task: TaskRecord, status: TaskStatus): void {
  if (!allows(task.status, status)) assert(false, `task ${task.id}: ${task.status} to ${status}`);
}

/** The task after `change`, stamped; the status change must be in the table. */
export function changed(c: Context, task: TaskRecord, change: Change): TaskRecord {
  return Object.assign(draft(c, task, change.status ?? task.status), change);
}

/** Assigns or offers a pending task to an agent with a free slot. */
export function give(s: State, c: Context, given: { readonly task: TaskRecord; readonly agent: AgentRecord }): void {
  const { agent } = given;
  const token = s.counters.epoch * REV_EPOCH + s.counters.tokens + 1;
  const task = draft(c, given.task, given.task.mode === 'offer' ? 'offered' : 'assigned');
  task.agentId = agent.id;
  task.token = token;
  task.attempt = given.task.failures + 1;
  task.percent = undefined;
  task.progressText = undefined;
  c.events.push(
    { kind: 'taskChanged', record: task },
    {
      kind: 'slotTaken',
      record: {
        key: task.id,
        task: task.id,
        agent: agent.id,
        token,
        attempt: task.attempt,
        state: 'current',
        control: undefined,
        at: s.counters.engineVersion >= WORK_VERSION ? c.now : undefined,
      },
      given: { type: task.type, ms: c.now - waitingSince(given.task) },
    },
    { kind: 'timerSet', timer: 'accept', entity: task.id, due: c.live + agent.acceptMs },
  );
  if (task.timeoutMs !== undefined) {
    c.events.push({ kind: 'timerSet', timer: 'timeout', entity: task.id, due: c.live + task.timeoutMs });
  }
  touch(c, task);
  if (task.control?.orders !== undefined) timeOrders(c, task);
  stick(s, c, { task, agent });
  order(c, task, agent.to);
  tell(c, task, task.status === 'offered' ? 'offered' : 'assigned');
}

/** The task that an agent would get is for another: it is placed, by itself, and then the agent asks again. */
export function leaves(
  c: Context,
  of: { readonly task: TaskRecord; readonly agent: AgentRecord; readonly again: FollowUp },
): boolean {
  const { task, agent, again } = of;
  if ((task.sticky ?? task.failedOn) === undefined || !c.groups.isForAnother(task, agent)) return false;
  c.events.push({ kind: 'followed', work: { kind: 'place', task: task.id } }, { kind: 'followed', work: again });
  return true;
}

/** Orders that waited for a holder are told now, with the task: their time to be acknowledged begins. */
function timeOrders(c: Context, task: TaskRecord): void {
  for (const { withinMs, data } of task.control?.orders ?? []) {
    if (withinMs === undefined) continue;
    c.events.push({ kind: 'timerSet', timer: 'control', entity: `${task.id}#${data.seq}`, due: c.live + withinMs });
  }
}

/** Something was heard of the attempt: the progress timeout begins again, unless nothing can be heard of it. */
export function touch(c: Context, task: TaskRecord): void {
  if (task.progressTimeoutMs === undefined || task.status === 'paused') return;
  if (task.control?.asks?.some(({ token }) => token === task.token) === true) return;
  c.events.push({ kind: 'timerSet', timer: 'progress', entity: task.id, due: c.live + task.progressTimeoutMs });
}

export interface LetGo {
  readonly task: TaskRecord;
  /** The attempt ended by what the holder did, well or not: it is rated by it. */
  readonly ok?: boolean;
  /** free: the holder has ended it. stop: it is told to stop, its slot stays taken until it says that it did. */
  readonly slot: 'free' | 'stop';
  readonly stop?:
    | { readonly control: 'cancel'; readonly reason: string | undefined }
    | { readonly control: 'leaseLost'; readonly reason: LeaseLostReason };
}

/** Ends the current assignment, if there is one, with its timers. */
export function letGo(s: State, c: Context, what: LetGo): void {
  const { task } = what;
  const held = s.assignments.get(task.id);
  if (held === undefined) return;
  clearAttempt(c, task);
  const probe = probeEnd(s, held, what.ok);
  c.events.push({
    kind: 'slotFreed',
    key: held.key,
    agent: held.agent,
    outcome: outcomeOf(c, held, what),
    returned: what.ok === undefined ? task.type : undefined,
    probe,
  });
  // An agent that was removed has no slot that could stay taken.
  if (what.slot === 'stop' && what.stop !== undefined && s.agents.get(held.agent) !== undefined) {
    const key = `${task.id}#${held.token}`;
    c.events.push({ kind: 'slotTaken', record: { ...held, key, state: 'stopping', control: what.stop.control } });
    if (s.agents.get(held.agent)?.attached === true) {
      c.events.push({ kind: 'timerSet', timer: 'stop', entity: key, due: c.live + LIMITS.stopMs });
    }
    const data = { id: task.id, attempt: held.attempt, token: String(held.token) };
    const { reason } = what.stop;
    c.events.push({
      kind: 'pushed',
      event: what.stop.control === 'cancel' ? 'task.cancelled' : 'task.leaseLost',
      to: [`a:${held.agent}`],
      data: reason === undefined ? data : { ...data, reason },
    });
  } else {
    c.events.push({ kind: 'followed', work: { kind: 'fill', agent: held.agent } });
  }
  // Its outcome counts at once, also while the holder has not said that it stopped; so does a probe that showed nothing.
  if (what.slot === 'stop' && (what.ok !== undefined || probe !== undefined)) {
    c.events.push({ kind: 'followed', work: { kind: 'fill', agent: held.agent } });
  }
  // After the agent took what is most urgent for it.
  if (task.concurrency !== undefined) {
    c.events.push({ kind: 'followed', work: { kind: 'unblock', key: task.concurrency.key } });
  }
}

/** Nobody is rated in logs of the first version, which say of no assignment when it was made. */
function outcomeOf(c: Context, held: AssignmentRecord, { task, ok }: LetGo): Outcome | undefined {
  if (ok === undefined || held.at === undefined) return undefined;
  return { type: task.type, ok, ms: c.now - held.at };
}

/** What the end of this assignment means for its agent's quarantine. */
function probeEnd(s: State, held: AssignmentRecord, ok: boolean | undefined): ProbeEnd | undefined {
  if (s.agents.get(held.agent)?.health?.probe !== held.token) return undefined;
  return ok === undefined ? 'again' : ok ? 'passed' : 'failed';
}

/** The timers that an attempt of this task can have. */
function clearAttempt(c: Context, task: TaskRecord): void {
  if (isUnconfirmed(task)) c.events.push({ kind: 'timerCleared', timer: 'accept', entity: task.id });
  for (const { withinMs, data } of task.control?.orders ?? []) {
    if (withinMs !== undefined)
      c.events.push({ kind: 'timerCleared', timer: 'control', entity: `${task.id}#${data.seq}` });
  }
  if (task.timeoutMs !== undefined) c.events.push({ kind: 'timerCleared', timer: 'timeout', entity: task.id });
  if (task.progressTimeoutMs !== undefined) {
    c.events.push({ kind: 'timerCleared', timer: 'progress', entity: task.id });
  }
}

/** Brings a task to a terminal status. */
export function finish(
  c: Context,
  end: {
    readonly task: TaskRecord;
    readonly change: Change;
    readonly reason?: string;
    /** What becomes of the tasks below it; by default those of one that completed go on. */
    readonly children?: 'cancel' | 'leave';
  },
): TaskRecord {
  const task = Object.assign(draft(c, end.task, end.change.status ?? end.task.status), end.change);
  task.finishedAt = c.now;
  task.runAt = undefined;
  task.lockId = undefined;
  letLocksGo(c, end.task);
  if (task.control !== undefined) Object.assign(task, endControl(c, end.task, task.status === 'completed'));
  assert(isTerminal(task.status), 'finishing needs a terminal status');
  endTree(c, task, end.children);
  c.events.push({ kind: 'taskChanged', record: task });
  if (task.deadlineAt !== undefined) c.events.push({ kind: 'timerCleared', timer: 'deadline', entity: task.id });
  if (end.task.runAt !== undefined) c.events.push({ kind: 'timerCleared', timer: 'run', entity: task.id });
  if (c.state.bufferedByTask.count(task.id) > 0) unbuffering(c, task);
  tell(c, task, { what: task.status as TaskHappening, reason: end.reason });
  return task;
}

/** What is left of the control of a task of which the work is over. */
function endControl(c: Context, task: TaskRecord, completed: boolean): Change | undefined {
  for (const { askId, expiresAt } of task.control?.asks ?? []) {
    if (expiresAt !== undefined) c.events.push({ kind: 'timerCleared', timer: 'ask', entity: `${task.id}#${askId}` });
  }
  return afterEnd(task, completed);
}

/** The holder is done; the task is, when those below it are. */
export function awaitBelow(c: Context, task: TaskRecord, change: Change): TaskRecord {
  letLocksGo(c, task);
  const waiting = changed(c, task, {
    ...change,
    ...endControl(c, task, true),
    status: 'in_progress',
    lockId: undefined,
    tree: treeWith(task.tree, { waits: 'children' }),
  });
  c.events.push({ kind: 'taskChanged', record: waiting });
  tell(c, waiting, 'waiting');
  return waiting;
}

function unbuffering(c: Context, task: TaskRecord): void {
  for (const { id } of c.state.bufferedByTask.of(task.id) ?? []) {
    c.events.push({ kind: 'followed', work: { kind: 'unbuffer', schedule: id } });
  }
}

/** To wait for an agent, or for its time, without the locks of the attempt; a paused task goes on being paused. */
function waiting(c: Context, task: TaskRecord, status: 'pending' | 'scheduled'): Change {
  letLocksGo(c, task);
  const free = { lockId: undefined };
  if (task.control === undefined) return { status, ...free };
  return { ...afterHolder(task, status), ...free, status: task.control.pause === undefined ? status : 'paused' };
}

/** Back to pending, to be placed in this entry. */
export function requeue(
  c: Context,
  back: { readonly task: TaskRecord; readonly change?: Change; readonly reason: string },
): TaskRecord {
  const change = { ...back.change, ...waiting(c, back.task, 'pending'), agentId: undefined, runAt: undefined };
  const task = changed(c, back.task, change);
  c.events.push({ kind: 'taskChanged', record: task });
  if (task.status === 'pending') c.events.push({ kind: 'followed', work: { kind: 'place', task: task.id } });
  tell(c, task, { what: 'requeued', reason: back.reason });
  return task;
}

/** To scheduled until `runAt`, then pending. */
export function postpone(
  c: Context,
  later: { readonly task: TaskRecord; readonly change?: Change; readonly runAt: number; readonly reason: string },
): TaskRecord {
  const task = changed(c, later.task, {
    ...later.change,
    ...waiting(c, later.task, 'scheduled'),
    agentId: undefined,
    runAt: later.runAt,
  });
  c.events.push(
    { kind: 'taskChanged', record: task },
    { kind: 'timerSet', timer: 'run', entity: task.id, due: later.runAt },
  );
  tell(c, task, { what: 'retrying', reason: later.reason });
  return task;
}

/** Full jitter: uniform in [0, min(maxDelayMs, initialDelayMs · factor^(n−1))]. (AWS Architecture Blog, 2015.) */
export function backoff(task: TaskRecord, failures: number, below: (n: number) => number): number {
  let delay = Math.min(task.retry.initialDelayMs, task.retry.maxDelayMs);
  for (let i = 1; i < failures && delay < task.retry.maxDelayMs; i += 1) {
    delay = Math.min(delay * task.retry.factor, task.retry.maxDelayMs);
  }
  return below(delay + 1);
}

/** The agents on which the task failed, with one more; the oldest is forgotten at the bound. */
function failedOn(task: TaskRecord, agent: string): readonly string[] {
  const known = task.failedOn ?? [];
  return known.includes(agent) ? known : [...known, agent].slice(-LIMITS.excludedMax);
}

/** Its failures with one more; the oldest is forgotten at the bound. */
function withError(c: Context, task: TaskRecord, { code, message }: TaskError): readonly AttemptError[] {
  const text = message.slice(0, LIMITS.errorKeptBytes);
  const { attempt, agentId, errors = [] } = task;
  const one = { attempt, ...(agentId === undefined ? undefined : { agentId }), at: c.now, code, message: text };
  return [...errors, one].slice(-LIMITS.errorsKept);
}

/** An attempt failed: another one later while attempts are left, else the end, among the dead letters. */
export function failAttempt(
  c: Context,
  failed: {
    readonly task: TaskRecord;
    readonly error: TaskError;
    readonly end: 'failed' | 'timed_out';
    readonly retryable: boolean;
  },
): TaskRecord {
  const { task } = failed;
  const failures = task.failures + 1;
  const change: Change = { failures, error: failed.error };
  if (c.state.counters.engineVersion >= WORK_VERSION && task.agentId !== undefined) {
    const { agentId } = task;
    Object.assign(change, { failedOn: failedOn(task, agentId), errors: withError(c, task, failed.error) });
  }
  if (failed.retryable && failures < failed.task.retry.maxAttempts) {
    const runAt = c.now + backoff(failed.task, failures, (n) => c.random.below(n));
    return postpone(c, { task: failed.task, change, runAt, reason: failed.error.code });
  }
  return finish(c, { task: failed.task, change: { ...change, status: failed.end, dead: true } });
}

/** The holder is gone, through no fault of the task: the attempt is not charged. */
export function lose(s: State, c: Context, lost: { readonly task: TaskRecord; readonly why: LossReason }): void {
  const { task, why } = lost;
  assert(isHeld(task), 'only a held task is lost');
  const agent = task.agentId === undefined ? undefined : s.agents.get(task.agentId);
  // Whoever may still run it is told to stop; the process of a replaced or released holder is gone.
  const told =
    (why === 'lost' || why === 'drained' || why === 'unlocked' || why === 'removed') && agent?.session !== undefined;
  letGo(s, c, told ? { task, slot: 'stop', stop: { control: 'leaseLost', reason: why } } : { task, slot: 'free' });
  // A drain, and the end of a membership, is somebody's decision: no loss.
  const losses = why === 'drained' || why === 'removed' ? task.losses : task.losses + 1;
  if (agent?.onLost === 'fail' && (why === 'lost' || why === 'replaced')) {
    const error = { code: 'AGENT_LOST', message: 'The agent was lost and asked that its tasks fail then.' };
    finish(c, { task, change: { status: 'failed', losses, error, dead: true } });
  } else if (losses >= LIMITS.lossesMax) {
    const error = { code: 'INFRASTRUCTURE_LOST', message: `The task was lost with its agent ${losses} times.` };
    finish(c, { task, change: { status: 'failed', losses, error, dead: true } });
  } else {
    requeue(c, { task, change: { losses }, reason: why });
  }
}
