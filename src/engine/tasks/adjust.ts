/** Another priority, more time (or less, or none that ends): for tasks that wait and for those that run. */
import { PRIORITIES, type Params } from '../../../protocol/wire/types.ts';
import { accepted, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { SessionRecord, TaskRecord } from '../records.ts';
import { controlled } from './control-record.ts';
import { guard } from './hold.ts';
import { changed, touch, type Change } from './moves.ts';
import { giveOrder, openTask } from './orders.ts';
import { isHeld } from './transitions.ts';
import { tell } from './view.ts';

export const reprioritiseTask: Decide<Params['task.reprioritise']> = (s, c, call) => {
  const found = openTask(s, call);
  if (!found.ok) return found.reply;
  const { priority: name, acknowledgeMs } = call.params;
  const priority = PRIORITIES.indexOf(name);
  if (priority === found.task.priority) return accepted({ task: s.views.result(found.task) });
  // One that waits takes its new place in the queue by being put: what can be given is asked for when a slot is free.
  const task = giveOrder(s, c, {
    task: changed(c, found.task, { priority }),
    control: 'reprioritise',
    more: { priority: name },
    withinMs: acknowledgeMs,
  });
  // Rules may look at the priority.
  if (task.status === 'pending' && task.ruling !== undefined) {
    c.events.push({ kind: 'followed', work: { kind: 'place', task: task.id } });
  }
  tell(c, task, 'reprioritised');
  return accepted({ task: s.views.result(task) });
};

type Asked = { readonly session: SessionRecord; readonly params: Params['task.extend'] };

/** The holder names its token; others control the task. */
function extended(s: State, call: Asked): ReturnType<typeof openTask> {
  const { id, token } = call.params;
  if (token === undefined) return openTask(s, call);
  return guard(s, { session: call.session, params: { id, token } }, ['offered', 'assigned', 'accepted', 'in_progress']);
}

export const extendTask: Decide<Params['task.extend']> = (s, c, call) => {
  const found = extended(s, call);
  if (!found.ok) return found.reply;
  const { deadlineMs, timeoutMs, progressTimeoutMs, acknowledgeMs } = call.params;
  const change: { -readonly [K in keyof Change]: Change[K] } = {};
  if (deadlineMs !== undefined) change.deadlineAt = deadlineMs === null ? undefined : c.now + deadlineMs;
  if (timeoutMs !== undefined)
    Object.assign(change, { timeoutMs: timeoutMs ?? undefined }, leftOf(found.task, timeoutMs));
  if (progressTimeoutMs !== undefined) change.progressTimeoutMs = progressTimeoutMs ?? undefined;
  const next = changed(c, found.task, change);
  const task = giveOrder(s, c, {
    task: next,
    control: 'extend',
    more: {
      ...(next.deadlineAt === undefined ? undefined : { deadlineAt: next.deadlineAt }),
      ...(next.timeoutMs === undefined ? undefined : { timeoutMs: next.timeoutMs }),
      ...(next.progressTimeoutMs === undefined ? undefined : { progressTimeoutMs: next.progressTimeoutMs }),
    },
    withinMs: acknowledgeMs,
  });
  setTimers(c, task, call.params);
  tell(c, task, 'extended');
  return accepted({ task: s.views.result(task) });
};

/** Of a paused attempt: what it has left is what it was given now. */
function leftOf(task: TaskRecord, timeoutMs: number | null): Change {
  const pause = task.control?.pause;
  if (pause === undefined || !isHeld(task)) return {};
  const { leftMs: _, ...rest } = pause;
  return controlled(task, { pause: timeoutMs === null ? rest : { ...rest, leftMs: timeoutMs } });
}

function setTimers(c: Context, task: TaskRecord, asked: Params['task.extend']): void {
  const set = (timer: 'deadline' | 'timeout', due: number | undefined): void => {
    if (due === undefined) c.events.push({ kind: 'timerCleared', timer, entity: task.id });
    else c.events.push({ kind: 'timerSet', timer, entity: task.id, due });
  };
  if (asked.deadlineMs !== undefined) set('deadline', task.deadlineAt);
  if (!isHeld(task) || task.status === 'paused') return;
  if (asked.timeoutMs !== undefined) set('timeout', asked.timeoutMs === null ? undefined : c.live + asked.timeoutMs);
  if (asked.progressTimeoutMs === undefined) return;
  c.events.push({ kind: 'timerCleared', timer: 'progress', entity: task.id });
  touch(c, task);
}
