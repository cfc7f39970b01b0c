/**
 * Requests for which no append is begun: they go to the log with the next one that is, and at the latest after a while.
 *
 * A lock that is held is not granted sooner because the request for it is durable sooner: the release that it waits for is an
 * append of its own. When a lock is handed on, the one who had it commonly asks again at the moment at which the next one has it; if
 * that were appended at once, the release of the next one would wait for the sync of a request that nobody waits for.
 *
 * PA1 It changes nothing about the order: a request that has patience stands in its place in the queue, and goes with whatever
 *     goes.
 * PA2 One that would be granted now has no more patience: all are looked at again after each entry.
 * PA3 So many have patience at most; more are an append of their own.
 */
import type { Scheduler } from '../base/scheduler.ts';
import type { Command } from '../engine/port.ts';

/** As long as a client on the same machine takes to answer, and some; the timers of the platform count in milliseconds. */
export const PATIENCE_MS = 2;
/** PA3 */
const PATIENT_MAX = 64;

export interface PatienceParts {
  readonly scheduler: Scheduler;
  /** 0: nobody has patience. */
  readonly patienceMs: number;
  /** Whether the request can only wait, as things stand. */
  readonly mustWait: (command: Command) => boolean;
  /** It has been long enough. */
  readonly hurry: () => void;
}

export class Patience {
  readonly #parts: PatienceParts;
  #patient: Command[] = [];
  #cancel: (() => void) | undefined;

  constructor(parts: PatienceParts) {
    this.#parts = parts;
  }

  /** True: no append need begin for it. */
  has(command: Command): boolean {
    if (this.#parts.patienceMs === 0 || this.#patient.length >= PATIENT_MAX) return false;
    if (!this.#parts.mustWait(command)) return false;
    this.#patient.push(command);
    this.#cancel ??= this.#parts.scheduler.after(this.#parts.patienceMs, () => {
      this.#cancel = undefined;
      this.#parts.hurry();
    });
    return true;
  }

  /** PA2: an entry was applied. True: one of them need not wait any more. */
  isOver(): boolean {
    return !this.#patient.every((command) => this.#parts.mustWait(command));
  }

  /** What had patience is on its way, or is in a hurry with everything else. */
  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#patient.length > 0) this.#patient = [];
  }
}
