/** The systems that are measured beside each other. Each brings a server; submitter and worker are roles. */
import { join } from 'node:path';
import { chooseTransport, type TransportName } from '../../src/transport/choose.ts';
import { Child } from '../harness/child.ts';
import { startMuster } from '../harness/muster-server.ts';
import { missingNats, startNats } from '../harness/nats-server.ts';
import { missingRabbitMq, startRabbitMq } from '../harness/rabbitmq-server.ts';
import { requireRedis, startRedis } from '../harness/redis-server.ts';
import { BenchError, type ScenarioContext } from '../harness/scenario.ts';
import type { LimitServerCalls } from './limit-server-role.ts';
import type { Target } from './roles.ts';

export interface Server {
  readonly target: Target;
  readonly pid: number;
  /** Processes that work beside it, by name. */
  readonly beside?: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

export interface Variant {
  readonly name: string;
  /** What it is, for the progress lines. */
  readonly title: string;
  /** Measured only when it is named. */
  readonly onRequest?: boolean;
  /** Modules of the roles, relative to this file. */
  readonly submitter: string;
  readonly worker: string;
  /** Fails, with the cure named, if something is missing on this machine. */
  require?(): void;
  /** Of a program that is measured where it is installed: what is missing here, and how to get it. */
  missing?(): string | undefined;
  start(context: ScenarioContext): Promise<Server>;
}

/** A bare server beside Muster on the same transport. */
function limit(name: string, transport: TransportName): Variant {
  return {
    name,
    title: `a bare server without an engine, ${transport}, SQLite FULL`,
    submitter: './limit-submitter-role.ts',
    worker: './limit-worker-role.ts',
    require: () => requireTransport(transport),
    start: (context) => startLimit(context, transport),
  };
}

function muster(name: string, transport: 'auto' | TransportName): Variant {
  return {
    name,
    title: `Muster, transport ${transport}`,
    submitter: './muster-submitter-role.ts',
    worker: './muster-worker-role.ts',
    require: () => requireTransport(transport),
    start: async ({ dir, cleanup }) => {
      const args = ['--transport', transport];
      const server = await startMuster({ data: cleanup.directory(dir, 'muster-'), cleanup, args });
      return {
        target: { url: server.url, key: server.key },
        pid: server.process.pid,
        stop: () => server.process.stop(),
      };
    },
  };
}

function requireTransport(transport: 'auto' | TransportName): void {
  const choice = chooseTransport(transport, { runtime: process });
  if (!choice.ok) throw new BenchError(choice.why);
}

/** The transport of a server that was told nothing. */
export function usualTransport(): TransportName {
  const choice = chooseTransport('auto', { runtime: process });
  return choice.ok ? choice.transport.name : 'ws';
}

async function startLimit(context: ScenarioContext, transport: TransportName): Promise<Server> {
  const dir = context.cleanup.directory(context.dir, 'limit-');
  const child = await Child.start<LimitServerCalls>({
    module: './limit-server-role.ts',
    base: import.meta.url,
    cleanup: context.cleanup,
  });
  const { port } = await child.call('listen', { file: join(dir, 'log.db'), transport });
  return { target: { url: `ws://127.0.0.1:${port}`, key: '' }, pid: child.pid, stop: () => child.stop() };
}

export function bullmq(name: string, appendfsync: 'always' | 'everysec'): Variant {
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

function rabbitmq(): Variant {
  return {
    name: 'rabbitmq-quorum',
    title: 'RabbitMQ, a quorum queue of one member, confirms and acknowledgements',
    submitter: './rabbitmq-submitter-role.ts',
    worker: './rabbitmq-worker-role.ts',
    missing: missingRabbitMq,
    start: async ({ dir, cleanup }) => {
      const server = await startRabbitMq({ dir, cleanup });
      return {
        target: { url: `amqp://guest:guest@127.0.0.1:${server.port}`, key: '' },
        pid: server.process.pid,
        stop: () => server.stop(),
      };
    },
  };
}

function nats(): Variant {
  return {
    name: 'nats-jetstream',
    title: 'NATS JetStream, a work queue in a file that is not synced',
    submitter: './nats-submitter-role.ts',
    worker: './nats-worker-role.ts',
    missing: missingNats,
    start: async ({ dir, cleanup }) => {
      const server = await startNats({ dir, cleanup });
      return {
        target: { url: `nats://127.0.0.1:${server.port}`, key: '' },
        pid: server.process.pid,
        stop: () => server.process.stop(),
      };
    },
  };
}

export function variants(): readonly Variant[] {
  const named = (variant: Variant): Variant => ({ ...variant, onRequest: true });
  return [
    muster('muster', 'auto'),
    bullmq('bullmq-always', 'always'),
    bullmq('bullmq-everysec', 'everysec'),
    rabbitmq(),
    nats(),
    limit('limit', usualTransport()),
    named(muster('muster-ws', 'ws')),
    named(muster('muster-uws', 'uws')),
    named(limit('limit-ws', 'ws')),
    named(limit('limit-uws', 'uws')),
  ];
}
