/** What the agents of the demonstration do: small, real, and the same whoever does it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

export const KINDS = ['hash', 'count', 'compress'] as const;
export type Kind = (typeof KINDS)[number];

export type Found = { readonly [name: string]: string | number };

const compressed = promisify(gzip);

export function isKind(text: string): text is Kind {
  return KINDS.some((kind) => kind === text);
}

export async function work(kind: Kind, folder: string, path: string): Promise<Found> {
  const bytes = await readFile(join(folder, path));
  switch (kind) {
    case 'hash':
      return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    case 'count':
      return count(bytes);
    case 'compress':
      return { bytes: bytes.length, gzip: (await compressed(bytes, { level: 9 })).length };
  }
}

/** Lines and words as wc counts them: line feeds, and runs of bytes that are not white space. */
function count(bytes: Uint8Array): Found {
  let lines = 0;
  let words = 0;
  let inside = false;
  for (const byte of bytes) {
    if (byte === 0x0a) lines += 1;
    const space = byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
    if (!space && !inside) words += 1;
    inside = !space;
  }
  return { bytes: bytes.length, lines, words };
}
