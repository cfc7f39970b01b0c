/**
 * Which positions that clients name are in this tenant's log.
 *
 * A log goes on in a new epoch after data were restored from an older copy, and after Redis was replaced by a server that may lack its end.
 * What was told after the last entry that the new epoch continues is lost, and its positions are below those that follow: by the number
 * alone a client that was told of it would be taken for one that missed something.
 *
 * EP1 A position of a former epoch is known up to where the log stood when the next one began; what is beyond was lost.
 * EP2 Where an epoch ended is learned from entries. Of those that ended before the snapshot that the state was loaded from, or that are too
 *     many, it is not known, and their positions count as lost: whoever names one reads anew, and loses nothing by it.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../base/assert.ts';
import { REV_EPOCH, type State } from '../engine/kernel/state.ts';

interface Begun {
  readonly epoch: number;
  /** The log stood here. */
  readonly after: number;
}

export class Epochs {
  #begun: readonly Begun[];
  #rev: number;

  constructor({ counters: { epoch }, rev }: Pick<State, 'counters' | 'rev'>) {
    this.#begun = [{ epoch, after: 0 }]; // EP2
    this.#rev = rev;
  }

  /** An entry was applied, after all before it. */
  applied({ counters: { epoch }, rev }: Pick<State, 'counters' | 'rev'>): void {
    if (epoch > must(this.#begun.at(-1), 'an epoch').epoch) {
      const [oldest, ...others] = [...this.#begun, { epoch, after: this.#rev }].slice(-LIMITS.epochsKept);
      this.#begun = [{ epoch: must(oldest, 'an epoch').epoch, after: 0 }, ...others]; // EP2
    }
    this.#rev = rev;
  }

  knows(rev: number): boolean {
    return rev <= this.#rev && this.#begun.every(({ epoch, after }) => rev >= epoch * REV_EPOCH || rev <= after); // EP1
  }
}
