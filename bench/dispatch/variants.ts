/** The systems that are measured beside each other. Each brings a server; submitter and worker are roles. */
import { join } from 'node:path';
import { Child } from '../harness/child.ts';
import { startMuster } from '../harness/muster-server.ts';
import { requireRedis, startRedis } from '../harness/redis-server.ts';
import type { ScenarioContext } from '../harness/scenario.ts';
import type { LimitServerCalls } from './limit-server-role.ts';
import type { Target } from './roles.ts';

export interface Server {
  readonly target: Target;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Variant {
  readonly name: string;
  /** What it is, for the progress lines. */
  readonly title: string;
  /** Modules of the roles, relative to this file. */
  readonly submitter: string;
  readonly worker: string;
  /** Fails, with the cure named, if something is missing on this machine. */
  require?(): void;
  start(context: ScenarioContext): Promise<Server>;
}

async function startLimit(context: ScenarioContext): Promise<Server> {
  const dir = context.cleanup.directory(context.dir, 'limit-');
  const child = await Child.start<LimitServerCalls>({
    module: './limit-server-role.ts',
    base: import.meta.url,
    cleanup: context.cleanup,
  });
  const { port } = await child.call('listen', { file: join(dir, 'log.db') });
  return { target: { url: `ws://127.0.0.1:${port}`, key: '' }, pid: child.pid, stop: () => child.stop() };
}

function bullmq(name: string, appendfsync: 'always' | 'everysec'): Variant {
  return {
    name,
    title: `BullMQ on redis-server, appendfsync ${appendfsync}`,
    submitter: './bullmq-submitter-role.ts',
    worker: './bullmq-worker-role.ts',
    require: () => void requireRedis(),
    start: async ({ dir, cleanup }) => {
      const redis = await startRedis({ dir, cleanup, appendfsync });
      return {
        target: { url: `redis://127.0.0.1:${redis.port}`, key: '' },
        pid: redis.process.pid,
        stop: () => redis.process.stop(),
      };
    },
  };
}

export function variants(): readonly Variant[] {
  return [
    {
      name: 'muster',
      title: 'Muster',
      submitter: './muster-submitter-role.ts',
      worker: './muster-worker-role.ts',
      start: async ({ dir, cleanup }) => {
        const server = await startMuster({ data: cleanup.directory(dir, 'muster-'), cleanup });
        return {
          target: { url: server.url, key: server.key },
          pid: server.process.pid,
          stop: () => server.process.stop(),
        };
      },
    },
    bullmq('bullmq-always', 'always'),
    bullmq('bullmq-everysec', 'everysec'),
    {
      name: 'limit',
      title: 'a bare server without an engine, SQLite FULL',
      submitter: './limit-submitter-role.ts',
      worker: './limit-worker-role.ts',
      start: startLimit,
    },
  ];
}
