import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { MemoryDisk } from '../../src/log/memory-disk.ts';
import { memoryLog } from '../../src/log/memory.ts';
import { openRedisLog, parseRedisUrl } from '../../src/log/redis/index.ts';
import { openSqliteLog } from '../../src/log/sqlite/index.ts';
import { afterAll, beforeAll } from 'vitest';
import { logConformance } from '../conformance/log.ts';
import { emptyRedis } from '../support/redis-server.ts';

logConformance('memory', async () => {
  const disk = new MemoryDisk();
  return {
    open: async () => memoryLog({ scheduler: systemScheduler, disk }),
    cleanup: async () => undefined,
  };
});

for (const commitsHere of [false, true])
  logConformance(commitsHere ? 'sqlite, small groups on the main thread' : 'sqlite', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'muster-log-'));
    return {
      open: () =>
        openSqliteLog({
          dir,
          commitsHere,
          scheduler: systemScheduler,
          onFatal: (fault) => {
            throw fault;
          },
        }),
      cleanup: () => rm(dir, { recursive: true }),
    };
  });

let redis: Awaited<ReturnType<typeof emptyRedis>>;
beforeAll(async () => {
  redis = await emptyRedis();
});
afterAll(() => redis.remove());

logConformance('redis', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'muster-tail-'));
  await redis.empty();
  return {
    open: () =>
      openRedisLog({
        address: parseRedisUrl(redis.url),
        dir,
        engine: 1,
        scheduler: systemScheduler,
        onFatal: (fault) => {
          throw fault;
        },
      }),
    cleanup: () => rm(dir, { recursive: true }),
  };
});
