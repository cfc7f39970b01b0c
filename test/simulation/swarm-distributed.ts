/**
 * Draws distributed tasks: what their parts are, when they are decided, what is made of the outputs; and what is done to them while
 * they are open. It adds to a plan that was drawn before, in some of the seeds, from streams of its own.
 */
import { AGGREGATIONS, COMPLETION_MODES, type Completion, type TaskDistribute } from '../../protocol/wire/trees.ts';
import type { Action, Plan, TaskPlan, Work } from './plan.ts';
import type { Random } from './random.ts';
import { nameOf } from './swarm-trees.ts';

const SHARE = 0.12;
const PARTS_MAX = 6;

export interface PartPlan {
  readonly mark: string;
  readonly type?: string;
  readonly work: Work;
}

export type DistributeAsk = Pick<TaskDistribute, 'copies' | 'each' | 'completion' | 'aggregate'> & {
  readonly do: 'distribute';
  readonly task: TaskPlan;
  readonly parts?: readonly PartPlan[];
  /** The mark of a task that it is to stand below. */
  readonly parent?: string;
};

interface Mix {
  readonly types: readonly string[];
  readonly askers: readonly string[];
  readonly modes: readonly Completion['mode'][];
  /** So many of the parts come to nothing. */
  readonly failing: number;
}

export function distributed(random: Random, plan: Plan): Plan {
  const askers = plan.clients.filter(({ role }) => role === 'member' || role === 'admin').map(({ name }) => name);
  if (!random.chance(SHARE) || askers.length === 0) return plan;
  const mix: Mix = {
    types: [...new Set(plan.clients.flatMap(({ agent }) => agent?.capabilities ?? []).map(nameOf))],
    askers,
    modes: random.chance(0.5) ? COMPLETION_MODES : [random.pick(COMPLETION_MODES)],
    failing: random.pick([0.1, 0.3, 0.6]),
  };
  const marks = plan.actions.flatMap((action) => (action.do === 'create' ? [action.task.mark] : []));
  const more: Action[] = [];
  for (let n = random.spread(2, 12); n > 0; n -= 1) {
    const at = random.between(1_000, plan.healAt);
    const mark = `whole ${n}`;
    const parent = random.chance(0.2) && marks.length > 0 ? { parent: random.pick(marks) } : {};
    more.push({ at, client: random.pick(askers), ...drawWhole(random, mix, mark), ...parent });
    more.push(...about(random, mix, { plan, at, mark }));
  }
  return { ...plan, actions: [...plan.actions, ...more].toSorted((a, b) => a.at - b.at) };
}

function drawWhole(random: Random, mix: Mix, mark: string): DistributeAsk {
  const count = random.between(1, PARTS_MAX);
  const task: TaskPlan = {
    mark,
    type: random.pick(mix.types),
    work: drawWork(random, mix),
    retry: { maxAttempts: random.between(1, 2), initialDelayMs: random.spread(1, 1_000) },
    ...(random.chance(0.15) ? { delayMs: random.spread(1, 8_000) } : {}),
    ...(random.chance(0.15) ? { deadlineMs: random.spread(200, 20_000) } : {}),
    ...(random.chance(0.15) ? { mode: 'offer' as const } : {}),
  };
  const how = random.pick(['parts', 'parts', 'copies', 'each'] as const);
  const mode = random.pick(mix.modes);
  const threshold = mode === 'threshold' || (mode === 'best_of' && random.chance(0.5));
  const numbers = ['sum', 'average', 'min', 'max', 'best', 'vote'];
  const kind = random.pick(AGGREGATIONS);
  const by = numbers.includes(kind) ? { by: 'score' } : kind === 'concat' ? { by: 'tags' } : {};
  return {
    do: 'distribute',
    task,
    ...(how === 'parts'
      ? { parts: Array.from({ length: count }, (_, i) => drawPart(random, mix, `${mark} part ${i}`)) }
      : {}),
    ...(how === 'copies' ? { copies: count } : {}),
    ...(how === 'each' ? { each: random.chance(0.5) ? { max: count } : {} } : {}),
    ...(random.chance(0.95)
      ? { completion: { mode, ...(threshold ? { threshold: random.between(1, count) } : {}) } }
      : {}),
    ...(random.chance(0.8) ? { aggregate: { kind, ...by } } : {}),
  };
}

function drawPart(random: Random, mix: Mix, mark: string): PartPlan {
  return { mark, work: drawWork(random, mix), ...(random.chance(0.3) ? { type: random.pick(mix.types) } : {}) };
}

function drawWork(random: Random, { failing }: Mix): Work {
  return {
    ms: random.spread(1, 8_000),
    reports: 0,
    end: random.chance(failing) ? random.pick(['fail', 'fatal'] as const) : 'complete',
    failures: random.chance(0.15) ? 1 : 0,
    stopMs: random.spread(1, 1_000),
    ...(random.chance(0.9) ? { score: random.between(0, 5) } : {}),
  };
}

/** What is done to it and to its parts. */
function about(
  random: Random,
  { askers, types }: Mix,
  made: { readonly plan: Plan; readonly at: number; readonly mark: string },
): Action[] {
  const { plan, mark } = made;
  const actions: Action[] = [];
  const maybe = (probability: number, make: (at: number) => Action): void => {
    if (!random.chance(probability)) return;
    actions.push(make(Math.min(made.at + random.spread(20, 12_000), plan.healAt)));
  };
  maybe(0.15, (at) => ({ at, client: random.pick(askers), do: 'cancel', mark }));
  maybe(0.3, (at) => {
    return { at, client: random.pick(askers), do: 'cancel', mark: `${mark} part ${random.between(0, 2)}` };
  });
  maybe(0.2, (at) => ({ at, client: random.pick(askers), do: 'retry', mark }));
  maybe(0.2, (at) => ({ at, client: random.pick(askers), do: 'get', mark }));
  maybe(0.2, (at) => {
    const work: Work = { ms: 10, reports: 0, end: 'complete', failures: 0, stopMs: 1 };
    const task: TaskPlan = { mark: `${mark} beside`, type: random.pick(types), work };
    return { at, client: random.pick(askers), do: 'subtask', parent: mark, task };
  });
  return actions;
}
