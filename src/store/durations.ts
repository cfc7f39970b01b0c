/**
 * How long many things took, in little memory: counts in buckets, eight for each doubling, so that what is read is at most
 * a sixteenth off. Sums of two are exact.
 */
import type { DurationView } from '../../protocol/wire/observing.ts';

/** Values below this have a bucket each. */
const exactBelow = 16;
const perDoubling = 8;
/** About 25 days; longer counts as this. */
const longest = 2 ** 31 - 1;

export class Durations {
  readonly #counts = new Map<number, number>();
  count = 0;
  max = 0;

  add(ms: number, times = 1): void {
    const value = Math.min(Math.max(0, Math.round(ms)), longest);
    this.#addTo(bucketOf(value), times);
    this.max = Math.max(this.max, value);
  }

  addAll(other: Durations): void {
    for (const [bucket, times] of other.#counts) this.#addTo(bucket, times);
    this.max = Math.max(this.max, other.max);
  }

  /** The value that so much of all do not exceed, 0 to 1; 0 if there are none. */
  quantile(share: number): number {
    const rank = Math.ceil(share * this.count);
    let passed = 0;
    for (const bucket of [...this.#counts.keys()].toSorted((a, b) => a - b)) {
      passed += this.#counts.get(bucket) ?? 0;
      if (passed >= rank) return Math.min(middleOf(bucket), this.max);
    }
    return 0;
  }

  view(): DurationView {
    const { count, max } = this;
    return { count, p50: this.quantile(0.5), p90: this.quantile(0.9), p99: this.quantile(0.99), max };
  }

  /** Numbers from which `unpack` makes it again. */
  pack(): readonly number[] {
    return [this.max, ...[...this.#counts].flat()];
  }

  static unpack(packed: readonly number[]): Durations {
    const made = new Durations();
    made.max = packed[0] ?? 0;
    for (let at = 1; at + 1 < packed.length; at += 2) made.#addTo(packed[at] ?? 0, packed[at + 1] ?? 0);
    return made;
  }

  #addTo(bucket: number, times: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + times);
    this.count += times;
  }
}

function bucketOf(value: number): number {
  if (value < exactBelow) return value;
  const doublings = 31 - Math.clz32(value);
  return exactBelow + (doublings - 4) * perDoubling + ((value >> (doublings - 3)) & (perDoubling - 1));
}

function middleOf(bucket: number): number {
  if (bucket < exactBelow) return bucket;
  const doublings = 4 + Math.floor((bucket - exactBelow) / perDoubling);
  const part = (bucket - exactBelow) % perDoubling;
  const width = 2 ** (doublings - 3);
  return 2 ** doublings + part * width + Math.floor(width / 2);
}
