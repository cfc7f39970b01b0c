/**
 * A table of immutable records by id, with its secondary indexes and rollback.
 *
 * T1 Records are replaced, never changed; the table alone keeps its indexes.
 * T2 Nothing may depend on the order of the underlying Map: whatever is iterated for effect goes through an
 *    ordered index.
 * T3 Derived structures of others (pools, groups) hear of every change, rollback included, through `watch`.
 */
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
  readonly #buckets = new Map<string, SortedSet<R>>();

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

  /** Keys in code-unit order; for reports, not for hot paths. */
  keys(): string[] {
    return [...this.#buckets.keys()].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  clear(): void {
    this.#buckets.clear();
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

export type Watcher<R> = (before: R | undefined, after: R | undefined) => void;

export class Table<R> implements Undoable {
  readonly name: string;
  readonly #idOf: (record: R) => string;
  readonly #journal: Journal;
  readonly #records = new Map<string, R>();
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

  put(record: R): void {
    const id = this.#idOf(record);
    const before = this.#records.get(id);
    this.#journal.record(this, id, before);
    this.#replace(id, before, record);
  }

  drop(id: string): void {
    const before = this.#records.get(id);
    if (before === undefined) return;
    this.#journal.record(this, id, before);
    this.#replace(id, before, undefined);
  }

  undo(key: unknown, before: unknown): void {
    const id = key as string;
    this.#replace(id, this.#records.get(id), before as R | undefined);
  }

  /** References to all records as they are now, in no order that may matter. */
  hold(): readonly R[] {
    return [...this.#records.values()];
  }

  /** Takes a record of a snapshot, outside any command. */
  load(record: R): void {
    this.#replace(this.#idOf(record), undefined, record);
  }

  #replace(id: string, before: R | undefined, after: R | undefined): void {
    if (after === undefined) this.#records.delete(id);
    else this.#records.set(id, after);
    for (const index of this.#indexes) index.change(before, after);
    for (const watcher of this.#watchers) watcher(before, after);
  }
}
