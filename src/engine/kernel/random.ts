/**
 * Ids, jitter and choices of one entry, derived from the 16 random bytes that its appender put in.
 *
 * Ids are `<prefix>_` + 9 digits of time + 12 random digits + 4 digits of a counter, base 32 (Crockford's
 * alphabet, lower case), so they begin with their time and order by it. Numbers come from sfc32 (PractRand's
 * small fast counter generator, 128-bit state), integers only.
 */

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

function base32(value: number, digits: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < digits; i += 1) {
    text = DIGITS.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
  );
}

export class EntryRandom {
  readonly #base: string;
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #count = 0;

  constructor(bytes: Uint8Array, now: number) {
    this.#a = word(bytes, 0);
    this.#b = word(bytes, 4);
    this.#c = word(bytes, 8);
    this.#d = word(bytes, 12) | 1;
    this.#base = base32(now, 9) + base32(this.#a, 6) + base32(this.#b, 6);
  }

  id(prefix: string): string {
    const n = this.#count;
    this.#count += 1;
    return `${prefix}_${this.#base}${base32(n, 4)}`;
  }

  /** An integer in [0, below), below ≤ 2^32. */
  below(below: number): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return (t >>> 0) % below;
  }
}
