/**
 * Writes every connection that has something to write once, at the end of the turn.
 *
 * First is made ready what goes to some connections, then it is written to all of them in a row. A reader that has taken all
 * there is falls asleep, and to wake it costs the writer as much as a write: a microsecond of work between two writes
 * costs two ([0036](../../docs/decisions/0036-written-in-a-row.md)).
 */
import type { Scheduler } from '../base/scheduler.ts';
import { Joiner } from './joiner.ts';
import type { Connection } from './port.ts';

export interface Flushable {
  readonly connection: Connection;
  /** The first message that is due, not written yet; undefined: none. `mono`: the monotonic clock, as of a few writes ago. */
  take(mono: number): Uint8Array | undefined;
  /** Whether there is more to do once that is written. */
  readonly waits: boolean;
  /** Writes what else the socket takes. */
  writeRest(): void;
}

/** So many are made ready before they are written. */
const IN_A_ROW = 256;

export class Flusher {
  /** Of all connections that are written by this. */
  readonly joiner = new Joiner();
  readonly #scheduler: Scheduler;
  readonly #run: () => void;
  #dirty: Flushable[] = [];
  /** Of the row at hand. */
  readonly #messages: (Uint8Array | undefined)[] = [];

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
    for (let end = dirty.length; end > 0; end -= IN_A_ROW) this.#writeRow(dirty, Math.max(0, end - IN_A_ROW), end);
  }

  #writeRow(dirty: readonly Flushable[], from: number, to: number): void {
    const mono = this.#scheduler.mono();
    const messages = this.#messages;
    for (let i = to - 1; i >= from; i -= 1) messages[i - from] = dirty[i]?.take(mono);
    for (let i = to - 1; i >= from; i -= 1) {
      const message = messages[i - from];
      if (message !== undefined) dirty[i]?.connection.write(message);
    }
    for (let i = to - 1; i >= from; i -= 1) {
      messages[i - from] = undefined;
      const flushable = dirty[i];
      if (flushable?.waits === true) flushable.writeRest();
    }
  }
}
