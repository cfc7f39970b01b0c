/**
 * The shared memory through which appends reach the log's worker thread and come back stamped and chained.
 *
 * Owns: the layout of a group of appends, the bell that wakes the worker, whose turn at the database it is. Does not own:
 * when a group is sent (groups.ts) and how it becomes durable (commit.ts).
 *
 * A group in its area, numbers little-endian:
 *
 *     u32 appends
 *     per append:  u32 tenant no · u32 entries · f64 seq of the first · f64 stamp · u32 payload length of each entry
 *                  32 bytes chain before
 *                  per entry: header 20 · payload · CRC 4 (together the stored bytes) · 32 bytes chain after
 *
 * The main thread leaves room for header, CRC and chains, the worker completes them in place. The chain before an
 * entry stands beside the entry's stored bytes, so that the next chain is one hash over one range; and what the main
 * thread then delivers is copied from the very bytes that were stored.
 *
 * A group by message, its buffer transferred, costs the main thread about 10 µs more and up to 9 % of the latency of one
 * append (with a commit of 0.15 ms behind it); docs/decisions/0010 has the figures.
 *
 * Whose turn it is:
 *
 *     worker ──(sleeps)──► free ──(takeOver)──► main
 *        ▲                 │  ▲                  │
 *        └────(wakes)──────┘  └────(giveBack)────┘
 *
 * LN1 Whoever does not have the turn does not touch the database. The main thread never waits for it.
 * LN2 Once the worker waits for its turn, the main thread does not take another.
 */
import { assert } from '../../base/assert.ts';
import { chainBytes, headerBytes, overheadBytes } from '../envelope.ts';

/** Slots of the control words. */
const bell = 0;
const sent = 1;
const turn = 2;
/** LN2 */
const wanted = 3;
/** How often the main thread gave the turn back. */
const returned = 4;
/** Bytes that the main thread wrote and the worker has not heard of. */
const written = 5;
/** How many head records were written. */
const heads = 6;
const slots = 7;

/** Whose turn it is. */
const worker = 0;
const free = 1;
const main = 2;

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
  /** Wall ms: the stamp of its entries. */
  readonly ts: number;
  /** Where the chain before the first entry stands. */
  readonly offset: number;
  readonly end: number;
  readonly entries: readonly PlacedEntry[];
}

/** The bell, the counter of groups and the turn, seen by both threads. */
export class LaneControl {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(shared = new SharedArrayBuffer(4 * slots)) {
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

  /** Main thread: true if the database is now its own, until `giveBack`. */
  takeOver(): boolean {
    if (Atomics.load(this.#words, wanted) !== 0) return false; // LN2
    return Atomics.compareExchange(this.#words, turn, free, main) === free;
  }

  /** Main thread: it wrote about so many bytes. */
  giveBack(bytes: number): void {
    Atomics.add(this.#words, written, bytes);
    Atomics.add(this.#words, returned, 1);
    Atomics.store(this.#words, turn, free);
    Atomics.notify(this.#words, turn);
  }

  /** Main thread: a head record was written. */
  wroteHead(): void {
    Atomics.add(this.#words, heads, 1);
  }

  /** Worker: how many head records were written so far. */
  headsWritten(): number {
    return Atomics.load(this.#words, heads);
  }

  /** Worker: changes when the main thread had the turn. */
  returns(): number {
    return Atomics.load(this.#words, returned);
  }

  /** Worker: how many bytes the main thread wrote since this was asked last. */
  takeWritten(): number {
    return Atomics.exchange(this.#words, written, 0);
  }

  /** Worker: the bell as it is now; read before looking for work, so that no ring is missed. */
  heard(): number {
    return Atomics.load(this.#words, bell);
  }

  /** Worker: how many groups were sent so far. */
  groups(): number {
    return Atomics.load(this.#words, sent);
  }

  /** Worker: sleeps until the bell is no longer `heard`, without the turn; false if `ms` passed without a ring. */
  park(heard: number, ms: number): boolean {
    Atomics.store(this.#words, turn, free);
    const rung = Atomics.wait(this.#words, bell, heard, ms) !== 'timed-out';
    Atomics.store(this.#words, wanted, 1);
    while (Atomics.compareExchange(this.#words, turn, free, worker) !== free) Atomics.wait(this.#words, turn, main);
    Atomics.store(this.#words, wanted, 0);
    return rung;
  }
}

const groupHeaderBytes = 4;
const appendHeaderBytes = 24;

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

  add(
    of: { readonly tenantNo: number; readonly first: number; readonly ts: number },
    payloads: readonly Uint8Array[],
  ): PlacedAppend {
    const { tenantNo, first, ts } = of;
    assert(appendBytes(payloads) <= this.left, 'an append must fit its area');
    const view = this.#view;
    view.setUint32(this.#at, tenantNo, true);
    view.setUint32(this.#at + 4, payloads.length, true);
    view.setFloat64(this.#at + 8, first, true);
    view.setFloat64(this.#at + 16, ts, true);
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
    return { tenantNo, first, ts, offset, end: this.#at, entries };
  }
}

/** The appends of the group in an area. */
export function* appendsOf(area: Uint8Array): Generator<PlacedAppend> {
  const view = new DataView(area.buffer, area.byteOffset, area.length);
  const appends = view.getUint32(0, true);
  let at = groupHeaderBytes;
  for (let index = 0; index < appends; index += 1) {
    const tenantNo = view.getUint32(at, true);
    const count = view.getUint32(at + 4, true);
    const first = view.getFloat64(at + 8, true);
    const ts = view.getFloat64(at + 16, true);
    let length = at + appendHeaderBytes;
    const offset = length + 4 * count;
    let end = offset + chainBytes;
    const entries: PlacedEntry[] = [];
    for (; length < offset; length += 4) {
      const payloadBytes = view.getUint32(length, true);
      entries.push({ offset: end, payloadBytes });
      end += overheadBytes + payloadBytes + chainBytes;
    }
    yield { tenantNo, first, ts, offset, end, entries };
    at = end;
  }
}
