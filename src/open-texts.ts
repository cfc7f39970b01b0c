/** Opens what keeps texts of documents and what works upon them; texts of versions before are moved there. */
import { systemScheduler } from './base/system-scheduler.ts';
import { DocumentThread } from './documents/index.ts';
import type { DocumentTexts } from './node/texts.ts';
import { FileUploads } from './store/uploads/files.ts';
import { moveFiles } from './store/blobs/from-files.ts';
import { openSqliteBlobs, type SqliteBlobs } from './store/blobs/sqlite.ts';
import type { Log } from './telemetry/port.ts';

export interface OpenedTexts extends DocumentTexts {
  readonly blobs: SqliteBlobs;
  /** `done` when both threads have ended. */
  close(done: () => void): void;
}

export async function openTexts(parts: {
  readonly dir: string;
  readonly log: Log;
  readonly onFatal: (error: Error) => void;
}): Promise<OpenedTexts> {
  const { dir, log, onFatal } = parts;
  const blobs = await openSqliteBlobs({ dir, scheduler: systemScheduler, onFatal });
  try {
    const { moved, left } = await moveFiles(dir, blobs);
    if (moved > 0) log.info('texts of a version before were moved into blobs.db', { moved });
    if (left.length > 0) log.error('texts of a version before are damaged', { files: left.join(', ') });
  } catch (error) {
    await new Promise<void>((done) => blobs.close(done));
    throw error;
  }
  const uploads = new FileUploads({
    dir,
    scheduler: systemScheduler,
    onTrouble: (error) => log.error('an upload cannot be written or read', { error }),
  });
  const thread = new DocumentThread(systemScheduler);
  return {
    blobs,
    uploads,
    run: (name, input, done) => thread.run(name, input, done),
    close: (done) => thread.close(() => uploads.close(() => blobs.close(done))),
  };
}
