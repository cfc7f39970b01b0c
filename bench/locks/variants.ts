/** The systems of locks that are measured beside each other. */
import { join } from 'node:path';
import { usualTransport } from '../dispatch/variants.ts';
import type { Server } from '../dispatch/variants.ts';
import type { Target } from '../dispatch/roles.ts';
import { Child } from '../harness/child.ts';
import { startMuster } from '../harness/muster-server.ts';
import { requireRedis, startRedis } from '../harness/redis-server.ts';
import type { ScenarioContext } from '../harness/scenario.ts';
import { audit } from './audit.ts';
import type { LockServerCalls } from './roles.ts';
import type { Turns } from './turns.ts';

export interface Variant {
  readonly name: string;
  /** The module of the contenders' role, relative to this file. */
  readonly contender: string;
  /** Fails, with the cure named, if something is missing on this machine. */
  require?(): void;
  start(context: ScenarioContext): Promise<Server>;
  /** In which order the path was granted, where the server can tell. */
  audit?(target: Target, path: string): Promise<Turns>;
}

const muster: Variant = {
  name: 'muster',
  contender: './muster-contender-role.ts',
  start: async ({ dir, cleanup }) => {
    const server = await startMuster({ data: cleanup.directory(dir, 'muster-'), cleanup });
    return {
      target: { url: server.url, key: server.key },
      pid: server.process.pid,
      stop: () => server.process.stop(),
    };
  },
  audit,
};

const setNx: Variant = {
  name: 'set-nx',
  contender: './redis-contender-role.ts',
  require: () => void requireRedis(),
  start: async ({ dir, cleanup }) => {
    const redis = await startRedis({ dir, cleanup, appendfsync: 'always' });
    return {
      target: { url: `redis://127.0.0.1:${redis.port}`, key: '' },
      pid: redis.process.pid,
      stop: () => redis.process.stop(),
    };
  },
};

const limit: Variant = {
  name: 'limit',
  contender: './limit-contender-role.ts',
  start: async (context) => {
    const dir = context.cleanup.directory(context.dir, 'limit-');
    const child = await Child.start<LockServerCalls>({
      module: './limit-server-role.ts',
      base: import.meta.url,
      cleanup: context.cleanup,
    });
    const { port } = await child.call('listen', { file: join(dir, 'log.db'), transport: usualTransport() });
    return { target: { url: `ws://127.0.0.1:${port}`, key: '' }, pid: child.pid, stop: () => child.stop() };
  },
};

export function variants(): readonly Variant[] {
  return [muster, setNx, limit];
}
