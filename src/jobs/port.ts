/**
 * Background jobs are hints: the engine's timer table is the truth. A job may run late, twice or never;
 * its handler proposes an idempotent command or does housekeeping. Deleting all jobs changes timing, never an outcome.
 */

export type JobName = 'checkpoint' | 'rebalance' | 'retain' | 'sweep';

export interface JobQueue {
  /** Registers the handler of a name, before `start`. The handler calls `done` when the run has ended. */
  handle(name: JobName, handler: (done: (error?: Error) => void) => void): void;
  /** Runs `name` every `everyMs`, never two runs of one name at a time. */
  repeat(name: JobName, everyMs: number): void;
  /** Asks for one run of `name` soon; asking again before it runs changes nothing. */
  trigger(name: JobName): void;
  /** What is known of the jobs, without asking anybody. */
  status(): JobsStatus;
  start(): void;
  /** No new runs; `done` when the running ones have ended. */
  stop(done: () => void): void;
}

/** Jobs of one queue in Redis, by state. */
export interface QueueFigures {
  readonly waiting: number;
  readonly delayed: number;
  readonly active: number;
  /** Runs that failed and are kept to be looked at. */
  readonly failed: number;
}

/** A run that failed. */
export interface JobFailure {
  /** Wall ms of its end. */
  readonly at: number;
  readonly message: string;
}

export interface JobStatus {
  readonly name: JobName;
  readonly everyMs?: number;
  /** One run serves all processes. */
  readonly shared: boolean;
  readonly state: 'idle' | 'due' | 'running';
  /** Of this process. */
  readonly runs: { readonly ok: number; readonly failed: number };
  readonly last?: { readonly at: number; readonly ms: number; readonly ok: boolean };
  /** The newest, newest first. */
  readonly failures: readonly JobFailure[];
  /** As it was when it was last looked at. */
  readonly queue?: QueueFigures;
}

export interface JobsStatus {
  readonly scheduler: 'embedded' | 'bullmq';
  /** The Redis of the jobs takes and gives them; of jobs in the process always. */
  readonly connected: boolean;
  readonly jobs: readonly JobStatus[];
}

/** So many failures are told of a job. */
export const FAILURES_TOLD = 10;
