/**
 * Background jobs are hints: the engine's timer table is the truth. A job may run late, twice or never;
 * its handler proposes an idempotent command or does housekeeping. Deleting all jobs changes timing, never an outcome.
 */

export type JobName = 'checkpoint' | 'retain' | 'sweep' | 'probe';

export interface JobQueue {
  /** Registers the handler of a name, before `start`. The handler calls `done` when the run has ended. */
  handle(name: JobName, handler: (done: (error?: Error) => void) => void): void;
  /** Runs `name` every `everyMs`, never two runs of one name at a time. */
  repeat(name: JobName, everyMs: number): void;
  /** Asks for one run of `name` soon; asking again before it runs changes nothing. */
  trigger(name: JobName): void;
  start(): void;
  /** No new runs; `done` when the running ones have ended. */
  stop(done: () => void): void;
}

/** Jobs of one queue, by state. */
export interface QueueFigures {
  readonly waiting: number;
  readonly delayed: number;
  readonly active: number;
  /** Runs that failed and are kept to be looked at. */
  readonly failed: number;
}

/** How it stands with the Redis that has the jobs. */
export interface JobsStatus {
  readonly connected: boolean;
  readonly queues: readonly ({ readonly name: JobName } & QueueFigures)[];
}
