/** Looks at the blobs of a data directory that no server has open: in `blobs.db`, or in the files of versions before (from-files.ts). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../database.ts';
import { BlobDatabase } from './database.ts';
import { readFile } from './from-files.ts';
import type { BlobHash } from './port.ts';

/** `lost`: it is there and is not what was put. */
export type BlobFound = { readonly bytes: number } | 'absent' | 'lost';

export interface UnnamedBlobs {
  readonly blobs: number;
  readonly unnamed: number;
  readonly unnamedBytes: number;
}

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

  /** How many there are in `blobs.db`, and how many of them are not named; or why that cannot be said. */
  count(tenant: string, named: ReadonlySet<BlobHash>): UnnamedBlobs | Error {
    let [blobs, unnamed, unnamedBytes] = [0, 0, 0];
    try {
      for (const { hash, bytes } of this.#database?.sizes(tenant) ?? []) {
        blobs += 1;
        if (named.has(hash)) continue;
        unnamed += 1;
        unnamedBytes += bytes;
      }
    } catch (error) {
      if (error instanceof Error && codeOf(error)?.startsWith('SQLITE_CORRUPT') === true) return error;
      throw error;
    }
    return { blobs, unnamed, unnamedBytes };
  }

  close(): void {
    this.#database?.close();
  }
}
