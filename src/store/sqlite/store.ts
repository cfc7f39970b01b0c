/**
 * The read store on SQLite, seen from the main thread.
 *
 * Owns: the worker thread, when what was put is sent. Does not own: packing (tenant-store.ts), rows (store-worker.ts
 * and below).
 *
 * ST1 What was put is sent after `lazyMs`, or when `sendBytes` wait, or before a read that needs it. A message is
 *    cheap for the main thread and a transaction for the worker.
 * ST2 What was sent and not yet written is bounded: a store that falls further behind than `behindBytesMax` is a
 *     fatal fault, as is any error of the database. Then `onFatal` is called once, nothing is answered any more, and
 *     the process must end.
 * ST3 No callback runs inside the call that was given it: every one is run by a message from the worker.
 */
import { mkdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { workerUrl } from '../../base/worker-url.ts';
import type { Retention, Store } from '../port.ts';
import type {
  Batch,
  FromStoreWorker,
  StoreAsk,
  StoreAskMessage,
  StoreAskOf,
  StoreCallKind,
  StoreCalls,
  StoreStart,
} from './messages.ts';
import { SqliteTenantStore, type StoreHost } from './tenant-store.ts';

const lazyMs = 150;
/** Little enough that under load what waits is sent before the garbage collector has moved it. */
const sendBytes = 384 * 1024;
const behindBytesMax = 512 * 1024 * 1024;

export interface SqliteStoreOptions extends Retention {
  readonly dir: string;
  readonly scheduler: Scheduler;
  /** What was put may not become durable: the process must end. */
  readonly onFatal: (error: Error) => void;
  /** Rows were damaged on the disk; they are treated as dropped. */
  readonly onDamaged?: (what: string) => void;
}

/** Opens the store of a data directory, which is made if it is not there. Only the holder of the log's lock may. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  const store = new SqliteStore(options);
  await store.ready();
  return store;
}

/** The handler of an ask of any kind; the worker answers each kind as messages.ts says. */
interface Waiting {
  answered(answer: unknown): void;
}

export class SqliteStore implements Store {
  readonly #options: SqliteStoreOptions;
  readonly #worker: Worker;
  readonly #tenants = new Map<string, SqliteTenantStore>();
  readonly #host: StoreHost;
  readonly #asks = new Map<number, Waiting>();
  #lastId = 0;
  /** Put and not sent. */
  #waitingBytes = 0;
  /** Sent and not written. */
  #sentBytes = 0;
  #cancelLazy: (() => void) | undefined;
  #starting: { readonly ready: () => void; readonly failed: (error: Error) => void } | undefined;
  #closing: (() => void) | undefined;
  #failed = false;
  #ended = false;

  constructor(options: SqliteStoreOptions) {
    this.#options = options;
    const { dir, scheduler: _, onFatal: __, onDamaged: ___, ...retention } = options;
    const start: StoreStart = { dir, retention };
    this.#worker = new Worker(workerUrl(import.meta.url, './store-worker.ts'), {
      name: 'muster-store',
      workerData: start,
      execArgv: [],
    });
    this.#worker.on('message', (message: FromStoreWorker) => this.#received(message));
    this.#worker.on('error', (error) =>
      this.#fail(new Error(`the store's thread failed: ${error.message}`, { cause: error })),
    );
    this.#worker.on('exit', () => this.#exited());
    this.#host = {
      ask: (ask, answered) => this.#ask(ask, answered),
      waiting: (bytes) => this.#waiting(bytes),
      send: () => this.#send(),
      flush: (done) => this.#flush(done),
    };
  }

  /** Resolves when the database is open. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#starting = { ready: resolve, failed: reject };
    });
  }

  tenant(id: string): SqliteTenantStore {
    const known = this.#tenants.get(id);
    if (known !== undefined) return known;
    const made = new SqliteTenantStore(id, this.#host);
    this.#tenants.set(id, made);
    return made;
  }

  retain(now: number, done: () => void): void {
    this.#ask<'retain'>({ kind: 'retain', now }, () => done());
  }

  /** DB3 of database.ts: `done` is called when the files may be copied. All that was put before is in them. */
  hold(done: () => void): void {
    this.#send();
    this.#ask<'hold'>({ kind: 'hold' }, () => done());
  }

  release(): void {
    this.#ask<'release'>({ kind: 'release' }, () => undefined);
  }

  close(done: () => void): void {
    assert(this.#closing === undefined, 'a store is closed once');
    this.#closing = done;
    if (this.#ended) {
      this.#options.scheduler.defer(done);
      return;
    }
    this.#send();
    this.#ask<'close'>({ kind: 'close' }, () => undefined); // the thread's exit is what counts
  }

  #flush(done: () => void): void {
    this.#send();
    this.#ask<'flush'>({ kind: 'flush' }, () => done());
  }

  /** ST1 */
  #waiting(bytes: number): void {
    if (bytes === 0) return;
    this.#waitingBytes += bytes;
    if (this.#waitingBytes >= sendBytes) this.#send();
    else this.#cancelLazy ??= this.#options.scheduler.after(lazyMs, () => this.#send());
  }

  #send(): void {
    this.#cancelLazy?.();
    this.#cancelLazy = undefined;
    const batches: Batch[] = [];
    for (const tenant of this.#tenants.values()) {
      const batch = tenant.take();
      if (batch !== undefined) batches.push(batch);
    }
    const bytes = this.#waitingBytes;
    this.#waitingBytes = 0;
    if (batches.length === 0) return;
    this.#sentBytes += bytes;
    if (this.#sentBytes > behindBytesMax) {
      this.#fail(new Error(`the store is ${this.#sentBytes} bytes behind: the disk cannot keep up`));
    }
    this.#ask<'put'>({ kind: 'put', at: this.#options.scheduler.now(), batches }, () => {
      this.#sentBytes -= bytes;
    });
  }

  #ask<K extends StoreCallKind>(ask: StoreAskOf<K>, answered: (answer: StoreCalls[K]['answer']) => void): void {
    if (this.#failed) return; // ST2
    this.#lastId += 1;
    const handler: { answered(answer: StoreCalls[K]['answer']): void } = { answered };
    this.#asks.set(this.#lastId, handler);
    const message: StoreAskMessage = { id: this.#lastId, ask };
    this.#worker.postMessage(message, buffersOf(ask));
  }

  #received(message: FromStoreWorker): void {
    switch (message.kind) {
      case 'answer': {
        const waiting = this.#asks.get(message.id);
        this.#asks.delete(message.id);
        waiting?.answered(message.answer);
        return;
      }
      case 'ready':
        this.#starting?.ready();
        this.#starting = undefined;
        return;
      case 'damaged':
        this.#options.onDamaged?.(message.what);
        return;
      case 'fatal':
        this.#fail(new Error(message.message));
        return;
    }
  }

  /** ST2 */
  #fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#cancelLazy?.();
    this.#asks.clear();
    if (this.#starting === undefined) {
      this.#options.onFatal(error);
      return;
    }
    this.#starting.failed(error);
    this.#starting = undefined;
  }

  #exited(): void {
    this.#ended = true;
    if (this.#closing === undefined) this.#fail(new Error("the store's thread ended"));
    else this.#closing();
  }
}

/** What a put hands over instead of copying. */
function buffersOf(ask: StoreAsk): ArrayBuffer[] {
  if (ask.kind !== 'put') return [];
  return ask.batches.flatMap(({ finished, history, facts }) => [
    ...(facts === undefined ? [] : [facts.numbers.buffer]),
    ...finished.flatMap(({ columns, views }) => [columns.buffer, views.buffer]),
    ...history.map(({ payload }) => payload.buffer),
  ]);
}
