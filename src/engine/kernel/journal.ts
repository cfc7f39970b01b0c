/**
 * The undo journal of one command: what to call, newest first, to be back at its start.
 *
 * K1 Every change of state goes through a structure that records its undo here first.
 * K2 `commit` forgets, `rollback` restores; between them the journal belongs to exactly one command.
 */

/** A structure that can take back one change that it made. */
export interface Undoable {
  undo(key: unknown, before: unknown): void;
}

export class Journal {
  readonly #targets: Undoable[] = [];
  readonly #keys: unknown[] = [];
  readonly #befores: unknown[] = [];

  get length(): number {
    return this.#targets.length;
  }

  record(target: Undoable, key: unknown, before: unknown): void {
    this.#targets.push(target);
    this.#keys.push(key);
    this.#befores.push(before);
  }

  commit(): void {
    this.#targets.length = 0;
    this.#keys.length = 0;
    this.#befores.length = 0;
  }

  rollback(): void {
    for (let i = this.#targets.length - 1; i >= 0; i -= 1) {
      (this.#targets[i] as Undoable).undo(this.#keys[i], this.#befores[i]);
    }
    this.commit();
  }
}
