import { expect, test } from 'vitest';
import { BothTold } from '../../bench/dispatch/both-told.ts';

test('a task counts as told at the second of its two messages, in whichever order and among others', () => {
  const told: number[] = [];
  const both = new BothTold((sequence) => told.push(sequence));
  for (const sequence of [1, 2, 3]) both.half(sequence);
  expect(told).toEqual([]);
  for (const sequence of [3, 1]) both.half(sequence);
  expect(told).toEqual([3, 1]);
  // A third message begins anew: with its partner the task was told twice, which the bench counts.
  for (const sequence of [3, 3]) both.half(sequence);
  expect(told).toEqual([3, 1, 3]);
});
