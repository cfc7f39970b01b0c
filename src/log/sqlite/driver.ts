/**
 * The log on SQLite, seen from the main thread.
 *
 * Owns: the worker thread, the head records, the free space of the disk, the end after a fatal fault. Does not own: groups (groups.ts),
 * snapshots (snapshot-store.ts), the database (worker.ts and below it).
 *
 * D1 After a fatal fault no outcome is known: pending appends get UNKNOWN, tails and asks the fault, `onFatal` is
 *    called once. The process must end then; nothing is tried again.
 * D2 No callback runs inside the call that was given it: every one is run by a message from the worker, or deferred.
 * D3 The worker holds the lock of the directory: snapshots are touched only while it does, from `ready` to `close`.
 * D4 While it is held for a backup, no entry is trimmed and no snapshot removed.
 */
import { mkdirSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { assert, must } from '../../base/assert.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { workerUrl } from '../../base/worker-url.ts';
import { LogFault, type LogDriver } from '../port.ts';
import { Asker } from './asker.ts';
import { faultOf } from './fault.ts';
import { Groups } from './groups.ts';
import { HeadFile } from './head-file.ts';
import { Here } from './here.ts';
import { LaneControl } from './lane.ts';
import { faultMessage, type FaultMessage, type FromWorker, type ToWorker, type WorkerStart } from './messages.ts';
import { SnapshotFiles } from './snapshot-store.ts';
import { SqliteTenantLog, type TenantHost } from './tenant-log.ts';

/** How old the figure of free space may be. */
const diskMs = 3_000;

export interface SqliteLogOptions {
  readonly dir: string;
  readonly scheduler: Scheduler;
  /** Durability is in doubt: the process must end. */
  readonly onFatal: (fault: LogFault) => void;
  /** A file of snapshots is of no use, or cannot be removed; the log goes on. */
  readonly onTrouble?: (file: string, why: string) => void;
  /** What may be trimmed is known elsewhere; default: what a snapshot beside the log covers. */
  readonly covered?: (tenant: string) => number;
  /** Small groups may be committed on this thread while the worker has nothing to do. Default: none are. */
  readonly commitsHere?: boolean;
  /** None are while commits take longer than this, on average. Default: 2 ms. */
  readonly slowMs?: number;
}

/** Opens the log of a data directory, which is made if it is not there. Rejects with a LogFault. */
export async function openSqliteLog(options: SqliteLogOptions): Promise<SqliteLog> {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  const log = new SqliteLog(options);
  try {
    await log.ready();
  } catch (error) {
    await new Promise<void>((resolve) => log.close(resolve));
    throw error;
  }
  return log;
}

type Ready = Extract<FromWorker, { readonly kind: 'ready' }>;
type Disk = { readonly freeBytes: number; readonly freePercent: number };

export class SqliteLog implements LogDriver {
  readonly name = 'sqlite';
  readonly snapshots: SnapshotFiles;
  readonly #options: SqliteLogOptions;
  #fileId: Uint8Array | undefined;
  readonly #worker: Worker;
  readonly #control = new LaneControl();
  readonly #groups: Groups;
  readonly #asker: Asker;
  readonly #logs = new Map<string, SqliteTenantLog | undefined>();
  readonly #byNo = new Map<number, SqliteTenantLog>();
  #head: HeadFile | undefined;
  #here: Here | undefined;
  #starting: { readonly ready: (ready: Ready) => void; readonly failed: (fault: LogFault) => void } | undefined;
  #closing: (() => void) | undefined;
  #fatal: LogFault | undefined;
  #ended = false;
  #held = false;
  #disk: Disk | undefined;
  #cancelDisk: (() => void) | undefined;

  constructor(options: SqliteLogOptions) {
    this.#options = options;
    const { dir, scheduler, commitsHere = false } = options;
    const start: WorkerStart = { dir, control: this.#control.shared, shared: commitsHere };
    this.#worker = new Worker(workerUrl(import.meta.url, './worker.ts'), {
      name: 'muster-log',
      workerData: start,
      execArgv: [],
    });
    this.#worker.on('message', (message: FromWorker) => this.#received(message));
    this.#worker.on('error', (error) =>
      this.#fail({ fault: 'IO', message: `the log's thread failed: ${error.message}` }),
    );
    this.#worker.on('exit', () => this.#exited());
    const post = (message: ToWorker): void => {
      this.#worker.postMessage(message, []);
      this.#control.ring();
    };
    this.#groups = new Groups({
      control: this.#control,
      scheduler,
      post,
      here: () => this.#here,
      wroteHead: (no, record) => {
        must(this.#head, 'entries come when the files are open').write(no, record);
        this.#control.wroteHead();
      },
      failed: (error) => {
        this.#fail(faultMessage(faultOf(error, 'writing the log')));
        void this.#worker.terminate(); // D1: nothing more is written
      },
    });
    this.#asker = new Asker((id, ask) => {
      const fatal = this.#fatal;
      if (fatal === undefined) post({ kind: 'ask', id, ask });
      else scheduler.defer(() => this.#asker.refused(id, faultMessage(fatal)));
    });
    this.snapshots = new SnapshotFiles({
      dir: join(dir, 'snapshots'),
      defer: (fn) => scheduler.defer(fn),
      logOf: (tenant) => must(this.#logs.get(tenant), `the log of tenant ${tenant} is open when a snapshot is taken`),
      onTrouble: (file, why) => options.onTrouble?.(file, why),
    });
  }

  /** Resolves when the files are open. */
  async ready(): Promise<void> {
    const { fileId, shared } = await new Promise<Ready>((resolve, reject) => {
      this.#starting = { ready: resolve, failed: reject };
    });
    const { dir, scheduler } = this.#options;
    this.#head = HeadFile.open(join(dir, 'head'));
    if (shared)
      this.#here = new Here({
        dir,
        scheduler,
        control: this.#control,
        logByNo: (no) => must(this.#byNo.get(no), `the log of tenant ${no} is open`),
        asked: () => !this.#asker.idle,
        slowMs: this.#options.slowMs,
      });
    await this.snapshots.load(fileId); // D3
    await this.#refreshDisk();
    this.#fileId = fileId;
  }

  /** Identity of the data directory, drawn when it was made. */
  get fileId(): Uint8Array {
    return must(this.#fileId, 'a log that is open has an identity');
  }

  tenants(done: (ids: readonly string[]) => void): void {
    this.#asker.ask<'tenants'>({ kind: 'tenants' }, { answered: done, refused: () => undefined });
  }

  open(tenant: string, done: (result: SqliteTenantLog | LogFault) => void): void {
    assert(!this.#logs.has(tenant), `the log of tenant ${tenant} is open already`);
    this.#logs.set(tenant, undefined);
    const host: TenantHost = {
      asker: this.#asker,
      clocks: () => ({ wall: Date.now(), mono: performance.now() }),
      covered: () => this.#options.covered?.(tenant) ?? this.snapshots.newest(tenant)?.meta.seq ?? 0,
      held: (trimmed) => {
        if (this.#held) this.#options.scheduler.defer(trimmed);
        return this.#held;
      },
      append: (log, payloads, outcome) => {
        assert(this.#closing === undefined, 'a log that is closing takes no append');
        if (this.#fatal === undefined) this.#groups.append({ log, payloads, done: outcome });
        else this.#options.scheduler.defer(() => outcome({ kind: 'UNKNOWN' }));
      },
    };
    const newest = this.snapshots.newest(tenant);
    const at = newest && { logId: newest.logId, seq: newest.meta.seq, chain: newest.meta.chain };
    this.#asker.ask<'open'>(
      { kind: 'open', tenant, newest: at },
      {
        answered: (opened) => {
          const log = new SqliteTenantLog(tenant, opened, host);
          this.#logs.set(tenant, log);
          this.#byNo.set(log.no, log);
          done(log);
        },
        refused: (fault) => {
          this.#logs.delete(tenant);
          done(fault);
        },
      },
    );
  }

  /**
   * D4. `done` is called when the files may be copied, one hold at a time; what is forgotten or removed meanwhile waits for
   * a later checkpoint.
   */
  hold(done: (fault?: LogFault) => void): void {
    assert(!this.#held, 'a log is held once at a time');
    this.#held = true;
    this.snapshots.held = true;
    this.#asker.ask<'hold'>({ kind: 'hold' }, { answered: () => done(), refused: done });
  }

  release(): void {
    this.#held = false;
    this.snapshots.held = false;
    this.#asker.ask<'release'>({ kind: 'release' }, { answered: () => undefined, refused: () => undefined });
  }

  /** Group commits so far, by the thread that did them. */
  commits(): { readonly main: number; readonly log: number } {
    const { here, sent } = this.#groups.counts;
    return { main: here, log: sent };
  }

  disk(): Disk | undefined {
    return this.#disk;
  }

  close(done: () => void): void {
    assert(this.#closing === undefined, 'a log is closed once');
    this.#closing = done;
    this.#cancelDisk?.();
    if (this.#ended) this.#options.scheduler.defer(done);
    else this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#closing === undefined || !this.#groups.idle || this.#fatal !== undefined) return;
    const ended = (): void => undefined; // the thread's exit is what counts
    const close = (): void => {
      this.#closeFiles();
      this.#asker.ask<'close'>({ kind: 'close' }, { answered: ended, refused: ended });
    };
    this.snapshots.close(close); // D3
  }

  #received(message: FromWorker): void {
    if (typeof message === 'number') {
      this.#groups.durable(message);
      this.#closeWhenIdle();
      return;
    }
    switch (message.kind) {
      case 'answer':
        this.#asker.answered(message.id, message.answer);
        return;
      case 'refused':
        this.#asker.refused(message.id, message.fault);
        return;
      case 'ready':
        this.#starting?.ready(message);
        this.#starting = undefined;
        return;
      case 'fatal':
        this.#fail(message.fault);
        return;
    }
  }

  /** D1 */
  #fail(message: FaultMessage): void {
    if (this.#fatal !== undefined) return;
    const fault = new LogFault(message.fault, message.message);
    this.#fatal = fault;
    this.#cancelDisk?.();
    if (this.#starting !== undefined) {
      this.#starting.failed(fault);
      this.#starting = undefined;
      return;
    }
    this.snapshots.halt(fault);
    for (const done of this.#groups.stop()) done({ kind: 'UNKNOWN' });
    for (const log of this.#logs.values()) log?.fail(fault);
    this.#asker.failAll(fault);
    this.#options.onFatal(fault);
  }

  #closeFiles(): void {
    this.#here?.close();
    this.#here = undefined;
    this.#head?.close();
    this.#head = undefined;
  }

  #exited(): void {
    this.#ended = true;
    this.#closeFiles();
    if (this.#closing === undefined) this.#fail({ fault: 'IO', message: "the log's thread ended" });
    else this.#closing();
  }

  async #refreshDisk(): Promise<void> {
    try {
      const { bavail, blocks, bsize } = await statfs(this.#options.dir);
      this.#disk = { freeBytes: bavail * bsize, freePercent: (100 * bavail) / Math.max(1, blocks) };
    } catch {
      this.#disk = undefined; // a file system that does not say is not full
    }
    if (this.#closing !== undefined || this.#fatal !== undefined) return;
    this.#cancelDisk = this.#options.scheduler.after(diskMs, () => void this.#refreshDisk());
  }
}
