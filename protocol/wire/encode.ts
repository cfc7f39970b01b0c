/**
 * Values to MessagePack.
 *
 * Owns: the canonical form (shortest head, integers as integers, keys in insertion order) and the memory that frames are written to.
 * Does not own: limits of frames (whoever makes a body keeps it small), frames as such (codec.ts).
 *
 * E1 Whatever it writes passes the scan, sizes and counts apart: what the profile does not know is thrown as EncodeError.
 * E2 A member whose value is undefined is not written.
 * E3 The bytes returned are never written again. They are a view into a block shared with other results, since a
 *    buffer of its own costs eight times as much (0.85 µs against 0.1 µs for 200 bytes on Node 20): do not transfer
 *    `.buffer`, and copy what is kept for long.
 */
import { platformBlock, platformWrite, type Write } from './buffer.ts';
import { DENIED_KEYS } from './denied.ts';
import { PEER_LIMITS } from './peer-limits.ts';

/** A value that MessagePack of this profile cannot carry. */
export class EncodeError extends Error {
  override readonly name = 'EncodeError';
}

/**
 * A map that writes itself: for what is sent so often that going through the members of an object would be most of the
 * work. On the wire it is the map that it stands for.
 */
export abstract class Composed {
  abstract encodeTo(to: Encoder): void;
}

const MAX_KEY_BYTES = 20;

/**
 * A key of ours, encoded, as words that are stored with what stands behind them and is written over: 5 ns where going
 * through its chars takes 18. ASCII, up to 19 chars.
 */
export class Key {
  readonly size: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;

  constructor(text: string) {
    const view = new DataView(new ArrayBuffer(MAX_KEY_BYTES));
    this.size = text.length + 1;
    if (this.size > MAX_KEY_BYTES) throw new EncodeError(`the key ${text} is too long to stand ready`);
    view.setUint8(0, 0xa0 | text.length);
    for (let i = 0; i < text.length; i += 1) view.setUint8(i + 1, text.charCodeAt(i));
    this.a = view.getInt32(0);
    this.b = view.getInt32(4);
    this.c = view.getInt32(8);
    this.d = view.getInt32(12);
    this.e = view.getInt32(16);
  }
}

const BLOCK_BYTES = 64 * 1024;
/** Deep enough for a value of a client inside the frames of a server; stops cycles. */
const DEPTH_MAX = PEER_LIMITS.depthMax + 8;
/** Strings up to here are copied char by char; above, the platform is faster (measured). */
const SHORT_TEXT = 32;
/**
 * Strings up to here are written by Buffer where there is one, with room for the worst case: 105 ns for 33 chars and 118
 * for 1,000, where TextEncoder and the view that it needs take 189 and 288.
 */
const MIDDLE_TEXT = 4_096;
const TWO_32 = 0x1_0000_0000;

export class Encoder {
  readonly #text = new TextEncoder();
  readonly #write: Write | undefined;
  #block: Uint8Array = new Uint8Array(BLOCK_BYTES);
  #view: DataView = new DataView(this.#block.buffer);
  #start = 0;
  #position = 0;

  /** `portable`: as on a platform that has no Buffer. */
  constructor(portable = false) {
    this.#write = portable ? undefined : platformWrite();
  }

