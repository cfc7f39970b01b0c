/**
 * A table of immutable records by id, with its secondary indexes and rollback.
 *
 * T1 Records are replaced, never changed; the table alone keeps its indexes.
 * T2 Nothing may depend on the order of the underlying map: whatever is iterated for effect goes through an
 *    ordered index.
 * T3 Derived structures of others (pools, groups) hear of every change, rollback included, through `watch`.
 */
import { must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import { SlotMap } from '../../base/slot-map.ts';
import { SortedSet, type Compare } from '../../base/sorted-set.ts';
import type { Journal, Undoable } from './journal.ts';

interface Index<R> {
  change(before: R | undefined, after: R | undefined): void;
  clear(): void;
}

/** Records by a derived key, each bucket in the order of a comparator. */
export class GroupIndex<R> implements Index<R> {
  readonly #keyOf: (record: R) => string | undefined;
  readonly #compare: Compare<R>;
  readonly #buckets = new SlotMap<string, SortedSet<R>>();

  constructor(keyOf: (record: R) => string | undefined, compare: Compare<R>) {
    this.#keyOf = keyOf;
    this.#compare = compare;
  }

  change(before: R | undefined, after: R | undefined): void {
    if (before !== undefined) {
      const key = this.#keyOf(before);
      if (key !== undefined) {
        const bucket = this.#buckets.get(key);
        bucket?.delete(before);
        if (bucket?.size === 0) this.#buckets.delete(key);
      }
    }
    if (after !== undefined) {
      const key = this.#keyOf(after);
      if (key !== undefined) {
        let bucket = this.#buckets.get(key);
        if (bucket === undefined) this.#buckets.set(key, (bucket = new SortedSet(this.#compare)));
        bucket.add(after);
      }
    }
  }

  of(key: string): SortedSet<R> | undefined {
    return this.#buckets.get(key);
  }

  count(key: string): number {
    return this.#buckets.get(key)?.size ?? 0;
  }

  /** Keys that fit, in code-unit order; looks at all of them. */
  keysThat(fits: (key: string) => boolean): string[] {
    const found: string[] = [];
    for (const [key] of this.#buckets) if (fits(key)) found.push(key);
    return found.toSorted(byCodeUnits);
  }

  /** Keys in code-unit order; for reports, not for hot paths. */
  keys(): string[] {
    return [...this.#buckets].map(([key]) => key).toSorted(byCodeUnits);
  }

  clear(): void {
    this.#buckets.clear();
  }
}

/** Ids of records by a derived key, in order. A record that only changes costs nothing. */
export class IdGroupIndex<R> implements Index<R> {
  readonly #table: Table<R>;
  readonly #keyOf: (record: R) => string | undefined;
  readonly #buckets = new SlotMap<string, SortedSet<string>>();

  constructor(table: Table<R>, keyOf: (record: R) => string | undefined) {
    this.#table = table;
    this.#keyOf = keyOf;
  }

  change(before: R | undefined, after: R | undefined): void {
    const was = before === undefined ? undefined : this.#keyOf(before);
    const is = after === undefined ? undefined : this.#keyOf(after);
    if (was === is) return;
    if (before !== undefined && was !== undefined) {
      const bucket = this.#buckets.get(was);
      bucket?.delete(this.#table.idOf(before));
      if (bucket?.size === 0) this.#buckets.delete(was);
    }
    if (after === undefined || is === undefined) return;
    let bucket = this.#buckets.get(is);
    if (bucket === undefined) this.#buckets.set(is, (bucket = new SortedSet(byCodeUnits)));
    bucket.add(this.#table.idOf(after));
  }

  count(key: string): number {
    return this.#buckets.get(key)?.size ?? 0;
  }

  /** Ascending, ids after this one. */
  *after(key: string, id: string): IterableIterator<R> {
    // The smallest id above is this one with one more code unit.
    for (const next of this.#buckets.get(key)?.from(`${id}\0`) ?? []) yield this.#record(next);
  }

  /** Descending, ids before this one; all without it. */
  *descending(key: string, below?: string): IterableIterator<R> {
    for (const id of this.#buckets.get(key)?.descending(below) ?? []) yield this.#record(id);
  }

  clear(): void {
    this.#buckets.clear();
  }

  #record(id: string): R {
    return must(this.#table.get(id), 'an indexed record is in its table');
  }
}

/** All records that `includes` admits, in the order of a comparator. */
export class OrderIndex<R> implements Index<R> {
  readonly #includes: (record: R) => boolean;
  readonly set: SortedSet<R>;

  constructor(compare: Compare<R>, includes: (record: R) => boolean = () => true) {
    this.#includes = includes;
    this.set = new SortedSet(compare);
  }

  change(before: R | undefined, after: R | undefined): void {
    if (before !== undefined && this.#includes(before)) this.set.delete(before);
    if (after !== undefined && this.#includes(after)) this.set.add(after);
  }

  clear(): void {
    this.set.clear();
  }
}

/** All records that `includes` admits, in the order of their ids. A record that only changes costs nothing. */
export class IdIndex<R> implements Index<R> {
  readonly #table: Table<R>;
  readonly #includes: (record: R) => boolean;
  readonly #ids = new SortedSet<string>(byCodeUnits);

  constructor(table: Table<R>, includes: (record: R) => boolean = () => true) {
    this.#table = table;
    this.#includes = includes;
  }

  change(before: R | undefined, after: R | undefined): void {
    const was = before !== undefined && this.#includes(before);
    const is = after !== undefined && this.#includes(after);
    if (was === is) return;
    if (was) this.#ids.delete(this.#table.idOf(before));
    else if (is) this.#ids.add(this.#table.idOf(after));
  }

  get size(): number {
    return this.#ids.size;
  }

  *[Symbol.iterator](): IterableIterator<R> {
    for (const id of this.#ids) yield this.#record(id);
  }

  /** Ascending, ids after this one. */
  *after(id: string): IterableIterator<R> {
    // The smallest id above is this one with one more code unit.
    for (const next of this.#ids.from(`${id}\0`)) yield this.#record(next);
  }

  /** Descending, ids before this one; all without it. */
  *descending(below?: string): IterableIterator<R> {
    for (const id of this.#ids.descending(below)) yield this.#record(id);
  }

  clear(): void {
    this.#ids.clear();
  }

  #record(id: string): R {
    return must(this.#table.get(id), 'an indexed record is in its table');
  }
}

/** The id of the one record with a key; of two with one key the newer counts. */
export class UniqueIndex<R> implements Index<R> {
  readonly #table: Table<R>;
  readonly #keyOf: (record: R) => string;
  readonly #sameKey: (before: R, after: R) => boolean;
  readonly #ids = new Map<string, string>();

  /** `sameKey` tells cheaply that a change does not touch the key. */
  constructor(table: Table<R>, keyOf: (record: R) => string, sameKey: (before: R, after: R) => boolean) {
    this.#table = table;
    this.#keyOf = keyOf;
    this.#sameKey = sameKey;
  }

  change(before: R | undefined, after: R | undefined): void {
    if (before !== undefined && after !== undefined && this.#sameKey(before, after)) return;
    if (before !== undefined) this.#ids.delete(this.#keyOf(before));
    if (after !== undefined) this.#ids.set(this.#keyOf(after), this.#table.idOf(after));
  }

  get(key: string): R | undefined {
    const id = this.#ids.get(key);
    return id === undefined ? undefined : this.#table.get(id);
  }

  clear(): void {
    this.#ids.clear();
  }
}

export type Watcher<R> = (before: R | undefined, after: R | undefined) => void;

export class Table<R> implements Undoable {
  readonly name: string;
  readonly #idOf: (record: R) => string;
  readonly #journal: Journal;
  readonly #records = new SlotMap<string, R>();
  readonly #indexes: Index<R>[] = [];
  readonly #watchers: Watcher<R>[] = [];

  constructor(name: string, idOf: (record: R) => string, journal: Journal) {
    this.name = name;
    this.#idOf = idOf;
    this.#journal = journal;
  }

  /** Adds an index; before the first record. */
  index<I extends Index<R>>(index: I): I {
    this.#indexes.push(index);
    return index;
  }

  watch(watcher: Watcher<R>): void {
    this.#watchers.push(watcher);
  }

  get size(): number {
    return this.#records.size;
  }

  get(id: string): R | undefined {
    return this.#records.get(id);
  }

  idOf(record: R): string {
    return this.#idOf(record);
  }

  put(record: R): void {
    this.replace(record);
  }

  /** Puts it; the record before, if there was one. */
  replace(record: R): R | undefined {
    const id = this.#idOf(record);
    const before = this.#records.set(id, record);
    this.#journal.record(this, id, before);
    this.#changed(before, record);
    return before;
  }

  drop(id: string): void {
    const before = this.#records.take(id);
    if (before === undefined) return;
    this.#journal.record(this, id, before);
    this.#changed(before, undefined);
  }

  undo(key: unknown, before: unknown): void {
    const id = key as string;
    const record = before as R | undefined;
    const after = record === undefined ? this.#records.take(id) : this.#records.set(id, record);
    this.#changed(after, record);
  }

  /** References to all records as they are now, in no order that may matter. */
  hold(): readonly R[] {
    return [...this.#records.values()];
  }

  /** The same, to be taken whenever there is time: holding them costs next to nothing. */
  held(): IterableIterator<R> {
    return this.#records.held();
  }

  /** All records as they are now, in no order that may matter: for what is counted or chosen by a total order. */
  scan(): IterableIterator<R> {
    return this.#records.values();
  }

  /** Takes a record of a snapshot, outside any command. */
  load(record: R): void {
    this.#records.set(this.#idOf(record), record);
    this.#changed(undefined, record);
  }

  #changed(before: R | undefined, after: R | undefined): void {
    for (const index of this.#indexes) index.change(before, after);
    for (const watcher of this.#watchers) watcher(before, after);
  }
}
