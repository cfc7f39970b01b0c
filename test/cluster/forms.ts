/** The forms of the load on several nodes: those that are part of all tests, and those that are asked for. */
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

/** One node after the other is stopped in order and started again, while all goes on. */
export const ROLLING_SHORT: Omit<LoadOptions, 'seed' | 'say'> = {
  name: 'rolling-',
  agents: 12,
  tasks: 400,
  atOnce: 12,
  kills: [60, 160, 260].map((after) => ({ after, what: 'restart' })),
};

/** The same with many agents under a steady load, each restart between two calm stretches of 20 s, which are what it is judged by. */
export const ROLLING: Omit<LoadOptions, 'seed' | 'say'> = {
  agents: 500,
  tasks: 12_000,
  perSecond: 100,
  atOnce: 200,
  kills: [2_000, 5_000, 8_000].map((after) => ({ after, what: 'restart' })),
};

/** What a rolling restart may cost, at most. */
export const ROLLING_BOUNDS = { awayMs: 15_000, slowSeconds: 30 } as const;

/** Every fault, one after the other, under a steady load. */
export const FAULTS: Omit<LoadOptions, 'seed' | 'say' | 'faults'> = {
  name: 'faults-',
  agents: 20,
  tasks: 100,
  perSecond: 40,
  longWork: 15,
  atOnce: 24,
  kills: [],
};

/** So many tasks are created between two faults. */
export const BETWEEN_FAULTS = 60;
