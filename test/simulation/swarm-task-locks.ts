/**
 * Draws tasks that need locks, on the same small tree of paths as the locks of programs: it changes a plan that was drawn before, in some of
 * the seeds. Those with others below them have none: they would wait for what they hold themselves.
 */
import type { LockMember } from '../../protocol/wire/locks.ts';
import type { Plan, TaskPlan } from './plan.ts';
import type { Random } from './random.ts';

const SHARE = 0.15;
const PATHS = ['a', 'a/x', 'a/x/1', 'a/y', 'b'] as const;

export function withTaskLocks(random: Random, plan: Plan): Plan {
  // Where programs use locks too their order is not judged here.
  if (!random.chance(SHARE) || plan.actions.some(({ do: what }) => what === 'lock')) return plan;
  const share = random.pick([0.2, 0.5, 0.9]);
  const paths = PATHS.slice(0, random.between(1, PATHS.length));
  const needy = (task: TaskPlan): TaskPlan => {
    const { family, hand } = task.work;
    if (!random.chance(share) || family !== undefined || hand !== undefined || task.parentId !== undefined) return task;
    const locks = Array.from({ length: random.pick([1, 1, 2, 3]) }, (): LockMember => {
      return { path: random.pick(paths), mode: random.pick(['exclusive', 'exclusive', 'shared'] as const) };
    });
    return { ...task, locks };
  };
  const actions = plan.actions.map((action) => {
    // Under one key the same body is sent again.
    if (action.do === 'create') return action.key === undefined ? { ...action, task: needy(action.task) } : action;
    return action.do === 'batch' ? { ...action, tasks: action.tasks.map(needy) } : action;
  });
  return { ...plan, actions };
}
