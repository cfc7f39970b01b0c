/**
 * How much work may be spent on one comparison or merge, counted in steps and not in time: the same texts are refused
 * on every machine, or on none. A step is about one comparison of two numbers.
 */

export class Budget {
  #left: number;

  constructor(steps: number) {
    this.#left = steps;
  }

  /** True when all is spent; what was being computed is then of no use. */
  get spent(): boolean {
    return this.#left < 0;
  }

  spend(steps: number): void {
    this.#left -= steps;
  }
}
