/**
 * A queue in a ring of slots that grows by doubling and is cleared as it is read.
 *
 * An array that is pushed to and shifted from gets a new store whenever its end is reached. The old store, once it has
 * survived a few young collections, keeps alive what it held (slot-map.ts tells how); a ring is written over.
 */
import { must } from './assert.ts';

const FIRST = 4;
/** A ring that has been larger is given back when it is empty. */
const KEPT_MAX = 64;

export class Fifo<T> {
  /** As many as a power of two, or none. */
  #slots: (T | undefined)[] = [];
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The one that stands `index` places behind the first. */
  at(index: number): T | undefined {
    return index < this.#length ? this.#slots[(this.#head + index) & (this.#slots.length - 1)] : undefined;
  }

  push(item: T): void {
    if (this.#length === this.#slots.length) this.#double();
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = item;
    this.#length += 1;
  }

  /** Before all others. */
  unshift(item: T): void {
    if (this.#length === this.#slots.length) this.#double();
    this.#head = (this.#head - 1) & (this.#slots.length - 1);
    this.#slots[this.#head] = item;
    this.#length += 1;
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length -= 1;
    if (this.#length === 0 && this.#slots.length > KEPT_MAX) this.clear();
    return item;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let i = 0; i < this.#length; i += 1) yield must(this.at(i), 'a place before the end is taken');
  }

  /** Those from the place `from` behind the first on. */
  replace(from: number, change: (item: T) => T): void {
    for (let i = from; i < this.#length; i += 1) {
      const slot = (this.#head + i) & (this.#slots.length - 1);
      this.#slots[slot] = change(must(this.#slots[slot], 'a place before the end is taken'));
    }
  }

  clear(): void {
    this.#slots = [];
    this.#head = 0;
    this.#length = 0;
  }

  #double(): void {
    const slots = new Array<T | undefined>(Math.max(FIRST, 2 * this.#slots.length)).fill(undefined);
    for (let i = 0; i < this.#length; i += 1) slots[i] = this.at(i);
    this.#slots = slots;
    this.#head = 0;
  }
}
