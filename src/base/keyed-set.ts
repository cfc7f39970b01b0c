/**
 * A set in the order of some numbers of each element, then of its id: for sets of thousands whose elements move all the time.
 *
 * The numbers stand beside the elements, in chunks, and those of the first of each chunk in one row. So a search reads a few
 * neighbouring lines of memory and no element; a comparator over 10,000 records fetches two or three lines that no cache has
 * for each of its steps.
 *
 * K1 Whoever removes or moves an element says the numbers under which it stands: they are not found by its id.
 * K2 Numbers are never NaN. Ids are distinct.
 */
import { assert, must } from './assert.ts';
import { byCodeUnits } from './order.ts';

const CHUNK = 32;
const CHUNK_MAX = 2 * CHUNK;
/** Most sets are of a few elements. */
const FIRST = 4;

export interface Identified {
  readonly id: string;
}

class Chunk<T extends Identified> {
  readonly items: T[];
  keys: Float64Array;
  readonly #width: number;

  constructor(width: number, items: T[], keys: Float64Array) {
    this.#width = width;
    this.items = items;
    this.keys = keys;
  }

  compare(i: number, id: string, keys: Float64Array): number {
    return compareKeys(this.keys, i * this.#width, keys) || byCodeUnits(this.items[i]?.id ?? '', id);
  }

  /** The first place whose element is not before these numbers and this id. */
  lowerBound(id: string, keys: Float64Array): number {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.compare(mid, id, keys) < 0) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  insert(i: number, value: T, keys: Float64Array): void {
    const width = this.#width;
    const { length } = this.items;
    if ((length + 1) * width > this.keys.length) this.keys = doubled(this.keys);
    if (i === length) this.items.push(value);
    else {
      this.keys.copyWithin((i + 1) * width, i * width, length * width);
      this.items.splice(i, 0, value);
    }
    this.place(i, keys);
  }

  place(i: number, keys: Float64Array): void {
    const at = i * this.#width;
    for (let k = 0; k < keys.length; k += 1) this.keys[at + k] = keys[k] ?? 0;
  }

  remove(i: number): void {
    const width = this.#width;
    this.keys.copyWithin(i * width, (i + 1) * width, this.items.length * width);
    if (i === this.items.length - 1) this.items.pop();
    else this.items.splice(i, 1);
  }

  /** Its second half, which leaves it. */
  split(): Chunk<T> {
    const width = this.#width;
    const keys = new Float64Array(CHUNK_MAX * width);
    keys.set(this.keys.subarray(CHUNK * width, this.items.length * width));
    return new Chunk(width, this.items.splice(CHUNK), keys);
  }
}

export class KeyedSet<T extends Identified> {
  /** Numbers of each element. */
  readonly #width: number;
  readonly #chunks: Chunk<T>[];
  /** The numbers of the first of each chunk. */
  #heads: Float64Array;
  /** How many are in each chunk. */
  #counts = new Int32Array(FIRST);
  #size = 0;

  constructor(width: number) {
    this.#width = width;
    this.#heads = new Float64Array(FIRST * width);
    // One chunk stays: sets of one element that comes and goes are common.
    this.#chunks = [new Chunk<T>(width, [], new Float64Array(FIRST * width))];
  }

  get size(): number {
    return this.#size;
  }

  first(): T | undefined {
    return this.#chunks[0]?.items[0];
  }

  add(value: T, keys: Float64Array): void {
    const c = this.#chunkFor(value.id, keys);
    const chunk = this.#chunk(c);
    const i = chunk.lowerBound(value.id, keys);
    assert(chunk.items[i]?.id !== value.id, 'an element is added once');
    chunk.insert(i, value, keys);
    this.#size += 1;
    this.#note(c);
    if (chunk.items.length === CHUNK_MAX) {
      this.#insertChunk(c + 1, chunk.split());
      this.#note(c);
    }
  }

  /** K1 */
  delete(value: T, keys: Float64Array): void {
    const c = this.#chunkFor(value.id, keys);
    const chunk = this.#chunk(c);
    this.#remove(c, found(chunk, value, keys));
  }

