/** The files of a folder that the demonstration works on. */
import { readdirSync, statSync, type Stats } from 'node:fs';
import { join, relative } from 'node:path';
import { byCodeUnits } from '../../base/order.ts';
import { usage } from '../exit.ts';

export interface PickedFile {
  /** Relative to the folder. */
  readonly path: string;
  readonly bytes: number;
  readonly changedAt: number;
}

const SKIPPED: ReadonlySet<string> = new Set(['node_modules', 'dist', 'muster-data']);
const BYTES_MAX = 4 * 1024 * 1024;
/** Entries looked at, so that a home folder does not take minutes. */
const ENTRIES_MAX = 50_000;

export interface Picked {
  readonly files: readonly PickedFile[];
  /** How many there were to pick from. */
  readonly found: number;
}

/** At most `max` files, spread over the folder; hidden ones and folders of tools are left out. */
export function pickFiles(folder: string, max: number): Picked {
  const found: PickedFile[] = [];
  let seen = 0;
  const queue = [folder];
  for (let at = queue.shift(); at !== undefined && seen < ENTRIES_MAX; at = queue.shift()) {
    for (const entry of entriesOf(at, at === folder)) {
      seen += 1;
      if (entry.name.startsWith('.') || SKIPPED.has(entry.name)) continue;
      const path = join(at, entry.name);
      if (entry.isDirectory()) queue.push(path);
      else if (entry.isFile()) {
        const stats = statOf(path);
        if (stats !== undefined && stats.size > 0 && stats.size <= BYTES_MAX)
          found.push({ path: relative(folder, path), bytes: stats.size, changedAt: stats.mtimeMs });
      }
    }
  }
  if (found.length === 0) throw usage(`There is no file in ${folder} that the demonstration could work on.`);
  found.sort((a, b) => byCodeUnits(a.path, b.path));
  const step = Math.max(1, found.length / max);
  const picked = Array.from({ length: Math.min(max, found.length) }, (_, i) => found[Math.floor(i * step)]);
  return { files: picked.filter((file) => file !== undefined), found: found.length };
}

/** False if the file is no longer what it was when it was picked. */
export function isUnchanged(folder: string, file: PickedFile): boolean {
  const stats = statOf(join(folder, file.path));
  return stats !== undefined && stats.size === file.bytes && stats.mtimeMs === file.changedAt;
}

function entriesOf(folder: string, isTop: boolean): ReturnType<typeof readEntries> {
  try {
    return readEntries(folder);
  } catch (error) {
    if (isTop) throw usage(`${folder} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

function readEntries(folder: string) {
  return readdirSync(folder, { withFileTypes: true });
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
