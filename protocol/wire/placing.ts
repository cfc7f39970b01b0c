/** Which agents the tasks of a key go to, and how many of them are held at a time. */

export const STICKY_MODES = ['soft', 'hard'] as const;

/** Tasks with one key go to one agent: that which the key was given to last. */
export interface Sticky {
  readonly key: string;
  /** soft (default): to others while it has no free slot. hard: to it alone. */
  readonly mode: (typeof STICKY_MODES)[number];
  /** So long after the last task of the key was given to it. */
  readonly ttlMs: number;
}

export const CONCURRENCY_POLICIES = ['queue', 'dropNew', 'cancelOld'] as const;

/** At most `max` tasks with this key are held at a time. */
export interface Concurrency {
  readonly key: string;
  readonly max: number;
  /** What becomes of one too many. queue (default): it waits. dropNew: it is not created. cancelOld: the oldest are cancelled. */
  readonly policy: (typeof CONCURRENCY_POLICIES)[number];
}
