/**
 * The ring: the newest pushes with their audiences, for connections that come back or fall behind.
 *
 * G1 Pushes are in rev order; the oldest leave at `ringPushesMax` or `ringBytes`.
 * G2 A window over the event history: after a start it holds what came since the snapshot, or the last of what the
 *    history has already, and whoever needs older pushes reads the history.
 * G3 `floor` is the newest rev that is no longer here for anybody; `floorOf` the same for one audience.
 * G4 Pushes are kept as bytes in slabs, with numbers beside them: a hundred thousand small objects that live for
 *    seconds are what a garbage collector with generations is worst at (they took a third of the engine's time).
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { assert, must } from '../base/assert.ts';
import type { PackedPush, StoredPush } from '../store/port.ts';
import { unpackPush } from '../store/push-record.ts';

/** Pushes of one audience by their number, ascending. */
interface Lane {
  readonly audience: string;
  numbers: number[];
  /** Index of the oldest one kept; what is before it is waiting to be cut off. */
  head: number;
}

export interface RingOptions {
  readonly pushesMax: number;
  readonly bytesMax: number;
}

/** Floors of single audiences are kept in two generations of this size; what leaves the older joins the common floor. */
const FLOORS_MAX = 50_000;
const SLAB_BYTES = 256 * 1024;
/** What a push takes beside its record, roughly. */
const PUSH_BYTES = 64;
const FIRST_SLOTS = 1_024;

/** Where the pushes stand, by number modulo the count of slots, which is a power of two. */
interface Slots {
  readonly mask: number;
  readonly revs: Float64Array;
  readonly slabs: Float64Array;
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
  /** The lanes that it is in: mostly one, so that a push keeps nothing alive but bytes. */
  readonly lanes: (Lane | readonly Lane[] | undefined)[];
}

function makeSlots(count: number): Slots {
  return {
    mask: count - 1,
    revs: new Float64Array(count),
    slabs: new Float64Array(count),
    starts: new Uint32Array(count),
    lengths: new Uint32Array(count),
    lanes: new Array<Lane | readonly Lane[] | undefined>(count).fill(undefined),
  };
}

export class PushRing {
  readonly #options: RingOptions;
  readonly #lanes = new Map<string, Lane>();
  #slots = makeSlots(FIRST_SLOTS);
  /** Numbers of the oldest push that is kept and of the next one. */
  #first = 0;
  #next = 0;
  #slabs: Uint8Array[] = [];
  #firstSlab = 0;
  #slabEnd = SLAB_BYTES;
  #youngFloors = new Map<string, number>();
  #oldFloors = new Map<string, number>();
  #bytes = 0;
  #floor: number;
  /** Audiences without a floor of their own have this one. */
  #commonFloor: number;

  constructor(floor: number, options: RingOptions = { pushesMax: LIMITS.ringPushesMax, bytesMax: LIMITS.ringBytes }) {
    this.#options = options;
    this.#floor = floor;
    this.#commonFloor = floor;
  }

  get size(): number {
    return this.#next - this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get floor(): number {
    return this.#floor;
  }

