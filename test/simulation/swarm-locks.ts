/**
 * Draws the use of locks: paths of a small tree in all modes, several at once, nested, converted, acquired once more, waited for
 * and given up, leases that are extended or not, force, tokens that are old, looks. It adds to a plan that was drawn before, in
 * some of the seeds, from streams of its own.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { LOCK_MODES, type LockMember, type LockMode, type LockScope } from '../../protocol/wire/locks.ts';
import type { Action, ClientPlan, Plan } from './plan.ts';
import type { Random } from './random.ts';

const SHARE = 0.15;
const PATHS = ['a', 'a/x', 'a/x/1', 'a/y', 'b'] as const;

/** What a program does with one lock, from asking for it to giving it back. */
export interface LockJob {
  readonly paths: readonly LockMember[];
  readonly waitMs: number;
  readonly ttlMs?: number;
  readonly autoRefresh?: true;
  readonly graceMs?: number;
  readonly lockDelayMs?: number;
  readonly external?: true;
  readonly progressTimeoutMs?: number;
  readonly scope?: LockScope;
  readonly holdMs: number;
  /** It is extended before a third of its time is over. */
  readonly refresh?: true;
  /** It gives up after so long, whether it waits or not. */
  readonly cancelMs?: number;
  readonly again?: { readonly afterMs: number; readonly mode: LockMode };
  readonly convert?: { readonly afterMs: number; readonly mode: LockMode; readonly waitMs: number };
  readonly nested?: { readonly afterMs: number; readonly job: LockJob };
  /** keep: it is left to its time, or held to the end. */
  readonly end: 'release' | 'all' | 'part' | 'keep';
  /** After the end it is tried under the token that was. */
  readonly stale?: 'lock.extend' | 'lock.release' | 'lock.convert';
  /** Asked to give it back, it does. */
  readonly heeds?: true;
}

export type LockAsk =
  | { readonly do: 'lock'; readonly job: LockJob }
  | {
      readonly do: 'force';
      readonly path: string;
      readonly graceMs: number;
      readonly token: 'any' | 'current' | 'other';
    }
  /** By somebody else, under a token that is good. */
  | { readonly do: 'steal'; readonly path: string; readonly method: 'lock.extend' | 'lock.release' }
  | {
      readonly do: 'look';
      readonly path: string;
      readonly method: 'lock.get' | 'lock.list' | 'lock.graph' | 'lock.validate';
    };

interface Mix {
  readonly traits: ReadonlySet<string>;
  readonly modes: readonly LockMode[];
  readonly paths: readonly string[];
  readonly longMs: number;
  readonly waitMs: number;
}

const TRAITS = [
  'lease',
  'nested',
  'convert',
  'again',
  'several',
  'cancel',
  'delay',
  'agent',
  'progress',
  'grace',
] as const;

export function locked(random: Random, plan: Plan): Plan {
  if (!random.chance(SHARE)) return plan;
  const mix: Mix = {
    traits: new Set(random.some(TRAITS, 0.6)),
    modes: random.chance(0.5) ? ['exclusive', 'exclusive', 'shared'] : LOCK_MODES,
    paths: PATHS.slice(0, random.between(1, PATHS.length)),
    longMs: random.spread(300, 8_000),
    waitMs: random.spread(1_000, 60_000),
  };
  const users = plan.clients.filter(({ role, operator }) => role !== 'viewer' && operator !== true);
  const chosen = users.filter((_, i) => i < 2 || random.chance(0.6));
  const more: Action[] = [];
  for (let n = random.spread(12, 70); n > 0; n -= 1) {
    const at = random.between(1_000, plan.healAt);
    const client = random.pick(chosen);
    more.push({ at, client: client.name, do: 'lock', job: drawJob(random, mix, { client, level: 1 }) });
  }
  more.push(...drawOthers(random.fork('others'), mix, { plan, users }));
  return {
    ...plan,
    tuning: { ...plan.tuning, bounds: { ...plan.tuning.bounds, ...bounds(random.fork('bounds')) } },
    actions: [...plan.actions, ...more].toSorted((a, b) => a.at - b.at),
  };
}

function bounds(random: Random): Plan['tuning']['bounds'] {
  return {
    lockGraceMs: random.pick([500, 3_000, LIMITS.lockGraceMs]),
    lockDelayMs: random.pick([1_000, LIMITS.lockDelayMs]),
    lockCountMax: random.pick([2, LIMITS.lockCountMax]),
    lockQueueMax: random.pick([3, LIMITS.lockQueueMax]),
    lockLooksMax: random.pick([1, 4, LIMITS.lockLooksMax]),
  };
}

