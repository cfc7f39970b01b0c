/**
 * Commits on the main thread, of small groups while the log's worker has nothing to do.
 *
 * The way to the worker and back takes four changes of thread for each task that is alone on its way, as long as the commit
 * itself takes and more (docs/decisions/0065). Who commits in place does without them; but nothing else runs meanwhile. So only
 * small groups are committed here, and only as long as the disk is fast.
 *
 * Owns: the second connection, whether it is worth its while. Does not own: whose turn it is (lane.ts), what happens after the
 * commit (groups.ts).
 *
 * HR1 One commit in a turn of the event loop: what its answers bring about waits for the sockets to be read.
 * HR2 A slow disk gets no commit from here for a while (DiskPace).
 * HR3 A commit that fails is the end of the process, as in the worker. Another program that has the database is no failure: the
 *     worker waits for it.
 */
import Database from 'better-sqlite3';
import type { Scheduler } from '../../base/scheduler.ts';
import { GroupCommit, walBytes } from './commit.ts';
import { openBeside } from './file.ts';
import { GroupWriter, type LaneControl } from './lane.ts';
import type { SqliteTenantLog } from './tenant-log.ts';

/** Larger groups are worth the way to the worker, which then works beside the main thread. */
const groupBytes = 32 * 1024;
const entriesMax = 4;
/** The worker hears after so long at the latest that it has something to tidy up. */
const tellMs = 200;

export interface HereHost {
  readonly dir: string;
  readonly control: LaneControl;
  readonly scheduler: Scheduler;
  logByNo(no: number): SqliteTenantLog;
  /** The worker has been asked something, and has not answered. */
  asked(): boolean;
  readonly slowMs: number | undefined;
}

export class Here {
  /** Where a group is written, and stands as it is stored after the commit. */
  readonly area = new Uint8Array(2 * groupBytes);
  readonly #host: HereHost;
  readonly #db: Database.Database;
  readonly #transaction: GroupCommit<SqliteTenantLog>;
  readonly #pace: DiskPace;
  /** HR1 */
  #had = false;
  #untoldBytes = 0;
  #cancelTell: (() => void) | undefined;

  /** The worker has to have said that it shares the database. Throws a LogFault. */
  constructor(host: HereHost) {
    this.#host = host;
    this.#pace = new DiskPace(host.slowMs);
    this.#db = openBeside(host.dir);
    this.#transaction = new GroupCommit(this.#db, (no) => host.logByNo(no));
  }

  /** HR1: there was a commit in this turn of the event loop; the next may be in the one after it. */
  get had(): boolean {
    return this.#had;
  }

  /** True: it is this thread's turn, and `commit` has to follow, of what is written to the area. */
  takes(entries: number, bytes: number): boolean {
    if (this.#had || entries > entriesMax || bytes > groupBytes || this.#host.asked()) return false;
    if (this.#pace.rests(performance.now()) || !this.#host.control.takeOver()) return false;
    try {
      this.#transaction.begin();
      return true;
    } catch (error) {
      this.#host.control.giveBack(0);
      if (isBusy(error)) return false; // HR3
      throw error;
    }
  }

  writer(): GroupWriter {
    return new GroupWriter(this.area);
  }

  /** Makes what was written durable, or throws (HR3). */
  commit(): void {
    this.#had = true;
    this.#host.scheduler.defer(() => (this.#had = false));
    const began = performance.now();
    let written = 0;
    try {
      written = this.#transaction.run(this.area).bytes;
    } finally {
      this.#host.control.giveBack(written);
      this.#pace.took(began, performance.now());
      this.#tell(written);
    }
  }

  close(): void {
    this.#cancelTell?.();
    this.#db.close();
  }

  /** The worker sleeps: it has to hear of it now and then, to empty the write-ahead log and sync the head records. */
  #tell(bytes: number): void {
    this.#untoldBytes += bytes;
    if (this.#untoldBytes >= walBytes / 4) return this.#ring();
    this.#cancelTell ??= this.#host.scheduler.after(tellMs, () => this.#ring());
  }

  #ring(): void {
    this.#cancelTell?.();
    this.#cancelTell = undefined;
    this.#untoldBytes = 0;
    this.#host.control.ring();
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

/** A commit may take so long on average. */
const slowMsDefault = 2;
/** So many are in the average, nearly; and none counts for more than so many times what it may take: one that was unlucky is not a slow disk. */
const averaged = 16;
const counted = 4;
const restMs = 1_000;
const restMsMax = 60_000;

/** HR2: whether the disk is fast enough. After commits that were slow it rests, twice as long each time; a minute that was fast forgives. */
export class DiskPace {
  readonly #slowMs: number;
  #averageMs = 0;
  #restMs = restMs;
  #until = -Infinity;

  constructor(slowMs = slowMsDefault) {
    this.#slowMs = slowMs;
  }

  rests(now: number): boolean {
    return now < this.#until;
  }

  took(from: number, to: number): void {
    this.#averageMs += (Math.min(to - from, counted * this.#slowMs) - this.#averageMs) / averaged;
    if (this.#averageMs > this.#slowMs) {
      this.#averageMs = 0;
      this.#until = to + this.#restMs;
      this.#restMs = Math.min(restMsMax, 2 * this.#restMs);
    } else if (to - this.#until >= restMsMax) this.#restMs = restMs;
  }
}
