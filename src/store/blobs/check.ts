/** Looks at the blobs of a data directory that no server has open: in `blobs.db`, or in the files of versions before (from-files.ts). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BlobDatabase } from './database.ts';
import { readFile } from './from-files.ts';
import type { BlobHash } from './port.ts';

/** `lost`: it is there and is not what was put. */
export type BlobFound = { readonly bytes: number } | 'absent' | 'lost';

export class BlobsCheck {
  readonly #dir: string;
  readonly #database: BlobDatabase | undefined;
  /** Why `blobs.db` cannot be asked at all. */
  readonly unreadable: string | undefined;

  constructor(dir: string) {
    this.#dir = dir;
    if (!existsSync(join(dir, 'blobs.db'))) return;
    try {
      this.#database = new BlobDatabase(dir);
    } catch (error) {
      this.unreadable = error instanceof Error ? error.message : String(error);
    }
  }

  find(tenant: string, name: BlobHash): BlobFound {
    const got = this.#database?.get(tenant, name);
    if (got?.kind === 'found') return { bytes: got.data.length };
    const file = readFile(this.#dir, tenant, name);
    if (file === 'absent') return got?.kind ?? 'absent';
    return file === 'lost' ? 'lost' : { bytes: file.length };
  }

  close(): void {
    this.#database?.close();
  }
}
