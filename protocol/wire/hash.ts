/**
 * Hashes that tell the bodies of requests apart: 52 bits, so that they are exact as numbers.
 * Not for secrets, and no defence against someone who looks for collisions: who does that fools only himself.
 */
import type { Value } from './types.ts';

const TWO_26 = 0x400_0000;
const SEED_A = 0x811c_9dc5 | 0;
const SEED_B = 0x9747_b28c | 0;

/** Over encoded bytes start..end: another encoding of the same value has another hash. */
export function requestHash(bytes: Uint8Array, start: number, end: number): number {
  const lanes = new Lanes();
  lanes.bytes(bytes, start, end);
  return lanes.finish();
}

/** Over a value: the order of keys and the width of numbers do not matter, undefined members count as absent. */
export function valueHash(value: Value): number {
  const lanes = new Lanes();
  lanes.value(value);
  return lanes.finish();
}

const Tag = { NULL: 1, TRUE: 2, FALSE: 3, INT32: 4, NUMBER: 5, TEXT: 6, BYTES: 7, ARRAY: 8, MAP: 9 } as const;

/** Two 32-bit lanes that take 32-bit words; each mixes as MurmurHash3 does, with its own constants. */
class Lanes {
  #a = SEED_A;
  #b = SEED_B;

  word(word: number): void {
    let k = Math.imul(word, 0xcc9e_2d51 | 0);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b87_3593);
    this.#a ^= k;
    this.#a = (Math.imul((this.#a << 13) | (this.#a >>> 19), 5) + 0xe654_6b64) | 0;
    k = Math.imul(word, 0x239b_961b);
    k = Math.imul((k << 16) | (k >>> 16), 0x38b3_4ae5);
    this.#b ^= k;
    this.#b = (Math.imul((this.#b << 17) | (this.#b >>> 15), 5) + 0x561c_cd1b) | 0;
  }

  bytes(bytes: Uint8Array, start: number, end: number): void {
    let i = start;
    for (; i + 4 <= end; i += 4)
      this.word(
        (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24),
      );
    let rest = 0;
    for (; i < end; i += 1) rest = (rest << 8) | (bytes[i] ?? 0);
    this.word(rest);
    this.word(end - start);
  }

  /** As deep as the value is nested, which the scan bounds. */
  value(value: Value | undefined): void {
    if (value === null || value === undefined) return this.word(Tag.NULL);
    if (typeof value === 'boolean') return this.word(value ? Tag.TRUE : Tag.FALSE);
    if (typeof value === 'number') return this.#number(value);
    if (typeof value === 'string') {
      this.word(Tag.TEXT);
      return this.#text(value);
    }
    if (value instanceof Uint8Array) {
      this.word(Tag.BYTES);
      return this.bytes(value, 0, value.length);
    }
    if (Array.isArray(value)) {
      this.word(Tag.ARRAY);
      for (const item of value as readonly Value[]) this.value(item);
      return this.word(value.length);
    }
    this.#map(value as { readonly [key: string]: Value });
  }

  finish(): number {
    return (avalanche(this.#a) >>> 6) * TWO_26 + (avalanche(this.#b ^ this.#a) >>> 6);
  }

  #number(value: number): void {
    if ((value | 0) === value) {
      this.word(Tag.INT32);
      return this.word(value | 0);
    }
    this.word(Tag.NUMBER);
    const bits = new DataView(new ArrayBuffer(8));
    bits.setFloat64(0, value);
    this.word(bits.getInt32(0));
    this.word(bits.getInt32(4));
  }

  #text(text: string): void {
    const length = text.length;
    let i = 0;
    for (; i + 2 <= length; i += 2) this.word(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
    if (i < length) this.word(text.charCodeAt(i));
    this.word(length);
  }

  /** Each member is hashed for itself and the hashes are added, so that their order does not matter. */
  #map(map: { readonly [key: string]: Value | undefined }): void {
    const a = this.#a;
    const b = this.#b;
    let count = 0;
    let sumA = 0;
    let sumB = 0;
    for (const key in map) {
      if (map[key] === undefined) continue;
      this.#a = SEED_A;
      this.#b = SEED_B;
      this.#text(key);
      this.value(map[key]);
      count += 1;
      sumA = (sumA + avalanche(this.#a)) | 0;
      sumB = (sumB + avalanche(this.#b)) | 0;
    }
    this.#a = a;
    this.#b = b;
    this.word(Tag.MAP);
    this.word(sumA);
    this.word(sumB);
    this.word(count);
  }
}

function avalanche(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b | 0);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35 | 0);
  return h ^ (h >>> 16);
}
