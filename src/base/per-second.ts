/** Counts what comes within a second, the second beginning with the first. */
export class PerSecond {
  #since = -Infinity;
  #count = 0;

  /** How many it are with this one. `mono` in ms. */
  count(mono: number): number {
    if (mono - this.#since >= 1_000) {
      this.#since = mono;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count;
  }
}
