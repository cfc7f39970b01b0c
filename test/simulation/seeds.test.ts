/** What once failed stays as a test. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readScript } from './script.ts';
import { KEPT } from './seeds.ts';
import { runKept } from './verdict.ts';

const SCRIPTS = new URL('./scripts/', import.meta.url);
const TIME = { timeout: 180_000 };

it('names every script', () => {
  const files = readdirSync(SCRIPTS).map((name) => name.replace(/\.json$/, ''));
  expect(KEPT.map(({ script }) => script).toSorted()).toEqual(files.toSorted());
});

for (const { script, found } of KEPT) {
  it(`${script}: ${found}`, TIME, async () => {
    const plan = readScript(readFileSync(new URL(`${script}.json`, SCRIPTS), 'utf8'));
    expect(plan.format).toBe(1);
    expect((await runKept(plan)).violations).toEqual([]);
  });
}
