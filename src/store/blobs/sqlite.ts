/**
 * Blobs on SQLite, seen from the main thread.
 *
 * Owns: the worker thread, what is held, how much may wait. Does not own: rows (database.ts), commits (blob-worker.ts).
 *
 * BS1 What waits to be written is bounded by `waitingBytesMax`; what would exceed it is refused as `busy`.
 * BS2 An error of the database that is no full disk is fatal: `onFatal` is called once, nothing is answered any more, and the process must end.
 * BS3 What is held when a page is settled counts as referenced. What is put or held afterwards comes behind it in the thread's order, and what was
 *     before has no mark.
 */
import { mkdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { workerUrl } from '../../base/worker-url.ts';
import { Holds } from './holds.ts';
import type { BlobAskMessage, BlobAskOf, BlobCallKind, BlobCalls, FromBlobWorker } from './messages.ts';
import type { BlobHash, Blobs, BlobUsage, Got, HoldOutcome, PutOutcome, Settling } from './port.ts';

const waitingBytesMax = 64 * 1024 * 1024;

export interface SqliteBlobsOptions {
  readonly dir: string;
  readonly scheduler: Scheduler;
  /** What was put may not become durable: the process must end. */
  readonly onFatal: (error: Error) => void;
}

/** Opens the blobs of a data directory, which is made if it is not there. Only the holder of the log's lock may. */
export async function openSqliteBlobs(options: SqliteBlobsOptions): Promise<Blobs> {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  const blobs = new SqliteBlobs(options);
  await blobs.ready();
  return blobs;
}

/** The handler of an ask of any kind; the worker answers each kind as messages.ts says. */
interface Waiting {
  answered(answer: unknown): void;
}

class SqliteBlobs implements Blobs {
  readonly #options: SqliteBlobsOptions;
  readonly #worker: Worker;
  readonly #holds = new Holds();
  readonly #asks = new Map<number, Waiting>();
  #lastId = 0;
  #waitingBytes = 0;
  #starting: { readonly ready: () => void; readonly failed: (error: Error) => void } | undefined;
  #closing: (() => void) | undefined;
  #failed = false;
  #ended = false;

  constructor(options: SqliteBlobsOptions) {
    this.#options = options;
    this.#worker = new Worker(workerUrl(import.meta.url, './blob-worker.ts'), {
      name: 'muster-blobs',
      workerData: options.dir,
      execArgv: [],
    });
    this.#worker.on('message', (message: FromBlobWorker) => this.#received(message));
    this.#worker.on('error', (error) =>
      this.#fail(new Error(`the thread of the blobs failed: ${error.message}`, { cause: error })),
    );
    this.#worker.on('exit', () => this.#exited());
  }

  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#starting = { ready: resolve, failed: reject };
    });
  }

  put(tenant: string, data: readonly Uint8Array[], done: (outcome: PutOutcome) => void): void {
    const bytes = data.reduce((sum, { length }) => sum + length, 0);
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > waitingBytesMax) {
      this.#options.scheduler.defer(() => done({ kind: 'busy' })); // BS1
      return;
    }
    this.#waitingBytes += bytes;
    this.#ask<'put'>({ kind: 'put', tenant, data }, (hashes) => {
      this.#waitingBytes -= bytes;
      done(hashes === 'full' ? { kind: 'full' } : { kind: 'stored', hashes, ...this.#holds.hold(tenant, hashes) });
    });
  }

  hold(tenant: string, hashes: readonly BlobHash[], done: (outcome: HoldOutcome) => void): void {
    this.#ask<'hold'>({ kind: 'hold', tenant, hashes }, (missing) => {
      if (missing === 'full') done({ kind: 'full' });
      else if (missing.length > 0) done({ kind: 'missing', hashes: missing });
      else done({ kind: 'held', ...this.#holds.hold(tenant, hashes) });
    });
  }

  has(tenant: string, hashes: readonly BlobHash[], done: (missing: readonly BlobHash[]) => void): void {
    this.#ask<'has'>({ kind: 'has', tenant, hashes }, done);
  }

  get(tenant: string, hash: BlobHash, done: (got: Got) => void): void {
    this.#ask<'get'>({ kind: 'get', tenant, hash }, done);
  }

  list(
    tenant: string,
    page: { readonly above: BlobHash; readonly limit: number },
    done: (hashes: readonly BlobHash[]) => void,
  ): void {
    this.#ask<'list'>({ kind: 'list', tenant, ...page }, done);
  }

  settle(tenant: string, settling: Settling, done: (removed: BlobUsage) => void): void {
    const held = settling.unreferenced.filter((hash) => this.#holds.has(tenant, hash)); // BS3
    const unreferenced = settling.unreferenced.filter((hash) => !this.#holds.has(tenant, hash));
    const found = { ...settling, unreferenced, referenced: [...settling.referenced, ...held] };
    this.#ask<'settle'>({ kind: 'settle', tenant, settling: found }, (removed) =>
      done(removed === 'full' ? { count: 0, bytes: 0 } : removed),
    );
  }

  usage(tenant: string, done: (usage: BlobUsage) => void): void {
    this.#ask<'usage'>({ kind: 'usage', tenant }, done);
  }

  close(done: () => void): void {
    assert(this.#closing === undefined, 'blobs are closed once');
    this.#closing = done;
    if (this.#ended) this.#options.scheduler.defer(done);
    else this.#ask<'close'>({ kind: 'close' }, () => undefined); // the thread's exit is what counts
  }

  #ask<K extends BlobCallKind>(ask: BlobAskOf<K>, answered: (answer: BlobCalls[K]['answer']) => void): void {
    if (this.#failed) return; // BS2
    this.#lastId += 1;
    const handler: { answered(answer: BlobCalls[K]['answer']): void } = { answered };
    this.#asks.set(this.#lastId, handler);
    const message: BlobAskMessage = { id: this.#lastId, ask };
    this.#worker.postMessage(message, []);
  }

  #received(message: FromBlobWorker): void {
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
        this.#fail(new Error(message.message));
        return;
    }
  }

  /** BS2 */
  #fail(error: Error): void {
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

  #exited(): void {
    this.#ended = true;
    if (this.#closing === undefined) this.#fail(new Error('the thread of the blobs ended'));
    else this.#closing();
  }
}
