/**
 * How much of the worker's time goes to bulk work (removal of rows) while entries are committed.
 *
 * A slice of bulk work makes a commit wait for a millisecond or, when it fills the write-ahead log, a few. That does
 * not show in the 99th percentile as long as few commits meet one: with 200 MB written at full speed (150 MB/s) one
 * commit in ten did, and p99 rose from 1.0 to 5.9 ms.
 *
 * P1 While commits come, bulk work takes a tenth of the time: after a slice it rests nine times as long as that took.
 * P2 Without commits it does not rest.
 */

/** Commits come if the last one is no longer ago than this. */
const activeMs = 50;
const rest = 9;

export class Pace {
  #committedAt = -Infinity;
  #until = -Infinity;

  committed(now: number): void {
    this.#committedAt = now;
  }

  /** A slice of bulk work ran. */
  worked(from: number, to: number): void {
    if (to - this.#committedAt < activeMs) this.#until = to + rest * (to - from); // P1
  }

  /** How long bulk work still rests; 0 if it may go on. */
  restMs(now: number): number {
    if (now - this.#committedAt >= activeMs) return 0; // P2
    return Math.max(0, this.#until - now);
  }
}
