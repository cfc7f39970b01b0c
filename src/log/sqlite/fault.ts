/** What an error of SQLite or of the file system means for a log. */
import Database from 'better-sqlite3';
import { LogFault, type LogFaultName } from '../port.ts';

/** Codes that say that what is on the disk is not what was written. */
const damage = /^SQLITE_(CORRUPT|NOTADB|MISMATCH|SCHEMA|ERROR|CONSTRAINT|RANGE|FORMAT)/;

export function faultOf(error: unknown, doing: string): LogFault {
  if (error instanceof LogFault) return error;
  const message = `${doing}: ${error instanceof Error ? error.message : String(error)}`;
  return new LogFault(faultName(error), message, { cause: error });
}

function faultName(error: unknown): LogFaultName {
  if (!(error instanceof Database.SqliteError)) return 'IO';
  if (damage.test(error.code)) return 'CORRUPT';
  if (error.code.startsWith('SQLITE_BUSY')) return 'LOCKED';
  return 'IO';
}
