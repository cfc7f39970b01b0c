/** Follow-ups in order, part of the state: what did not fit into one entry is continued by the next. */
import { Fifo } from '../../base/fifo.ts';
import type { FollowUp } from '../records.ts';

export class WorkQueue {
  readonly #items = new Fifo<FollowUp>();

  get size(): number {
    return this.#items.length;
  }

  push(work: FollowUp): void {
    this.#items.push(work);
  }

  /** Before everything that waits. */
  pushAhead(work: FollowUp): void {
    this.#items.unshift(work);
  }

  shift(): FollowUp | undefined {
    return this.#items.shift();
  }

  hold(): readonly FollowUp[] {
    return [...this.#items];
  }
}
