import { describe, expect, it } from 'vitest';
import { metric } from '../../bench/recovery/server-metrics.ts';
import { pairs, split } from '../../bench/recovery/windows.ts';

describe('latencies by window', () => {
  const windows = [{ from: 1_000, to: 1_100 }];

  it.each([
    { name: 'ends before', due: 700, ms: 10, side: 'calm' },
    { name: 'ends in the margin', due: 800, ms: 50, side: 'neither' },
    { name: 'ends within', due: 990, ms: 10, side: 'during' },
    { name: 'lies within', due: 1_050, ms: 10, side: 'during' },
    { name: 'spans the whole', due: 900, ms: 500, side: 'during' },
    { name: 'begins within', due: 1_100, ms: 500, side: 'during' },
    { name: 'begins in the margin', due: 1_250, ms: 10, side: 'neither' },
    { name: 'begins after', due: 1_301, ms: 10, side: 'calm' },
  ])('a task that $name of a checkpoint: $side', ({ due, ms, side }) => {
    const { during, calm } = split({ dueAt: Float64Array.of(due), latencyMs: Float64Array.of(ms) }, windows, 200);
    expect([...during]).toEqual(side === 'during' ? [ms] : []);
    expect([...calm]).toEqual(side === 'calm' ? [ms] : []);
  });
});

describe('a checkpoint beside the calm next to it', () => {
  const windows = [
    { from: 1_000, to: 1_100 },
    { from: 2_000, to: 2_400 },
    { from: 2_500, to: 2_600 },
  ];
  /** A task each 10 ms, told 1 ms after it was due, but 50 ms in the second checkpoint. */
  const dueAt = Float64Array.from({ length: 400 }, (_, i) => 10 * i);
  const latencyMs = dueAt.map((due) => (due >= 2_000 && due <= 2_400 ? 50 : 1));
  const split = pairs({ dueAt, latencyMs }, windows, 20);

  it('is of its own tasks, and of calm ones that lie no farther than it took', () => {
    expect(split.map(({ during }) => Math.max(...during))).toEqual([1, 50, 1]);
    // 100 ms on each side of the first, in steps of 10 ms.
    expect(split[0]?.calm.length).toBe(20);
    expect(split.every(({ calm }) => calm.every((ms) => ms === 1))).toBe(true);
  });

  it('is left out where nothing is calm next to it', () => {
    const crowded = [
      { from: 1_000, to: 1_100 },
      { from: 1_105, to: 1_700 },
      { from: 500, to: 995 },
    ];
    expect(pairs({ dueAt, latencyMs }, crowded, 200).map(({ calm }) => calm.length > 0)).toEqual([true, true]);
  });
});

describe('the metrics of the server', () => {
  const text = '# HELP a_sum x\na_sum_total 9\na_sum 4.5\n';

  it('are read by their whole name', () => {
    expect(metric(text, 'a_sum')).toBe(4.5);
  });

  it('that are missing are named', () => {
    expect(() => metric(text, 'b')).toThrow('does not show b');
  });
});
