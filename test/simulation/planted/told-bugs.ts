/** Planted bugs in what is told of tasks afterwards: timelines and statistics. */
import type { PlantedBug } from './bug.ts';

export const TOLD_BUGS: readonly PlantedBug[] = [
  {
    name: 'counted-again-by-replay',
    file: 'src/store/tally.ts',
    find: `    if (rev <= this.counted) return;
`,
    replace: '',
    breaks: 'What a start replays of the log is counted once more.',
    invariants: ['told'],
  },
  {
    name: 'end-not-in-timeline',
    file: 'src/node/timeline.ts',
    find: 'Math.min(rev, task.rev + ENTRY_REVS)',
    replace: 'Math.min(rev, task.rev)',
    breaks: 'The timeline of a finished task ends before the events of the entry that ended it.',
    invariants: ['told'],
  },
  {
    name: 'dead-letters-not-counted',
    file: 'src/engine/trees/families.ts',
    find: "if (dead) effects.counted({ kind: 'dead', type, agentId, ms: 0 });",
    replace: "if (dead && agentId !== undefined) effects.counted({ kind: 'dead', type, agentId, ms: 0 });",
    breaks: 'Dead letters that no agent ever held are not counted as such.',
    invariants: ['told'],
  },
  {
    name: 'counted-when-it-leaves',
    file: 'src/engine/trees/families.ts',
    find: '  if (record.finishedAt !== undefined && before?.finishedAt === undefined) countEnd(record, effects);',
    replace: '  if (isOver(record)) countEnd(record, effects);',
    breaks: 'A task that completed while others go on below it is not counted.',
    invariants: ['told'],
  },
];
