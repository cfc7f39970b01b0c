/** What happens to tasks from outside their holder: cancel, timers, placing, loss, archive. */
import type { LeaseLostReason, Params } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { AgentRecord, FollowUp, TaskRecord } from '../records.ts';
import { settleDrain } from '../agents/lifecycle.ts';
import { settleHealth } from '../agents/quarantine.ts';
import { awaitsLocks, hasFreeSlot } from '../assignment/group.ts';
import { askForLocks } from '../locks/task-locks.ts';
import { seeking } from '../rules/rules.ts';
import { Tries } from '../assignment/tries.ts';
import { excluding, freeStopping } from './hold.ts';
import { changed, failAttempt, finish, give, leaves, letGo, lose, requeue } from './moves.ts';
import { isUnconfirmed } from './control-record.ts';
import { dueWhilePaused } from './pause.ts';
import { isHeld, isTerminal } from './transitions.ts';

export const cancelTask: Decide<Params['task.cancel']> = (s, c, { session, params }) => {
  const task = s.tasks.get(params.id);
  if (task === undefined) return rejected('TASK_NOT_FOUND');
  if (session.principal.role === 'agent' && task.createdBy !== session.principal.id) {
    return rejected('UNAUTHORIZED', 'An agent cancels only tasks that it created.');
  }
  if (isTerminal(task.status)) {
    return rejected('INVALID_TRANSITION', `The task is ${task.status}.`, { status: task.status });
  }
  letGo(s, c, { task, slot: 'stop', stop: { control: 'cancel', reason: params.reason } });
  const ended = finish(c, {
    task,
    change: { status: 'cancelled' },
    ...(params.children === undefined ? undefined : { children: params.children }),
    ...(params.reason === undefined ? undefined : { reason: params.reason }),
  });
  return accepted({ task: s.views.result(ended) });
};

/** Gives a pending task to the best agent, if one has a free slot; before, it gets the locks that it needs. */
export function place(s: State, c: Context, work: Extract<FollowUp, { kind: 'place' }>): void {
  const task = s.tasks.get(work.task);
  if (task?.status !== 'pending') return;
  if (awaitsLocks(task)) return askForLocks(s, c, task);
  const { book } = c.groups;
  if (!book.isJudged(task)) {
    c.events.push({ kind: 'taskChanged', record: book.judged(task) }, { kind: 'followed', work });
    return;
  }
  const { agent, next } = search(c, task, work.after);
  if (agent !== undefined) {
    give(s, c, { task, agent });
    // A filter may let it have more now that its load is another.
    if (book.moves) c.events.push({ kind: 'followed', work: { kind: 'fill', agent: agent.id } });
  } else if (next !== undefined) {
    c.events.push({ kind: 'followed', work: { kind: 'place', task: task.id, after: next } });
  }
}

/** `next`: not all were tried; those behind this one are. */
function search(
  c: Context,
  task: TaskRecord,
  after: string | undefined,
): { readonly agent: AgentRecord | undefined; readonly next: string | undefined } {
  if (after !== undefined) return c.groups.pickAfter(task, after);
  const tries = new Tries();
  const agent = c.groups.pick(task, (below) => c.random.below(below), tries);
  return { agent, next: tries.more ? '' : undefined };
}

/** Gives an agent the most urgent task that it can take, one at a time. */
export function fill(s: State, c: Context, id: string): void {
  const known = s.agents.get(id);
  if (known === undefined) return;
  const agent = settleHealth(s, c, settleDrain(s, c, known));
  if (!hasFreeSlot(agent)) return;
  const tries = new Tries();
  const task = c.groups.pickTask(agent, tries);
  if (task === undefined) {
    if (tries.after !== undefined) c.events.push({ kind: 'followed', work: seeking(agent, tries.after) });
    return;
  }
  if (leaves(c, { task, agent, again: { kind: 'fill', agent: id } })) return;
  give(s, c, { task, agent });
  if (agent.active + 1 < agent.capacity) c.events.push({ kind: 'followed', work: { kind: 'fill', agent: id } });
}

