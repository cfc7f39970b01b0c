/** Draws errors of the disk, each with what makes the server meet it: a checkpoint to be written, a start that reads. */
import type { Action } from './plan.ts';
import type { Random } from './random.ts';

const SHARE = 0.25;

export function drawDiskFaults(random: Random, until: number): Action[] {
  if (!random.chance(SHARE)) return [];
  const actions: Action[] = [];
  for (let n = random.spread(1, 5); n > 0; n -= 1) actions.push(...drawOne(random, random.between(2_000, until)));
  return actions;
}

function drawOne(random: Random, at: number): Action[] {
  const what = random.pick(['sync', 'writeSnapshot', 'readSnapshot', 'damage', 'readLog', 'low'] as const);
  const soon = (ms: number): number => at + random.between(1, ms);
  const trouble = { ms: random.spread(100, 20_000), percent: random.pick([3, 30, 100]), keep: random.chance(0.5) };
  const crash: Action = {
    at: soon(3_000),
    do: 'crash',
    steps: random.below(200),
    keep: random.chance(0.5),
    machine: false,
    downMs: random.spread(1, 2_000),
  };
  const checkpoint = (when: number): Action => ({ at: when, do: 'checkpoint' });
  // Two snapshots, so that there is another one to be read, and a log that begins behind the older one.
  const snapshots = [checkpoint(Math.max(1, at - 1_500)), checkpoint(Math.max(2, at - 500))];
  switch (what) {
    case 'sync':
    case 'low':
      return [{ at, do: 'disk', what, ...trouble }];
    case 'writeSnapshot':
      return [{ at, do: 'disk', what, ...trouble }, checkpoint(soon(50)), checkpoint(soon(2_000))];
    case 'readSnapshot':
    case 'readLog':
      return [...snapshots, { at, do: 'disk', what, ...trouble }, crash];
    case 'damage':
      return [...snapshots, { at, do: 'damage', how: random.pick(['bit', 'torn', 'short', 'empty'] as const) }, crash];
  }
}
