/**
 * A thread that owns a database, seen from the main thread: asks by number, answers, its start and its end.
 *
 * TH1 An error of the thread, or an end that nobody asked for, is fatal: `onFatal` is called once, nothing is answered any more, and the process must
 *     end. While it starts, the start fails instead.
 * TH2 No callback runs inside the call that was given it: every one is run by a message of the thread, or by its end.
 */
import { Worker } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import type { Scheduler } from '../base/scheduler.ts';

/** What every thread says. */
export type FromThread<Answer> =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answers'; readonly answers: readonly { readonly id: number; readonly answer: Answer }[] }
  /** Nothing more will come; the process must end. Also the answer to a start that failed. */
  | { readonly kind: 'fatal'; readonly message: string };

/** The handler of an ask of any kind; the thread answers each kind as its messages say. */
export interface Answered {
  answered(answer: unknown): void;
}

export interface ThreadOptions<Told> {
  readonly url: URL;
  readonly workerData: unknown;
  /** In a debugger. */
  readonly name: string;
  /** In messages of errors. */
  readonly what: string;
  readonly scheduler: Scheduler;
  readonly onFatal: (error: Error) => void;
  /** What it says beside what every thread says. */
  readonly told: (message: Told) => void;
}

export class DatabaseThread<Told extends { readonly kind: string } = never> {
  readonly #options: ThreadOptions<Told>;
  readonly #worker: Worker;
  readonly #asks = new Map<number, Answered>();
  #lastId = 0;
  #starting: { readonly ready: () => void; readonly failed: (error: Error) => void } | undefined;
  #closing: (() => void) | undefined;
  #failed = false;
  #ended = false;

  constructor(options: ThreadOptions<Told>) {
    this.#options = options;
    const { url, name, workerData, what } = options;
    this.#worker = new Worker(url, { name, workerData, execArgv: [] });
    this.#worker.on('message', (message: FromThread<unknown> | Told) => this.#received(message));
    this.#worker.on('error', (error) => this.fail(new Error(`${what} failed: ${error.message}`, { cause: error })));
    this.#worker.on('exit', () => this.#exited());
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Resolves when the database is open. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#starting = { ready: resolve, failed: reject };
    });
  }

  /** `transfer`: what is handed over instead of copied. */
  ask(ask: object, handler: Answered, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#failed) return; // TH1
    this.#lastId += 1;
    this.#asks.set(this.#lastId, handler);
    this.#worker.postMessage({ id: this.#lastId, ask }, transfer);
  }

  /** `close` asks the thread to end; `done` when it has. */
  close(close: () => void, done: () => void): void {
    assert(this.#closing === undefined, 'a thread is closed once');
    this.#closing = done;
    if (this.#ended) this.#options.scheduler.defer(done);
    else close();
  }

  /** TH1 */
  fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#asks.clear();
    if (this.#starting === undefined) {
      this.#options.onFatal(error);
      return;
    }
    this.#starting.failed(error);
    this.#starting = undefined;
  }

  #received(message: FromThread<unknown> | Told): void {
    if (isOfEvery(message)) this.#hear(message);
    else this.#options.told(message);
  }

  #hear(message: FromThread<unknown>): void {
    switch (message.kind) {
      case 'answers':
        for (const { id, answer } of message.answers) {
          const waiting = this.#asks.get(id);
          this.#asks.delete(id);
          waiting?.answered(answer);
        }
        return;
      case 'ready':
        this.#starting?.ready();
        this.#starting = undefined;
        return;
      case 'fatal':
        this.fail(new Error(message.message));
        return;
    }
  }

  #exited(): void {
    this.#ended = true;
    if (this.#closing === undefined) this.fail(new Error(`${this.#options.what} ended`));
    else this.#closing();
  }
}

function isOfEvery(message: FromThread<unknown> | { readonly kind: string }): message is FromThread<unknown> {
  return message.kind === 'answers' || message.kind === 'ready' || message.kind === 'fatal';
}
