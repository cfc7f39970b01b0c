/** Which lock an earlier one of its requests was granted: few locks have more than one. */
import type { LockRecord } from './lock-records.ts';

export class EarlierRequests {
  readonly #locks = new Map<string, LockRecord>();

  change(before: LockRecord | undefined, after: LockRecord | undefined): void {
    for (const id of before?.earlier ?? []) this.#locks.delete(id);
    if (after !== undefined) for (const id of after.earlier ?? []) this.#locks.set(id, after);
  }

  of(request: string): LockRecord | undefined {
    return this.#locks.get(request);
  }

  clear(): void {
    this.#locks.clear();
  }
}
