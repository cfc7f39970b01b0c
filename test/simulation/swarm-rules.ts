/**
 * Draws rules that are added, changed and removed while work goes on. It changes a plan that was drawn before, in some of
 * the seeds.
 */
import { CONDITIONS, FILTERS } from './checker/rules.ts';
import type { Action, Plan } from './plan.ts';
import type { Random } from './random.ts';

const SHARE = 0.3;
const NAMES = ['r1', 'r2', 'r3'] as const;
const PREFERS = ['-agent.load', 'agent.labels.zone == "b"', 'size(task.type) - agent.active', 'agent.cost'] as const;

export function withRules(random: Random, plan: Plan): Plan {
  if (!random.chance(SHARE)) return plan;
  const owners = plan.clients.filter(({ role }) => role === 'admin' || role === 'member');
  const agents = plan.clients.filter(({ agent }) => agent !== undefined);
  const types = plan.actions.flatMap((action) => (action.do === 'create' ? [action.task.type] : []));
  if (owners.length === 0 || agents.length === 0) return plan;
  const actions: Action[] = [];
  for (let n = random.between(1, 12); n > 0; n -= 1) {
    const client = random.pick(owners).name;
    const at = random.between(1_000, plan.healAt);
    const name = random.pick(NAMES);
    if (random.chance(0.3)) actions.push({ at, client, do: 'unrule', name });
    else actions.push({ at, client, do: 'rule', ...drawRule(random, types), name });
  }
  for (let n = random.between(0, 6); n > 0; n -= 1) {
    const labels = { zone: random.pick(['a', 'b', 'c']), mem: random.pick(['8', '32', 'much']) };
    const at = random.between(1_000, plan.healAt);
    actions.push({ at, client: random.pick(agents).name, do: 'relabel', labels });
  }
  if (random.chance(0.5)) {
    actions.push({ at: 1_000, client: random.pick(owners).name, do: 'prefer', strategy: 'rule_based' });
  }
  // Whatever a rule kept from everybody is to end after the faults, as all the rest.
  const last = random.pick(owners).name;
  for (const name of NAMES) actions.push({ at: plan.healAt, client: last, do: 'unrule', name });
  return { ...plan, actions: [...plan.actions, ...actions].toSorted((a, b) => a.at - b.at) };
}

function drawRule(
  random: Random,
  types: readonly string[],
): Omit<Extract<Action, { do: 'rule' }>, 'at' | 'client' | 'do'> {
  return {
    name: '',
    change: random.chance(0.4),
    onError: random.pick(['ignore', 'exclude'] as const),
    ...(random.chance(0.8) ? { filter: random.pick(Object.keys(FILTERS)) } : {}),
    ...(random.chance(0.3) ? { condition: random.pick(Object.keys(CONDITIONS)) } : {}),
    ...(random.chance(0.4) ? { prefer: random.pick(PREFERS) } : {}),
    ...(random.chance(0.2) ? { strategy: random.pick(['random', 'round_robin'] as const) } : {}),
    ...(types.length > 0 && random.chance(0.3) ? { type: random.pick(types) } : {}),
  };
}
