/**
 * Strategies: in which order the eligible agents of a group are tried. A strategy is some numbers of an agent, the first
 * difference deciding, smaller first, then its id; the group keeps its free agents in that order. A new strategy is a new row.
 *
 * S1 The numbers order exactly: two shares, of integers of at most 10,000 or 1,000,000, differ by more than a double rounds,
 *    and equal ones round alike.
 */
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

/** Writes the numbers of an agent at the head of an array. */
export type WriteKeys = (agent: AgentRecord, fit: Fit, to: Float64Array) => void;

export interface StrategyRow {
  /** How many numbers it writes. */
  readonly width: number;
  /** For tasks of the type; of strategies that do not look at it, the same for all. */
  keysFor(type: string): WriteKeys;
  /** It looks at the type: each type has an order of its own. */
  readonly byType?: true;
  /** Anyone may be the first: the choice begins at a place that is drawn. */
  readonly drawn?: true;
}

/** S1. Among the equally loaded whoever has waited longest. */
function writeLoad(agent: AgentRecord, to: Float64Array, at: number): void {
  to[at] = agent.active / agent.capacity;
  to[at + 1] = agent.lastToken;
}

function byLoad(agent: AgentRecord, _: Fit, to: Float64Array): void {
  writeLoad(agent, to, 0);
}

function byTurn(agent: AgentRecord, _: Fit, to: Float64Array): void {
  to[0] = agent.lastToken;
}

function byMatch(agent: AgentRecord, fit: Fit, to: Float64Array): void {
  to[0] = -fit.weight;
  to[1] = fit.capabilities;
  writeLoad(agent, to, 2);
}

function byCost(agent: AgentRecord, _: Fit, to: Float64Array): void {
  to[0] = agent.cost ?? Infinity;
  writeLoad(agent, to, 1);
}

function byId(): void {}

function ratingOf(agent: AgentRecord, type: string): Rating | undefined {
  return agent.ratings?.find((one) => one.type === type);
}

/**
 * S1. Expected time until a task of the type is done, an attempt's time by its chance to succeed: as its whole part and the
 * share that is left, since one double is not enough for a quotient of so large a number.
 */
function writeExpectedMs({ ms, ok }: Rating, to: Float64Array, at: number): void {
  const hopeless = ms === undefined || ok < HOPELESS;
  const whole = hopeless ? Infinity : Math.floor(ms / ok);
  to[at] = whole;
  to[at + 1] = hopeless ? 0 : (ms - whole * ok) / ok;
}

function byExpectedMs(type: string): WriteKeys {
  return (agent, _, to) => {
    const rating = ratingOf(agent, type);
    const tried = Math.min(rating?.count ?? 0, TRIED);
    to[0] = tried;
    if (rating !== undefined && tried === TRIED) writeExpectedMs(rating, to, 1);
    else to.fill(0, 1, 3);
    writeLoad(agent, to, 3);
  };
}

export const STRATEGIES: { readonly [S in Strategy]: StrategyRow } = {
  least_loaded: { width: 2, keysFor: () => byLoad },
  /** The heaviest match first, then the specialist (fewest other capabilities), then the least loaded. */
  capability_match: { width: 4, keysFor: () => byMatch },
  /** Whoever was given a task longest ago. */
  round_robin: { width: 1, keysFor: () => byTurn },
  random: { width: 0, keysFor: () => byId, drawn: true },
  /** The cheapest first; those who did not say what they cost come last. */
  cost_optimised: { width: 3, keysFor: () => byCost },
  /** As the rules of its group say (rules.ts there): this is for tasks to which none applies. */
  rule_based: { width: 2, keysFor: () => byLoad },
  /** Those who did fewer than three tasks of the type come first, so that they are rated; then who is expected to be done first. */
  performance: { width: 5, keysFor: byExpectedMs, byType: true },
};
