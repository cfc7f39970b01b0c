/**
 * Runs work upon texts in a thread of its own, so that none of it holds the server, and bounds it.
 *
 * Owns: the thread, what waits for it, its bounds in time, memory and queue. Does not own: the work (jobs.ts) and its own bounds, which come first:
 * a merge is refused by counted steps long before its time is over, on an ordinary machine.
 *
 * T1 Each piece of work is answered once, never within the call that gave it.
 * T2 Work is done in order, one piece at a time: its time runs from when the thread is there and has it.
 * T3 What takes longer than its time ends with its thread; what waits goes on in a new one.
 * T4 At the bounds of the queue work is refused at once (`BUSY`).
 */
import { Worker } from 'node:worker_threads';
import type { Scheduler } from '../base/scheduler.ts';
import { workerUrl } from '../base/worker-url.ts';
import type { InputOf, NoResult, Outcome, ResultOf, WorkName } from './jobs.ts';
import type { FromWorker, Order } from './worker.ts';

export interface ThreadLimits {
  /** How long one piece of work may take. */
  readonly workMs: number;
  /** How many pieces may wait, the one at work counted. */
  readonly queueMax: number;
  /** What they may hold together, in UTF-16 units. */
  readonly queueUnitsMax: number;
  /** Of the thread. */
  readonly heapMiB: number;
}

export const THREAD_LIMITS: ThreadLimits = {
  workMs: 20_000,
  queueMax: 256,
  queueUnitsMax: 128 * 1_024 * 1_024,
  heapMiB: 1_024,
};

interface Waiting {
  readonly order: Order;
  readonly units: number;
  readonly done: (outcome: { kind: 'done'; result: ResultOf<WorkName> } | { kind: 'none'; reason: NoResult }) => void;
}

/** Units of UTF-16 in all texts of an input. */
function unitsOf(input: object): number {
  let units = 0;
  for (const value of Object.values(input)) {
    if (typeof value === 'string') units += value.length;
    else if (typeof value === 'object' && value !== null) units += unitsOf(value);
  }
  return units;
}

export class DocumentThread {
  readonly #scheduler: Scheduler;
  readonly #limits: ThreadLimits;
  /** The first one is at work. */
  readonly #queue: Waiting[] = [];
  #units = 0;
  #lastId = 0;
  #worker: Worker | undefined;
  #ready = false;
  #cancelTime: (() => void) | undefined;
  #closed = false;

  constructor(scheduler: Scheduler, limits: ThreadLimits = THREAD_LIMITS) {
    this.#scheduler = scheduler;
    this.#limits = limits;
  }

  run<N extends WorkName>(name: N, input: InputOf<N>, done: (outcome: Outcome<N>) => void): void {
    const units = unitsOf(input);
    const refused = this.#refusal(units);
    if (refused !== undefined) {
      this.#scheduler.defer(() => done({ kind: 'none', reason: refused })); // T1
      return;
    }
    this.#lastId += 1;
    this.#units += units;
    const order: Order = { id: this.#lastId, name, input };
    this.#queue.push({ order, units, done: (outcome) => done(outcome) });
    if (this.#queue.length === 1) this.#begin();
  }

  /** Ends the thread; what waits gets `CLOSED`. */
  close(done: () => void): void {
    this.#closed = true;
    const worker = this.#worker;
    this.#forget();
    for (const waiting of this.#queue.splice(0)) this.#answer(waiting, 'CLOSED');
    if (worker === undefined) this.#scheduler.defer(done);
    else {
      worker.once('exit', () => done());
      void worker.terminate();
    }
  }

  #refusal(units: number): NoResult | undefined {
    if (this.#closed) return 'CLOSED';
    const { queueMax, queueUnitsMax } = this.#limits;
    const full = this.#queue.length >= queueMax || this.#units + units > queueUnitsMax;
    return full ? 'BUSY' : undefined; // T4
  }

  #begin(): void {
    const [next] = this.#queue;
    if (next === undefined) return;
    this.#worker ??= this.#start();
    if (!this.#ready) return;
    this.#worker.postMessage(next.order, []);
    this.#cancelTime = this.#scheduler.after(this.#limits.workMs, () => this.#lost('TIMEOUT')); // T2
  }

  #start(): Worker {
    const worker = new Worker(workerUrl(import.meta.url, './worker.ts'), {
      name: 'muster-documents',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: this.#limits.heapMiB },
    });
    worker.on('message', (message: FromWorker) => {
      if (this.#worker !== worker) return;
      if (message.kind === 'ready') {
        this.#ready = true;
        this.#begin();
      } else if (this.#queue[0]?.order.id === message.id) {
        this.#finish({ kind: 'done', result: message.result });
      }
    });
    // Work is pure and total: what remains is memory.
    worker.on('error', () => {
      if (this.#worker === worker) this.#lost('MEMORY');
    });
    worker.unref();
    return worker;
  }

  #forget(): void {
    this.#cancelTime?.();
    this.#cancelTime = undefined;
    this.#worker = undefined;
    this.#ready = false;
  }

  /** The thread is given up with what it was doing. */
  #lost(reason: NoResult): void {
    const worker = this.#worker;
    this.#forget();
    void worker?.terminate();
    this.#finish({ kind: 'none', reason }); // T3
  }

  #finish(outcome: { kind: 'done'; result: ResultOf<WorkName> } | { kind: 'none'; reason: NoResult }): void {
    this.#cancelTime?.();
    this.#cancelTime = undefined;
    const finished = this.#queue.shift();
    this.#begin();
    if (finished === undefined) return;
    this.#units -= finished.units;
    finished.done(outcome);
  }

  #answer(waiting: Waiting, reason: NoResult): void {
    this.#units -= waiting.units;
    this.#scheduler.defer(() => waiting.done({ kind: 'none', reason }));
  }
}
