/** Writes every connection that has something to write once, at the end of the turn. */
import type { Scheduler } from '../base/scheduler.ts';

export interface Flushable {
  flush(): void;
}

export class Flusher {
  readonly #scheduler: Scheduler;
  readonly #run: () => void;
  #dirty: Flushable[] = [];

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.#run = () => this.#flush();
  }

  /** Call at most once for each until its `flush` was called. */
  mark(flushable: Flushable): void {
    this.#dirty.push(flushable);
    if (this.#dirty.length === 1) this.#scheduler.defer(this.#run);
  }

  /**
   * The last marked is the first written: whoever asked is marked by its answer, before those whom it concerns, and
   * they are the ones who wait with nothing to do. A write takes as long as a hop over loopback.
   * What a flush causes to be marked waits for the next turn, so that one cannot keep the loop.
   */
  #flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (let i = dirty.length - 1; i >= 0; i -= 1) dirty[i]?.flush();
  }
}
