/** Whether a series of samples grows: Theil and Sen's slope, the median of the slopes between all pairs, which single outliers do not move. */
import { median } from '../../bench/harness/statistics.ts';
import { must } from '../../src/base/assert.ts';

export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

const MINUTE_MS = 60_000;

/** By the minute; 0 for less than two samples. */
export function slopePerMinute(samples: readonly Sample[]): number {
  const slopes: number[] = [];
  for (let i = 0; i < samples.length; i += 1) {
    const from = must(samples[i], 'a sample');
    for (let k = i + 1; k < samples.length; k += 1) {
      const to = must(samples[k], 'a sample');
      if (to.atMs > from.atMs) slopes.push(((to.value - from.value) / (to.atMs - from.atMs)) * MINUTE_MS);
    }
  }
  return slopes.length === 0 ? 0 : median(slopes);
}
