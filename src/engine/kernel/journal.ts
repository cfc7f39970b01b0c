/**
 * The undo journal of one command: what to call, newest first, to be back at its start.
 *
 * K1 Every change of state goes through a structure that records its undo here first.
 * K2 `commit` forgets, `rollback` restores; between them the journal belongs to exactly one command.
 */

import { must } from '../../base/assert.ts';

/** A structure that can take back one change that it made. */
export interface Undoable {
  undo(key: unknown, before: unknown): void;
}

/** Places that are kept for the next command instead of being given back. */
const KEPT_MAX = 1_024;

export class Journal {
  readonly #targets: (Undoable | undefined)[] = [];
  readonly #keys: unknown[] = [];
  readonly #befores: unknown[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  record(target: Undoable, key: unknown, before: unknown): void {
    const at = this.#length;
    this.#targets[at] = target;
    this.#keys[at] = key;
    this.#befores[at] = before;
    this.#length = at + 1;
  }

  /** The places are written over by the next command: emptying three arrays for each costs more than it frees. */
  commit(): void {
    if (this.#length > KEPT_MAX) {
      this.#targets.length = KEPT_MAX;
      this.#keys.length = KEPT_MAX;
      this.#befores.length = KEPT_MAX;
    }
    this.#length = 0;
  }

  rollback(): void {
    for (let i = this.#length - 1; i >= 0; i -= 1) {
      must(this.#targets[i], 'a change has a target').undo(this.#keys[i], this.#befores[i]);
    }
    this.commit();
  }
}
