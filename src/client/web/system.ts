/** Time and randomness of a browser or of any other JavaScript platform. */
import type { Entropy, Scheduler } from '../../base/scheduler.ts';
import { clientError } from '../errors.ts';

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

/** Browsers have it in secure contexts alone; it is needed for texts that are larger than a message. */
export const webDigest = async (data: Uint8Array): Promise<Uint8Array> => {
  const { subtle } = crypto as { readonly subtle?: typeof crypto.subtle };
  if (subtle === undefined)
    throw clientError('INVALID_OPTIONS', 'Large texts need a secure context (https, or localhost).');
  return new Uint8Array(await subtle.digest('SHA-256', data.slice()));
};

export const webEntropy: Entropy = (size) => crypto.getRandomValues(new Uint8Array(size));
