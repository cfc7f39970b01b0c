/**
 * Opens the log that the options name: the embedded database of the data directory, or Redis.
 *
 * Owns: that a data directory has one kind of log. Does not own: the drivers.
 *
 * OL1 A directory that has a log of its own is not served with Redis, and the other way round: its tenants would seem gone.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Scheduler } from './base/scheduler.ts';
import { ENGINE_VERSION } from './engine/port.ts';
import { ConfigError } from './config.ts';
import type { RedisStatus, StoreRelay } from './log/redis/driver.ts';
import type { RedisTexts } from './log/redis/texts.ts';
import type { LogDriver } from './log/port.ts';
import { openSqliteLog, type SqliteLog } from './log/sqlite/index.ts';

export interface OpenLogOptions {
  /** Data directory. */
  readonly data: string;
  /** URL of Redis; undefined: the embedded database. */
  readonly redis: string | undefined;
  readonly allowUnsafeRedis: boolean;
  /** Name of this process, and whether others may serve the same tenants. */
  readonly nodeId: string;
  readonly shared: boolean;
  readonly scheduler: Scheduler;
  readonly onFatal: (error: Error) => void;
  readonly onSnapshotTrouble: (file: string, why: string) => void;
  readonly onRedisTrouble: (what: string) => void;
}

export interface OpenedLog {
  readonly driver: LogDriver;
  /** The log again, if it is in files of the data directory, which can be copied. */
  readonly files?: SqliteLog;
  /** How it stands with Redis, if the log is there. */
  readonly redis?: () => RedisStatus;
  /** Where texts of documents are beside it, if it is there. */
  readonly texts?: RedisTexts;
  /** Other nodes may serve the same tenants. */
  readonly relay?: StoreRelay | undefined;
}

/** Rejects with ConfigError, LogFault or UnsafeRedis. */
export async function openLog(options: OpenLogOptions): Promise<OpenedLog> {
  const { data, redis, scheduler, onFatal } = options;
  const tail = join(data, 'tail');
  if (redis === undefined) {
    if (existsSync(tail)) throw wrongKind(data, 'the log of this data directory is in Redis: start with --redis'); // OL1
    const onTrouble = options.onSnapshotTrouble;
    const driver = await openSqliteLog({ dir: data, scheduler, onFatal, onTrouble, commitsHere: true });
    return { driver, files: driver };
  }
  if (existsSync(join(data, 'muster.db'))) {
    throw wrongKind(data, 'this data directory has a log of its own: start without --redis, or with another --data');
  }
  // Here and not above: who has no Redis does not wait for its client to be loaded.
  const { openRedisLog, parseRedisUrl } = await import('./log/redis/index.ts');
  const address = parseRedisUrl(redis);
  const { allowUnsafeRedis: allowUnsafe, onRedisTrouble: onTrouble, nodeId: node, shared } = options;
  const engine = ENGINE_VERSION;
  const to = { address, dir: tail, scheduler, node, shared, engine, allowUnsafe, onFatal, onTrouble };
  const driver = await openRedisLog(to);
  return { driver, redis: () => driver.status(), texts: driver.texts, relay: driver.relay };
}

function wrongKind(data: string, what: string): ConfigError {
  return new ConfigError(`${data}: ${what}.`);
}
