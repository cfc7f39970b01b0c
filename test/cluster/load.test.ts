/** The short forms: three nodes, agents, load; a node and Redis are killed, then each node is restarted in order. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from './fleet.ts';
import { NODES, ROLLING_SHORT, SHORT } from './forms.ts';
import { Load } from './load.ts';

const SEED = 20_261_130;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.start(NODES);
}, 180_000);
afterAll(() => fleet.close());

describe('under kill -9 of a node and of Redis', () => {
  it(`nothing is lost and nothing is doubled (seed ${SEED})`, { timeout: 180_000 }, async () => {
    const report = await new Load(fleet, { ...SHORT, seed: SEED, say: () => undefined }).run();
    expect(report.violations).toEqual([]);
    expect(report.killed).toEqual({ node: 1, redis: 1, restart: 0 });
  });
});

describe('under a restart of one node after the other', () => {
  it(`nothing is lost and nothing is doubled (seed ${SEED})`, { timeout: 180_000 }, async () => {
    const report = await new Load(fleet, { ...ROLLING_SHORT, seed: SEED, say: () => undefined }).run();
    expect(report.violations).toEqual([]);
    expect(report.killed).toEqual({ node: 0, redis: 0, restart: 3 });
  });
});
