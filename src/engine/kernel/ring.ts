/**
 * The ring: the newest pushes with their audiences, for connections that come back or fall behind.
 *
 * G1 Pushes are in rev order; the oldest leave at `ringPushesMax` or `ringBytes`.
 * G2 A window over the event history, not part of the state: after a start it holds what came since the
 *    snapshot, and whoever needs older pushes reads the history.
 * G3 `floor` is the newest rev that is no longer here for anybody; `floorOf` the same for one audience.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Push } from '../port.ts';

interface Lane {
  readonly pushes: Push[];
  /** Index of the oldest one kept; what is before it is waiting to be cut off. */
  head: number;
}

export interface RingOptions {
  readonly pushesMax: number;
  readonly bytesMax: number;
}

/** Floors of single audiences are kept in two generations of this size; what leaves the older joins the common floor. */
const FLOORS_MAX = 50_000;

export class PushRing {
  readonly #options: RingOptions;
  readonly #pushes: Push[] = [];
  readonly #lanes = new Map<string, Lane>();
  #youngFloors = new Map<string, number>();
  #oldFloors = new Map<string, number>();
  #head = 0;
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
    return this.#pushes.length - this.#head;
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

  /** `heard` says whether anybody may read an audience from here: topics that nobody listens to need no lane. */
  add(push: Push, heard: (audience: string) => boolean): void {
    this.#pushes.push(push);
    this.#bytes += push.bytes;
    for (const audience of push.to) {
      if (!heard(audience)) continue;
      const lane = this.#lanes.get(audience);
      if (lane === undefined) this.#lanes.set(audience, { pushes: [push], head: 0 });
      else lane.pushes.push(push);
    }
    while (this.size > this.#options.pushesMax || (this.#bytes > this.#options.bytesMax && this.size > 1))
      this.#evict();
  }

  /** Pushes for any of the audiences with rev > after, ascending, at most `limit`. */
  read(audiences: readonly string[], after: number, limit: number): Push[] {
    const found: Push[] = [];
    for (const audience of audiences) {
      const lane = this.#lanes.get(audience);
      if (lane === undefined) continue;
      let taken = 0;
      for (let i = firstAfter(lane, after); i < lane.pushes.length && taken < limit; i += 1, taken += 1) {
        found.push(lane.pushes[i] as Push);
      }
    }
    if (audiences.length > 1) {
      found.sort((a, b) => a.rev - b.rev);
      for (let i = found.length - 1; i > 0; i -= 1) if (found[i] === found[i - 1]) found.splice(i, 1);
    }
    return found.length > limit ? found.slice(0, limit) : found;
  }

  #evict(): void {
    const push = this.#pushes[this.#head] as Push;
    this.#head += 1;
    this.#bytes -= push.bytes;
    this.#floor = push.rev;
    for (const audience of push.to) {
      const lane = this.#lanes.get(audience);
      if (lane === undefined || lane.pushes[lane.head] !== push) continue;
      lane.head += 1;
      if (lane.head === lane.pushes.length) this.#lanes.delete(audience);
      else if (lane.head > 1024 && lane.head * 2 > lane.pushes.length) {
        lane.pushes.splice(0, lane.head);
        lane.head = 0;
      }
      this.#youngFloors.set(audience, push.rev);
    }
    if (this.#youngFloors.size > FLOORS_MAX) this.#turnFloors();
    if (this.#head > 4096 && this.#head * 2 > this.#pushes.length) {
      this.#pushes.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #turnFloors(): void {
    for (const rev of this.#oldFloors.values()) this.#commonFloor = Math.max(this.#commonFloor, rev);
    this.#oldFloors = this.#youngFloors;
    this.#youngFloors = new Map();
  }
}

function firstAfter(lane: Lane, after: number): number {
  let low = lane.head;
  let high = lane.pushes.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if ((lane.pushes[mid] as Push).rev <= after) low = mid + 1;
    else high = mid;
  }
  return low;
}