export function loseTask(s: State, c: Context, work: Extract<FollowUp, { kind: 'lose' }>): void {
  const task = s.tasks.get(work.task);
  if (task === undefined || task.token !== work.token || !isHeld(task)) return;
  lose(s, c, { task, why: work.why });
}

function overdue(
  s: State,
  c: Context,
  late: { readonly task: TaskRecord; readonly reason: LeaseLostReason; readonly code: string },
): void {
  if (!isHeld(late.task)) return;
  letGo(s, c, { task: late.task, ok: false, slot: 'stop', stop: { control: 'leaseLost', reason: late.reason } });
  const message =
    late.reason === 'timeout'
      ? 'The attempt took longer than timeoutMs.'
      : 'The attempt showed no progress for progressTimeoutMs.';
  failAttempt(c, { task: late.task, error: { code: late.code, message }, end: 'timed_out', retryable: true });
}

export function attemptTimedOut(s: State, c: Context, id: string): void {
  const task = s.tasks.get(id);
  if (task !== undefined) overdue(s, c, { task, reason: 'timeout', code: 'TIMEOUT' });
}

export function progressTimedOut(s: State, c: Context, id: string): void {
  const task = s.tasks.get(id);
  if (task !== undefined) overdue(s, c, { task, reason: 'progressTimeout', code: 'PROGRESS_TIMEOUT' });
}

export function deadlinePassed(s: State, c: Context, id: string): void {
  const task = s.tasks.get(id);
  if (task === undefined || isTerminal(task.status)) return;
  letGo(s, c, { task, slot: 'stop', stop: { control: 'leaseLost', reason: 'deadline' } });
  const error = { code: 'DEADLINE', message: 'The task was not finished by its deadline.' };
  finish(c, { task, change: { status: 'timed_out', error, dead: true } });
}

/** Nobody confirmed the order: to the next agent, unless the holder is away, whose grace then decides. */
export function notConfirmed(s: State, c: Context, id: string): void {
  const task = s.tasks.get(id);
  if (task === undefined || !isUnconfirmed(task)) return;
  const agent = task.agentId === undefined ? undefined : s.agents.get(task.agentId);
  if (agent?.attached !== true) return;
  // Its socket may be dead without anybody knowing yet: when it has come back it may be asked again.
  const mark = `${agent.id}@${agent.attachedRev}`;
  letGo(s, c, { task, slot: 'stop', stop: { control: 'leaseLost', reason: 'acceptTimeout' } });
  requeue(c, { task, change: { losses: task.losses + 1, excluded: excluding(task, mark) }, reason: 'acceptTimeout' });
}

export function runTask(s: State, c: Context, id: string): void {
  const task = s.tasks.get(id);
  if (task?.status === 'paused') return dueWhilePaused(c, task);
  if (task?.status !== 'scheduled') return;
  const due = changed(c, task, { status: 'pending', runAt: undefined });
  c.events.push({ kind: 'taskChanged', record: due }, { kind: 'followed', work: { kind: 'place', task: id } });
}

/** A holder that was told to stop said nothing in its time. While it is away the slot stays taken. */
export function stopOver(s: State, c: Context, key: string): void {
  const stopping = s.assignments.get(key);
  if (stopping === undefined) return;
  const agent = s.agents.get(stopping.agent);
  if (agent !== undefined && !agent.attached && agent.session !== undefined) return;
  freeStopping(c, stopping);
}

/**
 * The oldest of more than `kept` finished tasks leave memory, at most `max` with one entry: the node has put them into
 * the store, and until they are durable there the log has them. So most of them are gone before the garbage collector
 * has moved them: one that stays costs it 6 µs.
 */
export function archive(s: State, c: Context, bounds: { readonly kept: number; readonly max: number }): void {
  let left = Math.min(s.finished.set.size - bounds.kept, bounds.max);
  if (left <= 0) return;
  for (const task of s.finished.set) {
    // What is to be told of its children has its turn before.
    if (s.families.get(task.id)?.queued !== true) c.events.push({ kind: 'taskArchived', id: task.id });
    left -= 1;
    if (left === 0) return;
  }
}
