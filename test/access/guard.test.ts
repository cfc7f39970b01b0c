import { expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { AttemptGuard } from '../../src/access/index.ts';

test('the first failures are answered at once, then the answer waits, doubling to a bound', () => {
  const guard = new AttemptGuard(() => 0);
  const delays = Array.from({ length: LIMITS.authFailuresFree + 20 }, () => guard.failed('a'));
  expect(delays.slice(0, LIMITS.authFailuresFree)).toEqual(Array.from({ length: LIMITS.authFailuresFree }, () => 0));
  expect(delays.slice(LIMITS.authFailuresFree, LIMITS.authFailuresFree + 3)).toEqual(
    [1, 2, 4].map((n) => n * LIMITS.authDelayMs),
  );
  expect(delays.at(-1)).toBe(LIMITS.authDelayMsMax);
});

test('addresses do not share failures, and a quiet one is forgiven', () => {
  let now = 0;
  const guard = new AttemptGuard(() => now);
  for (let i = 0; i < 10; i += 1) guard.failed('a');
  expect(guard.failed('b')).toBe(0);
  now += LIMITS.authWindowMs - 1;
  expect(guard.failed('a')).toBeGreaterThan(0);
  now += LIMITS.authWindowMs;
  expect(guard.failed('a')).toBe(0);
});

test('memory is bounded; who fails on is remembered longest', () => {
  const guard = new AttemptGuard(() => 0);
  for (let i = 0; i < 10; i += 1) guard.failed('busy');
  for (let i = 0; i < LIMITS.authAddressesMax * 2; i += 1) {
    guard.failed(`address ${i}`);
    if (i % 1_000 === 0) guard.failed('busy');
  }
  expect(guard.size).toBe(LIMITS.authAddressesMax);
  expect(guard.failed('busy')).toBe(LIMITS.authDelayMsMax);
});
