/**
 * What a holder says of its task. Every call carries the token of its assignment; the guards stand in this
 * order: the task is known, the token is the current one, the caller may speak for the holder, the status allows it.
 */
import type { Params, TaskStatus } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import { keptExclusions } from '../assignment/group.ts';
import type { State } from '../kernel/state.ts';
import type { Reply } from '../port.ts';
import type { SessionRecord, TaskRecord } from '../records.ts';
import { controlled, statusBelow } from './control-record.ts';
import { awaitBelow, changed, failAttempt, finish, letGo, postpone, requeue, touch, type Change } from './moves.ts';
import { speaksFor } from './speaks.ts';
import { isTerminal } from './transitions.ts';
import { tell } from './view.ts';

export interface Call {
  readonly session: SessionRecord;
  readonly params: { readonly id: string; readonly token: string };
}

export type Guarded = { readonly ok: true; readonly task: TaskRecord } | { readonly ok: false; readonly reply: Reply };

/** `from`: of a paused task, what it would be if it were not. */
export function guard(s: State, call: Call, from: readonly TaskStatus[]): Guarded {
  const task = s.tasks.get(call.params.id);
  if (task === undefined) return { ok: false, reply: rejected('TASK_NOT_FOUND') };
  // The newest token of a finished task is answered by its status; that of a task which was given back is no
  // assignment any more.
  const token = isTerminal(task.status) ? task.token : s.assignments.get(task.id)?.token;
  if (String(token) !== call.params.token) return { ok: false, reply: rejected('STALE_TOKEN') };
  if (!speaksFor(s, call.session, task.agentId)) return { ok: false, reply: rejected('UNAUTHORIZED') };
  if (!from.includes(statusBelow(task))) {
    return {
      ok: false,
      reply: rejected('INVALID_TRANSITION', `The task is ${task.status}.`, { status: task.status }),
    };
  }
  return { ok: true, task };
}

/** Statuses in which the holder works. */
export const WORKING: readonly TaskStatus[] = ['assigned', 'accepted', 'in_progress'];

const answer = (s: State, task: TaskRecord): Reply => accepted({ task: s.views.result(task) });

/** In its next status; a paused task will be in it when it is resumed. */
export function advanced(c: Context, task: TaskRecord, change: Change & { readonly status: TaskStatus }): TaskRecord {
  const pause = task.control?.pause;
  if (pause === undefined) return changed(c, task, change);
  const control = controlled(task, { pause: { ...pause, from: change.status } });
  return changed(c, task, { ...change, ...control, status: 'paused' });
}

export function confirmed(c: Context, task: TaskRecord): void {
  c.events.push({ kind: 'taskChanged', record: task }, { kind: 'timerCleared', timer: 'accept', entity: task.id });
  touch(c, task);
}

export const acceptTask: Decide<Params['task.accept']> = (s, c, call) => {
  const held = guard(s, call, ['offered', 'assigned']);
  if (!held.ok) return held.reply;
  const task = advanced(c, held.task, { status: 'accepted' });
  confirmed(c, task);
  tell(c, task, 'accepted');
  return answer(s, task);
};

export const startTask: Decide<Params['task.start']> = (s, c, call) => {
  const held = guard(s, call, ['assigned', 'accepted']);
  if (!held.ok) return held.reply;
  const task = advanced(c, held.task, { status: 'in_progress', startedAt: held.task.startedAt ?? c.now });
  confirmed(c, task);
  tell(c, task, 'started');
  return answer(s, task);
};

export const progressTask: Decide<Params['task.progress']> = (s, c, call) => {
  const held = guard(s, call, WORKING);
  if (!held.ok) return held.reply;
  const { percentComplete, status } = call.params;
  const task = advanced(c, held.task, {
    status: 'in_progress',
    startedAt: held.task.startedAt ?? c.now,
    // Reports may overtake each other on the client's side; progress of one attempt does not fall.
    percent: Math.max(held.task.percent ?? 0, percentComplete),
    progressText: status,
  });
  confirmed(c, task);
  // The first sign of work may be a report: the change of status is told by an event that is not dropped.
  if (statusBelow(held.task) !== 'in_progress') tell(c, task, 'started');
  tell(c, task, 'progress');
  return answer(s, task);
};

