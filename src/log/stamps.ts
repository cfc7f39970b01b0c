/**
 * The times that a log stamps on its entries: the wall clock's, as long as that goes on.
 *
 * Owns: what becomes of a wall clock that was set back. Does not own: the clocks.
 *
 * ST1 Stamps never fall.
 * ST2 While the wall clock is behind the newest stamp, stamps go on by the monotonic clock: live time is made of their
 *     steps, and leases, graces and timeouts would stand still until the wall clock had caught up.
 * ST3 A base is kept until the wall clock passes it: fractions of a millisecond between two entries add up.
 */
export interface Clocks {
  /** Ms since 1970. */
  readonly wall: number;
  /** Monotonic ms, with any origin. */
  readonly mono: number;
}

export class Stamps {
  #base: Clocks;

  /** `last`: the newest stamp of the log, and the monotonic clock now. After a restart nobody knows how long ago it was. */
  constructor(last: Clocks) {
    this.#base = last;
  }

  next(now: Clocks): number {
    const running = Math.floor(this.#base.wall + Math.max(0, now.mono - this.#base.mono));
    if (now.wall <= running) return running; // ST2
    this.#base = now;
    return now.wall;
  }
}
