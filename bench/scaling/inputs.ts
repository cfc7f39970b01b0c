/** What the model of scaling is computed from; docs/scaling.md has the same table, and a test compares them. */
import { LIMITS } from '../../protocol/wire/limits.ts';

export interface Input {
  readonly value: number;
  readonly unit: string;
  /** The command that prints it, the bound that it is, or why it was assumed. */
  readonly source: string;
}

export const INPUTS = {
  taskUs: {
    value: 115,
    unit: 'µs of the server for a task',
    source: '`npm run bench -- dispatch --only muster-ws`, 512 in flight (decision 0021)',
  },
  applyShare: {
    value: 0.5,
    unit: 'of that on a node that only applies it',
    source: 'assumed: of the main thread applying, packing and delivering are 46 % (decision 0012)',
  },
  idleUs: {
    value: 11.5,
    unit: 'µs in a second for a connected agent',
    source: '`npm run bench -- idle --only ws`, processor',
  },
  agentKiB: {
    value: 14.6,
    unit: 'KiB of the server for a connected agent',
    source: '`npm run bench -- idle --only ws`, resident',
  },
  serverMiB: {
    value: 256,
    unit: 'MiB of a server without agents',
    source: 'assumed: code, young generation, ring (64 MiB), caches of two databases',
  },
  redisUs: {
    value: 23,
    unit: 'µs of Redis for a task',
    source:
      '3,000 tasks, 64 at a time: processor time by `redis-cli info cpu`. One at a time each command is an append of 165 µs',
  },
  redisBytes: {
    value: 334,
    unit: 'bytes of Redis for a task',
    source: 'the same tasks, with 25 bytes of parameters: `redis-cli memory usage muster:{default}:log`',
  },
  connections: {
    value: LIMITS.connectionsMax,
    unit: 'connections of a server',
    source: 'the limit `connections` (docs/limits.md); can be set',
  },
  tenantConnections: {
    value: LIMITS.connections.tenant,
    unit: 'connections of a tenant at a server',
    source: 'the limit `connectionsPerTenant`; can be set',
  },
  tenantAgents: {
    value: LIMITS.agentsMax,
    unit: 'agents of a tenant',
    source: 'the bound `agentsMax` of the engine; fixed',
  },
} as const satisfies { readonly [name: string]: Input };