function drawJob(random: Random, mix: Mix, of: { readonly client: ClientPlan; readonly level: number }): LockJob {
  const { traits, longMs } = mix;
  const has = (trait: string, probability: number): boolean => traits.has(trait) && random.chance(probability);
  const several = has('several', 0.3);
  const paths = several
    ? Array.from({ length: random.between(2, 4) }, () => drawMember(random, mix))
    : [drawMember(random, mix)];
  const holdMs = random.spread(20, longMs);
  const lease = has('lease', 0.4);
  const nested = of.level < 3 && has('nested', 0.4);
  return {
    paths,
    waitMs: random.chance(0.2) ? 0 : random.spread(50, mix.waitMs),
    ...(lease ? { ttlMs: random.spread(LIMITS.lockTtlMsMin, 12_000) } : {}),
    ...(lease && random.chance(0.3) ? { autoRefresh: true as const } : {}),
    ...(has('grace', 0.5) ? { graceMs: random.spread(100, 20_000) } : {}),
    ...(has('delay', 0.4) ? { lockDelayMs: random.spread(100, 10_000) } : {}),
    ...(has('delay', 0.2) ? { external: true as const } : {}),
    ...(has('progress', 0.3) ? { progressTimeoutMs: random.spread(1_000, 10_000) } : {}),
    ...(of.client.agent !== undefined && has('agent', 0.4) ? { scope: 'agent' as const } : {}),
    holdMs,
    ...(random.chance(0.6) ? { refresh: true as const } : {}),
    ...(has('cancel', 0.3) ? { cancelMs: random.spread(1, 5_000) } : {}),
    ...(!several && has('again', 0.3)
      ? { again: { afterMs: random.between(1, holdMs), mode: random.pick(mix.modes) } }
      : {}),
    ...(has('convert', 0.4)
      ? {
          convert: {
            afterMs: random.between(1, holdMs),
            mode: random.pick(mix.modes),
            waitMs: random.chance(0.3) ? 0 : random.spread(100, mix.waitMs),
          },
        }
      : {}),
    ...(nested
      ? { nested: { afterMs: random.between(1, holdMs), job: drawJob(random, mix, { ...of, level: of.level + 1 }) } }
      : {}),
    end: drawEnd(random, { several, lease }),
    ...(random.chance(0.3) ? { stale: random.pick(['lock.extend', 'lock.release', 'lock.convert'] as const) } : {}),
    ...(random.chance(0.5) ? { heeds: true as const } : {}),
  };
}

/** What lasts as long as its session is seldom kept: others are to get on. */
function drawEnd(
  random: Random,
  { several, lease }: { readonly several: boolean; readonly lease: boolean },
): LockJob['end'] {
  if (random.chance(lease ? 0.4 : 0.03)) return 'keep';
  return random.pick(several ? (['release', 'all', 'part'] as const) : (['release', 'release', 'all'] as const));
}

function drawMember(random: Random, { paths, modes }: Mix): LockMember {
  return { path: random.pick(paths), mode: random.pick(modes) };
}

/** Administrators, thieves, and people who look. */
function drawOthers(
  random: Random,
  mix: Mix,
  from: { readonly plan: Plan; readonly users: readonly ClientPlan[] },
): Action[] {
  const { plan, users } = from;
  const actions: Action[] = [];
  const at = (): number => random.between(1_500, plan.healAt);
  const admins = users.filter(({ role }) => role === 'admin');
  for (let n = admins.length > 0 ? random.between(0, 6) : 0; n > 0; n -= 1) {
    actions.push({
      at: at(),
      client: random.pick(admins).name,
      do: 'force',
      path: random.pick(mix.paths),
      graceMs: random.chance(0.5) ? 0 : random.spread(100, 5_000),
      token: random.pick(['any', 'any', 'current', 'other'] as const),
    });
  }
  for (let n = random.between(0, 6); n > 0; n -= 1) {
    const method = random.pick(['lock.extend', 'lock.release'] as const);
    actions.push({ at: at(), client: random.pick(users).name, do: 'steal', path: random.pick(mix.paths), method });
  }
  for (let n = random.between(2, 12); n > 0; n -= 1) {
    const method = random.pick(['lock.get', 'lock.get', 'lock.list', 'lock.graph', 'lock.validate'] as const);
    actions.push({
      at: at(),
      client: random.pick(plan.clients).name,
      do: 'look',
      path: random.pick(mix.paths),
      method,
    });
  }
  for (let n = random.between(0, 4); n > 0; n -= 1) {
    const topic = `lock.${random.pick(mix.paths).replaceAll('/', '.')}`;
    actions.push({ at: at(), client: random.pick(plan.clients).name, do: 'subscribe', topic });
  }
  return actions;
}
