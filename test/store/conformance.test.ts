import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { openSqliteStore } from '../../src/store/index.ts';
import { memoryStore, MemoryStoreDisk } from '../../src/store/memory.ts';
import { archiveConformance } from '../conformance/store-archive.ts';
import { outputConformance } from '../conformance/store-output.ts';
import { storeConformance, type StoreFixture } from '../conformance/store.ts';

async function inMemory(): Promise<StoreFixture> {
  const disk = new MemoryStoreDisk();
  return {
    open: async (retention) => memoryStore({ scheduler: systemScheduler, disk, ...retention }),
    cleanup: async () => undefined,
  };
}

async function onSqlite(): Promise<StoreFixture> {
  const dir = await mkdtemp(join(tmpdir(), 'muster-store-'));
  return {
    open: (retention) =>
      openSqliteStore({
        dir,
        scheduler: systemScheduler,
        ...retention,
        onFatal: (error) => {
          throw error;
        },
      }),
    cleanup: () => rm(dir, { recursive: true }),
  };
}

for (const [name, fixtureOf] of [
  ['memory', inMemory],
  ['sqlite', onSqlite],
] as const) {
  storeConformance(name, fixtureOf);
  outputConformance(name, fixtureOf);
  archiveConformance(name, fixtureOf);
}
