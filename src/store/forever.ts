/** Nothing is dropped: for the doctor, and for tests. */
import type { Retention } from './port.ts';

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
  documentArchiveBytes: MOST,
};
