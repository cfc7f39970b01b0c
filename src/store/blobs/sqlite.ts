/**
 * Blobs on SQLite, seen from the main thread.
 *
 * Owns: the worker thread, what is held, how much may wait. Does not own: rows (database.ts), commits (blob-worker.ts).
 *
 * BS1 What waits to be written is bounded by `waitingBytesMax`; what would exceed it is refused as `busy`.
 * BS2 An error of the database that is no full disk is fatal (TH1 of ../thread.ts).
 * BS3 What is held when a page is settled counts as referenced. What is put or held afterwards comes behind it in the thread's order, and what was
 *     before has no mark.
 */
import { mkdirSync } from 'node:fs';
import type { Scheduler } from '../../base/scheduler.ts';
import { workerUrl } from '../../base/worker-url.ts';
import { DatabaseThread } from '../thread.ts';
import { Holds } from './holds.ts';
import type { BlobAskOf, BlobCallKind, BlobCalls } from './messages.ts';
import type { BlobHash, Blobs, BlobUsage, Got, HoldOutcome, PutOutcome, Settling } from './port.ts';

const waitingBytesMax = 64 * 1024 * 1024;

export interface SqliteBlobsOptions {
  readonly dir: string;
  readonly scheduler: Scheduler;
  /** What was put may not become durable: the process must end. */
  readonly onFatal: (error: Error) => void;
}

/** Opens the blobs of a data directory, which is made if it is not there. Only the holder of the log's lock may. */
export async function openSqliteBlobs(options: SqliteBlobsOptions): Promise<SqliteBlobs> {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  const blobs = new SqliteBlobs(options);
  await blobs.ready();
  return blobs;
}

export class SqliteBlobs implements Blobs {
  readonly #options: SqliteBlobsOptions;
  readonly #thread: DatabaseThread;
  readonly #holds = new Holds();
  #waitingBytes = 0;

  constructor(options: SqliteBlobsOptions) {
    this.#options = options;
    const { dir, scheduler, onFatal } = options;
    this.#thread = new DatabaseThread({
      url: workerUrl(import.meta.url, './blob-worker.ts'),
      name: 'muster-blobs',
      what: 'the thread of the blobs',
      workerData: dir,
      scheduler,
      onFatal,
      told: () => undefined,
    });
  }

  ready(): Promise<void> {
    return this.#thread.ready();
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

  /** BD4 of database.ts: `done` is called when the files may be copied. */
  freeze(done: () => void): void {
    this.#ask<'freeze'>({ kind: 'freeze' }, () => done());
  }

  thaw(): void {
    this.#ask<'thaw'>({ kind: 'thaw' }, () => undefined);
  }

  close(done: () => void): void {
    this.#thread.close(() => this.#ask<'close'>({ kind: 'close' }, () => undefined), done); // the thread's end is what counts
  }

  #ask<K extends BlobCallKind>(ask: BlobAskOf<K>, answered: (answer: BlobCalls[K]['answer']) => void): void {
    const handler: { answered(answer: BlobCalls[K]['answer']): void } = { answered };
    this.#thread.ask(ask, handler);
  }
}
