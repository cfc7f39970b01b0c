/**
 * Which records of a chunk are for which audience: pairs (number of the audience, index of the record), sorted.
 *
 *     u32 audience × m · u16 record × m, in the byte order of the machine
 */
import { assert } from '../../base/assert.ts';
import { hashAt } from '../audience.ts';
import type { HistoryReader } from '../history-chunk.ts';

const pairBytes = 6;
const two16 = 2 ** 16;

export class Postings {
  readonly bytes: Uint8Array;
  readonly #audiences: Uint32Array;
  readonly #records: Uint16Array;

  /** `stored` as it is in the database; it is copied, which also aligns it. */
  constructor(stored: Uint8Array) {
    assert(stored.length % pairBytes === 0, 'postings are pairs');
    const count = stored.length / pairBytes;
    this.bytes = new Uint8Array(stored);
    this.#audiences = new Uint32Array(this.bytes.buffer, 0, count);
    this.#records = new Uint16Array(this.bytes.buffer, count * 4, count);
  }

  static of(chunk: HistoryReader): Postings {
    const pairs: number[] = [];
    for (let index = 0; index < chunk.count; index += 1) {
      chunk.audiences(index, (bytes, start, end) => pairs.push(hashAt(bytes, start, end) * two16 + index));
    }
    const sorted = Float64Array.from(pairs).sort();
    const bytes = new Uint8Array(sorted.length * pairBytes);
    const audiences = new Uint32Array(bytes.buffer, 0, sorted.length);
    const records = new Uint16Array(bytes.buffer, sorted.length * 4, sorted.length);
    for (let at = 0; at < sorted.length; at += 1) {
      const pair = sorted[at] ?? 0;
      audiences[at] = Math.floor(pair / two16);
      records[at] = pair % two16;
    }
    return new Postings(bytes);
  }

  /** Indexes of the records for any of the audiences, ascending. */
  find(audiences: readonly number[]): number[] {
    const found = new Set<number>();
    for (const audience of audiences) {
      for (let at = this.#lowest(audience); this.#audiences[at] === audience; at += 1)
        found.add(this.#records[at] ?? 0);
    }
    return [...found].sort((a, b) => a - b);
  }

  /** Every audience once. */
  *audiences(): Generator<number> {
    for (const [at, audience] of this.#audiences.entries()) if (this.#audiences[at + 1] !== audience) yield audience;
  }

  /** Where the pairs of an audience begin, or would. */
  #lowest(audience: number): number {
    let low = 0;
    let high = this.#audiences.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#audiences[middle] ?? 0) < audience) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
