/** Time and randomness of a browser or of any other JavaScript platform. */
import type { Entropy, Scheduler } from '../../base/scheduler.ts';

/** setTimeout fires at once for delays above this. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export function after(ms: number, fn: () => void): () => void {
  const timer = setTimeout(fn, Math.min(TIMER_MAX_MS, Math.max(0, ms)));
  return () => clearTimeout(timer);
}

export const webScheduler: Scheduler = {
  now: () => Date.now(),
  mono: () => performance.now(),
  defer: (fn) => queueMicrotask(fn),
  after,
};

export const webEntropy: Entropy = (size) => crypto.getRandomValues(new Uint8Array(size));
