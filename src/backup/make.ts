/**
 * Copies of a data directory while a server serves it.
 *
 * BK1 The store is copied before the log: it may lack what the log has, which a start puts in again, and never the other way round.
 *     Snapshots are those from before both, each of which counted only when the store had what left memory before it.
 * BK2 Log and store are held from the first copy to the last (log/sqlite/commit.ts, store/sqlite/database.ts): their files stay as they
 *     are and their write-ahead logs only grow, so nothing waits for a copy. No entry behind the oldest snapshot is forgotten.
 * BK3 The head record is copied before the log: it is never ahead of it.
 * BK4 A backup has its name only when all of it is on the disk; what a crash leaves ends in `.part` and is removed by the next.
 * BK5 Texts of documents are copied after the log: each was on the disk before the entry that names it. They are held from before the first copy
 *     on, so that none is removed meanwhile (store/blobs/database.ts).
 */
import { constants } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BackupView } from '../../protocol/wire/backup.ts';
import { FORMAT, MANIFEST, type Manifest } from './manifest.ts';

/** What can be held still while it is copied. */
export interface Held {
  hold(done: (fault?: Error) => void): void;
  release(): void;
}

export interface BackupParts {
  readonly data: string;
  /** Where backups are kept. */
  readonly folder: string;
  readonly log: Held & { readonly snapshots: { readonly paths: readonly string[] } };
  readonly store: Held;
  readonly blobs: Held;
  readonly version: string;
  /** Wall ms. */
  readonly now: () => number;
}

const PART = '.part';

export class Backups {
  readonly #parts: BackupParts;
  #making = false;

  constructor(parts: BackupParts) {
    this.#parts = parts;
  }

  /** Undefined: one is being made. Rejects when it cannot be made; then nothing of it is left. */
  async make({ keep }: { readonly keep?: number }): Promise<BackupView | undefined> {
    if (this.#making) return undefined;
    this.#making = true;
    try {
      return await this.#make(keep);
    } finally {
      this.#making = false;
    }
  }

  async #make(keep: number | undefined): Promise<BackupView> {
    const { folder, now } = this.#parts;
    const createdAt = now();
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const before = await readdir(folder);
    for (const name of before) if (name.endsWith(PART)) await rm(join(folder, name), { recursive: true }); // BK4
    const name = nameFor(createdAt, before);
    const part = join(folder, `${name}${PART}`);
    try {
      const bytes = await this.#copyAll(part, createdAt);
      await rename(part, join(folder, name)); // BK4
      await syncFolder(folder);
      const removed = keep === undefined ? [] : await this.#removeAllBut(keep);
      return { name, folder: join(folder, name), createdAt, bytes, removed };
    } catch (error) {
      await rm(part, { recursive: true, force: true });
      throw error;
    }
  }

  async #copyAll(part: string, createdAt: number): Promise<number> {
    const { data, log, store, blobs, version } = this.#parts;
    await mkdir(join(part, 'snapshots'), { recursive: true, mode: 0o700 });
    const copy = new Copy(data, part);
    const releaseBlobs = await held([blobs]); // BK5
    try {
      const release = await held([log, store]);
      try {
        const snapshots = log.snapshots.paths; // BK1
        await copy.all(['store.db', 'store.db-wal', 'head', 'muster.db', 'muster.db-wal', 'admin.key']); // BK1, BK3
        for (const path of snapshots) await copy.one(join('snapshots', basename(path)));
      } finally {
        release();
      }
      await copy.all(['blobs.db', 'blobs.db-wal']); // BK5
    } finally {
      releaseBlobs();
    }
    const manifest: Manifest = { format: FORMAT, version, createdAt, files: copy.files };
    await writeFile(join(part, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600, flush: true });
    for (const folder of ['snapshots', '.']) await syncFolder(join(part, folder));
    return copy.bytes;
  }

  /** The newest stay. */
  async #removeAllBut(keep: number): Promise<readonly string[]> {
    const { folder } = this.#parts;
    const names = (await readdir(folder)).filter((name) => NAME.test(name)).toSorted();
    const old = names.slice(0, Math.max(0, names.length - keep));
    for (const name of old) await rm(join(folder, name), { recursive: true });
    return old;
  }
}

const NAME = /^\d{8}T\d{9}Z(-\d+)?$/;

/** The instant, so that names are in the order in which they were made. */
function nameFor(at: number, taken: readonly string[]): string {
  const name = new Date(at).toISOString().replaceAll(/[-:.]/g, '');
  for (let count = 1; ; count += 1) {
    const tried = count === 1 ? name : `${name}-${count}`;
    if (!taken.includes(tried)) return tried;
  }
}

class Copy {
  readonly #from: string;
  readonly #to: string;
  readonly files: { [name: string]: number } = {};
  bytes = 0;

  constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
  }

  /** Those that are there; a write-ahead log that is empty may not be. */
  async all(names: readonly string[]): Promise<void> {
    for (const name of names) {
      try {
        await this.one(name);
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
  }

  async one(name: string): Promise<void> {
    const to = join(this.#to, name);
    // Where the file system can, the copy shares its blocks.
    await copyFile(join(this.#from, name), to, constants.COPYFILE_FICLONE);
    const file = await open(to, 'r+');
    try {
      await file.chmod(0o600);
      await file.sync();
      const { size } = await file.stat();
      this.files[name] = size;
      this.bytes += size;
    } finally {
      await file.close();
    }
  }
}

/** All or none. What it returns lets them go. */
async function held(those: readonly Held[]): Promise<() => void> {
  const got: Held[] = [];
  const release = (): void => {
    for (const one of got) one.release();
  };
  for (const one of those) {
    const fault = await new Promise<Error | undefined>((done) => one.hold(done));
    got.push(one);
    if (fault === undefined) continue;
    release();
    throw fault;
  }
  return release;
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
