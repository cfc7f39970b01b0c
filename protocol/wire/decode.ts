/**
 * MessagePack to values, for bytes that the scan has passed or that this project wrote itself.
 *
 * D1 Maps become plain objects; binaries are copied, so that nothing of the input is held on to.
 * D2 Foreign bytes must have passed the scan: nothing is checked here but that the input is long enough.
 */
import { assert, AssertionFailed } from '../../src/base/assert.ts';
import { platformSlice, type Slice } from './buffer.ts';
import type { Value } from './types.ts';

/** Keys and short texts above this are not kept. */
const RECENT_BYTES = 32;
const SLOT_BITS = 10;
/**
 * Texts up to here are built from char codes, longer ones by the platform. Measured on Node 20 for 8, 29 and 200 bytes
 * with their hash: char codes 64, 212, – ns; Buffer's utf8Slice 117, 160, 459 ns; TextDecoder 205, 270, 597 ns.
 */
const SHORT_TEXT = 12;
/** The same where only TextDecoder is at hand. */
const SHORT_TEXT_DECODER = 40;
const TWO_32 = 0x1_0000_0000;
const NO_BYTES = new Uint8Array(0);

export class Decoder {
  readonly #text = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #slice: Slice | undefined;
  readonly #shortText: number;
  /** Two tables, so that texts do not push out keys. */
  readonly #keys = recent();
  readonly #texts = recent();
  #bytes: Uint8Array = NO_BYTES;
  #position = 0;

  /** `portable`: as on a platform that has no Buffer. */
  constructor(portable = false) {
    this.#slice = portable ? undefined : platformSlice();
    this.#shortText = this.#slice === undefined ? SHORT_TEXT_DECODER : SHORT_TEXT;
  }

