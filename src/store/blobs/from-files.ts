/**
 * Texts as versions before kept them: files of the data directory, `blobs/<tenant>/<two digits>/<hash>`. A start moves them into the blobs.
 *
 * FF1 A file is removed only when its text is durable in the blobs: a crash leaves some here and some there, and the next start goes on.
 * FF2 A file that is not what its name says stays where it is.
 */
import { hash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BlobHash, Blobs } from './port.ts';

/** Below a data directory, and below a backup of a version before. */
export const FILES = 'blobs';
/** So many bytes are put at once. */
const BATCH_BYTES = 4 * 1024 * 1024;
const NAME = /^[0-9a-f]{64}$/;

export interface Moved {
  readonly moved: number;
  /** FF2 */
  readonly left: readonly string[];
}

interface Found {
  readonly path: string;
  readonly data: Uint8Array;
}

/** Rejects if the disk has no room. */
export async function moveFiles(data: string, blobs: Blobs): Promise<Moved> {
  const left: string[] = [];
  let moved = 0;
  for (const tenant of namesIn(join(data, FILES))) {
    const folder = join(data, FILES, tenant);
    for (const batch of batchesOf(folder, left)) {
      await put(blobs, tenant, batch);
      for (const { path } of batch) rmSync(path); // FF1
      moved += batch.length;
    }
  }
  if (left.length === 0) removeEmpty(join(data, FILES));
  return { moved, left };
}

/** The text of a hash that no start has moved yet. */
export function readFile(data: string, tenant: string, name: BlobHash): Uint8Array | 'absent' | 'lost' {
  const path = join(data, FILES, tenant, name.slice(0, 2), name);
  if (!existsSync(path)) return 'absent';
  try {
    const text = readFileSync(path);
    return hash('sha256', text, 'hex') === name ? text : 'lost';
  } catch {
    return 'lost';
  }
}

function* batchesOf(folder: string, left: string[]): Generator<readonly Found[]> {
  let batch: Found[] = [];
  let bytes = 0;
  for (const part of namesIn(folder)) {
    for (const name of namesIn(join(folder, part))) {
      const path = join(folder, part, name);
      if (!NAME.test(name)) {
        rmSync(path); // a text that was being written when a process ended
        continue;
      }
      const data = readFileSync(path);
      if (hash('sha256', data, 'hex') !== name) {
        left.push(path); // FF2
        continue;
      }
      batch.push({ path, data });
      bytes += data.length;
      if (bytes < BATCH_BYTES) continue;
      yield batch;
      batch = [];
      bytes = 0;
    }
  }
  if (batch.length > 0) yield batch;
}

function put(blobs: Blobs, tenant: string, batch: readonly Found[]): Promise<void> {
  return new Promise((done, failed) => {
    blobs.put(
      tenant,
      batch.map(({ data }) => data),
      (outcome) => {
        if (outcome.kind !== 'stored')
          return failed(new Error('There is no room on the disk for the texts of documents.'));
        outcome.release();
        done();
      },
    );
  });
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Folders alone are in it. */
function removeEmpty(folder: string): void {
  const names = namesIn(folder);
  for (const name of names) removeEmpty(join(folder, name));
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
