/**
 * Pausing: the task rests where it is, and goes on from there.
 *
 *   scheduled, pending   are given to nobody, and need no locks; the time of a scheduled one passes meanwhile
 *   offered              the offer is withdrawn
 *   held otherwise       the holder keeps task, token and slot, and is told to rest
 *
 * U1 A paused task is never given to anybody, whatever becomes of its holder.
 * U2 timeoutMs and progressTimeoutMs stand still while a holder rests; acceptMs and deadlineMs do not.
 * U3 What the holder says meanwhile counts: the end of the work ends the task, a sign of work is where it goes on.
 */
import type { Params } from '../../../protocol/wire/types.ts';
import { accepted, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { letLocksGo } from '../locks/task-locks.ts';
import type { SessionRecord, TaskRecord } from '../records.ts';
import { afterHolder, controlled, type Pause } from './control-record.ts';
import { changed, letGo, touch, type Change } from './moves.ts';
import { giveOrder, openTask, refuseWaiting } from './orders.ts';
import { isHeld } from './transitions.ts';
import { tell } from './view.ts';

type Asked = { readonly session: SessionRecord; readonly params: Params['task.pause'] };

export const pauseTask: Decide<Params['task.pause']> = (s, c, call) => {
  const found = openTask(s, call);
  if (!found.ok) return found.reply;
  const waits = refuseWaiting(found.task);
  if (waits !== undefined) return waits;
  if (found.task.status === 'paused') return accepted({ task: s.views.result(found.task) });
  const task = isHeld(found.task) ? pauseHeld(s, c, { task: found.task, call }) : pauseWaiting(c, found.task, call);
  tell(c, task, { what: 'paused', reason: call.params.reason });
  return accepted({ task: s.views.result(task) });
};

function pauseOf(c: Context, call: Asked): Omit<Pause, 'from'> {
  const { reason } = call.params;
  return { at: c.now, by: call.session.principal.id, ...(reason === undefined ? undefined : { reason }) };
}

function pauseWaiting(c: Context, waiting: TaskRecord, call: Asked): TaskRecord {
  const pause: Pause = { ...pauseOf(c, call), from: waiting.status };
  letLocksGo(c, waiting);
  const task = changed(c, waiting, { status: 'paused', lockId: undefined, ...controlled(waiting, { pause }) });
  c.events.push({ kind: 'taskChanged', record: task });
  return task;
}

function pauseHeld(s: State, c: Context, of: { readonly task: TaskRecord; readonly call: Asked }): TaskRecord {
  const { task: held, call } = of;
  if (held.status === 'offered') {
    letGo(s, c, { task: held, slot: 'stop', stop: { control: 'leaseLost', reason: 'paused' } });
    const free = { ...held, ...afterHolder(held, 'pending') };
    const pause: Pause = { ...pauseOf(c, call), from: 'pending' };
    letLocksGo(c, held);
    const rest: Change = { status: 'paused', agentId: undefined, lockId: undefined };
    const task = changed(c, free, { ...rest, ...controlled(free, { pause }) });
    c.events.push({ kind: 'taskChanged', record: task });
    return task;
  }
  const due = s.timers.get('timeout', held.id)?.due;
  const leftMs = due === undefined ? undefined : Math.max(0, due - c.live);
  if (due !== undefined) c.events.push({ kind: 'timerCleared', timer: 'timeout', entity: held.id });
  if (held.progressTimeoutMs !== undefined) {
    c.events.push({ kind: 'timerCleared', timer: 'progress', entity: held.id });
  }
  const pause: Pause = {
    ...pauseOf(c, call),
    from: held.status,
    ...(leftMs === undefined ? undefined : { leftMs }),
  };
  const task = changed(c, held, { status: 'paused', ...controlled(held, { pause }) });
  const { reason, acknowledgeMs } = call.params;
  return giveOrder(s, c, {
    task,
    control: 'pause',
    more: reason === undefined ? {} : { reason },
    withinMs: acknowledgeMs,
  });
}

export const resumeTask: Decide<Params['task.resume']> = (s, c, call) => {
  const found = openTask(s, call);
  if (!found.ok) return found.reply;
  const pause = found.task.control?.pause;
  if (pause === undefined) return accepted({ task: s.views.result(found.task) });
  const { reason, acknowledgeMs } = call.params;
  const change = { status: pause.from, ...controlled(found.task, { pause: undefined }) };
  const task = giveOrder(s, c, {
    task: changed(c, found.task, change),
    control: 'resume',
    more: reason === undefined ? {} : { reason },
    withinMs: acknowledgeMs,
  });
  if (isHeld(task)) {
    if (pause.leftMs !== undefined) {
      c.events.push({ kind: 'timerSet', timer: 'timeout', entity: task.id, due: c.live + pause.leftMs });
    }
    touch(c, task);
  } else if (task.status === 'pending') {
    c.events.push({ kind: 'followed', work: { kind: 'place', task: task.id } });
  }
  tell(c, task, { what: 'resumed', reason });
  return accepted({ task: s.views.result(task) });
};

/** The time of a scheduled task has come while it is paused: resumed, it waits for an agent. */
export function dueWhilePaused(c: Context, paused: TaskRecord): void {
  const pause = paused.control?.pause;
  if (pause?.from !== 'scheduled') return;
  const control = controlled(paused, { pause: { ...pause, from: 'pending' } });
  c.events.push({ kind: 'taskChanged', record: changed(c, paused, { ...control, runAt: undefined }) });
}
