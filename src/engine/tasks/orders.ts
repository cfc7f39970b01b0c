/**
 * Orders to the holder of a task: kept until they are acknowledged, told in order, told again to who comes back.
 *
 * A task that nobody holds keeps messages and answers for whoever gets it; they go out with the task. What has come to
 * an end with the assignment (a pause, a new deadline) is not told to the next one, which sees the task as it is.
 */
import { CONTROL_PUSHES, type ControlData, type OrderControl } from '../../../protocol/wire/control.ts';
import type { Params } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Reply } from '../port.ts';
import type { SessionRecord, TaskRecord } from '../records.ts';
import { controlled, isUnconfirmed, type Order } from './control-record.ts';
import { acknowledgeStop, guard } from './hold.ts';
import { changed } from './moves.ts';
import { isHeld, isTerminal } from './transitions.ts';
import { tell } from './view.ts';

type Found = { readonly ok: true; readonly task: TaskRecord } | { readonly ok: false; readonly reply: Reply };

/** The task that somebody who does not hold it wants to control: any that has not ended; an agent only its own. */
export function openTask(
  s: State,
  call: { readonly session: SessionRecord; readonly params: { readonly id: string; readonly token?: string } },
): Found {
  const task = s.tasks.get(call.params.id);
  if (task === undefined) return { ok: false, reply: rejected('TASK_NOT_FOUND') };
  const { principal } = call.session;
  if (principal.role === 'agent' && task.createdBy !== principal.id) {
    return { ok: false, reply: rejected('UNAUTHORIZED', 'An agent controls only tasks that it created.') };
  }
  return isTerminal(task.status) ? { ok: false, reply: ended(task) } : { ok: true, task };
}

/** Nobody works on it, and nobody will: it ends by those below it. */
export function refuseWaiting({ status, tree }: TaskRecord): Reply | undefined {
  if (tree?.waits === undefined) return undefined;
  return rejected('INVALID_TRANSITION', 'Nobody holds the task: it waits for those below it.', { status });
}

export function ended(task: TaskRecord): Reply {
  return rejected('INVALID_TRANSITION', `The task is ${task.status}.`, { status: task.status });
}

interface Given {
  readonly control: OrderControl;
  readonly more: Omit<ControlData, 'seq'>;
  readonly withinMs: number | undefined;
}

/** S2 of control-record.ts: which older orders say nothing any more. */
const SUPERSEDES: { readonly [C in OrderControl]: readonly OrderControl[] } = {
  pause: ['pause', 'resume'],
  resume: ['pause', 'resume'],
  steer: [],
  answer: [],
  reprioritise: ['reprioritise'],
  extend: ['extend'],
};

export const orderTimer = (task: TaskRecord, seq: number): string => `${task.id}#${seq}`;

/** The task with one more order, put and told; `task` stands in no event yet. */
export function giveOrder(s: State, c: Context, given: Given & { readonly task: TaskRecord }): TaskRecord {
  const { control, more, withinMs } = given;
  const held = isHeld(given.task);
  if (!held && control !== 'steer' && control !== 'answer') {
    c.events.push({ kind: 'taskChanged', record: given.task });
    return given.task;
  }
  const seq = (given.task.control?.seq ?? 0) + 1;
  const data: ControlData = { seq, ...more };
  const order: Order = { control, data, at: c.now, ...(withinMs === undefined ? undefined : { withinMs }) };
  const before = given.task.control?.orders ?? [];
  const over = before.filter((one) => SUPERSEDES[control].includes(one.control));
  const orders = [...before.filter((one) => !over.includes(one)), order];
  const task = changed(c, given.task, controlled(given.task, { seq, orders }));
  c.events.push({ kind: 'taskChanged', record: task });
  clearTimers(c, task, over);
  if (!held) return task;
  c.events.push({
    kind: 'pushed',
    event: CONTROL_PUSHES[control],
    to: s.agents.get(task.agentId ?? '')?.to ?? [],
    order: { task: task.id, token: task.token },
    data: { id: task.id, attempt: task.attempt, token: String(task.token), ...data },
  });
  if (withinMs !== undefined) {
    c.events.push({ kind: 'timerSet', timer: 'control', entity: orderTimer(task, seq), due: c.live + withinMs });
  }
  return task;
}

function clearTimers(c: Context, task: TaskRecord, orders: readonly Order[]): void {
  for (const { withinMs, data } of orders) {
    if (withinMs === undefined) continue;
    c.events.push({ kind: 'timerCleared', timer: 'control', entity: orderTimer(task, data.seq) });
  }
}

export const acknowledge: Decide<Params['task.acknowledge']> = (s, c, call) => {
  const { control, seq } = call.params;
  if (control === 'cancel' || control === 'leaseLost') return acknowledgeStop(s, c, call);
  const held = guard(s, call, ['offered', 'assigned', 'accepted', 'in_progress']);
  if (!held.ok) return held.reply;
  const upTo = seq ?? 0;
  if (upTo > (held.task.control?.seq ?? 0)) {
    return rejected('INVALID_TRANSITION', `Order ${upTo} was not given.`, { status: held.task.status });
  }
  return seen(c, { task: held.task, control, upTo });
};

/** Every order of one control up to a number. Said twice it changes nothing. */
function seen(
  c: Context,
  said: { readonly task: TaskRecord; readonly control: OrderControl; readonly upTo: number },
): Reply {
  const { control, upTo } = said;
  const orders = said.task.control?.orders ?? [];
  const heard = orders.filter((one) => one.control === control && one.data.seq <= upTo && one.seen === undefined);
  if (heard.length === 0) return accepted({ id: said.task.id });
  const kept = orders.flatMap((one) => {
    if (!heard.includes(one)) return one;
    if (control !== 'steer') return [];
    const { overdue: _, ...order } = one;
    return { ...order, seen: true as const };
  });
  const { pause } = said.task.control ?? {};
  const rests = control === 'pause' && pause !== undefined;
  const unconfirmed = rests && isUnconfirmed(said.task);
  const change = controlled(said.task, {
    orders: kept,
    // Whoever rests on its order has got it.
    ...(rests
      ? { pause: { ...pause, from: unconfirmed ? ('accepted' as const) : pause.from, confirmed: true } }
      : undefined),
  });
  const task = changed(c, said.task, change);
  c.events.push({ kind: 'taskChanged', record: task });
  if (unconfirmed) c.events.push({ kind: 'timerCleared', timer: 'accept', entity: task.id });
  clearTimers(c, task, heard);
  tell(c, task, { what: 'acknowledged', reason: undefined, about: { control, seq: upTo } });
  return accepted({ id: task.id });
}

/** The holder was given a time to acknowledge, and it is over: the order stands, and everybody sees that it was not heard. */
export function orderOverdue(s: State, c: Context, entity: string): void {
  const [id = '', number] = entity.split('#');
  const task = s.tasks.get(id);
  const seq = Number(number);
  const order = task?.control?.orders?.find((one) => one.data.seq === seq);
  if (task === undefined || order === undefined || order.seen !== undefined) return;
  const orders = task.control?.orders?.map((one) => (one === order ? { ...one, overdue: true as const } : one));
  const late = changed(c, task, controlled(task, { orders }));
  c.events.push({ kind: 'taskChanged', record: late });
  tell(c, late, { what: 'unacknowledged', reason: undefined, about: { control: order.control, seq } });
}
