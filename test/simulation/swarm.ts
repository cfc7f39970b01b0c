/**
 * Draws a plan from a seed. "Swarm": each seed leaves out most kinds of fault and of work and has much of the rest, so
 * that a run is neither always the same mixture nor one in which everything hides everything else.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Action, ClientPlan, Plan, TaskPlan, Tuning } from './plan.ts';
import { controlled } from './swarm-control.ts';
import { familied } from './swarm-families.ts';
import { handed } from './swarm-handing.ts';
import { locked } from './swarm-locks.ts';
import { distributed } from './swarm-distributed.ts';
import { drawFaults } from './swarm-faults.ts';
import { notified } from './swarm-notices.ts';
import { withRules } from './swarm-rules.ts';
import { placed } from './swarm-placing.ts';
import { withTaskLocks } from './swarm-task-locks.ts';
import { scheduled } from './swarm-sched.ts';
import { treed } from './swarm-trees.ts';
import { drawTurns } from './swarm-turns.ts';
import { Random } from './random.ts';

export const TYPES = ['alpha', 'beta', 'gamma'] as const;
export const TOPICS = ['news', 'metrics.cpu', 'chat.1'] as const;

export function drawPlan(seed: number, size: Size = sizeOf(seed)): Plan {
  const plan = hurried(drawWhole(seed));
  const sized = size === 'whole' ? plan : thinned(plan, size);
  return seed > LONG_SEEDS ? shortened(sized) : sized;
}

/** Up to here, the seeds that hunts for planted bugs try, a run has all its time. */
const LONG_SEEDS = 2_000;
const SHORT_SHARE = 0.4;

/** Above that a run heals sooner: whoever asks for many thousands of runs wants many mixtures, and what a run shows it mostly shows early. */
function shortened(plan: Plan): Plan {
  const healAt = Math.ceil(plan.healAt * SHORT_SHARE);
  return { ...plan, healAt, actions: plan.actions.filter(({ at }) => at <= healAt) };
}

/**
 * Above the seeds with which planted bugs were caught: every other client releases without a delay, chunks of snapshots are small,
 * in some runs sessions take turns at the log, and in some agents are notified and listened to by pattern.
 */
function hurried(plan: Plan): Plan {
  if (plan.seed <= CALM_SEEDS) return plan;
  const clients = plan.clients.map((client, i): ClientPlan => (i % 2 === 0 ? { ...client, hasty: true } : client));
  const bounds = { ...plan.tuning.bounds, ...drawTurns(new Random(`turns ${plan.seed}`)) };
  const tuned = { ...plan, tuning: { ...plan.tuning, bounds, chunkBytes: SMALL_CHUNK_BYTES }, clients };
  if (plan.seed <= WHOLE_SEEDS) return tuned;
  return withTaskLocks(new Random(`task locks ${plan.seed}`), notified(new Random(`notices ${plan.seed}`), tuned));
}

/**
 * Most runs have all the time and all the faults of a whole one, and a third of its requests: thin ones have one here and there,
 * dense ones all of those that follow each other for a while, so that there still is a crowd. What goes wrong mostly needs faults and
 * time, and not many tasks; two or three such runs try as many mixtures in the time of one whole run.
 */
export type Size = 'thin' | 'dense' | 'whole';

/**
 * In percent of the runs. Among the first seeds, with which hunts begin, those that would be dense are whole too; among
 * the first thousand, which every test runs, half of them.
 */
const WHOLE_SHARE = 5;
const DENSE_SHARE = 25;
const WHOLE_SEEDS = 510;
const EARLY_WHOLE_SHARE = 17;
const EARLY_SEEDS = 1_000;
const CALM_SEEDS = 500;
const SMALL_CHUNK_BYTES = 1_500;
const KEPT_SHARE = 0.33;

function sizeOf(seed: number): Size {
  const drawn = new Random(`size ${seed}`).below(100);
  if (drawn >= WHOLE_SHARE + DENSE_SHARE) return 'thin';
  const share = seed <= EARLY_SEEDS ? EARLY_WHOLE_SHARE : WHOLE_SHARE;
  return drawn < share || seed <= WHOLE_SEEDS ? 'whole' : 'dense';
}

const ASKS: ReadonlySet<Action['do']> = new Set([
  ...(['create', 'batch', 'cancel', 'get', 'retry', 'wait', 'list', 'dead', 'agents', 'snapshot', 'publish'] as const),
  ...(['meddle', 'reshape', 'explain', 'workload'] as const),
]);

