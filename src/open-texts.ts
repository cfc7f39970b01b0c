/** Opens what keeps texts of documents and what works upon them; texts of versions before are moved there. */
import { isUtf8 } from 'node:buffer';
import { systemScheduler } from './base/system-scheduler.ts';
import { DocumentThread } from './documents/index.ts';
import type { RedisTexts } from './log/redis/texts.ts';
import type { DocumentTexts } from './node/texts.ts';
import { FileUploads } from './store/uploads/files.ts';
import { moveFiles } from './store/blobs/from-files.ts';
import { SharedBlobs } from './store/blobs/shared.ts';
import { openSqliteBlobs, type SqliteBlobs } from './store/blobs/sqlite.ts';
import { openSqliteSearch } from './store/search/sqlite.ts';
import type { Log } from './telemetry/port.ts';

export interface OpenedTexts extends DocumentTexts {
  /** What of them is in the data directory. */
  readonly files: SqliteBlobs;
  /** `done` when both threads have ended. */
  close(done: () => void): void;
}

export async function openTexts(parts: {
  readonly dir: string;
  /** Where all nodes put them; undefined: in the data directory alone. */
  readonly place: RedisTexts | undefined;
  readonly log: Log;
  readonly onFatal: (error: Error) => void;
}): Promise<OpenedTexts> {
  const { dir, place, log, onFatal } = parts;
  const files = await openSqliteBlobs({ dir, scheduler: systemScheduler, onFatal });
  const { moved, left } = await opened(() => moveFiles(dir, files), files);
  if (moved > 0) log.info('texts of a version before were moved into blobs.db', { moved });
  if (left.length > 0) log.error('texts of a version before are damaged', { files: left.join(', ') });
  const search = await opened(() => openSqliteSearch({ dir, scheduler: systemScheduler, onFatal }), files);
  const blobs = place === undefined ? files : new SharedBlobs({ copies: files, place, scheduler: systemScheduler });
  const uploads = new FileUploads({
    dir,
    scheduler: systemScheduler,
    onTrouble: (error) => log.error('an upload cannot be written or read', { error }),
  });
  const thread = new DocumentThread(systemScheduler);
  return {
    blobs,
    files,
    uploads,
    search,
    isUtf8,
    run: (name, input, done) => thread.run(name, input, done),
    close: (done) => thread.close(() => uploads.close(() => search.close(() => blobs.close(done)))),
  };
}

/** If it fails, the blobs are closed. */
async function opened<T>(open: () => Promise<T>, blobs: SqliteBlobs): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await new Promise<void>((done) => blobs.close(done));
    throw error;
  }
}
