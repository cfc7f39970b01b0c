/**
 * Time and randomness as ports, so that the simulator can own both.
 *
 * Everything above the drivers takes these instead of Date, timers and crypto: node, session, client core.
 */

export interface Scheduler {
  /** Wall clock, integer ms since the epoch. May jump. */
  now(): number;
  /** Monotonic clock, ms; only differences mean something. */
  mono(): number;
  /** Runs `fn` at the end of the current turn of the event loop, after the input that is ready now. */
  defer(fn: () => void): void;
  /** Runs `fn` once, `ms` from now. The returned function cancels it. */
  after(ms: number, fn: () => void): () => void;
}

/** `size` unpredictable bytes. */
export type Entropy = (size: number) => Uint8Array;
