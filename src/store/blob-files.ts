/**
 * Blobs as files of the data directory: `blobs/<tenant>/<two digits>/<hash>`.
 *
 * BF1 A file has its name only when all of it is on the disk; what a crash leaves ends in `.part` and is written over.
 */
import { createHash } from 'node:crypto';
import { access, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Blobs } from './blobs.ts';

export function blobFiles(data: string): Blobs {
  const pathOf = (tenant: string, sha256: string): string => join(data, 'blobs', tenant, sha256.slice(0, 2), sha256);
  const made = new Set<string>();
  /** Of two that write the same at once each has a file of its own. */
  let parts = 0;

  async function folder(path: string): Promise<void> {
    if (made.has(path)) return;
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    if (first !== undefined) for (let at = path; at.length >= dirname(first).length; at = dirname(at)) await sync(at);
    made.add(path);
  }

  async function put(path: string, bytes: Uint8Array): Promise<void> {
    await folder(dirname(path));
    if (!(await exists(path))) {
      parts += 1;
      const part = `${path}.${parts}.part`;
      await write(part, bytes);
      await rename(part, path); // BF1
    }
    await sync(dirname(path));
  }

  async function get({ tenant, sha256 }: Named): Promise<Uint8Array | undefined> {
    try {
      const bytes = await readFile(pathOf(tenant, sha256));
      return createHash('sha256').update(bytes).digest('hex') === sha256 ? bytes : undefined; // BL2
    } catch {
      return undefined;
    }
  }

  async function faultOf({
    tenant,
    sha256,
    bytes,
  }: Named & { readonly bytes: Uint8Array }): Promise<Error | undefined> {
    try {
      await put(pathOf(tenant, sha256), bytes);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  const tell = async <T>(found: Promise<T>, done: (found: T) => void): Promise<void> => done(await found);
  return {
    put: (blob, done) => void tell(faultOf(blob), done),
    get: (blob, done) => void tell(get(blob), done),
  };
}

interface Named {
  readonly tenant: string;
  readonly sha256: string;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