  /** Reads values one after the other from `position` on. */
  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
  }

  close(): void {
    this.#bytes = NO_BYTES;
  }

  /**
   * The members of the map that begins at `position`, one after the other, without an object for the map. `take` must
   * not use this decoder.
   */
  members(position: number, take: (key: string, value: Value) => void): void {
    const head = this.#bytes[position] ?? 0;
    this.#position = position + 1;
    const count = head < 0x90 ? head & 0x0f : this.#unsigned(2 << (head - 0xde));
    for (let i = 0; i < count; i += 1) {
      const key = this.#key();
      take(key, this.#value());
    }
  }

  /** The value that begins at `position`. */
  at(position: number): Value {
    this.#position = position;
    return this.#value();
  }

  /** The index after the last value read. */
  get position(): number {
    return this.#position;
  }

  #value(): Value {
    const at = this.#position;
    assert(at < this.#bytes.length, 'MessagePack ends too early');
    const head = this.#bytes[at] ?? 0;
    this.#position = at + 1;
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 0x0f);
    if (head < 0xa0) return this.#array(head & 0x0f);
    if (head < 0xc0) return this.#string(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    return this.#long(head, at);
  }

  #long(head: number, at: number): Value {
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xcb:
        return this.#float();
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (head - 0xcc));
      case 0xcf:
        return (this.#word() >>> 0) * TWO_32 + (this.#word() >>> 0);
      case 0xd0:
        return (this.#unsigned(1) << 24) >> 24;
      case 0xd1:
        return (this.#unsigned(2) << 16) >> 16;
      case 0xd2:
        return this.#word();
      case 0xd3:
        return this.#word() * TWO_32 + (this.#word() >>> 0);
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#unsigned(1 << (head - 0xc4)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#string(this.#unsigned(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (head - 0xdc)));
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (head - 0xde)));
    }
    throw new AssertionFailed(`MessagePack outside the profile at ${at}`);
  }

  #unsigned(width: number): number {
    const bytes = this.#bytes;
    const end = this.#position + width;
    let value = 0;
    for (let i = this.#position; i < end; i += 1) value = value * 0x100 + (bytes[i] ?? 0);
    this.#position = end;
    return value;
  }

  /** Four bytes as int32. */
  #word(): number {
    const bytes = this.#bytes;
    const at = this.#position;
    this.#position = at + 4;
    return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  }

  #float(): number {
    const at = this.#position;
    this.#position = at + 8;
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, 8).getFloat64(0);
  }

  #array(count: number): Value[] {
    assert(count <= this.#bytes.length - this.#position, 'MessagePack ends too early');
    // Of its size from the start: an array that grows begins with 17 places, and most have one or two members.
    const values = new Array<Value>(count);
    for (let i = 0; i < count; i += 1) values[i] = this.#value();
    return values;
  }

  #map(count: number): { [key: string]: Value } {
    const map: { [key: string]: Value } = {};
    for (let i = 0; i < count; i += 1) {
      const key = this.#key();
      map[key] = this.#value();
    }
    return map;
  }

  #key(): string {
    const at = this.#position;
    const length = (this.#bytes[at] ?? 0) - 0xa0;
    if (length >= 1 && length < 0x20) {
      this.#position = at + 1;
      return this.#recent(this.#keys, length);
    }
    const key = this.#value();
    assert(typeof key === 'string', 'MessagePack outside the profile');
    return key;
  }

  /** Most of what is short was there before: names of types and states, ids of agents and principals. */
  #string(size: number): string {
    return size > RECENT_BYTES || size === 0 ? this.#newString(size) : this.#recent(this.#texts, size);
  }

  /** The text of `size` bytes at the position, from the table if it was there twice before. */
  #recent(table: Recent, size: number): string {
    const bytes = this.#bytes;
    const start = this.#position;
    const mark = markOf(bytes, start, size);
    const slot = Math.imul(mark, 0x9e37_79b1 | 0) >>> (32 - SLOT_BITS);
    if (table.marks[slot] !== mark) {
      table.marks[slot] = mark;
      table.sizes[slot] = 0;
      return this.#newString(size);
    }
    const base = slot * RECENT_BYTES;
    if (table.sizes[slot] === size) {
      const known = table.bytes;
      // From the end: ids that differ do so there.
      let i = size - 1;
      while (i >= 0 && known[base + i] === bytes[start + i]) i -= 1;
      const text = table.texts[slot];
      if (i < 0 && text !== undefined) {
        this.#position = start + size;
        return text;
      }
    }
    const text = this.#newString(size);
    for (let i = 0; i < size; i += 1) table.bytes[base + i] = bytes[start + i] ?? 0;
    table.sizes[slot] = size;
    table.texts[slot] = text;
    return text;
  }

  #newString(size: number): string {
    const start = this.#position;
    const end = start + size;
    this.#position = end;
    if (size <= this.#shortText) {
      const text = ascii(this.#bytes, start, end);
      if (text !== undefined) return text;
    }
    assert(end <= this.#bytes.length, 'MessagePack ends too early');
    if (this.#slice !== undefined) return this.#slice.call(this.#bytes, start, end);
    return this.#text.decode(this.#bytes.subarray(start, end));
  }

  #binary(size: number): Uint8Array {
    const start = this.#position;
    assert(start + size <= this.#bytes.length, 'MessagePack ends too early');
    this.#position = start + size;
    const copy = new Uint8Array(size);
    copy.set(this.#bytes.subarray(start, start + size));
    return copy;
  }
}

/**
 * Strings that came again, one per slot, compared with the bytes before use: for 8 and 29 bytes 29 and 70 ns, where
 * making the string anew takes 51 and 210 and leaves garbage. A slot is filled when the same mark comes twice in a row, so that ids that
 * come once only cost no more than their mark.
 */
interface Recent {
  readonly marks: Int32Array;
  readonly sizes: Uint8Array;
  readonly bytes: Uint8Array;
  readonly texts: (string | undefined)[];
}

function recent(): Recent {
  const slots = 1 << SLOT_BITS;
  return {
    marks: new Int32Array(slots),
    sizes: new Uint8Array(slots),
    bytes: new Uint8Array(slots * RECENT_BYTES),
    texts: new Array<string | undefined>(slots).fill(undefined),
  };
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
