/**
 * Draws small bounds of what an append to the log takes: a run never has as much waiting as it takes for sessions to take
 * turns (src/node/fair-queue.ts) with those of the product.
 */
import type { Bounds } from './plan.ts';
import type { Random } from './random.ts';

const SHARE = 0.3;

export function drawTurns(random: Random): Bounds {
  if (!random.chance(SHARE)) return {};
  const appendCostMax = random.spread(2, 24);
  return {
    appendCostMax,
    turnCost: random.between(1, Math.ceil(appendCostMax / 2)),
    entriesBehindMax: random.between(1, 4),
  };
}
