/** The public face of the read store on SQLite. */
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './sqlite/store.ts';
