/**
 * The read store on SQLite, seen from the main thread.
 *
 * Owns: the worker thread, when what was put is sent. Does not own: packing (tenant-store.ts), rows (store-worker.ts
 * and below).
 *
 * ST1 What was put is sent after `lazyMs`, or when `sendBytes` wait, or before a read that needs it. A message is
 *    cheap for the main thread and a transaction for the worker.
 * ST2 What was sent and not yet written is bounded: a store that falls further behind than `behindBytesMax` is a
 *     fatal fault, as is any error of the database (TH1 of ../thread.ts).
 */
import { mkdirSync } from 'node:fs';
import type { Scheduler } from '../../base/scheduler.ts';
import { workerUrl } from '../../base/worker-url.ts';
import type { Retention, Store } from '../port.ts';
import { DatabaseThread } from '../thread.ts';
import type { Batch, StoreAsk, StoreAskOf, StoreCallKind, StoreCalls, StoreStart, StoreTold } from './messages.ts';
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

export class SqliteStore implements Store {
  readonly #options: SqliteStoreOptions;
  readonly #thread: DatabaseThread<StoreTold>;
  readonly #tenants = new Map<string, SqliteTenantStore>();
  readonly #host: StoreHost;
  /** Put and not sent. */
  #waitingBytes = 0;
  /** Sent and not written. */
  #sentBytes = 0;
  #cancelLazy: (() => void) | undefined;

  constructor(options: SqliteStoreOptions) {
    this.#options = options;
    const { dir, scheduler: _, onFatal: __, onDamaged: ___, ...retention } = options;
    const start: StoreStart = { dir, retention };
    this.#thread = new DatabaseThread({
      url: workerUrl(import.meta.url, './store-worker.ts'),
      name: 'muster-store',
      what: "the store's thread",
      workerData: start,
      scheduler: options.scheduler,
      onFatal: (error) => {
        this.#cancelLazy?.();
        options.onFatal(error);
      },
      told: ({ what }) => options.onDamaged?.(what),
    });
    this.#host = {
      ask: (ask, answered) => this.#ask(ask, answered),
      waiting: (bytes) => this.#waiting(bytes),
      send: () => this.#send(),
      flush: (done) => this.#flush(done),
    };
  }

  /** Resolves when the database is open. */
  ready(): Promise<void> {
    return this.#thread.ready();
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
    const ask = (): void => {
      this.#send();
      this.#ask<'close'>({ kind: 'close' }, () => undefined); // the thread's end is what counts
    };
    this.#thread.close(ask, done);
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
      this.#thread.fail(new Error(`the store is ${this.#sentBytes} bytes behind: the disk cannot keep up`));
    }
    this.#ask<'put'>({ kind: 'put', at: this.#options.scheduler.now(), batches }, () => {
      this.#sentBytes -= bytes;
    });
  }

  #ask<K extends StoreCallKind>(ask: StoreAskOf<K>, answered: (answer: StoreCalls[K]['answer']) => void): void {
    const handler: { answered(answer: StoreCalls[K]['answer']): void } = { answered };
    this.#thread.ask(ask, handler, buffersOf(ask));
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
