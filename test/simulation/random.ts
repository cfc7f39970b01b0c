/**
 * Random numbers of the simulator: xoshiro128** (Blackman and Vigna, 2018), 128 bits of state.
 *
 * A stream is named by a label, so that parts which draw apart do not disturb each other: taking a fault out of a run
 * leaves the draws of everything else as they were, which is what makes a failing run small.
 */
import { hash } from 'node:crypto';

export class Random {
  readonly #label: string;
  readonly #s = new Uint32Array(4);

  constructor(label: string) {
    this.#label = label;
    const seed = hash('sha256', label, 'buffer');
    for (let i = 0; i < 4; i += 1) this.#s[i] = seed.readUInt32LE(i * 4);
    if (this.#s.every((word) => word === 0)) this.#s[0] = 1;
  }

  /** A stream of its own, the same for the same name. */
  fork(name: string): Random {
    return new Random(`${this.#label}/${name}`);
  }

  /** Uniform in [0, 2^32). */
  next(): number {
    const s = this.#s;
    // By index: taken apart as a list they would go through an iterator.
    const a = s[0] ?? 0;
    const b = s[1] ?? 0;
    const c = (s[2] ?? 0) ^ a;
    const d = (s[3] ?? 0) ^ b;
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    s[0] = a ^ d;
    s[1] = b ^ c;
    s[2] = c ^ (b << 9);
    s[3] = (d << 11) | (d >>> 21);
    return result;
  }

  /** Uniform in [0, below). */
  below(below: number): number {
    return Math.floor((this.next() / 2 ** 32) * below);
  }

  /** Uniform over the whole numbers from `min` to `max`. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** Between `min` and `max`, each order of magnitude as likely as another. */
  spread(min: number, max: number): number {
    const share = this.next() / 2 ** 32;
    return Math.round(min * (max / min) ** share);
  }

  chance(probability: number): boolean {
    return this.next() / 2 ** 32 < probability;
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }

  /** Some of a list, in its order: each with this probability. */
  some<T>(list: readonly T[], probability: number): T[] {
    return list.filter(() => this.chance(probability));
  }

  bytes(size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i += 4) {
      const word = this.next();
      for (let k = 0; k < 4 && i + k < size; k += 1) bytes[i + k] = (word >>> (8 * k)) & 0xff;
    }
    return bytes;
  }
}
