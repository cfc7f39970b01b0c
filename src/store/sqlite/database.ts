/**
 * `<data>/store.db`: settings and schema of the read store.
 *
 * DB1 `synchronous=NORMAL`: a commit writes the write-ahead log and does not sync it, so that lazy writes cost no
 *    flush of the disk. After a power cut a clean prefix of the commits is there. What must be durable is made so by
 *    `flush`.
 * DB2 `flush` commits one row with `synchronous=FULL`. That syncs the write-ahead log, which is one file and holds
 *     every commit before it that no checkpoint has yet moved to the database; and a checkpoint syncs both files.
 * DB3 While it is held for a backup, its file stays as it is, and all that is written goes to the write-ahead log, which begins anew:
 *     a copy of the one and then of the other is the database as of some commit in between.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { rowsOf } from '../task-chunk.ts';
import { checked } from './checked.ts';

const schemaVersion = 5;
/** "MSTO" */
const applicationId = 0x4d53544f;
const pageBytes = 16 * 1024;
/** Pages in the write-ahead log after which it is emptied: 2 MiB, so that the log beside it on the disk waits shortly. */
const walPages = 128;

const schema = `
  CREATE TABLE flush (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL) STRICT;
  INSERT INTO flush (one, count) VALUES (1, 0);
  CREATE TABLE tenant (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    dropped INTEGER NOT NULL DEFAULT 0, floor INTEGER NOT NULL DEFAULT 0, floors BLOB NOT NULL DEFAULT x''
  ) STRICT;
  CREATE TABLE history (
    no INTEGER PRIMARY KEY, tenant INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    at INTEGER NOT NULL, bytes INTEGER NOT NULL, audiences BLOB NOT NULL, payload BLOB NOT NULL
  ) STRICT;
  CREATE TABLE finished (
    no INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, lowest TEXT NOT NULL, highest TEXT NOT NULL,
    keys BLOB NOT NULL, columns BLOB NOT NULL, views BLOB NOT NULL
  ) STRICT;
  CREATE INDEX finished_by_highest ON finished (tenant, highest, lowest);
  CREATE TABLE task (tenant INTEGER NOT NULL, id TEXT NOT NULL, chunk INTEGER NOT NULL, PRIMARY KEY (tenant, id))
    STRICT, WITHOUT ROWID;
`;

/** Version 2: what retention asks of chunks of finished tasks stands beside them. */
const chunkSchema = `
  CREATE TABLE finished_chunk (
    no INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, dead INTEGER NOT NULL, newest INTEGER NOT NULL, bytes INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX finished_chunk_by_kind ON finished_chunk (tenant, dead, no);
`;

/** Version 3: counts of work; chunks are found by when their tasks ended. Of older ones it is not known since when. */
const statSchema = `
  CREATE TABLE stat (
    tenant INTEGER NOT NULL, scope TEXT NOT NULL, level TEXT NOT NULL, key TEXT NOT NULL, slot INTEGER NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (tenant, scope, level, key, slot)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX stat_by_slot ON stat (level, slot, tenant, scope);
  CREATE TABLE stat_tenant (tenant INTEGER PRIMARY KEY, counted INTEGER NOT NULL) STRICT;
  ALTER TABLE finished_chunk ADD COLUMN oldest INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX finished_chunk_by_tenant ON finished_chunk (tenant, no);
`;

/** Version 4: what tasks hand out before they have ended. */
const outputSchema = `
  CREATE TABLE output (
    no INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, task TEXT NOT NULL, start INTEGER NOT NULL,
    at INTEGER NOT NULL, bytes INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (tenant, task, start)
  ) STRICT;
  CREATE INDEX output_by_age ON output (tenant, no, at, bytes);
`;

/**
 * Version 5: versions of documents that their states keep no more, and which texts they replaced (SHA-256). Those that were put first have the
 * smallest numbers. A text names its version by number alone, so that it stays named when the version cannot be read any more.
 */
const archiveSchema = `
  CREATE TABLE document_version (
    no INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, document TEXT NOT NULL, version INTEGER NOT NULL,
    bytes INTEGER NOT NULL, record BLOB NOT NULL, anchor BLOB, UNIQUE (tenant, document, version)
  ) STRICT;
  CREATE INDEX document_version_by_age ON document_version (tenant, no, bytes);
  CREATE TABLE document_text (
    tenant INTEGER NOT NULL, sha256 BLOB NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (tenant, sha256, version)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX document_text_by_version ON document_text (tenant, version);
  CREATE TABLE document_gone (tenant INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (tenant, document))
    STRICT, WITHOUT ROWID;
`;

