/** Waits for the second of two messages about each task. */
export class BothTold {
  readonly #told: (sequence: number) => void;
  readonly #half = new Set<number>();

  constructor(told: (sequence: number) => void) {
    this.#told = told;
  }

  half(sequence: number): void {
    if (this.#half.delete(sequence)) this.#told(sequence);
    else this.#half.add(sequence);
  }
}
