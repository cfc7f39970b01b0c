import { describe, expect, it } from 'vitest';
import {
  atLeast,
  atMost,
  figure,
  median,
  pairedRatio,
  percentile,
  percentiles,
  Samples,
} from '../../bench/harness/statistics.ts';

describe('percentiles', () => {
  const hundred = Float64Array.from({ length: 100 }, (_, at) => at + 1);

  it.each([
    { share: 0, expected: 1 },
    { share: 0.5, expected: 50 },
    { share: 0.99, expected: 99 },
    { share: 0.995, expected: 100 },
    { share: 1, expected: 100 },
  ])('are exact: $share of 1 … 100 is $expected', ({ share, expected }) => {
    expect(percentile(hundred, share)).toBe(expected);
  });

  it('sort numbers as numbers and leave the samples alone', () => {
    const samples = Float64Array.from([10, 9, 100, 1]);
    expect(percentiles(samples)).toMatchObject({ count: 4, min: 1, p50: 9, p99: 100, max: 100 });
    expect([...samples]).toEqual([10, 9, 100, 1]);
  });

  it('need samples', () => {
    expect(() => percentiles(new Float64Array())).toThrow('samples');
  });
});

describe('medians and ratios', () => {
  it('take the middle, or the mean of the two in the middle', () => {
    expect(median([3, 1, 10])).toBe(3);
    expect(median([4, 1, 10, 2])).toBe(3);
  });

  it('show three significant digits', () => {
    expect(figure([12_345.6, 1, 20_000], 'x')).toEqual({ median: 12_300, min: 1, max: 20_000, unit: 'x' });
  });

  it('compare each run with the one beside it', () => {
    // The machine was half as fast in the second round: the ratio is the same in both.
    expect(pairedRatio([20, 10, 30], [10, 5, 10])).toBe(2);
  });

  it('judge the value, not what is shown of it', () => {
    expect(atLeast(2.4999, 2.5)).toEqual({ value: 2.5, target: 2.5, bound: 'min', ok: false });
    expect(atLeast(2.5, 2.5).ok).toBe(true);
    expect(atMost(2.001, 2)).toEqual({ value: 2, target: 2, bound: 'max', ok: false });
    expect(atMost(2, 2).ok).toBe(true);
  });
});

describe('samples', () => {
  it('grow and keep their order', () => {
    const samples = new Samples();
    for (let at = 0; at < 10_000; at += 1) samples.add(at);
    expect(samples.length).toBe(10_000);
    expect([...samples.values()]).toEqual(Array.from({ length: 10_000 }, (_, at) => at));
  });
});
