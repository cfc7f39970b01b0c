/**
 * MessagePack to values, for bytes that the scan has passed or that this project wrote itself.
 *
 * D1 Maps become plain objects; binaries are copied, so that nothing of the input is held on to.
 * D2 Foreign bytes must have passed the scan: nothing is checked here but that the input is long enough.
 */
import { assert, AssertionFailed } from '../../src/base/assert.ts';
import type { Value } from './types.ts';

const KEY_SLOTS = 1024;
/** Keys above this are not kept. */
const KEY_BYTES = 24;
/** Strings above this go to TextDecoder (measured: below, building them from char codes is faster). */
const SHORT_TEXT = 40;
const TWO_32 = 0x1_0000_0000;
const NO_BYTES = new Uint8Array(0);

export class Decoder {
  readonly #text = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #keys: (string | undefined)[] = new Array<string | undefined>(KEY_SLOTS).fill(undefined);
  #bytes: Uint8Array = NO_BYTES;
  #position = 0;

  /** Reads values one after the other from `position` on. */
  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
  }

  close(): void {
    this.#bytes = NO_BYTES;
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
        return this.#unsigned(4) * TWO_32 + this.#unsigned(4);
      case 0xd0:
        return (this.#unsigned(1) << 24) >> 24;
      case 0xd1:
        return (this.#unsigned(2) << 16) >> 16;
      case 0xd2:
        return this.#unsigned(4) | 0;
      case 0xd3:
        return (this.#unsigned(4) | 0) * TWO_32 + this.#unsigned(4);
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

  #float(): number {
    const at = this.#position;
    this.#position = at + 8;
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, 8).getFloat64(0);
  }

  #array(count: number): Value[] {
    assert(count <= this.#bytes.length - this.#position, 'MessagePack ends too early');
    const values: Value[] = [];
    for (let i = 0; i < count; i += 1) values.push(this.#value());
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

  /** Keys repeat from frame to frame: a direct-mapped table keeps one string per slot, compared with the bytes before use. */
  #key(): string {
    const bytes = this.#bytes;
    const at = this.#position;
    const length = (bytes[at] ?? 0) - 0xa0;
    if (length < 1 || length > KEY_BYTES) {
      const key = this.#value();
      assert(typeof key === 'string', 'MessagePack outside the profile');
      return key;
    }
    const start = at + 1;
    const some =
      ((bytes[start] ?? 0) << 20) ^
      ((bytes[start + (length >> 1)] ?? 0) << 12) ^
      ((bytes[start + length - 1] ?? 0) << 4) ^
      length;
    const slot = Math.imul(some, 0x9e37_79b1 | 0) >>> 22;
    const known = this.#keys[slot];
    if (known?.length === length && isAt(bytes, start, known)) {
      this.#position = start + length;
      return known;
    }
    this.#position = start;
    const key = this.#string(length);
    this.#keys[slot] = key;
    return key;
  }

  #string(size: number): string {
    const start = this.#position;
    const end = start + size;
    this.#position = end;
    if (size <= SHORT_TEXT) {
      const text = ascii(this.#bytes, start, end);
      if (text !== undefined) return text;
    }
    assert(end <= this.#bytes.length, 'MessagePack ends too early');
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

/** True if `text`, taken as ASCII, stands at `start`. */
function isAt(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
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
