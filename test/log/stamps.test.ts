import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Stamps } from '../../src/log/stamps.ts';

test('stamps are those of the wall clock while it goes on', () => {
  const stamps = new Stamps({ wall: 0, mono: 500 });
  expect(stamps.next({ wall: 1_000, mono: 600 })).toBe(1_000);
  expect(stamps.next({ wall: 5_000, mono: 601 })).toBe(5_000);
  expect(stamps.next({ wall: 5_010, mono: 611 })).toBe(5_010);
});

test('a wall clock that was set back: they go on by the monotonic one, until it has caught up', () => {
  const stamps = new Stamps({ wall: 10_000, mono: 0 });
  expect(stamps.next({ wall: 10_100, mono: 100 })).toBe(10_100);
  expect(stamps.next({ wall: 4_000, mono: 150 })).toBe(10_150);
  expect(stamps.next({ wall: 5_000, mono: 1_150 })).toBe(11_150);
  expect(stamps.next({ wall: 12_000, mono: 1_200 })).toBe(12_000);
});

test('a log whose newest entry is of a later time than it is now goes on from there', () => {
  const stamps = new Stamps({ wall: 10_000, mono: 70 });
  expect(stamps.next({ wall: 3_000, mono: 70 })).toBe(10_000);
  expect(stamps.next({ wall: 3_500, mono: 570 })).toBe(10_500);
});

test('fractions of a millisecond between many entries add up', () => {
  const stamps = new Stamps({ wall: 1_000, mono: 0 });
  let stamp = 0;
  for (let entry = 1; entry <= 10_000; entry += 1) stamp = stamps.next({ wall: 10, mono: entry * 0.25 });
  expect(stamp).toBe(3_500);
});

test('whatever the wall clock does, stamps never fall, and pass at least the time that the monotonic one says', () => {
  const step = fc.record({
    passed: fc.integer({ min: 0, max: 5_000 }),
    jump: fc.integer({ min: -50_000, max: 50_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const stamps = new Stamps({ wall: 100_000, mono: 0 });
      let [wall, mono, last] = [100_000, 0, 100_000];
      for (const { passed, jump } of steps) {
        mono += passed;
        wall += passed + jump;
        const stamp = stamps.next({ wall, mono });
        expect(stamp).toBe(Math.max(wall, last + passed));
        last = stamp;
      }
    }),
  );
});
