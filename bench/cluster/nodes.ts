/** Muster with its log on a Redis of the bench's own that syncs every write: one node, or several that share it. */
import { must } from '../../src/base/assert.ts';
import { connect } from '../../src/client/node.ts';
import type { Target } from '../dispatch/roles.ts';
import type { Variant } from '../dispatch/variants.ts';
import { startMuster, type Muster } from '../harness/muster-server.ts';
import { requireRedis, startRedis, type Redis } from '../harness/redis-server.ts';
import type { ScenarioContext } from '../harness/scenario.ts';

export interface Nodes {
  readonly redis: Redis;
  readonly nodes: readonly Muster[];
  readonly stop: () => Promise<void>;
}

export async function startNodes({ dir, cleanup }: ScenarioContext, count: number): Promise<Nodes> {
  const redis = await startRedis({ dir, cleanup, appendfsync: 'always' });
  const env = { MUSTER_REDIS: `redis://127.0.0.1:${redis.port}` };
  const args = count > 1 ? ['--shared'] : [];
  const nodes: Muster[] = [];
  // One after the other: the first opens the tenants and makes the key.
  for (let at = 0; at < count; at += 1) {
    nodes.push(await startMuster({ data: cleanup.directory(dir, 'muster-'), cleanup, args, env }));
  }
  return {
    redis,
    nodes,
    stop: async () => {
      for (const { process } of nodes) await process.stop();
      await redis.process.stop();
    },
  };
}

/** Keys of so many tenants: the one that is always there, and others that are made. */
export async function tenantKeys(nodes: readonly Muster[], count: number): Promise<readonly string[]> {
  const { url, key } = must(nodes[0], 'the first node');
  const operator = await connect({ url, key, name: 'bench-operator' });
  const keys = [key];
  for (let at = 1; at < count; at += 1) {
    keys.push(must((await operator.tenant.create({ id: `tenant-${at}` })).key, 'a key of the tenant'));
  }
  await operator.close();
  return keys;
}

/** Where the tenants' clients connect: those of one go round the nodes, `shift` further for those who work. */
export function targets(nodes: readonly Muster[], keys: readonly string[], shift: number): readonly Target[] {
  return keys.map((key, at) => ({ url: must(nodes[(at + shift) % nodes.length], 'a node').url, key }));
}

/** One node as dispatch measures it. */
export function musterOnRedis(): Variant {
  return {
    name: 'muster-redis',
    title: 'Muster, one node, its log on redis-server, appendfsync always',
    submitter: './muster-submitter-role.ts',
    worker: './muster-worker-role.ts',
    require: () => void requireRedis(),
    start: async (context) => {
      const { redis, nodes, stop } = await startNodes(context, 1);
      const { url, key, process } = must(nodes[0], 'one node');
      return { target: { url, key }, pid: process.pid, beside: new Map([['redis', redis.process.pid]]), stop };
    },
  };
}
