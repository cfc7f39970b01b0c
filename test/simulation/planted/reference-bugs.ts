/** Planted bugs in choices and counts that only the reference, which decides them too, can see. */
import type { PlantedBug } from './bug.ts';

export const REFERENCE_BUGS: readonly PlantedBug[] = [
  {
    name: 'round-robin-forgets',
    file: 'src/engine/assignment/strategies.ts',
    find: `round_robin: { width: 1, keysFor: () => byTurn },`,
    replace: `round_robin: { width: 2, keysFor: () => byLoad },`,
    breaks: 'Strategy round_robin gives to the least loaded.',
    invariants: ['reference'],
  },
  {
    name: 'specialists-last',
    file: 'src/engine/assignment/strategies.ts',
    find: 'to[1] = fit.capabilities;',
    replace: 'to[1] = -fit.capabilities;',
    breaks: 'Of equally good agents capability_match takes the one that can do most besides.',
    invariants: ['reference'],
  },
  {
    name: 'failed-place-first',
    file: 'src/engine/assignment/groups.ts',
    find: `      if (task.failedOn?.includes(agent.id) !== true) return agent;
      second ??= agent;`,
    replace: `      return agent;`,
    breaks: 'A task that failed goes back to the agent on which it failed, though others are free.',
    invariants: ['reference'],
  },
];
