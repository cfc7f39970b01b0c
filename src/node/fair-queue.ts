/**
 * Commands that wait for the log: in the order in which they came while one append can take them all, else in turns.
 *
 * Q1 Those of one session keep their order, also when they are put back. Between sessions no order is promised: what
 *    waits at the same time was asked at the same time.
 * Q2 When more waits than is taken: deficit round robin (Shreedhar and Varghese, SIGCOMM 1995). Each turn gives a session so
 *    much credit; it takes what its credit pays for and saves the rest while more of it waits. So whoever asks little waits
 *    for a turn of the others and not for all that they have asked, and a command that makes a thousand tasks waits until
 *    its session has saved up for it.
 * Q3 While all can be taken nobody waits for anybody, and the order of arrival keeps together what came together: answers to
 *    one client then leave in one write. (In turns they cost the server a tenth more for each task.)
 */
import { Fifo } from '../base/fifo.ts';
import { must } from '../base/assert.ts';

interface Line<T> {
  readonly key: string;
  readonly items: Fifo<T>;
  credit: number;
}

export interface FairQueueOptions<T> {
  readonly keyOf: (item: T) => string;
  /** At least 1. */
  readonly costOf: (item: T) => number;
  /** Credit of a turn. */
  readonly quantum: number;
}

export class FairQueue<T> {
  readonly #options: FairQueueOptions<T>;
  /** Put back: before all others, in order. */
  #first: T[] = [];
  readonly #lines = new Map<string, Line<T>>();
  /** Those with items, in the order of their turns. */
  readonly #turns = new Fifo<Line<T>>();
  /** Came after all that stand in lines. */
  #arrived: T[] = [];
  #size = 0;
  #cost = 0;
  #takenInTurns = 0;

  constructor(options: FairQueueOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /** How often more waited than was taken, of several keys (Q2). */
  get takenInTurns(): number {
    return this.#takenInTurns;
  }

  push(item: T): void {
    this.#arrived.push(item);
    this.#count([item]);
  }

  /** What was taken, in the order in which it was: it is taken again before all others. */
  putBack(items: readonly T[]): void {
    this.#first = [...items, ...this.#first];
    this.#count(items);
  }

  /** Items that cost no more than this together, or one. */
  take(costMax: number): T[] {
    if (this.#cost <= costMax) return this.drain();
    const taken: T[] = [];
    let left = this.#takePutBack(taken, costMax);
    if (this.#first.length === 0) {
      this.#lineUp();
      if (this.#turns.length > 1) this.#takenInTurns += 1;
      left = this.#takeInTurns(taken, left);
    }
    this.#size -= taken.length;
    this.#cost -= costMax - left;
    return taken;
  }

  /** All of it, and nothing is left. */
  drain(): T[] {
    const inLines: T[] = [];
    for (const line of this.#turns) inLines.push(...line.items);
    const all =
      this.#first.length + inLines.length === 0 ? this.#arrived : [...this.#first, ...inLines, ...this.#arrived];
    this.#first = [];
    this.#lines.clear();
    this.#turns.clear();
    this.#arrived = [];
    this.#size = 0;
    this.#cost = 0;
    return all;
  }

  #count(items: readonly T[]): void {
    this.#size += items.length;
    for (const item of items) this.#cost += this.#options.costOf(item);
  }

  #takePutBack(taken: T[], costMax: number): number {
    let left = costMax;
    for (let item = this.#first[0]; item !== undefined; item = this.#first[0]) {
      const cost = this.#options.costOf(item);
      if (cost > left && taken.length > 0) break;
      taken.push(item);
      this.#first.shift();
      left -= cost;
    }
    return left;
  }

  #takeInTurns(taken: T[], costMax: number): number {
    let left = costMax;
    /** Lines that could pay for nothing, one after another. */
    let poor = 0;
    while (this.#turns.length > 0 && left > 0) {
      if (poor === this.#turns.length) {
        this.#save();
        poor = 0;
      }
      const line = must(this.#turns.shift(), 'what waits has a turn');
      line.credit += this.#options.quantum;
      const before = taken.length;
      const { rest, full } = this.#takeFrom(line, { taken, left });
      left = rest;
      poor = taken.length === before ? poor + 1 : 0;
      if (line.items.length === 0) this.#lines.delete(line.key);
      else this.#turns.push(line);
      if (full) break;
    }
    return left;
  }

  /** `rest`: what is left to be taken; `full`: what is next in the line is more than that. */
  #takeFrom(
    line: Line<T>,
    to: { readonly taken: T[]; readonly left: number },
  ): { readonly rest: number; readonly full: boolean } {
    let rest = to.left;
    for (let item = line.items.at(0); item !== undefined && rest > 0; item = line.items.at(0)) {
      const cost = this.#options.costOf(item);
      if (cost > line.credit) break;
      if (cost > rest && to.taken.length > 0) return { rest, full: true };
      to.taken.push(item);
      line.items.shift();
      line.credit -= cost;
      rest -= cost;
    }
    return { rest, full: false };
  }

  /** Nobody can pay for what is first in his line: as many turns as it takes until somebody can are given at once. */
  #save(): void {
    const { quantum, costOf } = this.#options;
    let turns = Infinity;
    for (const line of this.#turns) {
      const cost = costOf(must(line.items.at(0), 'a line with a turn has items'));
      turns = Math.min(turns, Math.ceil((cost - line.credit) / quantum) - 1);
    }
    for (const line of this.#turns) line.credit += turns * quantum;
  }

  #lineUp(): void {
    for (const item of this.#arrived) {
      const key = this.#options.keyOf(item);
      let line = this.#lines.get(key);
      if (line === undefined) {
        line = { key, items: new Fifo(), credit: 0 };
        this.#lines.set(key, line);
        this.#turns.push(line);
      }
      line.items.push(item);
    }
    this.#arrived = [];
  }
}
