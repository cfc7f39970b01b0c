/**
 * The job queue of several processes, by BullMQ in Redis.
 *
 * Owns: which process runs a shared job, and when. Does not own: what the job does, or whether it must (the engine's timer
 * table and the log are the truth).
 *
 * BQ1 A run is made by the embedded queue, so E1, E4 and E5 hold in this process; of all processes one at a time runs a name
 *     (global concurrency of its queue).
 * BQ2 Jobs that belong to the files of one node (not `shared`) never leave it.
 * BQ3 What is missing in Redis is made again: every process looks at each connection and every `reconcileMs`. Ids are the
 *     names, so that all of them make the same thing.
 * BQ4 While Redis is away, or refuses, shared jobs run here by the clock of this process. Several may do the same then, which
 *     a job bears.
 * BQ5 Nothing waits for Redis: not the start, not the stop for longer than `closeMs`.
 * BQ6 A run that Redis has begun and no process makes keeps a name from running, since one runs at a time. It comes about when
 *     the reply is lost that hands the run out: BullMQ sends the script again, which then finds the name taken. The process
 *     whose lock such a run bears puts it back; of one whose process is gone the lock ends after `LOCK_MS`.
 */
import { Job, Queue, Worker } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { assert } from '../base/assert.ts';
import type { Entropy, Scheduler } from '../base/scheduler.ts';
import { EmbeddedJobs, type JobRun } from './embedded.ts';
import {
  FAILURES_TOLD,
  type JobFailure,
  type JobName,
  type JobQueue,
  type JobsStatus,
  type QueueFigures,
} from './port.ts';

export interface BullJobsOptions {
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  /** A new connection, which comes back by itself. `maxRetriesPerRequest` is null, as BullMQ wants it. */
  readonly connect: () => Redis | Cluster;
  /** Begins every key; in braces, so that a cluster keeps a queue in one slot. */
  readonly prefix: string;
  /** Names of which one run serves all processes. */
  readonly shared: readonly JobName[];
  readonly onRun?: (run: JobRun) => void;
  /** Told once per episode. */
  readonly onTrouble?: (what: string) => void;
  readonly reconcileMs?: number;
  readonly closeMs?: number;
}

const RECONCILE_MS = 30_000;
/** The next look, when something was amiss in this one. */
const AGAIN_MS = 1_000;
const CLOSE_MS = 5_000;
/** BullMQ's own 30 s for each of them would keep a name from running for a minute after a process was killed (BQ6). */
const LOCK_MS = 10_000;
const STALLED_MS = 5_000;
/** After an error a worker asks again. BullMQ's own is 15 s. */
const RETRY_MS = 1_000;
/** So many runs that failed are kept to be looked at. */
const FAILED_KEPT = 50;
const KEPT = { removeOnComplete: { count: 1 }, removeOnFail: { count: FAILED_KEPT } } as const;
const STATES = ['waiting', 'delayed', 'active', 'failed'] as const;
const NO_FIGURES: QueueFigures = { waiting: 0, delayed: 0, active: 0, failed: 0 };

type Handler = (done: (error?: Error) => void) => void;
interface Schedule {
  readonly name: JobName;
  readonly everyMs: number;
  /** No run waits, or is on. */
  readonly empty: boolean;
}

type Waiter = (error?: Error) => void;

interface Parts {
  readonly queue: Queue;
  readonly worker: Worker;
  readonly connection: Redis | Cluster;
}

interface SharedJob {
  readonly name: JobName;
  everyMs: number | undefined;
  parts: Parts | undefined;
  /** Whose run nobody seems to make, as of the last look: its id and its lock (BQ6). */
  suspect: string | undefined;
  /** Wait for a run that has not begun, and for the one that has. */
  asked: Waiter[];
  running: Waiter[];
  figures: QueueFigures;
  failures: readonly JobFailure[];
}

export class BullJobs implements JobQueue {
  readonly #options: BullJobsOptions;
  readonly #local: EmbeddedJobs;
  readonly #shared: ReadonlyMap<JobName, SharedJob>;
  readonly #connections: (Redis | Cluster)[] = [];
  readonly #cancels = new Map<JobName | 'reconcile', () => void>();
  #phase: 'new' | 'started' | 'stopped' = 'new';
  #reconciling = false;
  /** The last look at Redis went well. */
  #well = false;
  #told = false;

  constructor(options: BullJobsOptions) {
    this.#options = options;
    const { scheduler, entropy } = options;
    this.#local = new EmbeddedJobs({ scheduler, entropy, onRun: (run) => this.#ran(run) });
    this.#shared = new Map(options.shared.map((name) => [name, newJob(name)]));
  }

