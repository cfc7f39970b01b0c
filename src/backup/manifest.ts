/** What a backup says of itself: which files there are, and that it is whole. */
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize } from 'node:path';

export const MANIFEST = 'backup.json';
export const FORMAT = 1;
/** Where texts of documents are in data directories and backups of versions before. */
export const BLOBS = 'blobs';

export interface Manifest {
  readonly format: typeof FORMAT;
  /** Of the server that made it. */
  readonly version: string;
  readonly createdAt: number;
  /** Path below the backup's folder → bytes. */
  readonly files: { readonly [name: string]: number };
}

/** It is no backup, or not a whole one. */
export class BackupFault extends Error {
  override readonly name = 'BackupFault';
}

/** Rejects with a BackupFault. What is in the files is looked at by whoever opens them. */
export async function readManifest(folder: string): Promise<Manifest> {
  let text: string;
  try {
    text = await readFile(join(folder, MANIFEST), 'utf8');
  } catch (error) {
    throw new BackupFault(`${folder} is no backup: ${MANIFEST} cannot be read`, { cause: error });
  }
  const manifest = parsed(text, folder);
  for (const [name, bytes] of Object.entries(manifest.files)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.size === bytes) continue;
    throw new BackupFault(
      `${folder} is not whole: ${name} ${found === undefined ? 'is missing' : `has ${found.size} bytes instead of ${bytes}`}`,
    );
  }
  return manifest;
}

function parsed(text: string, folder: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BackupFault(`${MANIFEST} of ${folder} is not JSON`, { cause: error });
  }
  if (!isMap(value)) throw new BackupFault(`${MANIFEST} of ${folder} is not what it should be`);
  const { format, version, createdAt, files } = value;
  if (typeof format === 'number' && format !== FORMAT)
    throw new BackupFault(`${folder} has format ${format}, this build reads ${FORMAT}`);
  if (format !== FORMAT || typeof version !== 'string' || typeof createdAt !== 'number' || !isFiles(files))
    throw new BackupFault(`${MANIFEST} of ${folder} is not what it should be`);
  return { format, version, createdAt, files };
}

function isMap(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFiles(value: unknown): value is Manifest['files'] {
  return (
    isMap(value) &&
    'muster.db' in value &&
    'head' in value &&
    Object.entries(value).every(
      ([name, bytes]) => Number.isSafeInteger(bytes) && !isAbsolute(name) && !normalize(name).startsWith('..'),
    )
  );
}
