/**
 * The shared memory through which appends reach the log's worker thread and come back stamped and chained.
 *
 * Owns: the layout of a group of appends, the bell that wakes the worker. Does not own: when a group is sent
 * (driver.ts) and how it becomes durable (commit.ts).
 *
 * A group in its area, numbers little-endian:
 *
 *     u32 appends
 *     per append:  u32 tenant no · u32 entries · f64 seq of the first · u32 payload length of each entry
 *                  32 bytes chain before
 *                  per entry: header 20 · payload · CRC 4 (together the stored bytes) · 32 bytes chain after
 *
 * The main thread leaves room for header, CRC and chains, the worker completes them in place. The chain before an
 * entry stands beside the entry's stored bytes, so that the next chain is one hash over one range; and what the main
 * thread then delivers is copied from the very bytes that were stored.
 *
 * A group by message, its buffer transferred, costs the main thread about 10 µs more and up to 9 % of the latency of one
 * append (with a commit of 0.15 ms behind it); docs/decisions/0010 has the figures.
 */
import { assert } from '../../base/assert.ts';
import { chainBytes, headerBytes, overheadBytes } from '../envelope.ts';

/** Slots of the control words. */
const bell = 0;
const sent = 1;

/**
 * Groups that may be on their way while another is read out: with two areas one is filled while the other is
 * delivered.
 */
export const areaCount = 2;

export interface PlacedEntry {
  /** Of the stored bytes. */
  readonly offset: number;
  readonly payloadBytes: number;
}

export interface PlacedAppend {
  readonly tenantNo: number;
  readonly first: number;
  /** Where the chain before the first entry stands. */
  readonly offset: number;
  readonly end: number;
  readonly entries: readonly PlacedEntry[];
}

/** The bell and the counter of groups, seen by both threads. */
export class LaneControl {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(shared = new SharedArrayBuffer(8)) {
    this.shared = shared;
    this.#words = new Int32Array(shared);
  }

  /** Main thread: something was posted. */
  ring(): void {
    Atomics.add(this.#words, bell, 1);
    Atomics.notify(this.#words, bell);
  }

  /** Main thread: the next group stands in its area. */
  send(): void {
    Atomics.add(this.#words, sent, 1);
    this.ring();
  }

  /** Worker: the bell as it is now; read before looking for work, so that no ring is missed. */
  heard(): number {
    return Atomics.load(this.#words, bell);
  }

  /** Worker: how many groups were sent so far. */
  groups(): number {
    return Atomics.load(this.#words, sent);
  }

  /** Worker: sleeps until the bell is no longer `heard`; false if `ms` passed without a ring. */
  sleep(heard: number, ms: number): boolean {
    return Atomics.wait(this.#words, bell, heard, ms) !== 'timed-out';
  }
}

const groupHeaderBytes = 4;
const appendHeaderBytes = 16;

export function appendBytes(payloads: readonly Uint8Array[]): number {
  let bytes = appendHeaderBytes + chainBytes;
  for (const payload of payloads) bytes += 4 + overheadBytes + payload.length + chainBytes;
  return bytes;
}

/** Main thread: writes one group into an area. */
export class GroupWriter {
  readonly #area: Uint8Array;
  readonly #view: DataView;
  #at = groupHeaderBytes;
  #appends = 0;

  constructor(area: Uint8Array) {
    this.#area = area;
    this.#view = new DataView(area.buffer, area.byteOffset, area.length);
    this.#view.setUint32(0, 0, true);
  }

  static room(area: Uint8Array): number {
    return area.length - groupHeaderBytes;
  }

  get left(): number {
    return this.#area.length - this.#at;
  }

  add(tenantNo: number, first: number, payloads: readonly Uint8Array[]): PlacedAppend {
    assert(appendBytes(payloads) <= this.left, 'an append must fit its area');
    const view = this.#view;
    view.setUint32(this.#at, tenantNo, true);
    view.setUint32(this.#at + 4, payloads.length, true);
    view.setFloat64(this.#at + 8, first, true);
    this.#at += appendHeaderBytes;
    for (const payload of payloads) {
      view.setUint32(this.#at, payload.length, true);
      this.#at += 4;
    }
    const offset = this.#at;
    this.#at += chainBytes;
    const entries = payloads.map((payload) => {
      this.#area.set(payload, this.#at + headerBytes);
      const entry = { offset: this.#at, payloadBytes: payload.length };
      this.#at += overheadBytes + payload.length + chainBytes;
      return entry;
    });
    this.#appends += 1;
    view.setUint32(0, this.#appends, true);
    return { tenantNo, first, offset, end: this.#at, entries };
  }
}

/** Worker: the appends of the group in an area. */
export function* appendsOf(area: Uint8Array): Generator<PlacedAppend> {
  const view = new DataView(area.buffer, area.byteOffset, area.length);
  const appends = view.getUint32(0, true);
  let at = groupHeaderBytes;
  for (let index = 0; index < appends; index += 1) {
    const tenantNo = view.getUint32(at, true);
    const count = view.getUint32(at + 4, true);
    const first = view.getFloat64(at + 8, true);
    let length = at + appendHeaderBytes;
    const offset = length + 4 * count;
    let end = offset + chainBytes;
    const entries: PlacedEntry[] = [];
    for (; length < offset; length += 4) {
      const payloadBytes = view.getUint32(length, true);
      entries.push({ offset: end, payloadBytes });
      end += overheadBytes + payloadBytes + chainBytes;
    }
    yield { tenantNo, first, offset, end, entries };
    at = end;
  }
}