  /** Begins a result. What an error left half written is not written over: `since` may have given it away. */
  begin(): void {
    this.#start = this.#position;
    if (this.#start + 512 > this.#block.length) this.#renew(BLOCK_BYTES, 0);
    this.#position = this.#start;
  }

  /** Bytes since `begin`. */
  get written(): number {
    return this.#position - this.#start;
  }

  /** What was written after the first `from` bytes of this result (E3 holds for it too). */
  since(from: number): Uint8Array {
    return this.#block.subarray(this.#start + from, this.#position);
  }

  /** What was written since `begin`. */
  finish(): Uint8Array {
    const end = this.#position;
    const bytes = this.#block.subarray(this.#start, end);
    this.#start = end;
    // A block that grew for one large result is left to it.
    if (this.#block.length > BLOCK_BYTES) this.#renew(BLOCK_BYTES, 0);
    return bytes;
  }

  arrayHead(count: number): void {
    this.#room(5);
    this.#head(count, 0x90, 0xdc);
  }

  /** A map of `count` members follows. */
  mapHead(count: number): void {
    this.#room(5);
    this.#head(count, 0x80, 0xde);
  }

  /** `bytes` is MessagePack already. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#block.set(bytes, this.#position);
    this.#position += bytes.length;
  }

  value(value: unknown, depth = 0): void {
    // One by one: V8 compiles each comparison to a check of the value's map, a `switch` to a call that makes the name.
    if (typeof value === 'string') return this.string(value);
    if (typeof value === 'number') return this.number(value);
    if (typeof value === 'boolean') return this.#byte(value ? 0xc3 : 0xc2);
    if (value === undefined || value === null) return this.#byte(0xc0);
    if (typeof value !== 'object') throw new EncodeError(`a ${typeof value} cannot be sent`);
    if (depth >= DEPTH_MAX) throw new EncodeError(`nested deeper than ${DEPTH_MAX} levels`);
    if (Array.isArray(value)) return this.#array(value, depth);
    if (value instanceof Composed) return value.encodeTo(this);
    if (value instanceof Uint8Array) return this.#binary(value);
    if (isPlain(value)) return this.#map(value, depth);
    throw new EncodeError('only plain objects, arrays and Uint8Array can be sent');
  }

  number(value: number): void {
    this.#room(9);
    if ((value | 0) === value) return this.#int32(value);
    if (Number.isSafeInteger(value)) return this.#int64(value);
    if (!Number.isFinite(value)) throw new EncodeError(`${value} cannot be sent`);
    this.#block[this.#position] = 0xcb;
    this.#view.setFloat64(this.#position + 1, value);
    this.#position += 9;
  }

  string(text: string): void {
    const length = text.length;
    if (length > SHORT_TEXT) return this.#longString(text);
    this.#room(2 + length * 3);
    const block = this.#block;
    const head = this.#position;
    let at = head + (length < 32 ? 1 : 2);
    for (let i = 0; i < length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) return this.#longString(text);
      block[at] = unit;
      at += 1;
    }
    if (length < 32) block[head] = 0xa0 | length;
    else {
      block[head] = 0xd9;
      block[head + 1] = length;
    }
    this.#position = at;
  }

  #longString(text: string): void {
    // Room and head are guessed from the length in UTF-16 units, which is right for ASCII; else the bytes move.
    const guess = textHead(text.length);
    const size = text.length <= MIDDLE_TEXT ? this.#middleText(text, guess) : this.#longText(text, guess);
    const at = this.#position + guess;
    const head = textHead(size);
    if (head !== guess) this.#block.copyWithin(this.#position + head, at, at + size);
    if (head === 1) this.#block[this.#position] = 0xa0 | size;
    else this.#sized(0xd9, size);
    this.#position += head + size;
  }

  /** Writes the bytes of a text behind a head of `guess` bytes, and returns how many. */
  #middleText(text: string, guess: number): number {
    if (this.#write === undefined) return this.#longText(text, guess);
    this.#room(5 + text.length * 3);
    return this.#write.call(this.#block, text, this.#position + guess);
  }

  #longText(text: string, guess: number): number {
    this.#room(5 + text.length);
    let written = this.#text.encodeInto(text, this.#block.subarray(this.#position + guess));
    if (written.read < text.length) {
      this.#room(5 + text.length * 3);
      written = this.#text.encodeInto(text, this.#block.subarray(this.#position + guess));
    }
    return written.written;
  }

  #binary(bytes: Uint8Array): void {
    this.#room(5);
    const size = bytes.length;
    this.#sized(0xc4, size);
    this.#position += size < 0x100 ? 2 : size < 0x1_0000 ? 3 : 5;
    this.raw(bytes);
  }

