/** Deliberate bugs in the product: the simulator with its checker finds each of them. */
import { availableParallelism } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import { BUGS } from './planted/bugs.ts';
import { huntAll, isOfChecker, readNoted, SEEDS_MAX, type Hunted } from './planted/hunt.ts';
import { planted } from './planted/sources.ts';
import { runSeeds } from './pool.ts';
import { runSmall, type Verdict } from './verdict.ts';

/** No bound of a hunt, which ends after a number of seeds: far more than all of them take. */
const HUNTS_MS = 1_800_000;

describe('the table of planted bugs', () => {
  it('has at least 15, under names of their own', () => {
    expect(BUGS.length).toBeGreaterThanOrEqual(15);
    expect(new Set(BUGS.map(({ name }) => name)).size).toBe(BUGS.length);
  });

  it.each(BUGS)('$name changes text that occurs once in $file', (bug) => {
    expect(planted(bug)).toContain(bug.replace);
    expect(bug.replace).not.toBe(bug.find);
  });

  it('knows text that is not there, and text that is there twice', () => {
    const [bug] = BUGS;
    if (bug === undefined) throw new Error('the table is empty');
    expect(() => planted({ ...bug, find: 'no such text' })).toThrow('occurs 0 times');
    expect(() => planted({ ...bug, find: 'import' })).toThrow(/occurs \d+ times/);
  });

  it('expects invariants of the checker, and of no bug only that the engine stops', () => {
    for (const { name, invariants } of BUGS) expect(invariants.filter(isOfChecker), name).not.toEqual([]);
  });
});

describe('a planted bug', () => {
  const results = new Map<string, Hunted>();

  beforeAll(async () => {
    const hunts = { workers: availableParallelism(), known: readNoted() };
    for (const result of await huntAll(BUGS, hunts)) results.set(result.bug.name, result);
  }, HUNTS_MS);

  it.each(BUGS)('$name is caught, violating $invariants', ({ name }) => {
    const result = results.get(name);
    expect(result?.verdict, `${result?.failure} after ${result?.seeds} seeds`).toBeDefined();
    expect(result?.seeds).toBeLessThanOrEqual(SEEDS_MAX);
  });

  it('is what was caught: without it the same runs violate nothing', { timeout: HUNTS_MS }, async () => {
    const plans = [...results.values()].flatMap(({ bug, noted }) => (noted === undefined ? [] : [{ bug, noted }]));
    for (const { bug, noted } of plans) expect(runSmall(noted).violations, bug.name).toEqual([]);
    const bySeed = [...results.values()].filter(({ noted }) => noted === undefined);
    const seeds = new Set(bySeed.flatMap(({ verdict }) => verdict?.seed ?? []));
    expect(plans.length + seeds.size).toBeGreaterThan(0);
    const found = new Map<number, Verdict['violations']>();
    const judged = ({ seed, violations }: Verdict): void => void found.set(seed, violations);
    await runSeeds({ workers: availableParallelism(), seeds, judged });
    for (const seed of seeds) expect(found.get(seed), `seed ${seed}`).toEqual([]);
  });
});