/** How far the log was followed. Of no version: a former build can do without it, and then it says less than there is. */
const appliedSchema = 'CREATE TABLE IF NOT EXISTS applied (tenant INTEGER PRIMARY KEY, seq INTEGER NOT NULL) STRICT';

export interface StoreDatabase {
  readonly db: Database.Database;
  /** Runs `fn` in a transaction. */
  transact(fn: () => void): void;
  /** DB2 */
  flush(): void;
  /** DB3 */
  hold(): void;
  release(): void;
}

export function openDatabase(dir: string): StoreDatabase {
  const path = join(dir, 'store.db');
  const db = new Database(path, { timeout: 0 });
  try {
    db.pragma(`page_size=${pageBytes}`);
    db.pragma('locking_mode=EXCLUSIVE');
    db.pragma('journal_mode=WAL');
    db.pragma('synchronous=NORMAL');
    db.pragma(`wal_autocheckpoint=${walPages}`);
    if (db.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined) create(db);
    if (db.pragma('user_version', { simple: true }) === 1) addChunks(db);
    if (db.pragma('user_version', { simple: true }) === 2) addStats(db);
    if (db.pragma('user_version', { simple: true }) === 3) addOutput(db);
    if (db.pragma('user_version', { simple: true }) === 4) addArchive(db);
    const application: unknown = db.pragma('application_id', { simple: true });
    const version: unknown = db.pragma('user_version', { simple: true });
    if (application !== applicationId || version !== schemaVersion) {
      throw new Error(`${path} has version ${String(version)}, this build reads ${schemaVersion}`);
    }
    db.exec(appliedSchema);
  } catch (error) {
    db.close();
    throw error;
  }
  const mark = db.prepare('UPDATE flush SET count = count + 1');
  return {
    db,
    transact: (fn) => db.transaction(fn).immediate(),
    flush: () => {
      db.pragma('synchronous=FULL');
      mark.run();
      db.pragma('synchronous=NORMAL');
    },
    hold: () => {
      const busy: unknown = db.pragma('wal_checkpoint(TRUNCATE)', { simple: true });
      if (busy !== 0) throw new Error(`the write-ahead log of ${path} cannot be emptied`);
      db.pragma('wal_autocheckpoint=0');
    },
    release: () => {
      db.pragma(`wal_autocheckpoint=${walPages}`);
    },
  };
}

function create(db: Database.Database): void {
  db.transaction(() => {
    db.exec(schema);
    db.exec(chunkSchema);
    db.exec(statSchema);
    db.exec(outputSchema);
    db.exec(archiveSchema);
    db.pragma(`application_id=${applicationId}`);
    db.pragma(`user_version=${schemaVersion}`);
  }).immediate();
}

/** From version 2. */
function addStats(db: Database.Database): void {
  db.transaction(() => {
    db.exec(statSchema);
    db.pragma('user_version=3');
  }).immediate();
}

function addOutput(db: Database.Database): void {
  db.transaction(() => {
    db.exec(outputSchema);
    db.pragma('user_version=4');
  }).immediate();
}

function addArchive(db: Database.Database): void {
  db.transaction(() => {
    db.exec(archiveSchema);
    db.pragma('user_version=5');
  }).immediate();
}

/** From version 1. A chunk that cannot be read is of no use to anybody: it is the first to be dropped. */
function addChunks(db: Database.Database): void {
  db.transaction(() => {
    db.exec(chunkSchema);
    const insert = db.prepare('INSERT INTO finished_chunk (no, tenant, dead, newest, bytes) VALUES (?, ?, ?, ?, ?)');
    const select = db.prepare<[number], { no: number; tenant: number; columns: unknown; views: number }>(
      'SELECT no, tenant, columns, length(views) AS views FROM finished WHERE no > ? ORDER BY no LIMIT 1',
    );
    for (let row = select.get(0); row !== undefined; row = select.get(row.no)) {
      const columns = checked(row.columns);
      const tasks = columns === undefined ? [] : rowsOf(columns);
      const newest = tasks.reduce((latest, task) => Math.max(latest, task.finishedAt), 0);
      const dead = tasks.some((task) => task.dead) ? 1 : 0;
      insert.run(row.no, row.tenant, dead, newest, row.views + (columns?.length ?? 0));
    }
    db.pragma('user_version=2');
  }).immediate();
}
