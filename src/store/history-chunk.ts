/**
 * Pushes of the history, packed: how they travel to the store's thread and back, and how they are stored.
 *
 * Owns: the layout and the reading of it. Does not own: which pushes share a chunk (tenant-store.ts).
 *
 * A chunk of n pushes, numbers little-endian:
 *
 *     f64 rev × n · u32 end of record × n · records
 *
 * Records are those of push-record.ts. Their audiences are read from the bytes: the store's
 * thread compares and hashes keys without decoding a value, and decodes nothing at all.
 *
 * Measured for pushes of 150 bytes: 0.64 µs each to encode, one by one or 512 in one array alike, and 0.63 µs to
 * decode. Single records are as cheap to write, and a reader for one agent decodes its own only.
 */
import { assert } from '../base/assert.ts';
import type { StoredPush } from './port.ts';
import { unpackPush } from './push-record.ts';

const headBytes = 12;
/** With and without the time. */
const recordArrays: readonly (number | undefined)[] = [0x94, 0x93];

/** The most pushes in a chunk: an index of a push fits 16 bits. */
export const chunkPushesMax = 512;
/** A chunk is closed when its records have grown past this. */
const chunkBytes = 128 * 1024;
/** A chunk of orders and task events is about so large. */
const firstBytes = 64 * 1024;

export interface HistoryChunk {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** Collects pushes in rev order until they fill a chunk. */
export class HistoryBuilder {
  readonly #revs: number[] = [];
  /** Where each record ends in `#records`. */
  readonly #ends: number[] = [];
  #records = new Uint8Array(firstBytes);
  #bytes = 0;

  get full(): boolean {
    return this.#revs.length >= chunkPushesMax || this.#bytes >= chunkBytes;
  }

  get count(): number {
    return this.#revs.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The record is copied. */
  add(rev: number, record: Uint8Array): void {
    assert(rev > (this.#revs.at(-1) ?? 0), 'pushes come in rev order');
    const end = this.#bytes + record.length;
    if (end > this.#records.length) this.#grow(end);
    this.#records.set(record, this.#bytes);
    this.#bytes = end;
    this.#revs.push(rev);
    this.#ends.push(end);
  }

  /** The chunk; the builder is empty again. */
  build(): HistoryChunk {
    const count = this.#revs.length;
    const payload = new Uint8Array(count * headBytes + this.#bytes);
    const view = new DataView(payload.buffer);
    for (let index = 0; index < count; index += 1) {
      view.setFloat64(index * 8, this.#revs[index] ?? 0, true);
      view.setUint32(count * 8 + index * 4, this.#ends[index] ?? 0, true);
    }
    payload.set(this.#records.subarray(0, this.#bytes), count * headBytes);
    const chunk = { first: this.#revs[0] ?? 0, last: this.#revs.at(-1) ?? 0, count, payload };
    this.#revs.length = 0;
    this.#ends.length = 0;
    this.#bytes = 0;
    return chunk;
  }

  #grow(size: number): void {
    const grown = new Uint8Array(Math.max(size, this.#records.length * 2));
    grown.set(this.#records.subarray(0, this.#bytes));
    this.#records = grown;
  }
}

/** Reads a chunk. */
export class HistoryReader {
  readonly count: number;
  readonly #payload: Uint8Array;
  readonly #view: DataView;

  constructor(payload: Uint8Array, count: number) {
    this.count = count;
    this.#payload = payload;
    this.#view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  }

  rev(index: number): number {
    return this.#view.getFloat64(index * 8, true);
  }

  record(index: number): Uint8Array {
    return this.#payload.subarray(this.#start(index), this.#start(index + 1));
  }

  /** Visits the audience keys of a record: see `eachAudience`. */
  audiences(index: number, visit: (bytes: Uint8Array, start: number, end: number) => void): void {
    eachAudience(this.#payload, this.#start(index), (start, end) => visit(this.#payload, start, end));
  }

  /** Where a record begins, and the one before it ends. */
  #start(index: number): number {
    const records = this.count * headBytes;
    return index === 0 ? records : records + this.#view.getUint32(this.count * 8 + (index - 1) * 4, true);
  }

  push(index: number): StoredPush {
    return unpackPush(this.rev(index), this.record(index));
  }
}

/** Visits the audience keys of the record that begins at `at`: where each stands in `bytes`. No memory is taken. */
export function eachAudience(bytes: Uint8Array, at: number, visit: (start: number, end: number) => void): void {
  assert(recordArrays.includes(bytes[at]), 'a record that was not written here');
  const head = bytes[at + 1] ?? 0;
  const narrow = (head & 0xf0) === 0x90;
  assert(narrow || head === 0xdc, 'a push has fewer than 2^16 audiences');
  let key = at + (narrow ? 2 : 4);
  for (let left = narrow ? head & 0x0f : big(bytes, at + 2, 2); left > 0; left -= 1) {
    const first = bytes[key] ?? 0;
    const fixed = (first & 0xe0) === 0xa0;
    // 0xd9, 0xda, 0xdb: the length stands in 1, 2 or 4 bytes.
    const width = fixed ? 0 : 1 << (first - 0xd9);
    const start = key + 1 + width;
    key = start + (fixed ? first & 0x1f : big(bytes, key + 1, width));
    visit(start, key);
  }
}

function big(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let index = 0; index < width; index += 1) value = value * 256 + (bytes[at + index] ?? 0);
  return value;
}
