/**
 * Draws delegation: holders hand on what they hold, by name or by what the other can do, also to whom they must not, and have
 * things done for them; others try it under tokens that are not theirs. It changes a plan that was drawn before, in some of the
 * seeds, from streams of its own.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { DelegateTo } from '../../protocol/wire/trees.ts';
import type { Action, Plan, TaskPlan, Work } from './plan.ts';
import type { Random } from './random.ts';
import { nameOf } from './swarm-trees.ts';

const SHARE = 0.12;
const HOPS_MAX = 4;

export interface HandingAsk {
  readonly do: 'handFalsely';
  readonly mark: string;
  readonly token: 'former' | 'invented';
  readonly to: DelegateTo;
}

interface Mix {
  readonly types: readonly string[];
  readonly agents: readonly string[];
  /** So many are handed on by name. */
  readonly named: number;
  /** So many of the tasks. */
  readonly share: number;
}

export function handed(random: Random, plan: Plan): Plan {
  if (!random.chance(SHARE)) return plan;
  const mix: Mix = {
    types: [...new Set(plan.clients.flatMap(({ agent }) => agent?.capabilities ?? []).map(nameOf))],
    agents: plan.clients.flatMap(({ agent }) => (agent === undefined ? [] : [agent.name])),
    named: random.pick([0.2, 0.5, 0.8]),
    share: random.pick([0.2, 0.5, 0.9]),
  };
  const more: Action[] = [];
  const actions = plan.actions.map((action) => {
    // Under one key the same body is sent again.
    if (action.do !== 'create' || action.key !== undefined || !random.chance(mix.share)) return action;
    const { task, at } = action;
    if (random.chance(0.4)) more.push(tried(random, mix, { plan, at, mark: task.mark }));
    return { ...action, task: withHand(random, mix, task) };
  });
  const delegationsMax = random.pick([1, 2, LIMITS.delegationsMax]);
  return {
    ...plan,
    tuning: { ...plan.tuning, bounds: { ...plan.tuning.bounds, delegationsMax } },
    actions: [...actions, ...more].toSorted((a, b) => a.at - b.at),
  };
}

function withHand(random: Random, mix: Mix, task: TaskPlan): TaskPlan {
  const ms = Math.max(task.work.ms, random.spread(10, 2_000));
  return { ...task, work: { ...task.work, ms, hand: drawHand(random, mix, 1) } };
}

function drawHand(random: Random, mix: Mix, level: number): NonNullable<Work['hand']> {
  const to = Array.from({ length: random.between(1, HOPS_MAX) }, () => drawTo(random, mix));
  if (level > 2 || random.chance(0.7)) return { to };
  const child: Work = {
    ms: random.spread(1, 4_000),
    reports: 0,
    end: random.chance(0.9) ? 'complete' : 'fail',
    failures: 0,
    stopMs: random.spread(1, 500),
    ...(random.chance(0.6) ? { hand: drawHand(random, mix, level + 1) } : {}),
  };
  return { to, child };
}

function drawTo(random: Random, { types, agents, named }: Mix): DelegateTo {
  if (random.chance(named)) return { agent: random.pick(agents) };
  return { capability: random.pick(types), ...(random.chance(0.2) ? { selectors: ['!nowhere'] } : {}) };
}

function tried(
  random: Random,
  mix: Mix,
  made: { readonly plan: Plan; readonly at: number; readonly mark: string },
): Action {
  const at = Math.min(made.at + random.spread(100, 15_000), made.plan.healAt);
  const token = random.chance(0.8) ? ('former' as const) : ('invented' as const);
  const client = random.pick(made.plan.clients).name;
  return { at, client, do: 'handFalsely', mark: made.mark, token, to: drawTo(random, mix) };
}
