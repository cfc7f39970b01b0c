/** One run of a handler: what the handler holds, and what is done with it. */
import type { ChildPolicy, DelegateTo } from '../../protocol/wire/trees.ts';
import type { OrderControl } from '../../protocol/wire/control.ts';
import type { TaskError, Value, ValueMap } from '../../protocol/wire/types.ts';
import type { Reply } from './core.ts';
import type { Holding, Job, StopReason } from './holdings.ts';
import type { OrderListener } from './orders.ts';

export type Outcome =
  | { readonly kind: 'completed'; readonly output?: Value; readonly children?: ChildPolicy }
  /** Handed to another agent. */
  | { readonly kind: 'delegated'; readonly to: DelegateTo; readonly reason: string | undefined }
  | { readonly kind: 'failed'; readonly error: TaskError; readonly retryable: boolean }
  /** Given back: somebody else, or the same agent later, does it. */
  | { readonly kind: 'released'; readonly delayMs?: number };

export interface JobHandle {
  /** Once; what comes later does nothing. May be called inside `StartJob`. */
  finish(outcome: Outcome): void;
  progress(percentComplete: number, status?: string): void;
  /** Hands over what the server orders about this task, from the first order on; one listener. */
  orders(listener: OrderListener): void;
  /** Every order of this control up to this number was heeded. */
  acknowledge(control: OrderControl, seq: number): void;
  /** A holder's call; id and token are added. */
  call(method: HolderCall, params: ValueMap, done: (reply: Reply) => void): void;
}

export type HolderCall = 'task.checkpoint' | 'task.output' | 'task.ask' | 'task.extend';

/** Starts a handler; the returned function asks it to stop, and it still calls `finish`. */
export type StartJob = (job: Job, handle: JobHandle) => (reason: StopReason, detail: string) => void;

export interface HeldCall {
  readonly method: HolderCall;
  readonly params: ValueMap;
  readonly done: (reply: Reply) => void;
}

/** What the end and the progress of a run are told to. */
export interface Runs {
  finish(holding: Holding, outcome: Outcome): void;
  progress(holding: Holding, percentComplete: number, status: string | undefined): void;
  orders(holding: Holding, listener: OrderListener): void;
  acknowledge(holding: Holding, control: OrderControl, seq: number): void;
  call(holding: Holding, call: HeldCall): void;
}

/** One run of a handler: what the handler holds, and the phase of its holding. */
export class Run implements JobHandle {
  readonly kind = 'running';
  readonly #holding: Holding;
  readonly #runs: Runs;
  #over = false;
  #stop: ReturnType<StartJob> | undefined;
  /** The handler may end, and even be stopped, before it has said how. */
  #early: { readonly reason: StopReason; readonly detail: string } | undefined;

  constructor(holding: Holding, runs: Runs) {
    this.#holding = holding;
    this.#runs = runs;
  }

  get over(): boolean {
    return this.#over;
  }

  began(stop: ReturnType<StartJob>): void {
    if (this.#over) return;
    this.#stop = stop;
    if (this.#early !== undefined) stop(this.#early.reason, this.#early.detail);
  }

  finish(outcome: Outcome): void {
    if (this.#over) return;
    this.#over = true; // A4
    this.#runs.finish(this.#holding, outcome);
  }

  progress(percentComplete: number, status?: string): void {
    this.#runs.progress(this.#holding, percentComplete, status);
  }

  orders(listener: OrderListener): void {
    this.#runs.orders(this.#holding, listener);
  }

  acknowledge(control: OrderControl, seq: number): void {
    this.#runs.acknowledge(this.#holding, control, seq);
  }

  call(method: HolderCall, params: ValueMap, done: (reply: Reply) => void): void {
    this.#runs.call(this.#holding, { method, params, done });
  }

  stop(reason: StopReason, detail: string): void {
    if (this.#stop === undefined) this.#early = { reason, detail };
    else this.#stop(reason, detail);
  }
}
