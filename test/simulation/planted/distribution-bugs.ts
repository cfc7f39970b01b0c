/** Planted bugs in distributed tasks. */
import type { PlantedBug } from './bug.ts';

export const DISTRIBUTION_BUGS: readonly PlantedBug[] = [
  {
    name: 'half-is-a-majority',
    file: 'src/engine/trees/distribute.ts',
    find: 'majority: Math.floor(total / 2) + 1,',
    replace: 'majority: Math.ceil(total / 2),',
    breaks: 'Half of the parts count as most of them.',
    invariants: ['Y'],
  },
  {
    name: 'missed-is-found-late',
    file: 'src/engine/trees/outcomes.ts',
    find: "return completed + left < need ? 'missed' : 'open';",
    replace: "return left === 0 ? 'missed' : 'open';",
    breaks: 'A distributed task that can reach its decision no more waits for its last part.',
    invariants: ['Y'],
  },
  {
    name: 'decision-leaves-parts',
    file: 'src/engine/trees/subtasks.ts',
    find: "finish(c, { task, change: { status: 'completed', percent: 100 }, children: 'cancel' });",
    replace: "finish(c, { task, change: { status: 'completed', percent: 100 }, children: 'leave' });",
    breaks: 'Parts go on when their whole is decided.',
    invariants: ['W'],
  },
  {
    name: 'best-of-takes-first',
    file: 'src/engine/trees/outcomes.ts',
    find: "return left > 0 ? 'open' : completed > 0 ? 'reached' : 'missed';",
    replace: "return completed > 0 ? 'reached' : left > 0 ? 'open' : 'missed';",
    breaks: 'The best of several is the first of them that completes.',
    invariants: ['Y'],
  },
  {
    name: 'average-over-all-parts',
    file: 'src/engine/trees/outcomes.ts',
    find: 'const count = numbers(outcomes).length;',
    replace: 'const count = outcomes.length;',
    breaks: 'Parts that gave no number count in the average.',
    invariants: ['Y'],
  },
  {
    name: 'last-is-first',
    file: 'src/engine/trees/outcomes.ts',
    find: "if (distribution.aggregate === 'first') return { ...family, outcomes };",
    replace: "if (distribution.aggregate === 'first') return { ...family, outcomes, chosen: mine };",
    breaks: 'The output of the part that completed last is the result.',
    invariants: ['Y'],
  },
  {
    name: 'whole-is-a-dead-letter',
    file: 'src/engine/trees/ending.ts',
    find: '    task.dead = false;\n',
    replace: '',
    breaks: 'A distributed task that failed is a dead letter.',
    invariants: ['N'],
  },
];
