/**
 * The files of the SQLite log: `lock.db`, `head` and `muster.db` of a data directory, opened and proven usable.
 *
 * Owns: locking the directory, settings, schema, and what may stand beside what. Does not own: rows, the files of
 * snapshots (snapshot-store.ts).
 *
 * F1 `lock.db` is held by an EXCLUSIVE transaction as long as the process lives: a second process has no business here.
 * F2 `journal_mode` and `synchronous` are set and read back. One connection does all checkpoints; it does all writes too, unless
 *    the database is shared: then the main thread has a second one, and they take turns (lane.ts).
 * F3 A database is made only where nothing says that there was one: `head` without `muster.db` is a fault.
 * F4 Bulk work (removal of rows) is written without a sync of its own: the next commit of entries
 *    syncs the write-ahead log with all that stands before it, and nothing depends on it sooner. `synchronous` is FULL
 *    again, and read back, before anything else runs.
 *
 * Settings, measured here with commits of one 400-byte entry and of eight 20 KB entries:
 * - Write-ahead log kept at about 2 MiB: a commit takes 0.14 ms (p50); with one that only grows 0.22–0.29 ms, since
 *   each fdatasync then also records the new length. A checkpoint of 2 MiB takes 0.5 ms after small commits and 2 ms
 *   after large ones; one of 16 MiB takes 16 ms. So checkpoints are small and frequent (commit.ts).
 * - Page size 16 KiB: as fast as 4 KiB for small commits (0.137 against 0.123–0.150 ms), 10–20 % faster for large
 *   ones (0.29 against 0.33 ms, checkpoints 2.0 against 2.9 ms).
 * - `locking_mode=EXCLUSIVE` spares the lock calls of each transaction: below what can be measured here, but it also
 *   keeps any other program from checkpointing. A shared database cannot have it: there another program that reads or writes
 *   waits for its turn as any user of SQLite does, and the log for `busyMs` at most.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { EnvelopeKind, sameBytes, seal, unseal } from '../envelope.ts';
import { LogFault } from '../port.ts';
import { faultOf } from './fault.ts';
import { fileIdBytes, HeadFile } from './head-file.ts';

export const pageBytes = 16 * 1024;
/** How long the log waits for another program that has the database locked. */
const busyMs = 10_000;
const schemaVersion = 2;
/** "MUST" */
const applicationId = 0x4d555354;

/**
 * `entry.link` is the stored bytes of an entry and, behind them, the chain after it: they stand side by side in the
 * lane too, and one blob per row is read in half the time of two.
 */
const schema = `
  CREATE TABLE file (one INTEGER PRIMARY KEY CHECK (one = 1), record BLOB NOT NULL) STRICT;
  CREATE TABLE tenant (no INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;
  CREATE TABLE entry (pos INTEGER PRIMARY KEY, link BLOB NOT NULL) STRICT;
`;

export interface LogFiles {
  readonly db: Database.Database;
  readonly head: HeadFile;
  /** `head` was deleted beside a database in use: what is there counts, in a new epoch. */
  readonly accepted: boolean;
  /** A second connection of this process may be opened. */
  readonly shared: boolean;
  /** F4: runs a transaction that need not be durable before later ones are. */
  lazily(write: () => void): void;
  close(): void;
}

/** `shared`: wanted; where the file system cannot share memory by files it is not to be had. */
export function openFiles(dir: string, shared = false): LogFiles {
  const lock = lockDirectory(dir);
  try {
    const files = openLocked(dir, shared);
    return {
      ...files,
      lazily: (write) => lazily(files.db, write),
      close: () => {
        files.head.close();
        files.db.close();
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw faultOf(error, `opening ${join(dir, 'muster.db')}`);
  }
}

/** The main thread's connection to a database that the worker has opened and shares. It waits for no other program. */
export function openBeside(dir: string): Database.Database {
  const path = join(dir, 'muster.db');
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { timeout: 0, fileMustExist: true });
    db.pragma('wal_autocheckpoint=0');
    db.pragma('cell_size_check=ON');
    checkJournal(db);
    syncCommits(db);
    return db;
  } catch (error) {
    db?.close();
    throw faultOf(error, `opening ${path} once more`);
  }
}

