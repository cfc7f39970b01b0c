/** What is held until its entry is decided (B4 of port.ts): counted, since the same text may be on its way twice. */
import { assert } from '../../base/assert.ts';
import type { BlobHash, BlobHold } from './port.ts';

const HASH_LENGTH = 64;

export class Holds {
  readonly #counts = new Map<string, number>();

  hold(tenant: string, hashes: readonly BlobHash[]): BlobHold {
    const keys = hashes.map((hash) => keyOf(tenant, hash));
    for (const key of keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    let held = true;
    return {
      release: () => {
        assert(held, 'a hold is released once');
        held = false;
        for (const key of keys) this.#release(key);
      },
    };
  }

  of(tenant: string): readonly BlobHash[] {
    return [...this.#counts.keys()]
      .filter((key) => key.slice(HASH_LENGTH) === tenant)
      .map((key) => key.slice(0, HASH_LENGTH));
  }

  has(tenant: string, hash: BlobHash): boolean {
    return this.#counts.has(keyOf(tenant, hash));
  }

  #release(key: string): void {
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }
}

/** A hash has a fixed length, so no two pairs have the same key. */
const keyOf = (tenant: string, hash: BlobHash): string => `${hash}${tenant}`;
