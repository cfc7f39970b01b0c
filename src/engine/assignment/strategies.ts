/**
 * Strategies: in which order the eligible agents of a group are tried. A strategy is a total order of agents;
 * the group keeps its free agents in that order. A new strategy is a new row.
 */
import { byCodeUnits } from '../../base/order.ts';
import type { Strategy } from '../../../protocol/wire/types.ts';
import { TRIED, WHOLE } from '../agents/ratings.ts';
import type { AgentRecord, Rating } from '../records.ts';

/** Fewer successes than one in a hundred count as none. */
const HOPELESS = WHOLE / 100;

/** How well an agent fits the requirements of a group. */
export interface Fit {
  /** Sum of the agent's weights of the required capabilities. */
  readonly weight: number;
  /** How many capabilities the agent has in all. */
  readonly capabilities: number;
}

/** What an order of agents is made for. */
export interface Ordering {
  readonly fitOf: (agent: AgentRecord) => Fit;
  /** The type of the tasks, for strategies that look at it. */
  readonly type: string;
}

export interface StrategyRow {
  /** Negative if `a` is tried before `b`. */
  compare(a: AgentRecord, b: AgentRecord, of: Ordering): number;
  /** It looks at the type: each type has an order of its own. */
  readonly byType?: true;
  /** Anyone may be the first: the choice begins at a place that is drawn. */
  readonly drawn?: true;
}

/** Load is active/capacity, compared exactly; among equals whoever has waited longest. */
function byLoad(a: AgentRecord, b: AgentRecord): number {
  return a.active * b.capacity - b.active * a.capacity || byTurn(a, b);
}

function byTurn(a: AgentRecord, b: AgentRecord): number {
  return a.lastToken - b.lastToken || byCodeUnits(a.id, b.id);
}

function ratingOf(agent: AgentRecord, type: string): Rating | undefined {
  return agent.ratings?.find((one) => one.type === type);
}

/** Expected time until a task of the type is done: an attempt's time by its chance to succeed. Compared without dividing. */
function byExpectedMs(a: Rating, b: Rating): number {
  const [hopelessA, hopelessB] = [a.ms === undefined || a.ok < HOPELESS, b.ms === undefined || b.ok < HOPELESS];
  if (hopelessA || hopelessB) return Number(hopelessA) - Number(hopelessB);
  return (a.ms ?? 0) * b.ok - (b.ms ?? 0) * a.ok;
}

export const STRATEGIES: { readonly [S in Strategy]: StrategyRow } = {
  least_loaded: { compare: byLoad },
  /** The heaviest match first, then the specialist (fewest other capabilities), then the least loaded. */
  capability_match: {
    compare(a, b, { fitOf }) {
      const fitA = fitOf(a);
      const fitB = fitOf(b);
      return fitB.weight - fitA.weight || fitA.capabilities - fitB.capabilities || byLoad(a, b);
    },
  },
  /** Whoever was given a task longest ago. */
  round_robin: { compare: byTurn },
  random: { compare: (a, b) => byCodeUnits(a.id, b.id), drawn: true },
  /** The cheapest first; those who did not say what they cost come last. */
  cost_optimised: {
    compare(a, b) {
      const [costA, costB] = [a.cost ?? Infinity, b.cost ?? Infinity];
      return (costA === costB ? 0 : costA - costB) || byLoad(a, b);
    },
  },
  /** As the rules of its group say (rules.ts there): this is for tasks to which none applies. */
  rule_based: { compare: byLoad },
  /** Those who did fewer than three tasks of the type come first, so that they are rated; then who is expected to be done first. */
  performance: {
    byType: true,
    compare(a, b, { type }) {
      const [ratingA, ratingB] = [ratingOf(a, type), ratingOf(b, type)];
      const [triedA, triedB] = [Math.min(ratingA?.count ?? 0, TRIED), Math.min(ratingB?.count ?? 0, TRIED)];
      if (triedA !== triedB) return triedA - triedB;
      if (triedA < TRIED || ratingA === undefined || ratingB === undefined) return byLoad(a, b);
      return byExpectedMs(ratingA, ratingB) || byLoad(a, b);
    },
  },
};
