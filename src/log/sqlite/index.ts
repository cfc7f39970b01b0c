/** The public face of the log on SQLite. */
export { beginEpoch, newestEpoch, withDirectory } from './epochs.ts';
export { openSqliteLog, type SqliteLog, type SqliteLogOptions } from './driver.ts';
