/**
 * Notifications by audience and by what gives way first. Derived.
 *
 * NB1 In every order the lower priority comes first, and of one priority the older.
 */
import { SortedSet } from '../../base/sorted-set.ts';
import type { NotificationRecord } from './notification-records.ts';

/** Everyone. */
export const EVERYONE = 'e:all';

export const toAgent = (id: string): string => `a:${id}`;
export const toCapability = (name: string): string => `c:${name}`;
/** Of one agent, and not of a kind of agents. */
export const isOwn = (audience: string): boolean => audience.startsWith('a:');

/** No two have one rev: each is the rev of a push. */
interface Placed {
  readonly rev: number;
  readonly record?: NotificationRecord;
}

const byRev = (a: Placed, b: Placed): number => a.rev - b.rev;
/** NB1 */
const byWeight = (a: NotificationRecord, b: NotificationRecord): number => a.priority - b.priority || byRev(a, b);

export class NotificationBook {
  readonly #lanes = new Map<string, SortedSet<NotificationRecord>>();
  readonly #byRev = new SortedSet<Placed>(byRev);
  /** Those that are said to more than agents by name. */
  readonly wide = new SortedSet<NotificationRecord>(byRev);
  readonly #all = new SortedSet<NotificationRecord>(byWeight);
  bytes = 0;

  change(before: NotificationRecord | undefined, after: NotificationRecord | undefined): void {
    if (before !== undefined) this.#remove(before);
    if (after !== undefined) this.#add(after);
  }

  clear(): void {
    this.#lanes.clear();
    this.#byRev.clear();
    this.wide.clear();
    this.#all.clear();
    this.bytes = 0;
  }

  get size(): number {
    return this.#byRev.size;
  }

  count(audience: string): number {
    return this.#lanes.get(audience)?.size ?? 0;
  }

  /** NB1 */
  *of(audience: string): IterableIterator<NotificationRecord> {
    yield* this.#lanes.get(audience) ?? [];
  }

  /** What gives way first of an audience; of all. */
  lowestOf(audience: string): NotificationRecord | undefined {
    return this.#lanes.get(audience)?.first();
  }

  /** NB1 */
  *lowestFirst(): IterableIterator<NotificationRecord> {
    yield* this.#all;
  }

  /** The first with a rev above this one. */
  nextAfter(rev: number): NotificationRecord | undefined {
    return this.between(rev, Infinity).next().value ?? undefined;
  }

  /** Those with a rev above `after`, up to `upTo`, ascending. */
  *between(after: number, upTo: number): Generator<NotificationRecord, undefined> {
    for (const { rev, record } of this.#byRev.from({ rev: after })) {
      if (rev > upTo) return undefined;
      if (rev > after && record !== undefined) yield record;
    }
    return undefined;
  }

  #add(record: NotificationRecord): void {
    for (const audience of record.to) {
      let lane = this.#lanes.get(audience);
      if (lane === undefined) this.#lanes.set(audience, (lane = new SortedSet(byWeight)));
      lane.add(record);
    }
    this.#byRev.add({ rev: record.rev, record });
    this.#all.add(record);
    if (!record.to.every(isOwn)) this.wide.add(record);
    this.bytes += record.bytes;
  }

  #remove(record: NotificationRecord): void {
    for (const audience of record.to) {
      const lane = this.#lanes.get(audience);
      lane?.delete(record);
      if (lane?.size === 0) this.#lanes.delete(audience);
    }
    this.#byRev.delete(record);
    this.#all.delete(record);
    this.wide.delete(record);
    this.bytes -= record.bytes;
  }
}
