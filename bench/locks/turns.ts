/**
 * Whether locks of one path were granted in the order in which the server had taken the requests, by what it told of the path: every
 * request that waits, grant and release, in the order of its log.
 */
export interface Told {
  readonly event: string;
  readonly owner: string;
}

export interface Turns {
  readonly grants: number;
  /** Grants to somebody before whom another one waited. */
  readonly outOfTurn: number;
  /** Grants while somebody held it. */
  readonly together: number;
  /** The most grants to others while one waited. */
  readonly passedMost: number;
}

export class TurnCheck {
  /** Who waits, in order, with the grants that there had been when he asked. Each asks for one at a time. */
  readonly #waiting = new Map<string, number>();
  #holder: string | undefined;
  #grants = 0;
  #outOfTurn = 0;
  #together = 0;
  #passedMost = 0;

  take({ event, owner }: Told): void {
    if (event === 'lock.queued') this.#waiting.set(owner, this.#grants);
    else if (event === 'lock.acquired') this.#acquired(owner);
    else if (event === 'lock.released' && this.#holder === owner) this.#holder = undefined;
  }

  get turns(): Turns {
    return {
      grants: this.#grants,
      outOfTurn: this.#outOfTurn,
      together: this.#together,
      passedMost: this.#passedMost,
    };
  }

  #acquired(owner: string): void {
    const [first] = this.#waiting.keys();
    if (first !== undefined && first !== owner) this.#outOfTurn += 1;
    if (this.#holder !== undefined) this.#together += 1;
    const askedAt = this.#waiting.get(owner);
    if (askedAt !== undefined) this.#passedMost = Math.max(this.#passedMost, this.#grants - askedAt);
    this.#waiting.delete(owner);
    this.#grants += 1;
    this.#holder = owner;
  }
}

/** How many locks were had while another contender still had not asked for the release of his. */
export function overlaps(hadAt: Float64Array, leftAt: Float64Array): number {
  const order = Array.from(hadAt, (_, at) => at).sort((a, b) => (hadAt[a] ?? 0) - (hadAt[b] ?? 0));
  let count = 0;
  let free = -Infinity;
  for (const at of order) {
    if ((hadAt[at] ?? 0) < free) count += 1;
    free = Math.max(free, leftAt[at] ?? 0);
  }
  return count;
}
