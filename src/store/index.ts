/** The public face of the read store on SQLite. */
export { checkStore, type StoreFault } from './sqlite/check.ts';
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './sqlite/store.ts';
