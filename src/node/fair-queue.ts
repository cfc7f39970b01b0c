/**
 * Commands that wait for the log, a queue for each session, taken in turns by what they cost.
 *
 * Q1 Those of one session keep their order, also when they are put back. Between sessions no order is promised: what
 *    waits at the same time was asked at the same time.
 * Q2 Deficit round robin (Shreedhar and Varghese, SIGCOMM 1995): each turn gives a session so much credit; it takes what
 *    its credit pays for and saves the rest while more of it waits. So whoever asks little waits for a turn of the others
 *    and not for all that they have asked, and a command that makes a thousand tasks waits until its session has saved up for it.
 */
import { Fifo } from '../base/fifo.ts';
import { must } from '../base/assert.ts';

interface Line<T> {
  readonly key: string;
  readonly items: Fifo<T>;
  /** Put back, before all others, in order. */
  readonly first: T[];
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
  readonly #lines = new Map<string, Line<T>>();
  /** Those with items, in the order of their turns. */
  #turns = new Fifo<Line<T>>();
  #size = 0;

  constructor(options: FairQueueOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    this.#lineOf(item).items.push(item);
    this.#size += 1;
  }

  /** What was taken, in the order in which it was: it is taken again before what came later. */
  putBack(items: readonly T[]): void {
    for (const item of items.toReversed()) {
      this.#lineOf(item).first.unshift(item);
      this.#size += 1;
    }
  }

  /** Items that cost no more than this together, or one. */
  take(costMax: number): T[] {
    const taken: T[] = [];
    let left = costMax;
    while (this.#size > 0) {
      this.#save();
      const line = must(this.#turns.shift(), 'what waits has a turn');
      line.credit += this.#options.quantum;
      let full = false;
      for (let item = head(line); item !== undefined; item = head(line)) {
        const cost = this.#options.costOf(item);
        if (cost > line.credit) break;
        full = cost > left && taken.length > 0;
        if (full) break;
        taken.push(item);
        this.#drop(line);
        line.credit -= cost;
        left -= cost;
      }
      if (head(line) === undefined) this.#lines.delete(line.key);
      else this.#turns.push(line);
      if (full || left <= 0) break;
    }
    return taken;
  }

  /** All of it, and nothing is left. */
  drain(): T[] {
    return this.take(Infinity);
  }

  /** If nobody can pay for what is first in his line, as many turns as it takes until somebody can are given at once. */
  #save(): void {
    const { quantum, costOf } = this.#options;
    let turns = Infinity;
    for (const line of this.#turns) {
      const cost = costOf(must(head(line), 'a line with a turn has items'));
      turns = Math.min(turns, Math.ceil((cost - line.credit) / quantum) - 1);
      if (turns <= 0) return;
    }
    if (!Number.isFinite(turns)) return;
    for (const line of this.#turns) line.credit += turns * quantum;
  }

  #lineOf(item: T): Line<T> {
    const key = this.#options.keyOf(item);
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = { key, items: new Fifo(), first: [], credit: 0 };
      this.#lines.set(key, line);
      this.#turns.push(line);
    }
    return line;
  }

  #drop(line: Line<T>): void {
    if (line.first.shift() === undefined) line.items.shift();
    this.#size -= 1;
  }
}

function head<T>(line: Line<T>): T | undefined {
  return line.first[0] ?? line.items.at(0);
}