/** F1 */
export function lockDirectory(dir: string): Database.Database {
  const path = join(dir, 'lock.db');
  let lock: Database.Database | undefined;
  try {
    lock = new Database(path, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    const fault = faultOf(error, `locking ${dir}`);
    if (fault.fault !== 'LOCKED') throw fault;
    throw new LogFault(
      'LOCKED',
      `another process has the data directory ${dir} open: stop it, or use another directory`,
      {
        cause: error,
      },
    );
  }
}

function openLocked(dir: string, wanted: boolean): Pick<LogFiles, 'db' | 'head' | 'accepted' | 'shared'> {
  const dbPath = join(dir, 'muster.db');
  const headPath = join(dir, 'head');
  const there = { db: existsSync(dbPath), head: existsSync(headPath) };
  let head = there.head ? HeadFile.open(headPath) : undefined;
  let db: Database.Database | undefined;
  try {
    if (!there.db && head === undefined) {
      head = HeadFile.create(headPath, randomBytes(fileIdBytes));
      syncDirectory(dir); // before the database can hold anything
    }
    const recorded = head !== undefined && head.records.size > 0;
    if (!there.db && recorded)
      throw new LogFault('TRUNCATED', `${dbPath} is gone, but ${headPath} knows of entries in it`); // F3
    const opened = openDatabase(dbPath, wanted);
    const { shared } = opened;
    db = opened.db;
    const fresh = isFresh(db);
    if (fresh && recorded)
      throw new LogFault('TRUNCATED', `${dbPath} is empty, but ${headPath} knows of entries in it`); // F3
    if (fresh) create(db, head?.fileId ?? randomBytes(fileIdBytes));
    checkVersion(db, dbPath);
    const fileId = fileIdOf(db, dbPath);
    const accepted = head === undefined;
    head ??= HeadFile.create(headPath, fileId);
    if (!sameBytes(head.fileId, fileId)) {
      throw new LogFault('WRONG_LOG', `${headPath} belongs to another database than ${dbPath}`);
    }
    syncDirectory(dir);
    return { db, head, accepted, shared };
  } catch (error) {
    db?.close();
    head?.close();
    throw error;
  }
}

function openDatabase(path: string, wanted: boolean): { readonly db: Database.Database; readonly shared: boolean } {
  if (wanted) {
    const db = new Database(path, { timeout: busyMs });
    try {
      configure(db, 'NORMAL');
      return { db, shared: true };
    } catch (error) {
      db.close();
      if (!cannotShare(error)) throw error;
    }
  }
  const db = new Database(path, { timeout: 0 });
  try {
    configure(db, 'EXCLUSIVE');
    return { db, shared: false };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** The file system has no memory that is shared by a file, which a write-ahead log of several connections needs. */
function cannotShare(error: unknown): boolean {
  const code = error instanceof Database.SqliteError ? error.code : '';
  return code.startsWith('SQLITE_IOERR_SHM') || code === 'SQLITE_CANTOPEN' || code === 'SQLITE_PROTOCOL';
}

/** F2 */
function configure(db: Database.Database, locking: 'NORMAL' | 'EXCLUSIVE'): void {
  db.pragma(`page_size=${pageBytes}`);
  db.pragma(`locking_mode=${locking}`);
  db.pragma('journal_mode=WAL');
  db.pragma('wal_autocheckpoint=0');
  db.pragma('cell_size_check=ON');
  checkJournal(db);
  syncCommits(db);
  db.prepare('SELECT count(*) FROM sqlite_master').get(); // where memory cannot be shared, this says so
}

function checkJournal(db: Database.Database): void {
  const journal: unknown = db.pragma('journal_mode', { simple: true });
  if (journal !== 'wal') {
    throw new LogFault('IO', `this file system cannot keep a write-ahead log (${String(journal)})`);
  }
}

function syncCommits(db: Database.Database): void {
  db.pragma('synchronous=FULL');
  const synchronous: unknown = db.pragma('synchronous', { simple: true });
  if (synchronous !== 2) throw new LogFault('IO', `commits would not be synced (${String(synchronous)})`);
}

/** F4 */
function lazily(db: Database.Database, write: () => void): void {
  db.pragma('synchronous=NORMAL');
  try {
    write();
  } finally {
    syncCommits(db);
  }
}

function isFresh(db: Database.Database): boolean {
  return db.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined;
}

function create(db: Database.Database, fileId: Uint8Array): void {
  db.transaction(() => {
    db.exec(schema);
    const record = seal({ kind: EnvelopeKind.record, epoch: 0, ts: Date.now() }, fileId);
    db.prepare('INSERT INTO file (one, record) VALUES (1, ?)').run(record);
    db.pragma(`application_id=${applicationId}`);
    db.pragma(`user_version=${schemaVersion}`);
  }).immediate();
}

function checkVersion(db: Database.Database, path: string): void {
  const application: unknown = db.pragma('application_id', { simple: true });
  if (application !== applicationId) throw new LogFault('WRONG_LOG', `${path} is not a database of Muster`);
  const found: unknown = db.pragma('user_version', { simple: true });
  if (found !== schemaVersion) {
    throw new LogFault('VERSION', `${path} has version ${String(found)}, this build reads ${schemaVersion}`);
  }
}

function fileIdOf(db: Database.Database, path: string): Uint8Array {
  const record: unknown = db.prepare('SELECT record FROM file WHERE one = 1').pluck().get();
  const opened = record instanceof Uint8Array ? unseal(EnvelopeKind.record, record) : undefined;
  if (opened === undefined || !opened.ok || opened.value.payload.length !== fileIdBytes) {
    throw new LogFault('CORRUPT', `the identity of ${path} cannot be read`);
  }
  return opened.value.payload;
}

function syncDirectory(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
