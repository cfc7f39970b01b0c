/**
 * MessagePack to values, for bytes that the scan has passed or that this project wrote itself.
 *
 * D1 Maps become plain objects; binaries are copied, so that nothing of the input is held on to.
 * D2 Foreign bytes must have passed the scan: nothing is checked here but that the input is long enough.
 */
import { assert, AssertionFailed } from '../../src/base/assert.ts';
import { RECENT_BYTES, RecentTexts, Texts } from './texts.ts';
import type { Value } from './types.ts';

const TWO_32 = 0x1_0000_0000;
const NO_BYTES = new Uint8Array(0);

export class Decoder {
  readonly #make: Texts;
  /** Two tables, so that texts do not push out keys. */
  readonly #keys: RecentTexts;
  readonly #texts: RecentTexts;
  #bytes: Uint8Array = NO_BYTES;
  #position = 0;

  /** `portable`: as on a platform that has no Buffer. */
  constructor(portable = false) {
    this.#make = new Texts(portable);
    this.#keys = new RecentTexts(this.#make);
    this.#texts = new RecentTexts(this.#make);
  }

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

  #recent(table: RecentTexts, size: number): string {
    const start = this.#position;
    this.#position = start + size;
    assert(this.#position <= this.#bytes.length, 'MessagePack ends too early');
    return table.at(this.#bytes, start, size);
  }

  #newString(size: number): string {
    const start = this.#position;
    this.#position = start + size;
    assert(this.#position <= this.#bytes.length, 'MessagePack ends too early');
    return this.#make.make(this.#bytes, start, this.#position);
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
