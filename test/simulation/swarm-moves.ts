/**
 * Draws runs in which work that nobody has begun is moved: those of tasks and agents, with the faults of every run, where agents have many slots,
 * stand still with what they were sent, and moves are proposed again and again.
 */
import type { Action, ClientPlan, Plan } from './plan.ts';
import { Random } from './random.ts';
import { drawPlan } from './swarm.ts';

export function drawMovesPlan(seed: number): Plan {
  const random = new Random(`moves ${seed}`);
  const plan = drawPlan(seed, 'dense');
  const clients = plan.clients.map((client) => roomy(random, client));
  const agents = clients.filter(({ agent }) => agent !== undefined);
  const actions = [
    ...plan.actions,
    ...drawProposals(random.fork('proposals'), plan.healAt),
    ...agents.flatMap((client) => drawStops(random.fork(client.name), client, plan.healAt)),
  ];
  return { ...plan, clients, actions: actions.toSorted((a, b) => a.at - b.at) };
}

function roomy(random: Random, client: ClientPlan): ClientPlan {
  if (client.agent === undefined) return client;
  return {
    ...client,
    agent: { ...client.agent, capacity: random.between(3, 10), acceptMs: random.between(2_000, 10_000) },
  };
}

function drawProposals(random: Random, until: number): Action[] {
  const everyMs = random.pick([300, 1_000, 2_000]);
  const actions: Action[] = [];
  for (let at = everyMs; at < until; at += everyMs + random.below(everyMs)) actions.push({ at, do: 'rebalance' });
  return actions;
}

/** Its process stands still, so that it confirms nothing, and the server finds that out late. */
function drawStops(random: Random, { name }: ClientPlan, until: number): Action[] {
  return Array.from({ length: random.between(2, 6) }, () => ({
    at: random.between(0, until),
    client: name,
    do: 'freeze' as const,
    ms: random.between(1_500, 15_000),
  }));
}
