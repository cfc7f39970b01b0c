/** A failing run is made so small that a person can read it: under 20 lines of script. */
import { availableParallelism } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import type { AnyPlan } from './courses.ts';
import { BUGS } from './planted/bugs.ts';
import { huntAll, readNoted } from './planted/hunt.ts';
import { linesOf, readScript, scriptOf } from './script.ts';
import { drawPlan } from './swarm.ts';
import { runPlan } from './verdict.ts';

const LINES_MAX = 20;
/** Far more than it takes: what ends it is the number of runs. */
const TIME_MS = 900_000;
const RUNS_MAX = 200;

/** Of the kernel, of locks, of documents; what all the others became is kept (planted/plans). */
const NAMES = ['token-not-advanced', 'given-before-its-locks', 'edit-over-an-edit'];

it('a script is read as the plan that it was written of', () => {
  for (const seed of [1, 2, 3]) expect(readScript(scriptOf(drawPlan(seed)))).toEqual(drawPlan(seed));
});

describe('the run that catches a planted bug', () => {
  const plans = new Map<string, AnyPlan>();

  beforeAll(async () => {
    const bugs = BUGS.filter(({ name }) => NAMES.includes(name));
    const hunts = {
      workers: availableParallelism(),
      known: { ...readNoted(), plans: new Map() },
      shrinkRuns: RUNS_MAX,
    };
    for (const { bug, plan } of await huntAll(bugs, hunts)) if (plan !== undefined) plans.set(bug.name, plan);
  }, TIME_MS);

  it.each(NAMES)('%s is made small', (name) => {
    const plan = plans.get(name);
    expect(plan === undefined ? Infinity : linesOf(plan), plan && scriptOf(plan)).toBeLessThan(LINES_MAX);
  });

  it('violates nothing without the bug', { timeout: TIME_MS }, async () => {
    for (const plan of plans.values()) expect((await runPlan(plan, false)).violations).toEqual([]);
  });
});
