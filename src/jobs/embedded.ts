/**
 * The job queue of a single process: timers, and nothing that outlives them.
 *
 * Owns: when a job runs. Does not own: what it does, or whether it must (the engine's timer table is the truth).
 *
 * E1 Never two runs of one name at a time; asking during a run gives one more run after it.
 * E2 The pause before a repeated run counts from the end of the run before, so a slow job never piles up.
 * E3 Pauses are spread by a tenth, and the first one over its whole length: nodes that start together do not work
 *    together.
 * E4 A handler that throws has failed that run only. The next comes as if it had not.
 * E5 After `stop` nothing begins; `done` comes when the last run has ended.
 */
import { assert, must } from '../base/assert.ts';
import type { Entropy, Scheduler } from '../base/scheduler.ts';
import {
  FAILURES_TOLD,
  type JobFailure,
  type JobName,
  type JobQueue,
  type JobStatus,
  type JobsStatus,
} from './port.ts';

export interface JobRun {
  readonly name: JobName;
  readonly ms: number;
  readonly error?: Error;
}

export interface EmbeddedJobsOptions {
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  /** Called after every run, for logs and metrics. */
  readonly onRun?: (run: JobRun) => void;
}

type Handler = (done: (error?: Error) => void) => void;

interface Job {
  readonly name: JobName;
  readonly handler: Handler;
  everyMs: number | undefined;
  state: 'idle' | 'due' | 'running';
  /** Asked for during a run (E1). */
  again: boolean;
  cancel: (() => void) | undefined;
  readonly runs: { ok: number; failed: number };
  last: JobStatus['last'];
  /** Newest first. */
  failures: readonly JobFailure[];
}

export class EmbeddedJobs implements JobQueue {
  readonly #options: EmbeddedJobsOptions;
  readonly #jobs = new Map<JobName, Job>();
  #phase: 'new' | 'started' | 'stopped' = 'new';
  readonly #stopping: (() => void)[] = [];

  constructor(options: EmbeddedJobsOptions) {
    this.#options = options;
  }

  handle(name: JobName, handler: Handler): void {
    assert(this.#phase === 'new', `the handler of ${name} comes before start`);
    assert(!this.#jobs.has(name), `${name} has a handler`);
    this.#jobs.set(name, {
      name,
      handler,
      everyMs: undefined,
      state: 'idle',
      again: false,
      cancel: undefined,
      runs: { ok: 0, failed: 0 },
      last: undefined,
      failures: [],
    });
  }

  repeat(name: JobName, everyMs: number): void {
    assert(Number.isSafeInteger(everyMs) && everyMs > 0, 'everyMs is a positive integer');
    const job = this.#job(name);
    job.everyMs = everyMs;
    if (this.#phase === 'started' && job.state === 'idle') this.#wait(job, this.#random() * everyMs);
  }

  trigger(name: JobName): void {
    const job = this.#job(name);
    if (this.#phase === 'stopped') return;
    if (job.state === 'running') job.again = true;
    if (job.state === 'idle') this.#due(job);
  }

  status(): JobsStatus {
    return { scheduler: 'embedded', connected: true, jobs: [...this.#jobs.values()].map(statusOf) };
  }

  start(): void {
    assert(this.#phase === 'new', 'started once');
    this.#phase = 'started';
    for (const job of this.#jobs.values()) {
      if (job.state === 'due') this.#due(job);
      else if (job.everyMs !== undefined) this.#wait(job, this.#random() * job.everyMs); // E3
    }
  }

  stop(done: () => void): void {
    this.#phase = 'stopped';
    for (const job of this.#jobs.values()) {
      job.cancel?.();
      job.cancel = undefined;
    }
    this.#stopping.push(done);
    this.#options.scheduler.defer(() => this.#settle());
  }

  #job(name: JobName): Job {
    return must(this.#jobs.get(name), `${name} has no handler`);
  }

  #wait(job: Job, ms: number): void {
    job.cancel?.();
    job.cancel = this.#options.scheduler.after(Math.ceil(ms), () => this.#run(job));
  }

  /** Before `start` this only marks the job. */
  #due(job: Job): void {
    job.state = 'due';
    if (this.#phase !== 'started') return;
    job.cancel?.();
    job.cancel = this.#options.scheduler.after(0, () => this.#run(job));
  }

  #run(job: Job): void {
    if (this.#phase !== 'started') return; // E5
    assert(job.state !== 'running', 'one run at a time'); // E1
    job.state = 'running';
    job.cancel = undefined;
    const begin = this.#options.scheduler.mono();
    let ended = false;
    const done = (error?: Error): void => {
      if (ended) return;
      ended = true;
      const ms = this.#options.scheduler.mono() - begin;
      this.#count(job, { ms, error });
      this.#options.onRun?.(error === undefined ? { name: job.name, ms } : { name: job.name, ms, error });
      this.#ended(job);
    };
    try {
      job.handler(done);
    } catch (cause) {
      done(cause instanceof Error ? cause : new Error(`the job ${job.name} threw`, { cause })); // E4
    }
  }

  #count(job: Job, { ms, error }: { readonly ms: number; readonly error: Error | undefined }): void {
    const at = this.#options.scheduler.now();
    job.last = { at, ms, ok: error === undefined };
    if (error === undefined) job.runs.ok += 1;
    else {
      job.runs.failed += 1;
      job.failures = [{ at, message: error.message }, ...job.failures].slice(0, FAILURES_TOLD);
    }
  }

  #ended(job: Job): void {
    job.state = 'idle';
    const again = job.again;
    job.again = false;
    if (this.#phase === 'stopped') this.#settle();
    else if (again) this.#due(job);
    else if (job.everyMs !== undefined) this.#wait(job, job.everyMs * (0.9 + this.#random() * 0.2)); // E2, E3
  }

  #settle(): void {
    for (const job of this.#jobs.values()) {
      if (job.state === 'running') return;
    }
    for (const done of this.#stopping.splice(0)) done();
  }

  /** In [0, 1). */
  #random(): number {
    let number = 0;
    for (const byte of this.#options.entropy(4)) number = number * 256 + byte;
    return number / 2 ** 32;
  }
}

function statusOf({ name, everyMs, state, runs, last, failures }: Job): JobStatus {
  return {
    name,
    shared: false,
    state,
    runs: { ...runs },
    failures,
    ...(everyMs === undefined ? undefined : { everyMs }),
    ...(last === undefined ? undefined : { last }),
  };
}
