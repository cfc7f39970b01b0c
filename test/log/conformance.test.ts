import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { MemoryDisk } from '../../src/log/memory-disk.ts';
import { memoryLog } from '../../src/log/memory.ts';
import { openSqliteLog } from '../../src/log/sqlite/index.ts';
import { logConformance } from '../conformance/log.ts';

logConformance('memory', async () => {
  const disk = new MemoryDisk();
  return {
    open: async () => memoryLog({ scheduler: systemScheduler, disk }),
    cleanup: async () => undefined,
  };
});

logConformance('sqlite', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'muster-log-'));
  return {
    open: () =>
      openSqliteLog({
        dir,
        scheduler: systemScheduler,
        onFatal: (fault) => {
          throw fault;
        },
      }),
    cleanup: () => rm(dir, { recursive: true }),
  };
});
