/**
 * Asks of the main thread to the log's worker, and their answers. One ask, one answer, in order.
 */
import { LogFault } from '../port.ts';
import type { Ask, AskOf, CallKind, Calls, FaultMessage } from './messages.ts';

export interface Handlers<K extends CallKind> {
  answered(answer: Calls[K]['answer']): void;
  refused(fault: LogFault): void;
}

/** The handlers of an ask of any kind; the worker answers each kind as messages.ts says. */
interface Waiting {
  answered(answer: unknown): void;
  refused(fault: LogFault): void;
}

export class Asker {
  readonly #send: (id: number, ask: Ask) => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(send: (id: number, ask: Ask) => void) {
    this.#send = send;
  }

  /** Everything that was asked is answered. */
  get idle(): boolean {
    return this.#waiting.size === 0;
  }

  ask<K extends CallKind>(ask: AskOf<K>, handlers: Handlers<K>): void {
    this.#lastId += 1;
    this.#waiting.set(this.#lastId, handlers);
    this.#send(this.#lastId, ask);
  }

  answered(id: number, answer: unknown): void {
    this.#take(id)?.answered(answer);
  }

  refused(id: number, { fault, message }: FaultMessage): void {
    this.#take(id)?.refused(new LogFault(fault, message));
  }

  /** The worker is gone: nothing will be answered. */
  failAll(fault: LogFault): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const handlers of waiting) handlers.refused(fault);
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
