/**
 * Control of running tasks: what is said to a holder while it works, and what it hands out before it has ended.
 *
 * Owns: the shapes of pause, resume, steer, reprioritise, extend, questions, checkpoints and partial output.
 */
import type { TaskLock } from './locks.ts';
import type { Priority, TaskStatus, TaskView, Value } from './types.ts';

/** Orders to a holder that it acknowledges by their number. */
export const ORDER_CONTROLS = ['pause', 'resume', 'steer', 'answer', 'reprioritise', 'extend'] as const;
export type OrderControl = (typeof ORDER_CONTROLS)[number];

/** What a holder acknowledges: that it has stopped, or an order. */
export const CONTROLS = ['cancel', 'leaseLost', ...ORDER_CONTROLS] as const;
export type Control = (typeof CONTROLS)[number];

/** The push by which a holder is told. */
export const CONTROL_PUSHES = {
  pause: 'task.paused',
  resume: 'task.resumed',
  steer: 'task.steered',
  answer: 'task.answered',
  reprioritise: 'task.reprioritised',
  extend: 'task.extended',
} as const satisfies { readonly [C in OrderControl]: string };

/** What an order says beside its number; which members, its control tells. */
export interface ControlData {
  /** Rises within the task, over all its attempts. */
  readonly seq: number;
  /** pause, resume. */
  readonly reason?: string;
  /** steer. */
  readonly message?: Value;
  /** steer, answer: who said it. */
  readonly from?: string;
  /** answer: to which question; `answer`, or `expired`. */
  readonly askId?: string;
  readonly question?: string;
  readonly answer?: Value;
  readonly expired?: true;
  /** reprioritise. */
  readonly priority?: Priority;
  /** extend: as they are now. */
  readonly deadlineAt?: number;
  readonly timeoutMs?: number;
  readonly progressTimeoutMs?: number;
}

/** An order as it stands in `task.assigned` and in a snapshot: told, and not acknowledged. */
export interface ControlItem extends ControlData {
  readonly control: OrderControl;
}

/** What begins an attempt: an order, or an offer. */
export interface TaskOrder {
  readonly task: TaskView;
  readonly attempt: number;
  readonly token: string;
  readonly leaseMs: number;
  /** Of a task that needs locks: it has all of them. */
  readonly locks?: readonly TaskLock[];
  /** Orders of before that no attempt has acknowledged, in their order. */
  readonly controls?: readonly ControlItem[];
}

/** PUSH of an order. */
export interface ControlPush extends ControlData {
  readonly id: string;
  readonly attempt: number;
  readonly token: string;
}

export interface QuestionView {
  readonly askId: string;
  readonly question: string;
  /** The answer must be one of these. */
  readonly choices?: readonly string[];
  readonly askedAt: number;
  readonly expiresAt?: number;
}

export interface CheckpointView {
  /** The attempt that stored it. */
  readonly attempt: number;
  readonly at: number;
  readonly bytes: number;
  /** In orders that begin an attempt, and in `task.get`. */
  readonly data?: Value;
}

/** What a task shows of its control; absent what is not there. */
export interface ControlView {
  readonly paused?: { readonly at: number; readonly by: string; readonly reason?: string; readonly confirmed?: true };
  /** Orders that the holder has not acknowledged; `overdue`: though it was given a time to. */
  readonly controls?: readonly {
    readonly control: OrderControl;
    readonly seq: number;
    readonly at: number;
    readonly overdue?: true;
  }[];
  readonly questions?: readonly QuestionView[];
  readonly checkpoint?: CheckpointView;
  readonly output?: { readonly bytes: number; readonly pieces: number };
}

export interface OutputPiece {
  /** Of its first byte, in the whole output of the task. */
  readonly offset: number;
  readonly attempt: number;
  readonly data: string | Uint8Array;
}

type Held = { readonly id: string; readonly token: string };
/** How long the holder has, in live time, to acknowledge. */
type Acknowledged = { readonly acknowledgeMs?: number };

export interface ControlParams {
  'task.pause': { readonly id: string; readonly reason?: string } & Acknowledged;
  'task.resume': { readonly id: string; readonly reason?: string } & Acknowledged;
  'task.steer': { readonly id: string; readonly message: Value } & Acknowledged;
  'task.reprioritise': { readonly id: string; readonly priority: Priority } & Acknowledged;
  'task.extend': {
    readonly id: string;
    /** The holder's, if it asks itself. */
    readonly token?: string;
    /** From now on; nil: none any more. */
    readonly deadlineMs?: number | null;
    readonly timeoutMs?: number | null;
    readonly progressTimeoutMs?: number | null;
  } & Acknowledged;
  /** `seq`: every order of this control up to this number. */
  'task.acknowledge': Held & { readonly control: Control; readonly seq?: number };
  'task.checkpoint': Held & { readonly data: Value };
  'task.output': Held & { readonly offset: number; readonly data: string | Uint8Array };
  'task.readOutput': { readonly id: string; readonly offset?: number; readonly limit?: number };
  'task.ask': Held & {
    readonly question: string;
    readonly choices?: readonly string[];
    readonly expiresMs?: number;
  };
  'task.answer': { readonly id: string; readonly askId: string; readonly answer: Value } & Acknowledged;
}

export interface ControlResults {
  'task.pause': { readonly task: TaskView };
  'task.resume': { readonly task: TaskView };
  'task.steer': { readonly id: string; readonly seq: number };
  'task.reprioritise': { readonly task: TaskView };
  'task.extend': { readonly task: TaskView };
  'task.acknowledge': { readonly id: string };
  'task.checkpoint': { readonly id: string; readonly at: number };
  /** Where the next piece begins. */
  'task.output': { readonly id: string; readonly offset: number };
  'task.readOutput': {
    readonly id: string;
    readonly status: TaskStatus;
    readonly pieces: readonly OutputPiece[];
    /** Where to read on. */
    readonly next: number;
    /** Of all that was written so far. */
    readonly bytes: number;
    /** Pieces before the first of these are no longer kept. */
    readonly gap?: true;
  };
  'task.ask': {
    readonly askId: string;
    readonly expiresAt?: number;
    /** It was asked before, word for word, and this came of it. */
    readonly answer?: Value;
    readonly expired?: true;
  };
  'task.answer': { readonly id: string; readonly askId: string };
}

export type ControlMethod = keyof ControlParams;

/** PUSH `task.output` on topic `task.<id>.output`. */
export interface OutputPush extends OutputPiece {
  readonly id: string;
}

export type ControlPushes = { readonly [C in OrderControl as (typeof CONTROL_PUSHES)[C]]: ControlPush } & {
  readonly 'task.output': OutputPush;
};

/** Bytes of a piece of output: of a text those of its UTF-8. */
export function pieceBytes(data: string | Uint8Array): number {
  if (typeof data !== 'string') return data.length;
  let bytes = data.length;
  for (let i = 0; i < data.length; i += 1) {
    const unit = data.charCodeAt(i);
    if (unit < 0x80) continue;
    // Both halves of a surrogate pair have two of the four bytes: their unit, and one more.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return bytes;
}