  /** The newest rev of this audience that left the ring. */
  floorOf(audience: string): number {
    return Math.max(this.#youngFloors.get(audience) ?? this.#oldFloors.get(audience) ?? 0, this.#commonFloor);
  }

  /** Everything up to `rev` is in the history; nothing was added yet. */
  begin(rev: number): void {
    assert(this.size === 0, 'a ring begins before its first push');
    this.#floor = Math.max(this.#floor, rev);
    this.#commonFloor = Math.max(this.#commonFloor, rev);
  }

  /** `heard` says whether anybody may read an audience from here: topics that nobody listens to need no lane. */
  add(push: PackedPush, heard: (audience: string) => boolean): void {
    if (this.size > this.#slots.mask) this.#double();
    const number = this.#next;
    this.#store(number, push);
    this.#next = number + 1;
    this.#bytes += PUSH_BYTES + push.record.length;
    let lanes: Lane | Lane[] | undefined;
    for (const audience of push.to) {
      if (!heard(audience)) continue;
      let lane = this.#lanes.get(audience);
      if (lane === undefined) this.#lanes.set(audience, (lane = { audience, numbers: [], head: 0 }));
      lane.numbers.push(number);
      if (lanes === undefined) lanes = lane;
      else if (Array.isArray(lanes)) lanes.push(lane);
      else lanes = [lanes, lane];
    }
    this.#slots.lanes[number & this.#slots.mask] = lanes;
    while (this.size > this.#options.pushesMax || (this.#bytes > this.#options.bytesMax && this.size > 1))
      this.#evict();
  }

  /** Pushes for any of the audiences with rev > after, ascending, at most `limit`. */
  read(audiences: readonly string[], after: number, limit: number): StoredPush[] {
    const found: number[] = [];
    for (const audience of audiences) {
      const lane = this.#lanes.get(audience);
      if (lane === undefined) continue;
      const from = this.#firstAfter(lane, after);
      for (let i = from; i < lane.numbers.length && i < from + limit; i += 1) found.push(lane.numbers[i] ?? 0);
    }
    const numbers = audiences.length > 1 ? [...new Set(found)].toSorted((a, b) => a - b) : found;
    return numbers.slice(0, limit).map((number) => this.#push(number));
  }

  #push(number: number): StoredPush {
    const { mask, revs, slabs, starts, lengths } = this.#slots;
    const slot = number & mask;
    const slab = must(this.#slabs[(slabs[slot] ?? 0) - this.#firstSlab], 'a push that is kept has its slab');
    const start = starts[slot] ?? 0;
    return unpackPush(revs[slot] ?? 0, slab.subarray(start, start + (lengths[slot] ?? 0)));
  }

  #store(number: number, { rev, record }: PackedPush): void {
    const { mask, revs, slabs, starts, lengths } = this.#slots;
    if (this.#slabEnd + record.length > SLAB_BYTES) {
      this.#slabs.push(new Uint8Array(Math.max(SLAB_BYTES, record.length)));
      this.#slabEnd = 0;
    }
    const slot = number & mask;
    revs[slot] = rev;
    slabs[slot] = this.#firstSlab + this.#slabs.length - 1;
    starts[slot] = this.#slabEnd;
    lengths[slot] = record.length;
    must(this.#slabs.at(-1), 'there is a slab').set(record, this.#slabEnd);
    this.#slabEnd += record.length;
  }

  #double(): void {
    const old = this.#slots;
    const slots = makeSlots((old.mask + 1) * 2);
    for (let number = this.#first; number < this.#next; number += 1) {
      const from = number & old.mask;
      const slot = number & slots.mask;
      slots.revs[slot] = old.revs[from] ?? 0;
      slots.slabs[slot] = old.slabs[from] ?? 0;
      slots.starts[slot] = old.starts[from] ?? 0;
      slots.lengths[slot] = old.lengths[from] ?? 0;
      slots.lanes[slot] = old.lanes[from];
    }
    this.#slots = slots;
  }

  #evict(): void {
    const number = this.#first;
    const { mask, revs, slabs, lengths, lanes } = this.#slots;
    const slot = number & mask;
    const rev = revs[slot] ?? 0;
    this.#first = number + 1;
    this.#bytes -= PUSH_BYTES + (lengths[slot] ?? 0);
    this.#floor = rev;
    const left = lanes[slot];
    lanes[slot] = undefined;
    if (isOne(left)) this.#leave(left, number, rev);
    else for (const lane of left ?? []) this.#leave(lane, number, rev);
    const oldest = this.size === 0 ? this.#firstSlab + this.#slabs.length - 1 : (slabs[(number + 1) & mask] ?? 0);
    for (; this.#firstSlab < oldest; this.#firstSlab += 1) this.#slabs.shift();
    if (this.#youngFloors.size > FLOORS_MAX) this.#turnFloors();
  }

  #leave(lane: Lane, number: number, rev: number): void {
    assert(lane.numbers[lane.head] === number, 'pushes leave a lane in order');
    lane.head += 1;
    if (lane.head === lane.numbers.length) this.#lanes.delete(lane.audience);
    else if (lane.head > 1024 && lane.head * 2 > lane.numbers.length) {
      lane.numbers = lane.numbers.slice(lane.head);
      lane.head = 0;
    }
    this.#youngFloors.set(lane.audience, rev);
  }

  #turnFloors(): void {
    for (const rev of this.#oldFloors.values()) this.#commonFloor = Math.max(this.#commonFloor, rev);
    this.#oldFloors = this.#youngFloors;
    this.#youngFloors = new Map();
  }

  #firstAfter(lane: Lane, after: number): number {
    const { mask, revs } = this.#slots;
    let low = lane.head;
    let high = lane.numbers.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if ((revs[(lane.numbers[mid] ?? 0) & mask] ?? 0) <= after) low = mid + 1;
      else high = mid;
    }
    return low;
  }
}

function isOne(lanes: Lane | readonly Lane[] | undefined): lanes is Lane {
  return lanes !== undefined && !Array.isArray(lanes);
}