  /** How it stands with Redis, and what was in the queues when they were last looked at. */
  status(): JobsStatus {
    const jobs = this.#local.status().jobs.map((status) => {
      const job = this.#shared.get(status.name);
      if (job === undefined) return status;
      const { everyMs, figures, failures } = job;
      const more = { shared: true, failures, queue: figures };
      return { ...status, ...more, ...(everyMs === undefined ? undefined : { everyMs }) };
    });
    return { scheduler: 'bullmq', connected: this.#connected, jobs };
  }

  handle(name: JobName, handler: Handler): void {
    const job = this.#shared.get(name);
    this.#local.handle(name, (done) => {
      if (job !== undefined) job.running.push(...job.asked.splice(0));
      handler(done);
    });
  }

  repeat(name: JobName, everyMs: number): void {
    const job = this.#shared.get(name);
    if (job === undefined) return this.#local.repeat(name, everyMs); // BQ2
    assert(Number.isSafeInteger(everyMs) && everyMs > 0, 'everyMs is a positive integer');
    job.everyMs = everyMs;
    if (this.#phase !== 'started') return;
    this.#standIn(job);
    this.#reconcile();
  }

  trigger(name: JobName): void {
    const queue = this.#shared.get(name)?.parts?.queue;
    if (this.#phase === 'stopped') return;
    if (queue === undefined || !this.#connected) return this.#local.trigger(name); // BQ4
    // One more run follows the one that is on (port.ts), and no second one.
    const options = { deduplication: { id: name, keepLastIfActive: true }, ...KEPT };
    queue.add(name, {}, options).catch((error: unknown) => {
      this.#trouble(error);
      this.#local.trigger(name);
    });
  }

  start(): void {
    assert(this.#phase === 'new', 'started once');
    this.#phase = 'started';
    this.#local.start();
    for (const job of this.#shared.values()) {
      this.#open(job);
      this.#standIn(job);
    }
    this.#look();
  }

  stop(done: () => void): void {
    this.#phase = 'stopped';
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
    this.#local.stop(() => {
      for (const job of this.#shared.values()) settle(job.asked);
      void this.#close(done);
    });
  }

  get #connected(): boolean {
    return this.#well && this.#connections.every(({ status }) => status === 'ready');
  }

  #open(job: SharedJob): void {
    const { prefix } = this.#options;
    const connection = this.#connect();
    const queue = new Queue(job.name, { connection, prefix });
    const worker = new Worker(job.name, () => this.#run(job), {
      connection: this.#connect(),
      prefix,
      concurrency: 1,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_MS,
      runRetryDelay: RETRY_MS,
    });
    // An error without a listener would end the process.
    queue.on('error', (error) => this.#trouble(error));
    worker.on('error', (error) => this.#trouble(error));
    job.parts = { queue, worker, connection };
  }

  #connect(): Redis | Cluster {
    const connection = this.#options.connect();
    this.#connections.push(connection);
    connection.on('error', (error: Error) => this.#trouble(error));
    connection.on('ready', () => this.#reconcile()); // BQ3
    return connection;
  }

  /** BQ1. A process that stops leaves the run to the next one. */
  #run(job: SharedJob): Promise<void> {
    if (this.#phase !== 'started') return Promise.resolve();
    return new Promise((resolve, reject) => {
      job.asked.push((error) => (error === undefined ? resolve() : reject(error)));
      this.#local.trigger(job.name);
    });
  }

  #ran(run: JobRun): void {
    const job = this.#shared.get(run.name);
    if (job !== undefined) settle(job.running, run.error);
    this.#options.onRun?.(run);
  }

  /** BQ4 */
  #standIn(job: SharedJob): void {
    const { everyMs, name } = job;
    this.#cancels.get(name)?.();
    if (everyMs === undefined) return;
    const cancel = this.#options.scheduler.after(everyMs, () => {
      if (!this.#connected) this.#local.trigger(name);
      this.#standIn(job);
    });
    this.#cancels.set(name, cancel);
  }

  #look(): void {
    this.#reconcile();
    this.#lookIn(this.#options.reconcileMs ?? RECONCILE_MS);
  }

  #lookIn(ms: number): void {
    if (this.#phase !== 'started') return;
    this.#cancels.get('reconcile')?.();
    this.#cancels.set(
      'reconcile',
      this.#options.scheduler.after(ms, () => this.#look()),
    );
  }

  #lookAgain(): void {
    this.#lookIn(Math.min(AGAIN_MS, this.#options.reconcileMs ?? RECONCILE_MS));
  }

  #reconcile(): void {
    if (this.#phase !== 'started' || this.#reconciling) return;
    if (this.#connections.some(({ status }) => status !== 'ready')) return;
    this.#reconciling = true;
    void this.#repairAll();
  }

  async #repairAll(): Promise<void> {
    try {
      await Promise.all([...this.#shared.values()].map((job) => this.#repair(job)));
      this.#well = true;
      this.#told = false;
    } catch (error) {
      this.#trouble(error);
    } finally {
      this.#reconciling = false;
    }
  }

  async #repair(job: SharedJob): Promise<void> {
    if (job.parts === undefined) return;
    const { queue } = job.parts;
    await queue.setGlobalConcurrency(1);
    await this.#putBack(job, job.parts);
    // In this order, so that there are no fewer than are told.
    const failures = await queue.getFailed(0, FAILURES_TOLD - 1);
    const { waiting = 0, delayed = 0, active = 0, failed = 0 } = await queue.getJobCounts(...STATES);
    if (job.everyMs !== undefined) {
      await this.#reschedule(queue, { name: job.name, everyMs: job.everyMs, empty: waiting + delayed + active === 0 });
    }
    job.figures = { waiting, delayed, active, failed };
    job.failures = failures.map(failureOf);
  }

  /** BQ3. What is right already is not touched: to set a schedule anew would put its next run off. */
  async #reschedule(queue: Queue, schedule: Schedule): Promise<void> {
    const { name, everyMs, empty } = schedule;
    const known = await queue.getJobScheduler(name);
    // The next run is made when one begins, so there is always one, and not far off.
    const wrong = empty || (known?.next ?? 0) > this.#options.scheduler.now() + 2 * everyMs;
    if (known?.every === everyMs && !wrong) return;
    await queue.upsertJobScheduler(name, { every: everyMs }, { name, opts: KEPT });
  }

  /** BQ6. In two looks, since a run is made only a few messages after its lock. */
  async #putBack(job: SharedJob, { queue, worker, connection }: Parts): Promise<void> {
    const active = queue.toKey('active');
    const [id] = await connection.lrange(active, -1, -1);
    const token = id === undefined ? null : await connection.get(`${queue.toKey(id)}:lock`);
    const making = job.asked.length + job.running.length > 0;
    if (id === undefined || making || (token !== null && !token.startsWith(`${worker.id}:`))) {
      job.suspect = undefined;
      return;
    }
    const suspect = `${id} ${token ?? ''}`;
    if (job.suspect !== suspect) {
      job.suspect = suspect;
      return this.#lookAgain();
    }
    job.suspect = undefined;
    const run = await Job.fromId(queue, id);
    if (run !== undefined) return void (await run.moveToWait(token ?? '0'));
    // There is nothing to be put back. The marker wakes whoever waits for a turn.
    await connection.multi().lrem(active, 0, id).zadd(queue.toKey('marker'), 0, '0').exec();
  }

  #trouble(error: unknown): void {
    this.#well = false;
    // An error of one command only, as of a lock that has ended, is over with the next look.
    this.#lookAgain();
    if (this.#told || this.#phase === 'stopped') return;
    this.#told = true;
    this.#options.onTrouble?.(error instanceof Error ? error.message : String(error));
  }

  /** BQ5. What is not told to Redis within `closeMs` another process finds out by itself: the lock of the run ends. */
  async #close(done: () => void): Promise<void> {
    const { scheduler, closeMs = CLOSE_MS } = this.#options;
    const orderly = this.#connected;
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = scheduler.after(orderly ? closeMs : 0, resolve);
    });
    const parts = [...this.#shared.values()].map(async ({ parts: opened }) => {
      await opened?.worker.close(!orderly);
      await opened?.queue.close();
    });
    await Promise.race([Promise.allSettled(parts), late]);
    cancel();
    for (const connection of this.#connections) {
      if (connection.status !== 'end' && connection.status !== 'close') connection.disconnect();
    }
    done();
  }
}

function newJob(name: JobName): SharedJob {
  return {
    name,
    everyMs: undefined,
    parts: undefined,
    suspect: undefined,
    asked: [],
    running: [],
    figures: NO_FIGURES,
    failures: [],
  };
}

function settle(waiters: Waiter[], error?: Error): void {
  for (const waiter of waiters.splice(0)) waiter(error);
}

function failureOf({ finishedOn = 0, failedReason }: Pick<Job, 'finishedOn' | 'failedReason'>): JobFailure {
  return { at: finishedOn, message: failedReason };
}
