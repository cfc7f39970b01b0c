/** Planted bugs in what is done about errors of the disk. */
import type { PlantedBug } from './bug.ts';

export const DISK_BUGS: readonly PlantedBug[] = [
  {
    name: 'snapshot-error-ignored',
    file: 'src/node/checkpoint.ts',
    find: `        if (fault !== undefined) return failed(fault);
        parts.scheduler.after(restMs(), next); // C5`,
    replace: `        parts.scheduler.after(restMs(), next); // C5`,
    breaks: 'A snapshot of which a piece could not be written counts.',
    invariants: ['9'],
  },
  {
    name: 'changed-chunk-taken-again',
    file: 'src/node/snapshot-chunks.ts',
    find: `    if (record.row !== rows[records.length]) {`,
    replace: `    if (record.section !== 'tasks') {`,
    breaks: 'A chunk of the last snapshot stands in the next one though a task in it has changed.',
    invariants: ['9', '8'],
  },
  {
    name: 'damaged-snapshot-used',
    file: 'src/node/checkpoint.ts',
    find: `    done(problem === undefined ? engine : undefined);`,
    replace: `    done(engine);`,
    breaks: 'A snapshot that is damaged, or could not be read whole, is used as far as it was read.',
    invariants: ['8', '9', '7', '4', '47', '75'],
  },
  {
    name: 'full-disk-unnoticed',
    file: 'src/node/requests.ts',
    find: `    if (disk.freeBytes >= LIMITS.diskFreeBytes && disk.freePercent >= LIMITS.diskFreePercent) return undefined;`,
    replace: `    if (disk.freeBytes >= 0 && disk.freePercent >= 0) return undefined;`,
    breaks: 'New work is taken though the disk is nearly full.',
    invariants: ['77'],
  },
];
