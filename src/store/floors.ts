/**
 * Per audience, the newest rev that retention has dropped.
 *
 * FL1 A floor may be too high, never too low: a reader that is told of a gap too many starts afresh, one that is not
 *    told of a gap misses something for good. So audiences are known by their 32-bit numbers, of which two may share
 *    one.
 * FL2 Their number is bounded: beyond it the lowest half becomes one floor for everybody who has none of his own.
 */
import { byNumber } from '../base/order.ts';

const entryBytes = 12;

export class Floors {
  readonly #max: number;
  readonly #byAudience = new Map<number, number>();
  /** For audiences without a floor of their own. */
  #common: number;

  constructor(max: number, common = 0) {
    this.#max = max;
    this.#common = common;
  }

  raise(audience: number, rev: number): void {
    if (rev > (this.#byAudience.get(audience) ?? 0)) this.#byAudience.set(audience, rev);
    if (this.#byAudience.size > this.#max) this.#fold();
  }

  /** Everything up to `rev` may be gone, for anybody. */
  raiseAll(rev: number): void {
    this.#common = Math.max(this.#common, rev);
  }

  of(audiences: Iterable<number>): number {
    let floor = this.#common;
    for (const audience of audiences) floor = Math.max(floor, this.#byAudience.get(audience) ?? 0);
    return floor;
  }

  get common(): number {
    return this.#common;
  }

  get size(): number {
    return this.#byAudience.size;
  }

  pack(): Uint8Array {
    const bytes = new Uint8Array(this.#byAudience.size * entryBytes);
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const [audience, rev] of this.#byAudience) {
      view.setUint32(at, audience, true);
      view.setFloat64(at + 4, rev, true);
      at += entryBytes;
    }
    return bytes;
  }

  static unpack(max: number, common: number, bytes: Uint8Array): Floors {
    const floors = new Floors(max, common);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
      floors.raise(view.getUint32(at, true), view.getFloat64(at + 4, true));
    }
    return floors;
  }

  /** FL2 */
  #fold(): void {
    const revs = [...this.#byAudience.values()].toSorted(byNumber);
    const common = revs[revs.length >> 1] ?? 0;
    for (const [audience, rev] of this.#byAudience) if (rev <= common) this.#byAudience.delete(audience);
    this.raiseAll(common);
  }
}
