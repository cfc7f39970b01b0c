/**
 * Long work of the store's thread in slices, so that short work goes between.
 *
 * Owns: whose turn it is. Does not own: what a slice does.
 */

/** Work in slices; what it returns is its result. */
export type Sliced<T> = Generator<undefined, T, undefined>;

/** How long one turn may take. */
const turnMs = 2;

export class Slices {
  readonly #now: () => number;
  readonly #later: (fn: () => void) => void;
  #works: Sliced<void>[] = [];
  #scheduled = false;

  constructor(now: () => number, later: (fn: () => void) => void) {
    this.#now = now;
    this.#later = later;
  }

  /** Begins work now; `done` gets its result, in this call if one turn was enough. */
  run<T>(work: Sliced<T>, done: (result: T) => void): void {
    const all = told(work, done);
    if (!this.#turn(all)) this.#works.push(all);
    this.#schedule();
  }

  /** True when the work has ended. */
  #turn(work: Sliced<void>): boolean {
    const end = this.#now() + turnMs;
    do {
      if (work.next().done === true) return true;
    } while (this.#now() < end);
    return false;
  }

  #schedule(): void {
    if (this.#scheduled || this.#works.length === 0) return;
    this.#scheduled = true;
    this.#later(() => {
      this.#scheduled = false;
      const works = this.#works;
      this.#works = [];
      this.#works.push(...works.filter((work) => !this.#turn(work)));
      this.#schedule();
    });
  }
}

function* told<T>(work: Sliced<T>, done: (result: T) => void): Sliced<void> {
  done(yield* work);
}
