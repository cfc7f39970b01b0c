/**
 * Who holds what and who waits for what, by path: derived from the tables of locks, and kept as they change.
 *
 * Owns: places (a path with what is held and waited for there). Does not own: decisions (judge.ts), records.
 *
 * LB1 Holdings are counts by mode, of the place and of each owner there: a path with a hundred thousand locks below it is judged
 *     by ten numbers.
 * LB2 A request that waits stands in the queue of every place that it needs something of. One whose owner is away stands in none.
 * LB3 In a queue whoever holds something of the place, or keeps others from it by a delay, comes before those who do not; else
 *     the older request is first.
 * LB4 Queues are kept by mode, so that the first request that conflicts with a mode is found without walking past the others.
 * LB5 Whatever is walked for effect is sorted by keys that are in the records; maps are for looking up.
 */
import { must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import { SortedSet } from '../../base/sorted-set.ts';
import type { LockDelayRecord, LockOwnerRecord, LockRecord, LockWaitRecord } from './lock-records.ts';
import { bothOf, MODE_NOS, needsOf, type ModeNo, type Need } from './modes.ts';

type Counts = [number, number, number, number, number];
const none = (): Counts => [0, 0, 0, 0, 0];

/** What one owner has at one place. */
export interface Share {
  readonly owner: string;
  readonly held: Counts;
  /** Delays after locks of its own: they keep others away as those did. */
  readonly delayed: Counts;
  /** Numbers of its requests there. */
  readonly waits: Set<number>;
}

/** A need of a request, in the queue of its place. */
export interface Waiting extends Need {
  readonly wait: LockWaitRecord;
  readonly place: Place;
  /** LB3 */
  first: boolean;
}

/** Numbers of requests, by mode. */
type Queue = (SortedSet<number> | undefined)[];

const ascending = (a: number, b: number): number => a - b;

export class Place {
  readonly path: string;
  /** Of all owners, delays included. */
  readonly held = none();
  /** In the order of their ids. */
  readonly owners = new SortedSet<string>(byCodeUnits);
  readonly #shares = new Map<string, Share>();
  readonly first: Queue = [];
  readonly others: Queue = [];
  /** By the number of the request, also of owners that are away. */
  readonly needs = new Map<number, Waiting>();
  /** Requests for this path itself, also of owners that are away. */
  asked = 0;

  constructor(path: string) {
    this.path = path;
  }

  shareOf(owner: string): Share | undefined {
    return this.#shares.get(owner);
  }

  /** The owner's share, for a change. */
  shareFor(owner: string): Share {
    let share = this.#shares.get(owner);
    if (share === undefined) {
      this.#shares.set(owner, (share = { owner, held: none(), delayed: none(), waits: new Set() }));
      this.owners.add(owner);
    }
    return share;
  }

  /** Forgets a share in which nothing is left. */
  tidy({ owner, waits, held, delayed }: Share): void {
    if (waits.size > 0 || held.some(isCounted) || delayed.some(isCounted)) return;
    this.#shares.delete(owner);
    this.owners.delete(owner);
  }

  /** Whether others than this owner hold it in this mode. */
  heldByOthers(owner: string, mode: ModeNo): boolean {
    const all = this.held[mode];
    if (all === 0) return false;
    const own = this.shareOf(owner);
    return own === undefined || all > own.held[mode] + own.delayed[mode];
  }

  get isQueued(): boolean {
    return this.first.some(isSome) || this.others.some(isSome);
  }

  describe(): string {
    const numbers = (queue: Queue): string => MODE_NOS.map((mode) => [...(queue[mode] ?? [])].join(' ')).join(',');
    const shares = [...this.owners].map((owner) => {
      const share = this.shareOf(owner);
      if (share === undefined) return `${owner} nothing`;
      const waits = [...share.waits].toSorted(ascending).join(' ');
      return `${owner} ${share.held.join()} ${share.delayed.join()} ${waits}`;
    });
    const needs = [...this.needs.keys()].toSorted(ascending).join(' ');
    return `${this.held.join()} | ${shares.join(' / ')} | ${numbers(this.first)} | ${numbers(this.others)} | ${needs} | ${this.asked}`;
  }

  needOf(seq: number): Waiting {
    return must(this.needs.get(seq), 'a number in a queue is that of a need');
  }
}

const isSome = (numbers: SortedSet<number> | undefined): boolean => numbers !== undefined && numbers.size > 0;

/** Everything that the owner holds here, delays apart; undefined: nothing. */
export function heldMode(share: Share | undefined): ModeNo | undefined {
  if (share === undefined) return undefined;
  let mode: ModeNo | undefined;
  for (const no of MODE_NOS) if (share.held[no] > 0) mode = mode === undefined ? no : bothOf(mode, no);
  return mode;
}

export class LockBook {
  readonly #places = new Map<string, Place>();
  readonly #away = new Set<string>();
  readonly #waits = new Map<string, readonly Waiting[]>();
  /** Owners with requests in queues. */
  readonly waiters = new SortedSet<string>(byCodeUnits);
  readonly #waitersCount = new Map<string, number>();
  /** `<path> <lock>` of every path of every lock: for lists by path. */
  readonly byPath = new SortedSet<string>(byCodeUnits);
  /** Paths of locks and of requests, one for each. */
  members = 0;

  placeOf(path: string): Place | undefined {
    return this.#places.get(path);
  }

  isAway(owner: string): boolean {
    return this.#away.has(owner);
  }

  /** The needs of a request, in the queues or, while its owner is away, out of them. */
  needsOf(wait: LockWaitRecord): readonly Waiting[] {
    return must(this.#waits.get(wait.id), 'a request that waits is in the book');
  }

  /** Ids of the locks on exactly this path, after this one. */
  *locksOn(path: string, after = ''): IterableIterator<string> {
    const prefix = `${path} `;
    for (const entry of this.byPath.from(`${prefix}${after}${after === '' ? '' : '\0'}`)) {
      if (!entry.startsWith(prefix)) return;
      yield entry.slice(prefix.length);
    }
  }

  paths(): string[] {
    return [...this.#places.keys()];
  }

  /** Everything that is here of a path, as words that are the same for what is the same. */
  describe(path: string): string {
    return this.#places.get(path)?.describe() ?? 'nothing';
  }

  /** Made anew, of these. */
  rebuild(records: {
    readonly owners: readonly LockOwnerRecord[];
    readonly locks: readonly LockRecord[];
    readonly delays: readonly LockDelayRecord[];
    readonly waits: readonly LockWaitRecord[];
  }): void {
    this.#places.clear();
    this.#away.clear();
    this.#waits.clear();
    this.waiters.clear();
    this.#waitersCount.clear();
    this.byPath.clear();
    this.members = 0;
    for (const owner of records.owners) if (owner.awaySince !== undefined) this.#away.add(owner.id);
    for (const lock of records.locks) this.#holding(lock, 1);
    for (const delay of records.delays) this.#delaying(delay, 1);
    for (const wait of records.waits) this.#enter(wait);
  }

  lockChanged(before: LockRecord | undefined, after: LockRecord | undefined): void {
    if (before?.members === after?.members && before?.owner === after?.owner) return;
    if (before !== undefined) this.#holding(before, -1);
    if (after !== undefined) this.#holding(after, 1);
  }

  delayChanged(before: LockDelayRecord | undefined, after: LockDelayRecord | undefined): void {
    if (before?.member.mode === after?.member.mode) return;
    if (before !== undefined) this.#delaying(before, -1);
    if (after !== undefined) this.#delaying(after, 1);
  }

  waitChanged(before: LockWaitRecord | undefined, after: LockWaitRecord | undefined): void {
    if (before !== undefined) this.#leave(before);
    if (after !== undefined) this.#enter(after);
  }

  /** `waits`: the requests of the owner. */
  ownerChanged(
    change: { readonly before: LockOwnerRecord | undefined; readonly after: LockOwnerRecord | undefined },
    waits: (owner: string) => Iterable<LockWaitRecord>,
  ): void {
    const owner = change.after?.id ?? change.before?.id ?? '';
    const away = change.after?.awaySince !== undefined;
    if (away === this.#away.has(owner)) return;
    // Out of the queues and into them again: what the set says decides where they go.
    const queued = [...waits(owner)].filter((wait) => this.#waits.has(wait.id));
    if (away) for (const wait of queued) this.#unqueue(wait);
    if (away) this.#away.add(owner);
    else this.#away.delete(owner);
    if (!away) for (const wait of queued) this.#enqueue(wait);
  }

  #holding(lock: LockRecord, by: 1 | -1): void {
    for (const { path, mode } of needsOf(lock.members)) {
      const place = this.#place(path);
      const share = place.shareFor(lock.owner);
      share.held[mode] += by;
      place.held[mode] += by;
      this.#reclass(place, share);
      this.#tidy(place, share);
    }
    this.members += by * lock.members.length;
    for (const { path } of lock.members) {
      if (by > 0) this.byPath.add(`${path} ${lock.id}`);
      else this.byPath.delete(`${path} ${lock.id}`);
    }
  }

  #delaying({ member, owner }: LockDelayRecord, by: 1 | -1): void {
    for (const { path, mode } of needsOf([member])) {
      const place = this.#place(path);
      const share = place.shareFor(owner);
      share.delayed[mode] += by;
      place.held[mode] += by;
      this.#reclass(place, share);
      this.#tidy(place, share);
    }
  }

  #enter(wait: LockWaitRecord): void {
    const needs = needsOf(wait.members).map(({ path, mode }): Waiting => {
      const place = this.#place(path);
      const share = place.shareFor(wait.owner);
      const need = { path, mode, wait, place, first: isFirst(share) };
      share.waits.add(wait.seq);
      place.needs.set(wait.seq, need);
      return need;
    });
    this.#waits.set(wait.id, needs);
    this.members += wait.members.length;
    for (const { path } of wait.members) this.#place(path).asked += 1;
    if (!this.#away.has(wait.owner)) this.#enqueue(wait);
  }

  #leave(wait: LockWaitRecord): void {
    if (!this.#away.has(wait.owner)) this.#unqueue(wait);
    for (const { path } of wait.members) this.#place(path).asked -= 1;
    this.members -= wait.members.length;
    for (const need of this.needsOf(wait)) {
      const share = need.place.shareFor(wait.owner);
      share.waits.delete(wait.seq);
      need.place.needs.delete(wait.seq);
      this.#tidy(need.place, share);
    }
    this.#waits.delete(wait.id);
  }

  #enqueue(wait: LockWaitRecord): void {
    for (const need of this.needsOf(wait)) {
      need.first = isFirst(need.place.shareOf(wait.owner));
      queueOf(need).add(wait.seq);
    }
    const count = this.#waitersCount.get(wait.owner) ?? 0;
    this.#waitersCount.set(wait.owner, count + 1);
    if (count === 0) this.waiters.add(wait.owner);
  }

  #unqueue(wait: LockWaitRecord): void {
    for (const need of this.needsOf(wait)) queueOf(need).delete(wait.seq);
    const count = (this.#waitersCount.get(wait.owner) ?? 0) - 1;
    if (count > 0) this.#waitersCount.set(wait.owner, count);
    else {
      this.#waitersCount.delete(wait.owner);
      this.waiters.delete(wait.owner);
    }
  }

  /** LB3 */
  #reclass(place: Place, share: Share): void {
    if (share.waits.size === 0 || this.#away.has(share.owner)) return;
    const first = isFirst(share);
    for (const seq of share.waits) {
      const need = place.needOf(seq);
      if (need.first === first) return;
      queueOf(need).delete(seq);
      need.first = first;
      queueOf(need).add(seq);
    }
  }

  #place(path: string): Place {
    let place = this.#places.get(path);
    if (place === undefined) this.#places.set(path, (place = new Place(path)));
    return place;
  }

  #tidy(place: Place, share: Share): void {
    place.tidy(share);
    if (place.owners.size === 0) this.#places.delete(place.path);
  }
}

const isCounted = (count: number): boolean => count > 0;

/** LB3 */
export function isFirst(share: Share | undefined): boolean {
  return share !== undefined && (share.held.some(isCounted) || share.delayed.some(isCounted));
}

function queueOf({ place, mode, first }: Waiting): SortedSet<number> {
  const queues = first ? place.first : place.others;
  return (queues[mode] ??= new SortedSet<number>(ascending));
}
