import { expect, test } from 'vitest';
import { Pace } from '../../src/log/sqlite/pace.ts';

test('bulk work rests nine times as long as a slice took, while commits come', () => {
  const pace = new Pace();
  pace.committed(100);
  pace.worked(101, 103);
  expect(pace.restMs(103)).toBe(18);
  expect(pace.restMs(113)).toBe(8);
  expect(pace.restMs(121)).toBe(0);
});

test('it does not rest when no commits come, and begins to when they do', () => {
  const pace = new Pace();
  pace.worked(0, 5);
  expect(pace.restMs(5)).toBe(0);
  pace.committed(10);
  pace.worked(11, 21);
  expect(pace.restMs(30)).toBe(81);
  // The last commit is too long ago.
  expect(pace.restMs(60)).toBe(0);
  pace.committed(61);
  expect(pace.restMs(61)).toBe(50);
});
