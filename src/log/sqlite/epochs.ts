/** Epochs of a data directory that no server has open: for what is restored from a backup. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { LogFault } from '../port.ts';
import { faultOf } from './fault.ts';
import { lockDirectory, openFiles } from './file.ts';
import { cells, RecordReader } from './record.ts';
import { Tenants } from './tenants.ts';

/** Runs `work` while nobody else can open the directory. Rejects with a LogFault LOCKED while somebody has it. */
export async function withDirectory<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const lock = lockDirectory(dir);
  try {
    return await work();
  } finally {
    lock.close();
  }
}

/** The newest epoch of any tenant, 0 where there is none. Throws a LogFault. */
export function newestEpoch(dir: string): number {
  const path = join(dir, 'muster.db');
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { timeout: 0, fileMustExist: true });
    const rows = db.prepare('SELECT no, record FROM tenant').raw().all();
    return Math.max(0, ...rows.map((row) => epochIn(row)));
  } catch (error) {
    throw error instanceof LogFault ? error : faultOf(error, `reading ${path}`);
  } finally {
    db?.close();
  }
}

function epochIn(row: unknown): number {
  const [no, stored] = cells(row);
  return new RecordReader(`tenant ${String(no)}`, stored).integer('epoch');
}

/** The log goes on in an epoch of its own, at least this one: `head` has to be gone. Returns the newest. Throws a LogFault. */
export function beginEpoch(dir: string, atLeast: number): number {
  const files = openFiles(dir);
  try {
    const tenants = new Tenants(files, atLeast);
    return Math.max(atLeast, ...tenants.all().map(({ epoch }) => epoch));
  } finally {
    files.close();
  }
}
