/** A build of the product with a planted bug, for processes of their own; the checkout is not touched. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { PlantedBug } from './bug.ts';
import { builtName, compiledFile, compilePlanted, rootFolder } from './sources.ts';

/** What a simulation loads. */
const FOLDERS = ['src', 'protocol', 'test/simulation', 'test/support'];

/** Fills an empty folder with what dist/ holds, one file of it made anew of its changed source. */
export function buildPlanted(place: string, bug: PlantedBug): void {
  const filter = (path: string): boolean => !/\.(?:map|d\.ts)$/.test(path);
  for (const folder of FOLDERS)
    cpSync(join(rootFolder(), 'dist', folder), join(place, folder), { recursive: true, filter });
  compilePlanted(place, [bug], 'nodenext');
  cpSync(join(place, compiledFile(bug)), join(place, builtName(bug.file)));
}