function thinned(plan: Plan, size: 'thin' | 'dense'): Plan {
  const random = new Random(`thin ${plan.seed}`);
  const asks = plan.actions.filter((action) => ASKS.has(action.do));
  const crowd = Math.ceil(asks.length * KEPT_SHARE);
  const first = size === 'dense' ? random.below(asks.length - crowd + 1) : 0;
  const kept = new Set(
    size === 'dense' ? asks.slice(first, first + crowd) : asks.filter(() => random.chance(KEPT_SHARE)),
  );
  return { ...plan, actions: plan.actions.filter((action) => !ASKS.has(action.do) || kept.has(action)) };
}

function drawWhole(seed: number): Plan {
  const random = new Random(`seed ${seed}`);
  const tuning = drawTuning(random.fork('tuning'));
  const tenants = random.chance(0.25) ? ['default', 'other'] : ['default'];
  const clients = drawClients(random.fork('clients'), { tenants, keys: tuning.keys });
  const healAt = random.fork('length').between(15_000, 70_000);
  const asks = drawAsks(random.fork('asks'), { clients, until: healAt });
  const faults = drawFaults(random.fork('faults'), { clients, until: healAt, keys: tuning.keys });
  const actions = [...asks, ...faults].toSorted((a, b) => a.at - b.at);
  const back = actions.reduce((sum, action) => (action.do === 'jump' && action.ms < 0 ? sum - action.ms : sum), 0);
  const plan: Plan = { format: 1, seed, tuning, tenants, clients, actions, healAt, settleMs: 900_000 + back };
  // From a stream of its own, as whatever is added: what seeds meant before changes as little as can be.
  const drawn = scheduled(random.fork('schedules'), placed(random.fork('placing'), plan));
  const controls = controlled(random.fork('control'), drawn);
  const trees = treed(random.fork('trees'), withRules(random.fork('rules'), controls));
  const handing = handed(random.fork('relay'), familied(random.fork('below'), trees));
  return locked(random.fork('locks'), distributed(random.fork('split'), handing));
}

export function drawTuning(random: Random): Tuning {
  const small = (probability: number, min: number, max: number): number => {
    return random.chance(probability) ? random.spread(min, max) : max;
  };
  const inFlight = small(0.3, 4, LIMITS.inFlight);
  const leaseMs = small(0.5, 500, LIMITS.leaseMs);
  const recoveryGraceMs = Math.max(leaseMs, small(0.5, 1_000, LIMITS.recoveryGraceMs));
  const pingIntervalMs = small(0.4, 1_000, LIMITS.pingIntervalMs);
  return {
    bounds: {
      inFlight,
      remembered: Math.max(inFlight, small(0.3, 16, LIMITS.remembered)),
      entryCommandsMax: small(0.4, 1, LIMITS.entryCommandsMax),
      framesPerMessage: small(0.3, 2, LIMITS.framesPerMessage),
      outboundFrames: small(0.5, 4, LIMITS.outboundFrames),
      socketBytes: small(0.5, 16 * 1024, LIMITS.socketBytes),
      // From a stream of its own, so that seeds go on to mean what they meant.
      finishedKept: random.fork('finished').pick([0, 2, 16, LIMITS.finishedKept]),
      scheduleLateMs: random.fork('late').pick([500, 3_000, LIMITS.scheduleLateMs]),
      apiKeyKeptMs: random.fork('kept keys').pick([0, 3_000, LIMITS.apiKeyKeptMs]),
      snapshotItems: small(0.5, 1, LIMITS.snapshotItems),
      pageDefault: small(0.3, 2, LIMITS.pageDefault),
      lossesMax: small(0.2, 2, LIMITS.lossesMax),
      excludedMax: small(0.2, 2, LIMITS.excludedMax),
      resumeWindowMs: Math.max(recoveryGraceMs, small(0.4, 5_000, LIMITS.resumeWindowMs)),
      historyMs: small(0.4, 1_000, LIMITS.historyMs),
      leaseMs,
      recoveryGraceMs,
      stopMs: small(0.4, 500, LIMITS.stopMs),
      slowMs: small(0.4, 3_000, LIMITS.slowMs),
      pingIntervalMs,
      pingTimeoutMs: Math.ceil(pingIntervalMs * 1.5),
    },
    ringPushes: random.pick([8, 8, 64, 1_000, 100_000]),
    followUps: random.pick([1, 2, 4, 8, LIMITS.followUpsMax]),
    latencyMs: random.pick([
      [0, 0],
      [0, 2],
      [1, 20],
      [5, 80],
    ] as const),
    commitMs: random.pick([0, 2, 10, 60]),
    replyMs: random.pick([0, 0, 10]),
    tailMs: random.pick([0, 0, 3, 30]),
    tailBatch: random.pick([1, 4, 256]),
    storeMs: random.pick([0, 5, 100, 2_000]),
    keys: random.chance(0.2),
    storedBytes: random.chance(0.15),
  };
}

