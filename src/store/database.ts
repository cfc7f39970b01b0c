/** A file of SQLite that one process has for itself, which says whose it is and of which version. */
import Database from 'better-sqlite3';

export interface DatabaseShape {
  readonly applicationId: number;
  readonly schemaVersion: number;
  readonly schema: string;
  /** What a loss of power may take: nothing of what was committed (FULL), or the newest commits (NORMAL). */
  readonly synchronous: 'FULL' | 'NORMAL';
  /** Pages of the write-ahead log from which on it is taken into the file. */
  readonly walPages: number;
}

/** Makes the file if there is none; throws when it is of another kind or version, or cannot be opened. */
export function openDatabase(path: string, shape: DatabaseShape): Database.Database {
  const { applicationId, schemaVersion, synchronous, walPages } = shape;
  const db = new Database(path, { timeout: 0 });
  try {
    db.pragma('locking_mode=EXCLUSIVE');
    db.pragma('journal_mode=WAL');
    db.pragma(`synchronous=${synchronous}`);
    db.pragma(`wal_autocheckpoint=${walPages}`);
    if (db.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined) create(db, shape);
    const application: unknown = db.pragma('application_id', { simple: true });
    const version: unknown = db.pragma('user_version', { simple: true });
    if (application === applicationId && version === schemaVersion) return db;
    throw new Error(`${path} has version ${String(version)}, this build reads ${schemaVersion}`);
  } catch (error) {
    db.close();
    throw error;
  }
}

function create(db: Database.Database, { applicationId, schemaVersion, schema }: DatabaseShape): void {
  db.transaction(() => {
    db.exec(schema);
    db.pragma(`application_id=${applicationId}`);
    db.pragma(`user_version=${schemaVersion}`);
  }).immediate();
}

/** Of an error of SQLite. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
