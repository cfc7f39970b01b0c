/**
 * Draws what holders do with trees: they create tasks below theirs, and complete while those go on, wait for them or cancel
 * them; others try it with tokens that are not theirs; the bounds of trees are small. It changes a plan that was drawn before,
 * in some of the seeds, from streams of its own.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { CHILD_POLICIES, type ChildPolicy } from '../../protocol/wire/trees.ts';
import type { Action, Plan, TaskPlan, Work } from './plan.ts';
import type { Random } from './random.ts';
import { nameOf } from './swarm-trees.ts';

const SHARE = 0.15;
const LEVELS_MAX = 3;

export type FamilyAsk = {
  /** What stands below it goes on. */
  readonly do: 'cancelAlone';
  readonly mark: string;
};

interface Mix {
  readonly types: readonly string[];
  readonly askers: readonly string[];
  readonly policies: readonly ChildPolicy[];
  /** So many of the tasks. */
  readonly share: number;
}

export function familied(random: Random, plan: Plan): Plan {
  if (!random.chance(SHARE)) return plan;
  const mix: Mix = {
    types: [...new Set(plan.clients.flatMap(({ agent }) => agent?.capabilities ?? []).map(nameOf))],
    askers: plan.clients.filter(({ role }) => role === 'member' || role === 'admin').map(({ name }) => name),
    policies: random.chance(0.5) ? CHILD_POLICIES : ['wait'],
    share: random.pick([0.2, 0.5, 0.9]),
  };
  const more: Action[] = [];
  const actions = plan.actions.map((action) => {
    // Under one key the same body is sent again.
    if (action.do !== 'create' || action.key !== undefined || !random.chance(mix.share)) return action;
    const task = withFamily(random, mix, { task: action.task, level: 1 });
    more.push(...about(random, mix, { plan, at: action.at, mark: task.mark }));
    return { ...action, task };
  });
  return {
    ...plan,
    tuning: { ...plan.tuning, bounds: { ...plan.tuning.bounds, ...bounds(random.fork('bounds')) } },
    actions: [...actions, ...more].toSorted((a, b) => a.at - b.at),
  };
}

function bounds(random: Random): Plan['tuning']['bounds'] {
  return {
    treeDepthMax: random.pick([1, 2, LIMITS.treeDepthMax]),
    childrenMax: random.pick([1, 3, LIMITS.childrenMax]),
    treeTasksMax: random.pick([3, 6, LIMITS.treeTasksMax]),
  };
}

function withFamily(random: Random, mix: Mix, of: { readonly task: TaskPlan; readonly level: number }): TaskPlan {
  const { task, level } = of;
  const tasks = Array.from({ length: random.between(level === 1 ? 1 : 0, level === 1 ? 3 : 2) }, (_, i) => {
    const below = drawBelow(random, mix, `${task.mark} child ${i}`);
    return level < LEVELS_MAX && random.chance(0.5)
      ? withFamily(random, mix, { task: below, level: level + 1 })
      : below;
  });
  const family = { tasks, ...(random.chance(0.9) ? { children: random.pick(mix.policies) } : {}) };
  return { ...task, work: { ...task.work, ms: Math.max(task.work.ms, random.spread(200, 4_000)), family } };
}

function drawBelow(random: Random, mix: Mix, mark: string): TaskPlan {
  const work: Work = {
    ms: random.spread(1, 10_000),
    reports: 0,
    end: random.chance(0.85) ? 'complete' : random.pick(['fail', 'fatal'] as const),
    failures: random.chance(0.2) ? 1 : 0,
    stopMs: random.spread(1, 1_000),
  };
  const retry = { maxAttempts: random.between(1, 2), initialDelayMs: random.spread(1, 1_000) };
  return {
    mark,
    type: random.pick(mix.types),
    work,
    retry,
    ...(random.chance(0.2) ? { delayMs: random.spread(1, 8_000) } : {}),
  };
}

/** What others do to it. */
function about(
  random: Random,
  mix: Mix,
  made: { readonly plan: Plan; readonly at: number; readonly mark: string },
): Action[] {
  const { plan, mark } = made;
  const anybody = plan.clients.map(({ name }) => name);
  const soon = (): number => Math.min(made.at + random.spread(100, 10_000), plan.healAt);
  const actions: Action[] = [];
  for (let n = random.between(0, 2); n > 0; n -= 1) {
    const task = drawBelow(random, mix, `${mark} try ${n}`);
    const token = random.pick(['current', 'former', 'former', 'invented'] as const);
    actions.push({ at: soon(), client: random.pick(anybody), do: 'subtask', parent: mark, task, token });
  }
  if (random.chance(0.3)) {
    const child = { ...drawBelow(random, mix, `${mark} own`) };
    actions.push({ at: soon(), client: random.pick(anybody), do: 'subtask', parent: mark, task: child });
  }
  const client = (): string => random.pick(mix.askers);
  if (random.chance(0.15) && mix.askers.length > 0) actions.push({ at: soon(), client: client(), do: 'cancel', mark });
  if (random.chance(0.15) && mix.askers.length > 0)
    actions.push({ at: soon(), client: client(), do: 'cancelAlone', mark });
  return actions;
}
