/** How 5,000 clients come back when their server stops in order: not in the same second. */
import { expect, it } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { seeded, World } from './peer.ts';

const CLIENTS = 5_000;
const STEP_MS = 100;
const DRAIN_MS = (LIMITS.drainMs * 4) / 5;

/** How many dial in each step of a tenth of a second after `stop`. */
function returns(stop: (world: World, at: number) => void, tillMs: number): number[] {
  const steps = Array.from({ length: tillMs / STEP_MS + 1 }, () => 0);
  for (let n = 0; n < CLIENTS; n += 1) {
    const world = new World({ entropy: seeded(n + 1) });
    world.online();
    for (let step = 0; world.links.length === 1; step += 1) {
      if (step >= steps.length) throw new Error(`client ${n} did not come back within ${tillMs} ms`);
      stop(world, step * STEP_MS);
      world.scheduler.advance(STEP_MS);
      if (world.links.length > 1) steps[step] = (steps[step] ?? 0) + 1;
    }
  }
  return steps;
}

/** The most in any second. */
function most(steps: readonly number[]): number {
  return Math.max(...steps.map((_, at) => steps.slice(at, at + 1_000 / STEP_MS).reduce((sum, one) => sum + one, 0)));
}

it('who leave when they are asked are spread over the time to leave', () => {
  const steps = returns((world, at) => {
    if (at === 0) world.link.say([13, 0, { reason: 'shutdown', action: 'resume', delayMs: [0, DRAIN_MS] }]);
  }, DRAIN_MS + STEP_MS);
  const even = (CLIENTS * 1_000) / DRAIN_MS;
  expect(most(steps)).toBeLessThan(even * 1.15);
  // Nobody waits for the last moment alone: the second half of the time has its half.
  expect(steps.slice(0, steps.length / 2).reduce((sum, one) => sum + one, 0)).toBeGreaterThan(CLIENTS * 0.4);
});

it('who stay until they are closed, over two seconds, come back over three', () => {
  let closed = 0;
  let last: World | undefined;
  let due = 0;
  const steps = returns((world, at) => {
    if (world !== last) {
      last = world;
      due = Math.floor(closed / (CLIENTS / 40)) * 50;
      closed += 1;
    }
    if (at < Math.floor(due / STEP_MS) * STEP_MS || world.link.ended) return;
    world.link.say([13, 0, { reason: 'shutdown', action: 'resume', delayMs: [0, 1_000] }]);
    world.link.end(4001);
  }, 3_500);
  expect(most(steps)).toBeLessThan(CLIENTS / 1.8);
  expect(Math.max(...steps)).toBeLessThan(CLIENTS / 15);
});
