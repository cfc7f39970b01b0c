/**
 * Draws what decides which agent gets which task: labels and selectors, sticky keys, concurrency keys, strategies and what
 * they look at, agents that fail. It changes a plan that was drawn before, in some of the seeds, and some of its traits.
 */
import { STRATEGY_NAMES } from '../../protocol/wire/types.ts';
import type { Action, ClientPlan, Plan, TaskPlan } from './plan.ts';
import type { Random } from './random.ts';

const SHARE = 0.5;
const TRAITS = ['labels', 'sticky', 'concurrency', 'strategies', 'defaults', 'costs', 'clumsy'] as const;
type Trait = (typeof TRAITS)[number];

const SELECTORS = [
  ...['zone=a', 'zone!=a', 'zone in (a, b)', 'zone notin (b, c)', 'gpu', '!gpu'],
  ...['mem>=16', 'mem>16', 'mem<=16', 'mem<32', 'gpu=yes', 'zone'],
] as const;

/** How much of each trait this seed has. */
interface Mix {
  readonly traits: ReadonlySet<Trait>;
  readonly share: number;
  readonly keys: number;
}

export function placed(random: Random, plan: Plan): Plan {
  if (!random.chance(SHARE)) return plan;
  const mix: Mix = {
    traits: new Set(random.some(TRAITS, 0.5)),
    share: random.pick([0.2, 0.5, 0.9]),
    keys: random.between(1, 4),
  };
  const clients = plan.clients.map((client) => withTraits(random, mix, client));
  const actions = plan.actions.map((action) => {
    if (action.do === 'create') return patient(random, { ...action, task: wanting(random, mix, action.task) });
    if (action.do === 'batch')
      return patient(random, { ...action, tasks: action.tasks.map((task) => wanting(random, mix, task)) });
    return action;
  });
  const more = drawMore(random, mix, plan);
  return { ...plan, clients, actions: [...sameKeySameBody(actions), ...more].toSorted((a, b) => a.at - b.at) };
}

function drawLabels(random: Random): { readonly [key: string]: string } {
  return {
    ...(random.chance(0.8) ? { zone: random.pick(['a', 'b', 'c']) } : {}),
    ...(random.chance(0.8) ? { mem: random.pick(['8', '16', '32', 'much']) } : {}),
    ...(random.chance(0.3) ? { gpu: random.pick(['yes', 'no']) } : {}),
  };
}

function withTraits(random: Random, { traits }: Mix, client: ClientPlan): ClientPlan {
  const { agent } = client;
  if (agent === undefined) return client;
  return {
    ...client,
    agent: {
      ...agent,
      ...(traits.has('labels') ? { labels: drawLabels(random) } : {}),
      ...(traits.has('costs') && random.chance(0.8) ? { cost: random.between(0, 4) } : {}),
    },
    ...(traits.has('clumsy') && random.chance(0.4) ? { clumsy: random.pick([60, 90, 100]) } : {}),
  };
}

function wanting(random: Random, { traits, share, keys }: Mix, task: TaskPlan): TaskPlan {
  const has = (trait: Trait): boolean => traits.has(trait) && random.chance(share);
  return {
    ...task,
    ...(has('labels') ? { selectors: random.some(SELECTORS, 0.1) } : {}),
    ...(has('sticky')
      ? {
          sticky: {
            key: `near ${random.between(1, keys)}`,
            mode: random.pick(['soft', 'soft', 'hard'] as const),
            ttlMs: random.spread(200, 40_000),
          },
        }
      : {}),
    ...(has('concurrency')
      ? {
          concurrency: {
            key: `one of ${random.between(1, keys)}`,
            max: random.between(1, 3),
            policy: random.pick(['queue', 'queue', 'queue', 'dropNew', 'cancelOld'] as const),
          },
        }
      : {}),
    ...(has('strategies') ? { strategy: random.pick(STRATEGY_NAMES) } : {}),
  };
}

type Creation = Extract<Action, { readonly do: 'create' | 'batch' }>;

/** A client asks again as long as a key has no room, which may be for ever: not longer than this. */
function patient(random: Random, action: Creation): Creation {
  const tasks = action.do === 'create' ? [action.task] : action.tasks;
  const refusable = tasks.some(({ concurrency }) => concurrency !== undefined && concurrency.policy !== 'queue');
  if (!refusable) return action;
  const { durably: _, ...plain } = { durably: undefined, ...action };
  return { ...plain, deadlineMs: action.deadlineMs ?? random.spread(200, 10_000) };
}

/** A request that is asked again under its key asks the same as the first time. */
function sameKeySameBody(actions: readonly Action[]): Action[] {
  const first = new Map<string, TaskPlan>();
  return actions.map((action) => {
    if (action.do !== 'create' || action.key === undefined) return action;
    const known = first.get(action.task.mark);
    if (known !== undefined) return { ...action, task: known };
    first.set(action.task.mark, action.task);
    return action;
  });
}

/** What is changed while work goes on. */
function drawMore(random: Random, { traits }: Mix, plan: Plan): Action[] {
  const agents = plan.clients.filter(({ agent }) => agent !== undefined);
  const types = plan.actions.flatMap((action) => (action.do === 'create' ? [action.task.type] : []));
  const owners = plan.clients.filter(({ role }) => role === 'admin' || role === 'member');
  const actions: Action[] = [];
  const draw = (trait: Trait, most: number, make: (at: number) => Action): void => {
    if (!traits.has(trait)) return;
    for (let n = random.between(0, most); n > 0; n -= 1) actions.push(make(random.between(1_000, plan.healAt)));
  };
  draw('labels', 6, (at) => {
    return { at, client: random.pick(agents).name, do: 'relabel', labels: drawLabels(random) };
  });
  draw('costs', 4, (at) => {
    return { at, client: random.pick(agents).name, do: 'relabel', cost: random.between(0, 4) };
  });
  if (types.length === 0) return actions;
  draw('defaults', 6, (at) => {
    const strategy = random.chance(0.2) ? null : random.pick(STRATEGY_NAMES);
    const type = random.chance(0.5) ? random.pick(types) : undefined;
    return { at, client: random.pick(owners).name, do: 'prefer', strategy, ...(type === undefined ? {} : { type }) };
  });
  return actions;
}