function drawClients(
  random: Random,
  from: { readonly tenants: readonly string[]; readonly keys: boolean },
): ClientPlan[] {
  const root: ClientPlan = { name: 'root', tenant: 'default', role: 'admin', operator: true, subs: [], startAt: 0 };
  const clients = from.tenants.length > 1 || from.keys ? [root] : [];
  for (const [i, tenant] of from.tenants.entries()) {
    const submitters = random.between(1, 3);
    for (let n = 1; n <= submitters; n += 1) clients.push(drawSubmitter(random, { name: `s${i}${n}`, tenant }));
    const agents = random.between(2, i === 0 ? 8 : 3);
    for (let n = 1; n <= agents; n += 1) clients.push(drawAgent(random, { name: `a${i}${n}`, tenant, first: n <= 2 }));
    if (random.chance(0.3)) {
      clients.push({
        name: `v${i}`,
        tenant,
        role: 'viewer',
        subs: random.some(TOPICS, 0.7),
        startAt: random.between(0, 20_000),
      });
    }
  }
  return clients;
}

function drawSubmitter(random: Random, who: { readonly name: string; readonly tenant: string }): ClientPlan {
  return {
    ...who,
    role: random.chance(0.3) ? 'admin' : 'member',
    subs: random.some(TOPICS, 0.3),
    startAt: random.between(0, 1_500),
    ...(random.chance(0.3) ? { journal: true as const } : {}),
  };
}

function drawAgent(
  random: Random,
  who: { readonly name: string; readonly tenant: string; readonly first: boolean },
): ClientPlan {
  const { name, tenant } = who;
  const capabilities = who.first ? [...TYPES] : random.some(TYPES, 0.6);
  const weighted = capabilities.map((type) =>
    random.chance(0.3) ? { name: type, weight: random.between(1, 5) } : type,
  );
  const unhandled = who.first ? [] : random.some(capabilities, 0.15);
  return {
    name,
    tenant,
    role: 'agent',
    agent: {
      name,
      capabilities: weighted,
      capacity: random.between(1, 5),
      onLost: random.pick(['requeue', 'requeue', 'requeue', 'hold', 'fail'] as const),
      ...(random.chance(0.4) ? { acceptMs: random.spread(100, 10_000) } : {}),
      ...(random.chance(0.2) ? { instance: 'i1' } : {}),
    },
    ...(unhandled.length > 0 ? { unhandled } : {}),
    ...(random.chance(0.4) ? { journal: true as const } : {}),
    subs: random.some(TOPICS, 0.1),
    startAt: random.chance(0.7) ? random.between(0, 3_000) : random.between(0, 20_000),
  };
}

interface Asking {
  readonly clients: readonly ClientPlan[];
  readonly until: number;
}

/** The mixture of one seed: how likely each trait of a task is. */
interface Mix {
  readonly traits: ReadonlySet<string>;
  readonly longMs: number;
}

const TRAITS = [
  'delay',
  'deadline',
  'timeout',
  'progress',
  'retry',
  'failing',
  'offer',
  'priority',
  'slow',
  'own',
] as const;

function drawAsks(random: Random, from: Asking): Action[] {
  const mix: Mix = { traits: new Set(random.some(TRAITS, 0.5)), longMs: random.spread(50, 8_000) };
  const tasks = random.spread(20, 150);
  const askers = from.clients.filter(({ role }) => role === 'member' || role === 'admin');
  const agents = from.clients.filter(({ agent }) => agent !== undefined);
  const actions: Action[] = [];
  const marks: { readonly mark: string; readonly tenant: string; readonly at: number }[] = [];
  const burst = random.chance(0.3);
  for (let n = 0; n < tasks;) {
    const asker = mix.traits.has('own') && random.chance(0.1) ? random.pick(agents) : random.pick(askers);
    const at = burst ? random.between(1_000, 4_000) : random.between(800, from.until);
    const count = random.chance(0.1) ? random.between(2, 12) : 1;
    const made = Array.from({ length: count }, (_, i) => drawTask(random, mix, `m${n + i}`));
    n += count;
    for (const { mark } of made) marks.push({ mark, tenant: asker.tenant, at });
    actions.push(...createActions(random, { at, client: asker.name, made, until: from.until }));
  }
  if (random.chance(0.2)) actions.push(...drawFlood(random, { ...from, askers }));
  for (let n = random.chance(0.3) ? random.between(1, 3) : 0; n > 0; n -= 1) {
    const at = random.between(2_000, from.until);
    actions.push({ at, client: random.pick(askers).name, do: 'repeat', requests: random.spread(2, 40) });
  }
  const others = random.spread(5, 80);
  for (let n = 0; n < others; n += 1) {
    const asked = drawOther(random, { ...from, marks, askers, n });
    if (asked !== undefined) actions.push(asked);
  }
  // From a stream of its own, so that seeds go on to mean what they meant.
  actions.push(...drawTending(random.fork('tending'), { ...from, marks, askers, n: 0 }));
  return actions;
}

