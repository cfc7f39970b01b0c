/** The forms of the load on several nodes: the one that is part of all tests, and the one that is asked for. */
import type { LoadOptions } from './load.ts';

export const NODES = 3;

export const SHORT: Omit<LoadOptions, 'seed' | 'say'> = {
  agents: 20,
  tasks: 600,
  atOnce: 12,
  kills: [
    { after: 150, what: 'node' },
    { after: 350, what: 'redis' },
  ],
};

export const LONG: Omit<LoadOptions, 'seed' | 'say'> = {
  agents: 60,
  tasks: 12_000,
  atOnce: 24,
  kills: Array.from({ length: 11 }, (_, at) => ({ after: (at + 1) * 1_000, what: at % 2 === 0 ? 'node' : 'redis' })),
};
