/** Planted bugs in schedules and in what is done with dead letters. */
import type { PlantedBug } from './bug.ts';

export const SCHED_BUGS: readonly PlantedBug[] = [
  {
    name: 'occurrence-again',
    file: 'src/engine/schedules/firing.ts',
    find: 'put(c, finished(c, { ...run(s, c, { schedule: waiting, at: next }), cursor: next }));',
    replace: 'put(c, finished(c, run(s, c, { schedule: waiting, at: next })));',
    breaks:
      'The cursor of a schedule does not pass an occurrence that its timer dealt with, so that it is proposed again.',
    invariants: ['S'],
  },
  {
    name: 'late-occurrence-forgotten',
    file: 'src/engine/schedules/firing.ts',
    find: 'return void put(c, waiting);',
    replace: 'return void put(c, { ...waiting, cursor: c.now });',
    breaks: 'Occurrences that passed while nobody served are dropped whatever the policy says.',
    invariants: ['S'],
  },
  {
    name: 'overlap-ignored',
    file: 'src/engine/schedules/firing.ts',
    find: "if (running && overlap !== 'allow')",
    replace: "if (running && overlap === 'buffer')",
    breaks: 'A schedule that skips makes a task while the one before runs.',
    invariants: ['S'],
  },
  {
    name: 'letter-stays-open',
    file: 'src/engine/letters/runs.ts',
    find: "  mark(c, letter, { state: 'replayed', replayedAs: task.id, by: run.createdBy });\n",
    replace: '',
    breaks: 'A letter that a run replayed stays in the queue, for the next one to replay again.',
    invariants: ['O'],
  },
  {
    name: 'run-ends-early',
    file: 'src/engine/letters/runs.ts',
    find: 'if (isUsedUp(run) || (all && feed.next === undefined)) {',
    replace: 'if (isUsedUp(run) || feed.next === undefined) {',
    breaks:
      'A run over dead letters ends with the last letters that were read for it, though its rate has not let them pass.',
    invariants: ['47'],
  },
];