const STATUSES = ['active', 'active', 'maintenance', 'inactive', 'error', 'starting', 'stopping'] as const;

/** Agents that are tended while they work: drained, under maintenance, taught something else. */
function drawTending(random: Random, from: Other): Action[] {
  if (!random.chance(0.4)) return [];
  const agents = from.clients.filter(({ agent }) => agent !== undefined);
  const actions: Action[] = [];
  for (let n = random.between(1, 12); n > 0; n -= 1) {
    const at = random.between(1_000, from.until);
    const client = random.pick(agents).name;
    const back: Action = { at: at + random.spread(10, 20_000), client, do: 'declare', status: 'active' };
    switch (random.pick(['declare', 'drain', 'relearn', 'workload', 'explain'] as const)) {
      case 'declare':
        actions.push({ at, client, do: 'declare', status: random.pick(STATUSES) }, back);
        break;
      case 'drain':
        actions.push(
          { at, client, do: 'drain', ...(random.chance(0.6) ? { deadlineMs: random.spread(100, 20_000) } : {}) },
          back,
        );
        break;
      case 'relearn':
        actions.push({ at, client, do: 'relearn', capabilities: random.some(TYPES, 0.6) });
        break;
      case 'workload':
        actions.push({ at, client, do: 'workload' });
        break;
      case 'explain':
        actions.push({ at, client, do: 'explain', mark: random.pick(from.marks).mark });
    }
  }
  return actions;
}

/** So much is published within a few seconds that whoever does not read falls behind. */
function drawFlood(random: Random, from: Asking & { readonly askers: readonly ClientPlan[] }): Action[] {
  const topic = random.pick(TOPICS);
  const start = random.between(2_000, from.until);
  const listeners = random.some(from.clients, 0.5).map(({ name }): Action => {
    return { at: start - 1_500, client: name, do: 'subscribe', topic };
  });
  const held = random.pick(from.clients).name;
  const hold: Action = { at: start - 100, client: held, do: 'hold', ms: random.spread(500, 60_000) };
  const listen: Action = { at: start - 1_400, client: held, do: 'subscribe', topic };
  const messages = Array.from({ length: random.between(10, 60) }, (_, i): Action => {
    const at = start + random.between(0, 3_000);
    const client = random.pick(from.askers).name;
    return { at, client, do: 'publish', topic, mark: `f${i}`, kind: 'reliable', bytes: random.spread(500, 8_000) };
  });
  return [...listeners, listen, hold, ...messages];
}

function createActions(
  random: Random,
  from: { readonly at: number; readonly client: string; readonly made: readonly TaskPlan[]; readonly until: number },
): Action[] {
  const { at, client, made, until } = from;
  const [task] = made;
  if (task === undefined || made.length > 1) return [{ at, client, do: 'batch', tasks: made }];
  const keyed = random.chance(0.15);
  const create: Action = {
    at,
    client,
    do: 'create',
    task,
    ...(keyed ? { key: `key ${task.mark}` } : {}),
    ...(random.chance(0.1) ? { deadlineMs: random.spread(20, 5_000) } : {}),
    ...(random.chance(0.2) ? { durably: true as const } : {}),
  };
  if (!keyed) return [create];
  const again = { ...create, at: random.between(at, until) };
  const other = { ...again, at: random.between(at, until), task: { ...task, mark: `${task.mark} other` } };
  return random.chance(0.3) ? [create, again, other] : [create, again];
}

