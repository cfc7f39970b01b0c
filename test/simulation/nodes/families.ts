/**
 * Runs in which one thing goes wrong that needs several others to be seen: drawn beside what every run has (swarm.ts), by a stream of their own.
 *
 * A node that stands still, or is cut off, until others take it for dead, while its clients ask for more; a failover to a replica that lacks
 * what was told, while all nodes live, or while all lose their power with it, so that it is lost for good; nodes that die while they begin;
 * checkpoints, so that the log is trimmed under whoever reads it.
 */
import type { Random } from '../random.ts';
import type { NodesAction, NodesPlan } from './plan.ts';

/** Out of a hundred runs. */
const SHARES = { dead: 10, lossy: 10, begins: 6, trims: 10, gone: 10 } as const;
type Family = keyof typeof SHARES;

/** Others take a node for dead after 15 s of silence, at their next beat. */
const DEAD_MS = [16_000, 26_000] as const;
/** A node that is no slower has told how far its copy goes in time (recovery.ts, RC7). */
export const SLOW_MS = 500;
/** A disk that is slow to sync. */
const SYNC_MS = 200;
/** A snapshot is made of the state after an entry that all nodes hash: one in 30 s. Two of them stand, and the log is trimmed to the older. */
const CHECKPOINT_MS = 36_000;

export function withFamily(random: Random, plan: NodesPlan): NodesPlan {
  let at = random.below(100);
  for (const family of ['dead', 'lossy', 'begins', 'trims', 'gone'] as const) {
    if (at < SHARES[family]) return planOf(random.fork(family), family, plan);
    at -= SHARES[family];
  }
  return plan;
}

function planOf(random: Random, family: Family, plan: NodesPlan): NodesPlan {
  switch (family) {
    case 'dead':
      return withActions({ ...plan, nodes: Math.max(2, plan.nodes), healAt: Math.max(plan.healAt, 45_000) }, [
        ...dead(random, plan),
      ]);
    case 'lossy':
      return lossy(random, plan);
    case 'begins':
      return withActions({ ...plan, nodes: Math.max(2, plan.nodes) }, begins(random, Math.max(2, plan.nodes)));
    case 'trims':
      return trims(random, plan);
    case 'gone':
      return gone(random, plan);
  }
}

function withActions(plan: NodesPlan, actions: readonly NodesAction[]): NodesPlan {
  return { ...plan, actions: [...plan.actions, ...actions].toSorted((a, b) => a.at - b.at) };
}

/** The node to which somebody who asks was led, while he asks. */
function dead(random: Random, { clients }: NodesPlan): readonly NodesAction[] {
  const submitters = clients.filter(({ capacity }) => capacity === undefined);
  const { name, node } = random.pick(submitters);
  const at = random.between(17_000, 22_000);
  const ms = random.between(...DEAD_MS);
  const harm: NodesAction = random.chance(0.6)
    ? { at, do: 'stall', node, ms }
    : { at, do: 'isolate', node, ms, silently: random.chance(0.5) };
  return [harm, ...asks(random, { program: name, from: at, to: at + ms + 500, count: 6 })];
}

/** All nodes live, and one of two replicas has got nothing for a while. */
function lossy(random: Random, plan: NodesPlan): NodesPlan {
  const kept = plan.actions.filter(({ do: what }) => ['create', 'lock', 'drop', 'move'].includes(what));
  const submitters = plan.clients.filter(({ capacity }) => capacity === undefined);
  const at = random.between(4_000, 12_000);
  const ms = random.between(1_500, 6_000);
  const actions: NodesAction[] = [
    { at, do: 'redis.stick', replica: random.below(2), ms },
    ...asks(random, { program: random.pick(submitters).name, from: at, to: at + ms, count: 8 }),
    { at: at + ms - 5, do: 'redis.failover', lossy: true, downMs: random.spread(500, 5_000) },
  ];
  const nodes = Math.max(2, plan.nodes);
  // Its copy of the log ends before that of the others.
  if (random.chance(0.7)) {
    const behindMs = random.between(100, SLOW_MS);
    actions.push({ at: at + ms - 1_500, do: 'slow', node: random.below(nodes), ms: behindMs, forMs: 1_490 });
  }
  return withActions({ ...plan, nodes, redis: { ...plan.redis, replicas: 2 }, actions: kept }, actions);
}

/** What was told last is on its way to one of two replicas and to the disks of the nodes when all but that replica lose their power. */
function gone(random: Random, plan: NodesPlan): NodesPlan {
  const kept = plan.actions.filter(({ do: what }) => ['create', 'lock', 'drop', 'move'].includes(what));
  const submitters = plan.clients.filter(({ capacity }) => capacity === undefined);
  const at = random.between(4_000, 12_000);
  const ms = random.between(100, 600);
  const end = at + ms;
  const actions: NodesAction[] = [
    { at, do: 'redis.stick', replica: random.below(2), ms: ms + 100 },
    ...asks(random, { program: random.pick(submitters).name, from: end - SYNC_MS, to: end, count: 8 }),
    { at: end, do: 'redis.failover', lossy: true, downMs: random.spread(500, 5_000) },
    ...Array.from({ length: plan.nodes }, (_, node): NodesAction => {
      return { at: end, do: 'crash', node, downMs: random.spread(300, 5_000) };
    }),
  ];
  return withActions({ ...plan, syncMs: SYNC_MS, redis: { ...plan.redis, replicas: 2 }, actions: kept }, actions);
}

function begins(random: Random, nodes: number): readonly NodesAction[] {
  return Array.from({ length: nodes }, (_, node): NodesAction => {
    const at = 300 * node + random.spread(5, 300);
    return { at, do: 'crash', node, downMs: random.spread(500, 20_000) };
  });
}

function trims(random: Random, plan: NodesPlan): NodesPlan {
  const count = random.between(3, 4);
  const healAt = CHECKPOINT_MS * (count + 1);
  const submitters = plan.clients.filter(({ capacity }) => capacity === undefined);
  const checkpoints = Array.from({ length: count }, (_, i): NodesAction => {
    const at = CHECKPOINT_MS * i + random.between(500, 5_000);
    return { at, do: 'checkpoint', node: random.below(plan.nodes) };
  });
  const { name: program } = random.pick(submitters);
  // What was drawn for a short run is spread over this one.
  const stretched = plan.actions.map((action) => ({ ...action, at: Math.round((action.at * healAt) / plan.healAt) }));
  const actions = [...checkpoints, ...asks(random, { program, from: 1_000, to: healAt, count: 20 })];
  return withActions({ ...plan, healAt, actions: stretched }, actions);
}

function asks(
  random: Random,
  of: { readonly program: string; readonly from: number; readonly to: number; readonly count: number },
): readonly NodesAction[] {
  const { program, from, to, count } = of;
  return Array.from({ length: count }, (_, i): NodesAction => {
    const workMs = random.spread(5, 1_000);
    return { at: random.between(from, to), do: 'create', program, mark: `m${101 + i}`, workMs, key: false };
  });
}
