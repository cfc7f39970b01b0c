/**
 * Strategies: in which order the eligible agents of a group are tried. A strategy is a total order of agents;
 * the group keeps its free agents in that order. A new strategy is a new row.
 */
import { byCodeUnits } from '../../base/order.ts';
import type { Strategy } from '../../../protocol/wire/types.ts';
import type { AgentRecord } from '../records.ts';

/** How well an agent fits the requirements of a group. */
export interface Fit {
  /** Sum of the agent's weights of the required capabilities. */
  readonly weight: number;
  /** How many capabilities the agent has in all. */
  readonly capabilities: number;
}

export interface StrategyRow {
  /** Negative if `a` is tried before `b`. */
  compare(a: AgentRecord, b: AgentRecord, fitOf: (agent: AgentRecord) => Fit): number;
}

/** Load is active/capacity, compared exactly; among equals whoever has waited longest. */
function byLoad(a: AgentRecord, b: AgentRecord): number {
  return a.active * b.capacity - b.active * a.capacity || a.lastToken - b.lastToken || byCodeUnits(a.id, b.id);
}

export const STRATEGIES: { readonly [S in Strategy]: StrategyRow } = {
  least_loaded: { compare: byLoad },
  /** The heaviest match first, then the specialist (fewest other capabilities), then the least loaded. */
  capability_match: {
    compare(a, b, fitOf) {
      const fitA = fitOf(a);
      const fitB = fitOf(b);
      return fitB.weight - fitA.weight || fitA.capabilities - fitB.capabilities || byLoad(a, b);
    },
  },
};