function drawTask(random: Random, mix: Mix, mark: string): TaskPlan {
  const has = (trait: string, probability: number): boolean => mix.traits.has(trait) && random.chance(probability);
  const type = random.pick(TYPES);
  const failing = has('failing', 0.3);
  const attempts = random.between(1, 4);
  return {
    mark,
    type,
    work: {
      ms: has('slow', 0.4) ? random.spread(100, 20_000) : random.chance(0.2) ? 0 : random.spread(1, mix.longMs),
      reports: random.chance(0.3) ? random.between(1, 5) : 0,
      end: random.chance(0.9) ? 'complete' : random.pick(['fail', 'fatal', 'release'] as const),
      failures: failing ? random.between(1, 4) : 0,
      stopMs: random.chance(0.8) ? random.between(0, 200) : random.spread(200, 15_000),
    },
    ...(has('priority', 0.5) ? { priority: random.pick(['low', 'high', 'critical'] as const) } : {}),
    ...(random.chance(0.1) ? { requirements: random.some(TYPES, 0.5) } : {}),
    ...(random.chance(0.3) ? { strategy: 'capability_match' as const } : {}),
    ...(has('offer', 0.5) ? { mode: 'offer' as const } : {}),
    ...(has('delay', 0.4) ? { delayMs: random.spread(1, 15_000) } : {}),
    ...(has('deadline', 0.3) ? { deadlineMs: random.spread(50, 40_000) } : {}),
    ...(has('timeout', 0.3) ? { timeoutMs: random.spread(LIMITS.timeoutMsMin, 10_000) } : {}),
    ...(has('progress', 0.3) ? { progressTimeoutMs: random.spread(LIMITS.timeoutMsMin, 10_000) } : {}),
    ...(failing || has('retry', 0.5)
      ? { retry: { maxAttempts: attempts, initialDelayMs: random.spread(1, 2_000) } }
      : {}),
    ...(random.chance(0.15) ? { watch: false } : {}),
  };
}

interface Other extends Asking {
  readonly marks: readonly { readonly mark: string; readonly tenant: string; readonly at: number }[];
  readonly askers: readonly ClientPlan[];
  readonly n: number;
}

const OTHERS = [
  ...['cancel', 'cancel', 'cancel', 'get', 'get', 'retry', 'wait', 'wait', 'meddle', 'meddle'],
  ...['list', 'dead', 'agents', 'snapshot', 'publish', 'publish', 'publish', 'subscribe', 'unsubscribe', 'reshape'],
] as const;

/** A request about what another one made, or about nothing in particular. */
function drawOther(random: Random, from: Other): Action | undefined {
  const kind = random.pick(OTHERS);
  const target = random.pick(from.marks);
  const near = random.spread(1, 10_000);
  const at = random.chance(0.7) ? Math.min(target.at + near, from.until) : random.between(800, from.until);
  const inTenant = (list: readonly ClientPlan[]): ClientPlan[] => list.filter(({ tenant }) => tenant === target.tenant);
  const anybody = inTenant(from.clients);
  const client = random.pick(inTenant(from.askers)).name;
  const topic = random.pick(TOPICS);
  const { mark } = target;
  switch (kind) {
    case 'cancel':
    case 'retry':
    case 'get':
    case 'wait':
      return { at, client, do: kind, mark };
    case 'meddle':
      return {
        at,
        client: random.pick(anybody).name,
        do: kind,
        mark,
        method: random.pick([
          'task.accept',
          'task.start',
          'task.progress',
          'task.complete',
          'task.fail',
          'task.release',
        ] as const),
        token: random.pick(['former', 'former', 'invented', 'current'] as const),
      };
    case 'list':
      return {
        at,
        client: random.pick(anybody).name,
        do: kind,
        limit: random.between(1, 20),
        ...(random.chance(0.5)
          ? { status: random.pick(['pending', 'completed', 'failed', 'in_progress'] as const) }
          : {}),
      };
    case 'dead':
    case 'agents':
    case 'snapshot':
      return { at, client: random.pick(anybody).name, do: kind };
    case 'publish': {
      const how = random.pick(['reliable', 'reliable', 'latest', 'ephemeral'] as const);
      const bytes = random.chance(0.2) ? random.between(500, 20_000) : random.between(0, 50);
      return { at, client, do: kind, topic, mark: `p${from.n}`, kind: how, bytes };
    }
    case 'subscribe':
      return {
        at,
        client: random.pick(anybody).name,
        do: kind,
        topic,
        ...(random.chance(0.2) ? { since: true as const } : {}),
      };
    case 'unsubscribe':
      return { at, client: random.pick(anybody).name, do: kind, topic };
    case 'reshape': {
      const agents = anybody.filter(({ agent }) => agent !== undefined);
      return { at, client: random.pick(agents).name, do: kind, capacity: random.between(1, 6) };
    }
  }
}