export const completeTask: Decide<Params['task.complete']> = (s, c, call) => {
  const held = guard(s, call, WORKING);
  if (!held.ok) return held.reply;
  letGo(s, c, { task: held.task, slot: 'free', ok: true });
  const result = call.params.output ?? null;
  const startedAt = held.task.startedAt ?? c.now;
  const change = { result, percent: 100, error: undefined, startedAt };
  const { children } = call.params;
  if (children === 'wait' && (s.families.get(held.task.id)?.open ?? 0) > 0) {
    return answer(s, awaitBelow(c, held.task, change));
  }
  const task = finish(c, {
    task: held.task,
    change: { status: 'completed', ...change },
    ...(children === 'cancel' ? { children } : undefined),
  });
  return answer(s, task);
};

export const failTask: Decide<Params['task.fail']> = (s, c, call) => {
  const held = guard(s, call, WORKING);
  if (!held.ok) return held.reply;
  letGo(s, c, { task: held.task, slot: 'free', ok: false });
  const retryable = call.params.retryable ?? true;
  return answer(s, failAttempt(c, { task: held.task, error: call.params.error, end: 'failed', retryable }));
};

/** The task's exclusions with one more; the oldest is forgotten at the bound. */
export function excluding(task: TaskRecord, mark: string): readonly string[] {
  return task.excluded.includes(mark) ? task.excluded : keptExclusions([...task.excluded, mark]);
}

export const rejectTask: Decide<Params['task.reject']> = (s, c, call) => {
  const held = guard(s, call, ['offered', 'assigned', 'accepted']);
  if (!held.ok) return held.reply;
  letGo(s, c, { task: held.task, slot: 'free' });
  const change = { excluded: excluding(held.task, held.task.agentId ?? '') };
  return answer(s, requeue(c, { task: held.task, change, reason: call.params.reason }));
};

export const releaseTask: Decide<Params['task.release']> = (s, c, call) => {
  const held = guard(s, call, ['offered', 'assigned', 'accepted', 'in_progress']);
  if (!held.ok) return held.reply;
  letGo(s, c, { task: held.task, slot: 'free' });
  const delayMs = call.params.delayMs ?? 0;
  if (delayMs === 0) return answer(s, requeue(c, { task: held.task, reason: 'released' }));
  return answer(s, postpone(c, { task: held.task, runAt: c.now + delayMs, reason: 'released' }));
};

/** The holder of an assignment that was taken back says that it has stopped. */
export const acknowledgeStop: Decide<Params['task.acknowledge']> = (s, c, call) => {
  const { id, token, control } = call.params;
  const key = `${id}#${token}`;
  const stopping = s.assignments.get(key);
  // Said twice, or after the slot was freed by time: nothing is left to do, and that is what was asked for.
  if (stopping === undefined) return accepted({ id });
  if (!speaksFor(s, call.session, stopping.agent)) return rejected('UNAUTHORIZED');
  if (stopping.control !== control) {
    return rejected('INVALID_TRANSITION', `The holder was told ${stopping.control ?? 'nothing'}.`);
  }
  freeStopping(c, stopping);
  return accepted({ id });
};

export function freeStopping(c: Context, stopping: { readonly key: string; readonly agent: string }): void {
  c.events.push(
    { kind: 'slotFreed', key: stopping.key, agent: stopping.agent },
    { kind: 'timerCleared', timer: 'stop', entity: stopping.key },
    { kind: 'followed', work: { kind: 'fill', agent: stopping.agent } },
  );
}
