/** How long work waited for an agent, in calm and while something was done, second by second. */

export interface Waited {
  /** p99 in calm, ms. */
  readonly calmP99: number;
  /** p99 of all seconds in which something was done, ms. */
  readonly p99: number;
  /** Seconds, after the beginning of one thing that was done, of which the p99 was more than twice that of calm: the most. */
  readonly slowSeconds: number;
}

interface Sample {
  /** When the work was asked for, ms. */
  readonly at: number;
  readonly ms: number;
}

export const TOLERATED = 2;

export class Latency {
  readonly #samples: Sample[] = [];
  /** Begin and end of what was done. */
  readonly #spans: { readonly from: number; to: number }[] = [];

  waited(at: number, ms: number): void {
    this.#samples.push({ at, ms });
  }

  begins(at: number): void {
    this.#spans.push({ from: at, to: Infinity });
  }

  ends(at: number): void {
    const span = this.#spans.at(-1);
    if (span !== undefined) span.to = at;
  }

  judge(): Waited {
    const isIn = ({ at }: Sample): boolean => this.#spans.some(({ from, to }) => at >= from && at < to);
    const calmP99 = p99(this.#samples.filter((sample) => !isIn(sample)));
    const busy = this.#samples.filter(isIn);
    const slow = this.#spans.map(({ from, to }) => {
      const seconds = new Map<number, Sample[]>();
      for (const sample of busy) {
        if (sample.at < from || sample.at >= to) continue;
        const second = Math.floor((sample.at - from) / 1_000);
        seconds.set(second, [...(seconds.get(second) ?? []), sample]);
      }
      return [...seconds.values()].filter((samples) => p99(samples) > TOLERATED * calmP99).length;
    });
    return { calmP99, p99: p99(busy), slowSeconds: Math.max(0, ...slow) };
  }
}

function p99(samples: readonly Sample[]): number {
  const sorted = samples.map(({ ms }) => ms).toSorted((a, b) => a - b);
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * 0.99) - 1)] ?? 0);
}
