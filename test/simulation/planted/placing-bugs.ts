/** Planted bugs in what tasks ask of agents, and of each other. */
import type { PlantedBug } from './bug.ts';

export const PLACING_BUGS: readonly PlantedBug[] = [
  {
    name: 'selectors-not-looked-at',
    file: 'src/engine/assignment/group.ts',
    find: `    for (const selector of this.selectors) if (!selectsAgent(selector, agent)) return undefined;
`,
    replace: '',
    breaks: 'Tasks go to agents without the labels that they select.',
    invariants: ['44'],
  },
  {
    name: 'labels-not-told',
    file: 'src/engine/assignment/groups.ts',
    find: '    before.labels === after.labels &&\n',
    replace: '',
    breaks: 'When labels of an agent change it still counts as what it was.',
    invariants: ['44', '23'],
  },
  {
    name: 'concurrency-off-by-one',
    file: 'src/engine/assignment/groups.ts',
    find: 'this.#state.heldByKey.count(concurrency.key) >= concurrency.max;',
    replace: 'this.#state.heldByKey.count(concurrency.key) > concurrency.max;',
    breaks: 'One task more than its concurrency key allows is held.',
    invariants: ['Q'],
  },
  {
    name: 'drop-new-off-by-one',
    file: 'src/engine/assignment/keys.ts',
    find: 'if (open < max) return undefined;',
    replace: 'if (open <= max) return undefined;',
    breaks: 'One task more than its concurrency key allows is created.',
    invariants: ['Q'],
  },
  {
    name: 'room-not-told',
    file: 'src/engine/tasks/moves.ts',
    find: `    c.events.push({ kind: 'followed', work: { kind: 'unblock', key: task.concurrency.key } });
`,
    replace: '',
    breaks: 'Nobody looks for a task to follow when there is room under a concurrency key.',
    invariants: ['23'],
  },
  {
    name: 'sticky-not-looked-at',
    file: 'src/engine/assignment/groups.ts',
    find: `      if (!failed && hasFreeSlot(stuck) && !isExcluded(task, stuck) && letsNow(group, task, stuck)) return stuck;
`,
    replace: '',
    breaks: 'Tasks of a soft key go to whom the strategy prefers.',
    invariants: ['R'],
  },
  {
    name: 'quarantine-short',
    file: 'src/engine/agents/quarantine.ts',
    find: 'const QUARANTINE_MS = 60_000;',
    replace: 'const QUARANTINE_MS = 6_000;',
    breaks: 'An agent that keeps failing is given work again after a tenth of the time.',
    invariants: ['44'],
  },
];
