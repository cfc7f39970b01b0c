/**
 * Draws what is said to agents and to those who listen by pattern: notifications to one, to several, to a capability, to everyone, some of
 * them while agents are away, with bounds of what is kept that are soon met; subscriptions with wildcards. It adds to a plan that was drawn
 * before, in some of the seeds.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { PRIORITIES, type Priority } from '../../protocol/wire/types.ts';
import type { Action, ClientPlan, Plan } from './plan.ts';
import type { Random } from './random.ts';

const SHARE = 0.3;
const CAPABILITIES = ['alpha', 'beta', 'gamma'] as const;
const PATTERNS = ['>', '*', 'task.*', 'task.>', 'metrics.*', '*.cpu', 'chat.>', 'agent.*', '*.1'] as const;

export type NotifyAsk = {
  readonly do: 'notify';
  /** Agents by their names. */
  readonly to: 'all' | { readonly agents: readonly string[] } | { readonly capability: string };
  readonly mark: string;
  readonly priority: Priority;
  readonly ttlMs?: number;
};

export function notified(random: Random, plan: Plan): Plan {
  if (!random.chance(SHARE)) return plan;
  const notices = random.chance(0.7) ? drawNotices(random.fork('notices'), plan) : [];
  const patterns = notices.length === 0 || random.chance(0.5) ? drawPatterns(random.fork('patterns'), plan) : [];
  const bounds = {
    notificationsKept: random.pick([1, 3, LIMITS.notificationsKept]),
    notificationsKeptMax: random.pick([5, LIMITS.notificationsKeptMax]),
  };
  return {
    ...plan,
    tuning: { ...plan.tuning, bounds: { ...plan.tuning.bounds, ...bounds } },
    actions: [...plan.actions, ...notices, ...patterns].toSorted((a, b) => a.at - b.at),
  };
}

function drawNotices(random: Random, plan: Plan): Action[] {
  const speakers = plan.clients.filter(({ role, operator }) => role !== 'viewer' && operator !== true);
  const agents = plan.clients.filter(({ agent }) => agent !== undefined);
  const actions: Action[] = [];
  // Agents that are away for a while, by a crash of their own or in good order, while something is said.
  for (const { name } of random.some(agents, 0.5)) {
    const at = random.between(2_000, plan.healAt);
    const downMs = random.spread(500, 30_000);
    if (random.chance(0.7)) actions.push({ at, client: name, do: 'kill', machine: random.chance(0.5), downMs });
    else actions.push({ at, client: name, do: 'leave', drain: false, requeue: random.chance(0.5), downMs });
  }
  const count = random.spread(5, 60);
  for (let n = 0; n < count; n += 1) {
    const speaker = random.pick(speakers);
    actions.push({
      at: random.between(1_500, plan.healAt),
      client: speaker.name,
      do: 'notify',
      to: drawAudience(
        random,
        agents.filter(({ tenant }) => tenant === speaker.tenant),
      ),
      mark: `n${n}`,
      priority: random.pick(PRIORITIES),
      ...(random.chance(0.3) ? { ttlMs: random.pick([0, 1_000, 20_000]) } : {}),
    });
  }
  return actions;
}

function drawAudience(random: Random, agents: readonly ClientPlan[]): NotifyAsk['to'] {
  if (agents.length === 0 || random.chance(0.35)) return 'all';
  if (random.chance(0.35)) return { capability: random.pick(CAPABILITIES) };
  return { agents: Array.from({ length: random.pick([1, 1, 2, 3]) }, () => random.pick(agents).name) };
}

function drawPatterns(random: Random, plan: Plan): Action[] {
  const actions: Action[] = [];
  for (let n = random.between(2, 12); n > 0; n -= 1) {
    const at = random.between(1_000, plan.healAt);
    const client = random.pick(plan.clients).name;
    const topic = random.pick(PATTERNS);
    actions.push({ at, client, do: 'subscribe', topic, ...(random.chance(0.3) ? { since: true as const } : {}) });
    if (random.chance(0.3)) actions.push({ at: at + random.spread(10, 20_000), client, do: 'unsubscribe', topic });
  }
  return actions;
}
