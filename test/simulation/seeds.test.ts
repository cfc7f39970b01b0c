/** What once failed stays as a test: seeds, and materialised scripts, which also outlive a change of how plans are drawn. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Plan } from './plan.ts';
import { SEEDS } from './seeds.ts';
import { runPlan } from './verdict.ts';
import { drawPlan } from './swarm.ts';

const SCRIPTS = new URL('./scripts/', import.meta.url);
const TIME = { timeout: 60_000 };

for (const { seed, found } of SEEDS) {
  it(`seed ${seed}: ${found}`, TIME, () => {
    expect(runPlan(drawPlan(seed), true).violations).toEqual([]);
  });
}

const scripts = readdirSync(SCRIPTS).filter((name) => name.endsWith('.json'));

it('there are scripts', () => {
  expect(scripts).not.toEqual([]);
});

for (const name of scripts) {
  it(`script ${name}`, TIME, () => {
    const plan = JSON.parse(readFileSync(new URL(name, SCRIPTS), 'utf8')) as Plan;
    expect(plan.format).toBe(1);
    expect(runPlan(plan, true).violations).toEqual([]);
  });
}
