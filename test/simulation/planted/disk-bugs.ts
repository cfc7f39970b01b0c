/** Planted bugs in what is done about errors of the disk. */
import type { PlantedBug } from './bug.ts';

export const DISK_BUGS: readonly PlantedBug[] = [
  {
    name: 'snapshot-error-ignored',
    file: 'src/node/checkpoint.ts',
    find: `        if (fault !== undefined) return failed(fault);
        parts.scheduler.after(REST_MS, next); // C5`,
    replace: `        parts.scheduler.after(REST_MS, next); // C5`,
    breaks: 'A snapshot of which a piece could not be written counts.',
    invariants: ['9'],
  },
  {
    name: 'damaged-snapshot-used',
    file: 'src/node/checkpoint.ts',
    find: `    done(problem === undefined ? engine : undefined);`,
    replace: `    done(engine);`,
    breaks: 'A snapshot that is damaged, or could not be read whole, is used as far as it was read.',
    invariants: ['8', '9', '7', '4', '47', '75'],
  },
];
