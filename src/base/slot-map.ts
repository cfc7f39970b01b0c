/**
 * A Map for what comes and goes all the time: keys lead to slots, and the values stand in an array beside them.
 *
 * V8 replaces the table of a Map whenever it is full of what was deleted, or is cleared. The table that was replaced
 * keeps its entries and points to its successor, for the sake of iterators. Once such a table has become old, the young
 * collections take both for alive: every value that a later table ever held becomes old too, and is freed by marking
 * the whole heap only. With values in slots that are overwritten, a replaced table keeps numbers and keys.
 *
 * Measured on a server at 5,000 tasks/s: what survived young collections fell from 5.6 KB to 2.9 KB per task, and
 * 32 MB of buffers per second no longer did.
 */
import { must } from './assert.ts';

export class SlotMap<K, V> {
  readonly #slots = new Map<K, number>();
  readonly #values: (V | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#slots.size;
  }

  has(key: K): boolean {
    return this.#slots.has(key);
  }

  get(key: K): V | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.#values[slot];
  }

  /** The value before. */
  set(key: K, value: V): V | undefined {
    const slot = this.#slots.get(key);
    if (slot !== undefined) {
      const before = this.#values[slot];
      this.#values[slot] = value;
      return before;
    }
    const free = this.#free.pop() ?? this.#values.length;
    this.#values[free] = value;
    this.#slots.set(key, free);
    return undefined;
  }

  /** The value that was there. */
  take(key: K): V | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    const before = this.#values[slot];
    this.#values[slot] = undefined;
    this.#free.push(slot);
    this.#slots.delete(key);
    return before;
  }

  /** False if it was not there. */
  delete(key: K): boolean {
    const had = this.#slots.has(key);
    this.take(key);
    return had;
  }

  clear(): void {
    this.#slots.clear();
    this.#values.length = 0;
    this.#free.length = 0;
  }

  /** In the order in which the keys came, as a Map's; what is deleted or added meanwhile is treated as a Map does. */
  *[Symbol.iterator](): IterableIterator<[K, V]> {
    for (const [key, slot] of this.#slots) yield [key, must(this.#values[slot], 'a key has a value')];
  }

  *values(): IterableIterator<V> {
    for (const slot of this.#slots.values()) yield must(this.#values[slot], 'a key has a value');
  }

  /**
   * Its values as they are now, in that order, to be taken whenever there is time. Only plain memory is copied at once:
   * 50,000 values take 0.6 ms, where walking them in code that seldom runs takes 20.
   */
  held(): IterableIterator<V> {
    return valuesAt([...this.#slots.values()], [...this.#values]);
  }
}

function* valuesAt<V>(slots: readonly number[], values: readonly (V | undefined)[]): IterableIterator<V> {
  for (const slot of slots) yield must(values[slot], 'a key has a value');
}
