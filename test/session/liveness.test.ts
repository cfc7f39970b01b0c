import { expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Liveness } from '../../src/session/liveness.ts';

const IDLE = { writtenBytes: 0, bufferedBytes: 0, waiting: false };
const { slowMs, slowBytes, pingIntervalMs, pingTimeoutMs } = LIMITS;

/** Judges after a frame was heard, so that silence is not what is judged. */
function judge(liveness: Liveness, mono: number, socket: typeof IDLE): string {
  liveness.heard(mono);
  return liveness.judge(mono, socket);
}

test('slowness counts from when bytes began to wait, not from the last look', () => {
  const liveness = new Liveness(0);
  expect(judge(liveness, 1_000, IDLE)).toBe('fine');
  liveness.writing(9_000, 0);
  const stuck = { writtenBytes: 500, bufferedBytes: 500, waiting: true };
  expect(judge(liveness, 1_000 + slowMs, stuck)).not.toBe('slow');
  expect(judge(liveness, 8_999 + slowMs, stuck)).not.toBe('slow');
  expect(judge(liveness, 9_000 + slowMs, stuck)).toBe('slow');
});

test('frames that wait while the socket is empty do not count as progress', () => {
  const liveness = new Liveness(0);
  const waiting = { writtenBytes: 0, bufferedBytes: 0, waiting: true };
  expect(judge(liveness, slowMs - 1, waiting)).not.toBe('slow');
  expect(judge(liveness, slowMs, waiting)).toBe('slow');
});

test('so much as must be taken starts the time anew, less does not', () => {
  const liveness = new Liveness(0);
  const held = (taken: number): typeof IDLE => ({
    writtenBytes: 1_000_000,
    bufferedBytes: 1_000_000 - taken,
    waiting: true,
  });
  for (let s = 1; s <= 10; s += 1) expect(judge(liveness, s * (slowMs - 1), held(s * slowBytes))).not.toBe('slow');
  expect(judge(liveness, 11 * (slowMs - 1), held(11 * slowBytes - 1))).not.toBe('slow');
  expect(judge(liveness, 10 * (slowMs - 1) + slowMs, held(11 * slowBytes - 1))).toBe('slow');
});

test('the next look is when something is due', () => {
  const liveness = new Liveness(0);
  expect(liveness.nextMs(0, IDLE)).toBe(pingIntervalMs);
  expect(liveness.judge(pingIntervalMs, IDLE)).toBe('ping');
  expect(liveness.nextMs(pingIntervalMs, IDLE)).toBe(pingTimeoutMs - pingIntervalMs);
  expect(liveness.judge(pingTimeoutMs, IDLE)).toBe('dead');
  expect(new Liveness(0).nextMs(0, { writtenBytes: 9, bufferedBytes: 9, waiting: false })).toBe(slowMs / 10);
});
