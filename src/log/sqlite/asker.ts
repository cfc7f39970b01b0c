/**
 * Asks of the main thread to the log's worker, and their answers. One ask, one answer, in order.
 */
import { LogFault } from '../port.ts';
import type { Ask, AskOf, CallKind, Calls, FaultMessage } from './messages.ts';

type Answered = (answer: unknown) => void;

interface Waiting {
  readonly answered: Answered;
  readonly refused: (fault: LogFault) => void;
}

export interface Handlers<K extends CallKind> {
  answered(answer: Calls[K]['answer']): void;
  refused(fault: LogFault): void;
}

export class Asker {
  readonly #send: (ask: Ask, transfer: readonly ArrayBuffer[]) => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(send: (ask: Ask, transfer: readonly ArrayBuffer[]) => void) {
    this.#send = send;
  }

  ask<K extends CallKind>(ask: Omit<AskOf<K>, 'id'> & { readonly kind: K }, handlers: Handlers<K>): void {
    this.#lastId += 1;
    // The worker answers an ask of kind K with Calls[K]['answer']: messages.ts is the contract of both.
    const answered = (answer: unknown): void => handlers.answered(answer as Calls[K]['answer']);
    this.#waiting.set(this.#lastId, { answered, refused: (fault) => handlers.refused(fault) });
    const message = { ...ask, id: this.#lastId } as unknown as Ask;
    const transfer = message.kind === 'chunk' ? [message.sealed.buffer as ArrayBuffer] : [];
    this.#send(message, transfer);
  }

  answered(id: number, answer: unknown): void {
    this.#take(id)?.answered(answer);
  }

  refused(id: number, fault: FaultMessage): void {
    this.#take(id)?.refused(new LogFault(fault.fault, fault.message));
  }

  /** The worker is gone: nothing will be answered. */
  failAll(fault: LogFault): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { refused } of waiting) refused(fault);
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
