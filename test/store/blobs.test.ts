import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { MemoryBlobDisk, MemoryBlobs } from '../../src/store/blobs/memory.ts';
import { openSqliteBlobs } from '../../src/store/blobs/sqlite.ts';
import { blobConformance, type BlobFixture } from '../conformance/blobs.ts';

async function inMemory(): Promise<BlobFixture> {
  const disk = new MemoryBlobDisk();
  return {
    open: async () => new MemoryBlobs({ scheduler: systemScheduler, disk }),
    damage: (tenant, name) => disk.damage(tenant, name),
    cleanup: async () => undefined,
  };
}

async function onSqlite(): Promise<BlobFixture> {
  const dir = await mkdtemp(join(tmpdir(), 'muster-blobs-'));
  return {
    open: () =>
      openSqliteBlobs({
        dir,
        scheduler: systemScheduler,
        onFatal: (error) => {
          throw error;
        },
      }),
    damage: (_, name) => {
      const db = new Database(join(dir, 'blobs.db'));
      db.prepare("UPDATE blob SET data = x'6f6f65' WHERE hash = ?").run(name);
      db.close();
    },
    cleanup: () => rm(dir, { recursive: true }),
  };
}

blobConformance('memory', inMemory);
blobConformance('sqlite', onSqlite);
