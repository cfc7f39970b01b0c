/**
 * Draws what is said to tasks while they run, and by them: pauses, messages, other priorities and limits, answers; checkpoints,
 * output, questions. It changes a plan that was drawn before, in some of the seeds, and leaves out some of it in each.
 */
import { PRIORITIES } from '../../protocol/wire/types.ts';
import type { Action, Plan, TaskPlan } from './plan.ts';
import type { Random } from './random.ts';

const SHARE = 0.2;
const TRAITS = ['pause', 'steer', 'limits', 'ask', 'output', 'checkpoint'] as const;
type Trait = (typeof TRAITS)[number];

interface Mix {
  readonly traits: ReadonlySet<Trait>;
  /** So many of the tasks. */
  readonly share: number;
}

export function controlled(random: Random, plan: Plan): Plan {
  if (!random.chance(SHARE)) return plan;
  const mix: Mix = { traits: new Set(random.some(TRAITS, 0.6)), share: random.pick([0.2, 0.5, 0.9]) };
  const more: Action[] = [];
  const actions = plan.actions.map((action) => {
    if (action.do === 'create') {
      // Under one key the same body is sent again.
      if (action.key !== undefined) return action;
      const task = talkative(random, mix, action.task);
      more.push(...about(random, mix, { plan, at: action.at, task }));
      return { ...action, task };
    }
    if (action.do === 'batch') return { ...action, tasks: action.tasks.map((task) => talkative(random, mix, task)) };
    return action;
  });
  return { ...plan, actions: [...actions, ...more].toSorted((a, b) => a.at - b.at) };
}

function talkative(random: Random, mix: Mix, task: TaskPlan): TaskPlan {
  if (!random.chance(mix.share)) return task;
  const has = (trait: Trait): boolean => mix.traits.has(trait) && random.chance(0.7);
  const talk = {
    heedMs: random.chance(0.8) ? random.spread(1, 3_000) : 0,
    asks: has('ask') ? random.between(1, 2) : 0,
    pieces: has('output') ? random.between(1, 6) : 0,
    checkpoints: has('checkpoint') ? random.between(1, 3) : 0,
  };
  return { ...task, work: { ...task.work, ms: Math.max(task.work.ms, random.spread(100, 9_000)), talk } };
}

function about(
  random: Random,
  mix: Mix,
  made: { readonly plan: Plan; readonly at: number; readonly task: TaskPlan },
): Action[] {
  const { plan, at: from, task } = made;
  if (task.work.talk === undefined) return [];
  const { mark } = task;
  const askers = plan.clients.filter(({ role }) => role === 'member' || role === 'admin');
  const client = (): string => random.pick(askers).name;
  const at = (): number => Math.min(from + random.spread(1, 12_000), plan.healAt);
  const within = random.chance(0.3) ? { acknowledgeMs: random.spread(100, 5_000) } : {};
  const actions: Action[] = [];
  if (mix.traits.has('pause') && random.chance(0.6)) {
    const start = at();
    actions.push({ at: start, client: client(), do: 'control', mark, how: 'pause', ...within });
    // More than once: one request may get lost with its client.
    for (let n = random.between(1, 3); n > 0; n -= 1)
      actions.push({ at: start + random.spread(1, 9_000), client: client(), do: 'control', mark, how: 'resume' });
  }
  for (let n = mix.traits.has('steer') ? random.between(0, 5) : 0; n > 0; n -= 1)
    actions.push({ at: at(), client: client(), do: 'control', mark, how: 'steer', n, ...within });
  if (mix.traits.has('limits') && random.chance(0.5)) {
    actions.push({
      at: at(),
      client: client(),
      do: 'control',
      mark,
      how: 'reprioritise',
      n: random.below(PRIORITIES.length),
    });
    actions.push({ at: at(), client: client(), do: 'control', mark, how: 'extend', n: random.spread(200, 30_000) });
  }
  for (let n = task.work.talk.asks > 0 ? 4 : 0; n > 0; n -= 1)
    actions.push({ at: at(), client: client(), do: 'control', mark, how: 'answer', n });
  if (task.work.talk.pieces > 0) {
    for (let n = random.between(1, 3); n > 0; n -= 1)
      actions.push({
        at: at(),
        client: client(),
        do: 'control',
        mark,
        how: 'read',
        n: random.chance(0.5) ? 0 : random.between(0, 30),
      });
  }
  return actions;
}
