/**
 * Draws trees: tasks below others, and below those, and cancels of what stands above. It changes a plan that was drawn before,
 * in some of the seeds. That a task above another one fails, is late or is cancelled otherwise is drawn with the task.
 */
import type { Action, Plan, TaskPlan } from './plan.ts';
import type { Random } from './random.ts';

const SHARE = 0.2;
/** So many levels below a task of the plan at most. */
const LEVELS_MAX = 3;

/** A task below another one, which its mark names. */
export interface SubtaskAsk {
  readonly do: 'subtask';
  readonly parent: string;
  readonly task: TaskPlan;
  /** Of its parent; absent: it is created without one. */
  readonly token?: 'current' | 'former' | 'invented';
}

interface Grown {
  readonly plan: Plan;
  readonly askers: readonly string[];
  readonly types: readonly string[];
  readonly more: Action[];
}

export function treed(random: Random, plan: Plan): Plan {
  const askers = plan.clients.filter(({ role }) => role === 'member' || role === 'admin').map(({ name }) => name);
  if (!random.chance(SHARE) || askers.length === 0) return plan;
  const share = random.pick([0.1, 0.4, 0.8]);
  const types = [...new Set(plan.clients.flatMap(({ agent }) => agent?.capabilities ?? []).map(nameOf))];
  const grown: Grown = { plan, askers, types, more: [] };
  const actions = plan.actions.map((action) => {
    // Under one key the same body is sent again.
    if (action.do !== 'create' || action.key !== undefined || !random.chance(share)) return action;
    const work = { ...action.task.work, ms: Math.max(action.task.work.ms, random.spread(200, 12_000)) };
    grow(random, grown, { mark: action.task.mark, at: action.at, level: 1 });
    return { ...action, task: { ...action.task, work } };
  });
  return { ...plan, actions: [...actions, ...grown.more].toSorted((a, b) => a.at - b.at) };
}

export function nameOf(capability: string | { readonly name: string }): string {
  return typeof capability === 'string' ? capability : capability.name;
}

function grow(
  random: Random,
  grown: Grown,
  parent: { readonly mark: string; readonly at: number; readonly level: number },
): void {
  const { plan, askers, types, more } = grown;
  for (let n = random.between(1, parent.level === 1 ? 4 : 2); n > 0; n -= 1) {
    const mark = `${parent.mark} below ${n}`;
    const at = Math.min(parent.at + random.spread(20, 5_000), plan.healAt);
    const work = {
      ms: random.spread(1, 10_000),
      reports: 0,
      end: random.chance(0.85) ? ('complete' as const) : random.pick(['fail', 'fatal'] as const),
      failures: random.chance(0.2) ? 1 : 0,
      stopMs: random.spread(1, 1_000),
    };
    const retry = { maxAttempts: random.between(1, 2), initialDelayMs: random.spread(1, 1_000) };
    const task: TaskPlan = {
      mark,
      type: random.pick(types),
      work,
      retry,
      ...(random.chance(0.2) ? { delayMs: random.spread(1, 8_000) } : {}),
    };
    more.push({ at, client: random.pick(askers), do: 'subtask', parent: parent.mark, task });
    if (parent.level < LEVELS_MAX && random.chance(0.4)) grow(random, grown, { mark, at, level: parent.level + 1 });
  }
  if (random.chance(0.3)) {
    const at = Math.min(parent.at + random.spread(500, 15_000), plan.healAt);
    more.push({ at, client: random.pick(askers), do: 'cancel', mark: parent.mark });
  }
}
