/** Medians, percentiles and ratios; exact, by sorting: no bench here keeps more than a few million samples. */
import { assert, must } from '../../src/base/assert.ts';
import type { Figure, Ratio } from './scenario.ts';

export interface Percentiles {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** The smallest sample that at least `share` of all samples do not exceed (nearest rank). */
export function percentile(sorted: Float64Array, share: number): number {
  assert(sorted.length > 0, 'a percentile needs samples');
  assert(share >= 0 && share <= 1, 'a share lies between 0 and 1');
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return must(sorted[rank - 1], 'rank lies within the samples');
}

export function percentiles(samples: Float64Array): Percentiles {
  const sorted = Float64Array.from(samples).sort();
  return {
    count: sorted.length,
    min: percentile(sorted, 0),
    p50: percentile(sorted, 0.5),
    p90: percentile(sorted, 0.9),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    max: percentile(sorted, 1),
  };
}

export function median(values: readonly number[]): number {
  assert(values.length > 0, 'a median needs values');
  const sorted = [...values].sort((a, b) => a - b);
  const upper = must(sorted[Math.floor(sorted.length / 2)], 'not empty');
  if (sorted.length % 2 === 1) return upper;
  return (must(sorted[sorted.length / 2 - 1], 'at least two') + upper) / 2;
}

/** Three significant digits: more would pretend to a precision that no run has. */
export function significant(value: number): number {
  return Number(value.toPrecision(3));
}

export function figure(values: readonly number[], unit: string): Figure {
  return {
    median: significant(median(values)),
    min: significant(Math.min(...values)),
    max: significant(Math.max(...values)),
    unit,
  };
}

/** The value must be at least `target`. */
export function atLeast(value: number, target: number): Ratio {
  return { value: significant(value), target, bound: 'min', ok: value >= target };
}

/** The value must be at most `target`. */
export function atMost(value: number, target: number): Ratio {
  return { value: significant(value), target, bound: 'max', ok: value <= target };
}

/**
 * The median of the ratios of runs that stood beside each other: a machine that slows down between two
 * rounds slows both sides of one pair.
 */
export function pairedRatio(above: readonly number[], below: readonly number[]): number {
  assert(above.length === below.length, 'paired runs have pairs');
  return median(above.map((value, at) => value / must(below[at], 'a pair')));
}

/** A growing array of numbers without boxing; samples are many. */
export class Samples {
  #values = new Float64Array(4_096);
  #length = 0;

  add(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  get length(): number {
    return this.#length;
  }

  values(): Float64Array {
    return this.#values.slice(0, this.#length);
  }
}
