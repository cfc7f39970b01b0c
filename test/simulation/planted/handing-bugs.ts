/** Planted bugs in delegation. */
import type { PlantedBug } from './bug.ts';

export const HANDING_BUGS: readonly PlantedBug[] = [
  {
    name: 'handed-back',
    file: 'src/engine/trees/delegate.ts',
    find: 'if (agent !== undefined && chain.names.includes(agent)) {',
    replace: 'if (agent !== undefined && chain.names.at(-1) === agent) {',
    breaks: 'A task can be handed on, by name, to an agent that handed it on before.',
    invariants: ['X'],
  },
  {
    name: 'chain-not-barred',
    file: 'src/engine/trees/delegate.ts',
    find: 'const barred = named === undefined ? names.map(barOf) : [];',
    replace: 'const barred: readonly string[] = [];',
    breaks: 'What is handed on to whoever can do it may come back to an agent that handed it on.',
    invariants: ['X'],
  },
  {
    name: 'handed-once-too-often',
    file: 'src/engine/trees/delegate.ts',
    find: 'if (chain.delegations >= LIMITS.delegationsMax)',
    replace: 'if (chain.delegations > LIMITS.delegationsMax)',
    breaks: 'A task is handed on once more than it may be.',
    invariants: ['X'],
  },
  {
    name: 'handed-to-anybody',
    file: 'src/engine/trees/delegate.ts',
    find: 'if (agent !== undefined) return [bySelf.name(agent)];',
    replace: 'if (agent !== undefined) return undefined;',
    breaks: 'What is handed on by name is given to whoever is free.',
    invariants: ['X'],
  },
  {
    name: 'handing-on-is-a-failure',
    file: 'src/engine/trees/delegate.ts',
    find: '    change: {\n      ...aim,',
    replace: '    change: {\n      failures: task.failures + 1,\n      ...aim,',
    breaks: 'Handing a task on counts as a failed attempt.',
    invariants: ['46'],
  },
];
