/**
 * Opens the queue of background jobs that the options name: the one inside the process, or BullMQ in Redis.
 *
 * Owns: which jobs several processes share. Does not own: the queues.
 */
import type { Cluster, Redis } from 'ioredis';
import type { Entropy, Scheduler } from './base/scheduler.ts';
import { EmbeddedJobs, type JobQueue, type JobRun } from './jobs/index.ts';
import { optionsFor, parseRedisUrl, type RedisAddress } from './log/redis/address.ts';

export interface OpenJobsOptions {
  /** URL of the Redis that has the jobs; undefined: they are kept in this process. */
  readonly redis: string | undefined;
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  readonly onRun: (run: JobRun) => void;
  readonly onTrouble: (what: string) => void;
}

/** In braces: all keys of a queue are in one slot of a cluster. */
const JOBS_PREFIX = 'muster:{jobs}';

export async function openJobs(options: OpenJobsOptions): Promise<JobQueue> {
  const { redis, ...rest } = options;
  if (redis === undefined) return new EmbeddedJobs(rest);
  const address = parseRedisUrl(redis);
  // Here and not above: who has no Redis does not wait for BullMQ to be loaded.
  const [ioredis, { BullJobs }] = await Promise.all([import('ioredis'), import('./jobs/bullmq.ts')]);
  // A checkpoint goes to Redis, where every node reads it; a move goes into the log. What is kept for how long is of the files of each node.
  return new BullJobs({
    ...rest,
    connect: () => connectionTo(address, ioredis),
    prefix: JOBS_PREFIX,
    shared: ['checkpoint', 'rebalance'],
  });
}

type Clients = Pick<typeof import('ioredis'), 'Cluster' | 'Redis'>;

const AGAIN_MS_MAX = 2_000;
/** A connection that is dead already would keep a process that stops for so long. */
const DISCONNECT_MS = 200;

/** As BullMQ wants it: commands wait while there is no connection. */
function connectionTo(address: RedisAddress, ioredis: Clients): Redis | Cluster {
  const again = (times: number): number => Math.min(times * 100, AGAIN_MS_MAX);
  const [first] = address.hosts;
  if (address.kind === 'cluster') {
    const redisOptions = { ...address.options, maxRetriesPerRequest: null, disconnectTimeout: DISCONNECT_MS };
    return new ioredis.Cluster([...address.hosts], { redisOptions, clusterRetryStrategy: again });
  }
  return new ioredis.Redis({
    ...optionsFor(address, first ?? { host: '127.0.0.1', port: 6379 }),
    maxRetriesPerRequest: null,
    disconnectTimeout: DISCONNECT_MS,
    retryStrategy: again,
    sentinelRetryStrategy: again,
  });
}
