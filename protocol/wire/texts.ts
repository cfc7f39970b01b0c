/**
 * Strings out of UTF-8, those that come again and again without making them anew.
 *
 * Owns: the tables of recent keys and texts. Does not own: whether the bytes are valid; what is not becomes U+FFFD.
 */
import { platformSlice, type Slice } from './buffer.ts';

/** Keys and short texts above this are not kept. */
export const RECENT_BYTES = 32;
const SLOT_BITS = 10;
/**
 * Texts up to here are built from char codes, longer ones by the platform. Measured on Node 20 for 8, 29 and 200 bytes
 * with their hash: char codes 64, 212, – ns; Buffer's utf8Slice 117, 160, 459 ns; TextDecoder 205, 270, 597 ns.
 */
const SHORT_TEXT = 12;
/** The same where only TextDecoder is at hand. */
const SHORT_TEXT_DECODER = 40;

export class Texts {
  readonly #text = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #slice: Slice | undefined;
  readonly #shortText: number;

  /** `portable`: as on a platform that has no Buffer. */
  constructor(portable = false) {
    this.#slice = portable ? undefined : platformSlice();
    this.#shortText = this.#slice === undefined ? SHORT_TEXT_DECODER : SHORT_TEXT;
  }

  /** The text in start..end, which must lie within `bytes`. */
  make(bytes: Uint8Array, start: number, end: number): string {
    if (end - start <= this.#shortText) {
      const text = ascii(bytes, start, end);
      if (text !== undefined) return text;
    }
    if (this.#slice !== undefined) return this.#slice.call(bytes, start, end);
    return this.#text.decode(bytes.subarray(start, end));
  }
}

/**
 * Strings that came again, one per slot, compared with the bytes before use: for 8 and 29 bytes 29 and 70 ns, where
 * making the string anew takes 51 and 210 and leaves garbage. A slot is filled when the same mark comes twice in a row, so that ids that
 * come once only cost no more than their mark.
 */
export class RecentTexts {
  readonly #make: Texts;
  readonly #marks = new Int32Array(1 << SLOT_BITS);
  readonly #sizes = new Uint8Array(1 << SLOT_BITS);
  readonly #bytes = new Uint8Array(RECENT_BYTES << SLOT_BITS);
  readonly #texts = new Array<string | undefined>(1 << SLOT_BITS).fill(undefined);

  constructor(make: Texts) {
    this.#make = make;
  }

  /** The text of `size` bytes, 1 to RECENT_BYTES, that begins at `start` and lies within `bytes`. */
  at(bytes: Uint8Array, start: number, size: number): string {
    const mark = markOf(bytes, start, size);
    const slot = Math.imul(mark, 0x9e37_79b1 | 0) >>> (32 - SLOT_BITS);
    if (this.#marks[slot] !== mark) {
      this.#marks[slot] = mark;
      this.#sizes[slot] = 0;
      return this.#make.make(bytes, start, start + size);
    }
    const base = slot * RECENT_BYTES;
    if (this.#sizes[slot] === size) {
      const known = this.#bytes;
      // From the end: ids that differ do so there.
      let i = size - 1;
      while (i >= 0 && known[base + i] === bytes[start + i]) i -= 1;
      const text = this.#texts[slot];
      if (i < 0 && text !== undefined) return text;
    }
    const text = this.#make.make(bytes, start, start + size);
    for (let i = 0; i < size; i += 1) this.#bytes[base + i] = bytes[start + i] ?? 0;
    this.#sizes[slot] = size;
    this.#texts[slot] = text;
    return text;
  }
}

/** Of the length and the bytes in which names and ids differ. */
function markOf(bytes: Uint8Array, start: number, size: number): number {
  const last = start + size - 1;
  let mark = (size << 24) ^ ((bytes[start] ?? 0) << 16) ^ ((bytes[start + (size >> 1)] ?? 0) << 8) ^ (bytes[last] ?? 0);
  if (size > 3) mark ^= ((bytes[last - 1] ?? 0) << 5) ^ ((bytes[last - 2] ?? 0) << 11);
  return mark;
}

/** The string if it is ASCII. */
function ascii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = '';
  let all = 0;
  let i = start;
  for (; i + 8 <= end; i += 8) {
    const [a, b, c, d] = [bytes[i] ?? 0x80, bytes[i + 1] ?? 0x80, bytes[i + 2] ?? 0x80, bytes[i + 3] ?? 0x80];
    const [e, f, g, h] = [bytes[i + 4] ?? 0x80, bytes[i + 5] ?? 0x80, bytes[i + 6] ?? 0x80, bytes[i + 7] ?? 0x80];
    all |= a | b | c | d | e | f | g | h;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  if (i + 4 <= end) {
    const [a, b, c, d] = [bytes[i] ?? 0x80, bytes[i + 1] ?? 0x80, bytes[i + 2] ?? 0x80, bytes[i + 3] ?? 0x80];
    all |= a | b | c | d;
    text += String.fromCharCode(a, b, c, d);
    i += 4;
  }
  if (i + 2 <= end) {
    const [a, b] = [bytes[i] ?? 0x80, bytes[i + 1] ?? 0x80];
    all |= a | b;
    text += String.fromCharCode(a, b);
    i += 2;
  }
  if (i < end) {
    const a = bytes[i] ?? 0x80;
    all |= a;
    text += String.fromCharCode(a);
  }
  return all < 0x80 ? text : undefined;
}
