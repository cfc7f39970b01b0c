/**
 * What a task keeps of its control: a pause, orders to its holder, open questions, a checkpoint, how far its output goes.
 *
 * A task that is not controlled has none of it. Records are replaced, and what is not there is absent and not undefined,
 * so that they are the same before and after a snapshot.
 *
 * S1 Orders rise in `seq`, over all attempts of the task.
 * S2 Of pause and resume, of reprioritise and of extend the newest order alone is kept: what it says holds.
 * S3 Messages that were acknowledged stay until a checkpoint is stored, which covers them: an attempt that begins anew
 *    gets what the one before it had heard since its checkpoint.
 */
import type { ControlData, OrderControl } from '../../../protocol/wire/control.ts';
import type { TaskStatus, Value } from '../../../protocol/wire/types.ts';
import { weigh } from '../kernel/weigh.ts';
import type { TaskRecord } from '../records.ts';

export interface Pause {
  /** What the task is again when it is resumed. */
  readonly from: TaskStatus;
  readonly at: number;
  readonly by: string;
  readonly reason?: string;
  /** What is left of the attempt's timeoutMs, in live time. */
  readonly leftMs?: number;
  /** The holder said that it rests. */
  readonly confirmed?: true;
}

/** An order: what is told, and how far that is. */
export interface Order {
  readonly control: OrderControl;
  readonly data: ControlData;
  readonly at: number;
  /** How long the holder has to acknowledge it, from when it is told. */
  readonly withinMs?: number;
  readonly overdue?: true;
  /** A message that the present holder has acknowledged (S3). */
  readonly seen?: true;
}

export interface Ask {
  readonly askId: string;
  readonly question: string;
  readonly choices?: readonly string[];
  readonly at: number;
  readonly expiresAt?: number;
  /** Of the assignment that asked. */
  readonly token: number;
}

export interface Checkpoint {
  readonly data: Value;
  readonly bytes: number;
  readonly attempt: number;
  readonly at: number;
}

/** The newest pieces, by which one that is sent again is known. */
export interface Piece {
  readonly offset: number;
  readonly bytes: number;
  readonly hash: number;
}

export interface OutputEnd {
  readonly bytes: number;
  readonly pieces: number;
  readonly newest?: readonly Piece[];
}

export interface TaskControl {
  readonly seq: number;
  readonly pause?: Pause;
  readonly orders?: readonly Order[];
  readonly asks?: readonly Ask[];
  readonly checkpoint?: Checkpoint;
  readonly output?: OutputEnd;
}

type ControlChange = { readonly [K in keyof TaskControl]?: TaskControl[K] | undefined };

/** What of a record changes with its control. */
export interface Controlled {
  readonly control: TaskControl | undefined;
  readonly bytes: number;
}

/** The control of a task after a change; a member that is undefined is taken away, as is an empty list. */
export function controlled(task: TaskRecord, change: ControlChange): Controlled {
  const { control: before } = task;
  const { seq, pause, orders, asks, checkpoint, output } = { ...before, ...change };
  const control: TaskControl = {
    seq: seq ?? 0,
    ...(pause === undefined ? undefined : { pause }),
    ...(orders === undefined || orders.length === 0 ? undefined : { orders }),
    ...(asks === undefined || asks.length === 0 ? undefined : { asks }),
    ...(checkpoint === undefined ? undefined : { checkpoint }),
    ...(output === undefined ? undefined : { output }),
  };
  const bytes = task.bytes + weigh(control) - (before === undefined ? 0 : weigh(before));
  return { control, bytes };
}

/** The status that a task would have if it were not paused. */
export function statusBelow(task: TaskRecord): TaskStatus {
  return task.control?.pause?.from ?? task.status;
}

/** An agent has the task and has not said yet that it got it. */
export function isUnconfirmed(task: TaskRecord): boolean {
  const status = statusBelow(task);
  return status === 'assigned' || status === 'offered';
}

/** Orders that the holder has still to acknowledge. */
export function openOrders(task: TaskRecord): readonly Order[] {
  return task.control?.orders?.filter(({ seen }) => seen === undefined) ?? [];
}

/** The control of a task whose assignment is over: messages and answers are for whoever goes on with it, and a pause lasts. */
export function afterHolder(task: TaskRecord, from: TaskStatus): Controlled | undefined {
  const { control } = task;
  if (control === undefined) return undefined;
  const { pause, orders = [] } = control;
  const lasting = orders.filter((order) => order.control === 'steer' || order.control === 'answer');
  return controlled(task, {
    orders: lasting.map(({ overdue: _overdue, seen: _seen, ...order }) => order),
    pause: pause === undefined ? undefined : rested(pause, from),
  });
}

/** Nobody holds what is paused: there is no attempt whose time could be left, and nobody who could say that it rests. */
function rested({ leftMs: _left, confirmed: _confirmed, ...pause }: Pause, from: TaskStatus): Pause {
  return { ...pause, from };
}

/** What a finished task keeps. */
export function afterEnd(task: TaskRecord, completed: boolean): Controlled | undefined {
  const { control, bytes } = task;
  if (control === undefined) return undefined;
  const { checkpoint, output } = control;
  if (output === undefined && (checkpoint === undefined || completed)) {
    return { control: undefined, bytes: bytes - weigh(control) };
  }
  return controlled(task, {
    pause: undefined,
    orders: undefined,
    asks: undefined,
    checkpoint: completed ? undefined : checkpoint,
    output: output === undefined ? undefined : { bytes: output.bytes, pieces: output.pieces },
  });
}
