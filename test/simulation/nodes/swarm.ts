/** Draws runs of several nodes: one to five on a Redis with up to two replicas, few agents and submitters, and the faults of both. */
import { Random } from '../random.ts';
import { withFamily } from './families.ts';
import type { NodesAction, NodesPlan, ProgramPlan } from './plan.ts';
import type { TrapOn } from './redis-world.ts';

const TRAPS: readonly TrapOn[] = [
  'append',
  'append',
  'append',
  'claim',
  'beat',
  'join',
  'opened',
  'create',
  'XREAD',
  'XRANGE',
];

export function drawNodesPlan(seed: number): NodesPlan {
  const random = new Random(`nodes ${seed}`);
  const nodes = random.pick([1, 2, 2, 3, 3, 3, 4, 5]);
  const replicas = random.pick([0, 1, 1, 2]);
  const healAt = random.spread(8_000, 45_000);
  const programs = drawPrograms(random.fork('programs'), nodes);
  const asks = drawAsks(random.fork('asks'), { programs, until: healAt });
  const faults = drawFaults(random.fork('faults'), { programs, nodes, replicas, until: healAt });
  const plan: NodesPlan = {
    format: 1,
    course: 'nodes',
    seed,
    nodes,
    redis: { replicas, lagMs: random.pick([0, 3, 30]), latencyMs: random.pick([0, 1, 5]) },
    latencyMs: random.pick([
      [0, 0],
      [0, 3],
      [1, 20],
    ] as const),
    syncMs: random.pick([0, 5, 200]),
    clients: programs,
    actions: [...asks, ...faults].toSorted((a, b) => a.at - b.at),
    healAt,
    settleMs: 300_000,
  };
  return withFamily(random.fork('family'), plan);
}

function drawPrograms(random: Random, nodes: number): readonly ProgramPlan[] {
  const place = (): { startAt: number; node: number } => ({
    startAt: random.between(0, 1_500),
    node: random.below(nodes),
  });
  const agents = Array.from({ length: random.between(1, 3) }, (_, i) => ({
    name: `a${i + 1}`,
    capacity: random.between(1, 3),
    ...place(),
  }));
  const others = Array.from({ length: random.between(1, 3) }, (_, i) => ({ name: `s${i + 1}`, ...place() }));
  return [...agents, ...others];
}

interface Within {
  readonly programs: readonly ProgramPlan[];
  readonly until: number;
}

function drawAsks(random: Random, { programs, until }: Within): readonly NodesAction[] {
  const submitters = programs.filter(({ capacity }) => capacity === undefined).map(({ name }) => name);
  const when = (): number => random.between(500, until);
  const tasks = Array.from({ length: random.between(4, 16) }, (_, i): NodesAction => {
    const key = random.chance(0.4);
    const workMs = random.spread(5, 3_000);
    return {
      at: when(),
      do: 'create',
      program: random.pick(submitters),
      mark: `${key ? 'k' : 'm'}${i + 1}`,
      workMs,
      key,
    };
  });
  const locks = Array.from({ length: random.between(0, 8) }, (): NodesAction => {
    const path = random.pick(['a', 'b']);
    return { at: when(), do: 'lock', program: random.pick(submitters), path, holdMs: random.spread(5, 2_000) };
  });
  return [...tasks, ...locks];
}

/** Redis comes back with an older disk in kept scripts only; checkpoints are no fault (families.ts). */
type Kind = Exclude<NodesAction['do'], 'create' | 'lock' | 'redis.rewind' | 'checkpoint'>;

const KINDS: readonly Kind[] = [
  'drop', 'move', 'kill', 'crash', 'stop', 'stall', 'jump', 'isolate', 'slow', 'trap', 'trap', 'trap',
  'redis.restart', 'redis.stall', 'redis.flush', 'redis.refuse', 'redis.stick', 'redis.failover', 'redis.split',
]; // prettier-ignore

/** Each run has some kinds of faults, a few of each. */
function drawFaults(
  random: Random,
  within: Within & { readonly nodes: number; readonly replicas: number },
): readonly NodesAction[] {
  const kinds = random.some(KINDS, random.pick([0.1, 0.25, 0.4]));
  return kinds.flatMap((kind) =>
    Array.from({ length: random.spread(1, 3) }, () => drawFault(random.fork(`${kind} ${random.next()}`), kind, within)),
  );
}

function drawFault(
  random: Random,
  kind: Kind,
  within: Within & { readonly nodes: number; readonly replicas: number },
): NodesAction {
  const at = random.between(1_000, within.until);
  const node = random.below(within.nodes);
  const program = random.pick(within.programs).name;
  if (isOfRedis(kind)) return ofRedis(random, kind, { at, ...within });
  switch (kind) {
    case 'drop':
    case 'move':
    case 'kill':
      return { at, do: kind, program };
    case 'crash':
    case 'stop':
      return { at, do: kind, node, downMs: random.spread(50, 20_000) };
    case 'stall':
      return { at, do: kind, node, ms: random.spread(200, 25_000) };
    case 'jump':
      return {
        at,
        do: kind,
        node: random.chance(0.5) ? 'redis' : node,
        ms: random.pick([-1, 1]) * random.spread(100, 3_600_000),
      };
    case 'isolate':
      return { at, do: kind, node, ms: random.spread(200, 25_000), silently: random.chance(0.5) };
    case 'slow':
      return { at, do: kind, node, ms: random.spread(20, 6_000), forMs: random.spread(500, 15_000) };
    case 'trap':
      return {
        at,
        do: kind,
        node,
        on: random.pick(TRAPS),
        fate: random.chance(0.7) ? 'answer lost' : 'request lost',
        skip: random.below(4),
      };
  }
}

type RedisKind = Extract<Kind, `redis.${string}`>;

function isOfRedis(kind: Kind): kind is RedisKind {
  return kind.startsWith('redis.');
}

function ofRedis(
  random: Random,
  kind: RedisKind,
  { at, nodes }: { readonly at: number; readonly nodes: number },
): NodesAction {
  switch (kind) {
    case 'redis.restart':
      return { at, do: kind, downMs: random.spread(50, 12_000) };
    case 'redis.stall':
      return { at, do: kind, ms: random.spread(100, 12_000) };
    case 'redis.flush':
      return { at, do: kind };
    case 'redis.refuse':
      return { at, do: kind, what: random.pick(['full', 'misconfigured'] as const), ms: random.spread(100, 8_000) };
    case 'redis.stick':
      return { at, do: kind, replica: random.below(2), ms: random.spread(100, 10_000) };
    case 'redis.failover':
      return { at, do: kind, lossy: random.chance(0.5), downMs: random.spread(500, 10_000) };
    case 'redis.split': {
      const side = random.some([...Array(nodes).keys()], 0.5);
      return { at, do: kind, nodes: side, ms: random.spread(500, 12_000) };
    }
  }
}