  #array(values: readonly unknown[], depth: number): void {
    this.arrayHead(values.length);
    for (let i = 0; i < values.length; i += 1) this.value(values[i], depth + 1);
  }

  #map(map: { readonly [key: string]: unknown }, depth: number): void {
    let count = 0;
    for (const key in map) if (map[key] !== undefined) count += 1;
    this.mapHead(count);
    for (const key in map) {
      const value = map[key];
      if (value === undefined) continue;
      this.#key(key);
      this.value(value, depth + 1);
    }
  }

  /** A member whose key stands ready. */
  keyed(key: Key, value: unknown): void {
    this.#room(MAX_KEY_BYTES);
    const at = this.#position;
    const view = this.#view;
    view.setInt32(at, key.a);
    if (key.size > 4) {
      view.setInt32(at + 4, key.b);
      view.setInt32(at + 8, key.c);
      if (key.size > 12) {
        view.setInt32(at + 12, key.d);
        view.setInt32(at + 16, key.e);
      }
    }
    this.#position = at + key.size;
    this.value(value);
  }

  /** A member whose key is one of ours. */
  member(key: string, value: unknown): void {
    this.string(key);
    this.value(value);
  }

  #key(key: string): void {
    if (key.length * 3 > PEER_LIMITS.keyBytes || key.length === 9 || key.length === 11) checkKey(key);
    this.string(key);
  }

  #int32(value: number): void {
    const at = this.#position;
    const block = this.#block;
    if (value >= 0 ? value < 0x80 : value >= -0x20) {
      block[at] = value;
      this.#position = at + 1;
    } else if (value >= 0 ? value < 0x100 : value >= -0x80) {
      block[at] = value >= 0 ? 0xcc : 0xd0;
      block[at + 1] = value;
      this.#position = at + 2;
    } else if (value >= 0 ? value < 0x1_0000 : value >= -0x8000) {
      block[at] = value >= 0 ? 0xcd : 0xd1;
      block[at + 1] = value >> 8;
      block[at + 2] = value;
      this.#position = at + 3;
    } else {
      block[at] = value >= 0 ? 0xce : 0xd2;
      this.#view.setInt32(at + 1, value);
      this.#position = at + 5;
    }
  }

  /** Integers outside int32; msgpackr and others would write a float64 here. */
  #int64(value: number): void {
    const at = this.#position;
    if (value >= 0 && value < TWO_32) {
      this.#block[at] = 0xce;
      this.#view.setUint32(at + 1, value);
      this.#position = at + 5;
      return;
    }
    this.#block[at] = value >= 0 ? 0xcf : 0xd3;
    this.#view.setInt32(at + 1, Math.floor(value / TWO_32));
    this.#view.setInt32(at + 5, value | 0);
    this.#position = at + 9;
  }

  #head(count: number, fix: number, long: number): void {
    const at = this.#position;
    const block = this.#block;
    if (count < 16) {
      block[at] = fix | count;
      this.#position = at + 1;
    } else if (count < 0x1_0000) {
      block[at] = long;
      block[at + 1] = count >> 8;
      block[at + 2] = count;
      this.#position = at + 3;
    } else {
      block[at] = long + 1;
      this.#view.setUint32(at + 1, count);
      this.#position = at + 5;
    }
  }

  /** Head of a string or binary at the position, which stays; `short` is the head for one byte of length. */
  #sized(short: number, size: number): void {
    const at = this.#position;
    if (size < 0x100) {
      this.#block[at] = short;
      this.#block[at + 1] = size;
    } else if (size < 0x1_0000) {
      this.#block[at] = short + 1;
      this.#view.setUint16(at + 1, size);
    } else {
      this.#block[at] = short + 2;
      this.#view.setUint32(at + 1, size);
    }
  }

  #byte(byte: number): void {
    this.#room(1);
    this.#block[this.#position] = byte;
    this.#position += 1;
  }

  #room(size: number): void {
    if (this.#position + size > this.#block.length) this.#grow(size);
  }

  #grow(size: number): void {
    const written = this.#position - this.#start;
    this.#renew(Math.max(BLOCK_BYTES, written * 2 + size), written);
  }

  /** Takes a new block and carries over the `written` bytes of the result at hand. */
  #renew(size: number, written: number): void {
    const block = this.#write === undefined ? new Uint8Array(size) : platformBlock(size);
    block.set(this.#block.subarray(this.#start, this.#start + written));
    this.#block = block;
    this.#view = new DataView(block.buffer);
    this.#start = 0;
    this.#position = written;
  }
}

function isPlain(value: object): value is { readonly [key: string]: unknown } {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function textHead(size: number): number {
  return size < 0x20 ? 1 : size < 0x100 ? 2 : size < 0x1_0000 ? 3 : 5;
}

function checkKey(key: string): void {
  if (DENIED_KEYS.includes(key)) throw new EncodeError(`the key ${key} cannot be sent`);
  if (key.length * 3 > PEER_LIMITS.keyBytes && new TextEncoder().encode(key).length > PEER_LIMITS.keyBytes)
    throw new EncodeError(`a key is longer than ${PEER_LIMITS.keyBytes} bytes`);
}
