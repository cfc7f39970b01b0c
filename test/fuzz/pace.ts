/** Keeps many links together at one rate. */
import { delay } from './delay.ts';

const TICK_MS = 5;
/** What was not used may be made up for so long: a rate is kept over a moment's standstill, and no burst comes of a long one. */
const DEBT_MS = 200;

export class Pace {
  readonly #perMs: number;
  #freeAt = performance.now();

  constructor(perSecond: number) {
    this.#perMs = perSecond / 1_000;
  }

  /** Resolves when `count` more may be written. */
  async take(count: number): Promise<void> {
    this.#freeAt = Math.max(this.#freeAt, performance.now() - DEBT_MS) + count / this.#perMs;
    const waitMs = this.#freeAt - performance.now();
    if (waitMs > TICK_MS) await delay(waitMs);
  }
}
