/** The public face of the read store and of the blobs on SQLite. */
export { BlobsCheck } from './blobs/check.ts';
export { checkStore, type StoreFault } from './sqlite/check.ts';
export { leftUploads, removeLeftUploads } from './uploads/folder.ts';
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './sqlite/store.ts';
