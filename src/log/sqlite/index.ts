/** The public face of the log on SQLite. */
export { openSqliteLog, type SqliteLog, type SqliteLogOptions } from './driver.ts';
