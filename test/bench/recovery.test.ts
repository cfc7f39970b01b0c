import { describe, expect, it } from 'vitest';
import { metric } from '../../bench/recovery/server-metrics.ts';
import { split } from '../../bench/recovery/windows.ts';

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

describe('the metrics of the server', () => {
  const text = '# HELP a_sum x\na_sum_total 9\na_sum 4.5\n';

  it('are read by their whole name', () => {
    expect(metric(text, 'a_sum')).toBe(4.5);
  });

  it('that are missing are named', () => {
    expect(() => metric(text, 'b')).toThrow('does not show b');
  });
});