  /** K1. In one step if no other is between the two places. */
  move(value: T, from: Float64Array, to: Float64Array): void {
    const c = this.#chunkFor(value.id, from);
    const chunk = this.#chunk(c);
    const i = found(chunk, value, from);
    const last = chunk.items.length - 1;
    const isBehind = i === 0 ? c === 0 : chunk.compare(i - 1, value.id, to) < 0;
    const isBefore = i === last ? c === this.#chunks.length - 1 : chunk.compare(i + 1, value.id, to) > 0;
    if (isBehind && isBefore) {
      chunk.place(i, to);
      if (i === 0) this.#note(c);
      return;
    }
    this.#remove(c, i);
    this.add(value, to);
  }

  /** How many at the head have the first `prefix` numbers in common, at most `max`. */
  alike(prefix: number, max: number): number {
    if (prefix === 0) return Math.min(this.#size, max);
    const heads = this.#heads;
    let count = 0;
    for (const { items, keys } of this.#chunks) {
      for (let i = 0; i < items.length; i += 1, count += 1) {
        if (count === max) return count;
        for (let k = 0; k < prefix; k += 1) if (keys[i * this.#width + k] !== heads[k]) return count;
      }
    }
    return count;
  }

  /** Ascending. The set must not change while it is walked. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const { items } of this.#chunks) yield* items;
  }

  /** Ascending from the element at `index` on, round the end to the one before it. */
  *around(index: number): IterableIterator<T> {
    const chunks = this.#chunks.length;
    let c = 0;
    let start = index;
    for (; c < chunks - 1; c += 1) {
      const count = this.#counts[c] ?? 0;
      if (start < count) break;
      start -= count;
    }
    const { items } = this.#chunk(c);
    for (let i = start; i < items.length; i += 1) yield must(items[i], 'chunks have no holes');
    for (let k = c + 1; k < chunks; k += 1) yield* this.#chunk(k).items;
    for (let k = 0; k < c; k += 1) yield* this.#chunk(k).items;
    for (let i = 0; i < start && i < items.length; i += 1) yield must(items[i], 'chunks have no holes');
  }

  #chunk(c: number): Chunk<T> {
    return must(this.#chunks[c], 'a chunk that was found');
  }

  /** The last chunk whose first element is not after these numbers and this id; the first if there is none. */
  #chunkFor(id: string, keys: Float64Array): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >>> 1;
      const order = compareKeys(this.#heads, mid * this.#width, keys);
      if ((order || byCodeUnits(this.#chunks[mid]?.items[0]?.id ?? '', id)) <= 0) low = mid;
      else high = mid - 1;
    }
    return low;
  }

  #remove(c: number, i: number): void {
    const chunk = this.#chunk(c);
    chunk.remove(i);
    this.#size -= 1;
    if (chunk.items.length === 0 && this.#chunks.length > 1) this.#dropChunk(c);
    else this.#note(c);
  }

  #insertChunk(c: number, chunk: Chunk<T>): void {
    const width = this.#width;
    const { length } = this.#chunks;
    if (length === this.#counts.length) {
      this.#heads = doubled(this.#heads);
      const counts = new Int32Array(2 * length);
      counts.set(this.#counts);
      this.#counts = counts;
    }
    this.#heads.copyWithin((c + 1) * width, c * width, length * width);
    this.#counts.copyWithin(c + 1, c, length);
    this.#chunks.splice(c, 0, chunk);
    this.#note(c);
  }

  #dropChunk(c: number): void {
    const width = this.#width;
    const { length } = this.#chunks;
    this.#heads.copyWithin(c * width, (c + 1) * width, length * width);
    this.#counts.copyWithin(c, c + 1, length);
    this.#chunks.splice(c, 1);
  }

  /** How many are in the chunk, and with which numbers it begins. */
  #note(c: number): void {
    const width = this.#width;
    const { items, keys } = this.#chunk(c);
    this.#counts[c] = items.length;
    for (let k = 0; k < width; k += 1) this.#heads[c * width + k] = keys[k] ?? 0;
  }
}

function found<T extends Identified>(chunk: Chunk<T>, value: T, keys: Float64Array): number {
  const i = chunk.lowerBound(value.id, keys);
  assert(chunk.items[i] === value, 'an element stands where its numbers say');
  return i;
}

function compareKeys(of: Float64Array, at: number, keys: Float64Array): number {
  for (let k = 0; k < keys.length; k += 1) {
    const [a, b] = [of[at + k] ?? 0, keys[k] ?? 0];
    if (a !== b) return a < b ? -1 : 1;
  }
  return 0;
}

function doubled(keys: Float64Array): Float64Array {
  const more = new Float64Array(2 * keys.length);
  more.set(keys);
  return more;
}
