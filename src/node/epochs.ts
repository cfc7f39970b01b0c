/**
 * Which positions that clients name are in this tenant's log.
 *
 * A log goes on in a new epoch after data were restored from an older copy, and after Redis was replaced by a server that may lack its end.
 * What was told after the last entry that the new epoch continues is lost, and its positions are below those that follow: by the number
 * alone a client that was told of it would be taken for one that missed something.
 *
 * EP1 A position of a former epoch is known up to where the log stood when the next one began; what is beyond was lost.
 * EP2 Where an epoch ended is learned from entries, and of those before the snapshot that the state was loaded from it is in the state, from
 *     `EPOCHS_VERSION` on. Of those that ended earlier, or that are too many, it is not known, and their positions count as lost: whoever names one
 *     reads anew, and loses nothing by it.
 * EP3 What a client was told is judged by all that it names: its position, and the rev of the newest answer that it got, which may be beyond that.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../base/assert.ts';
import { REV_EPOCH, type EpochBegun, type State } from '../engine/kernel/state.ts';

export class Epochs {
  /** Oldest first. Where the first one began behind others is not known. */
  #begun: readonly EpochBegun[];
  #rev: number;

  constructor({ counters: { epoch, epochs }, rev }: Pick<State, 'counters' | 'rev'>) {
    this.#begun = bounded(epochs ?? [{ epoch, after: 0 }]);
    this.#rev = rev;
  }

  /** An entry was applied, after all before it. */
  applied({ counters: { epoch }, rev }: Pick<State, 'counters' | 'rev'>): void {
    if (epoch > must(this.#begun.at(-1), 'an epoch').epoch)
      this.#begun = bounded([...this.#begun, { epoch, after: this.#rev }]);
    this.#rev = rev;
  }

  /** EP3 */
  knows(...revs: readonly number[]): boolean {
    return revs.every((rev) => rev <= this.#rev && this.#lost(rev) === undefined);
  }

  /** Up to where all is there of what was told to whoever names these positions, of which not all are known; undefined: that is not known. */
  kept(...revs: readonly number[]): number | undefined {
    const after = revs.map((rev) => (rev > this.#rev ? 0 : (this.#lost(rev)?.after ?? Infinity)));
    const least = Math.min(...after);
    return least === 0 || least === Infinity ? undefined : least;
  }

  /** EP1. Where the log went on without it. */
  #lost(rev: number): EpochBegun | undefined {
    return this.#begun.find(({ epoch, after }) => rev < epoch * REV_EPOCH && rev > after);
  }
}

/** EP2 */
function bounded(begun: readonly EpochBegun[]): readonly EpochBegun[] {
  const [oldest, ...others] = begun.slice(-LIMITS.epochsKept);
  return [{ epoch: must(oldest, 'an epoch').epoch, after: 0 }, ...others];
}
