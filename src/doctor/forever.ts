/** The doctor drops nothing by age. */
import type { Retention } from '../store/port.ts';

const MOST = Number.MAX_SAFE_INTEGER;

export const FOREVER: Retention = {
  historyMs: MOST,
  historyBytes: MOST,
  finishedMs: MOST,
  finishedBytes: MOST,
  deadLetterMs: MOST,
  deadLetterBytes: MOST,
  outputMs: MOST,
  outputBytes: MOST,
};
