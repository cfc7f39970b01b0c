/** Each bug of the table is found by playing random courses, from the first seed on. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/engine/engine.ts';
import { planted, Workshop } from '../../simulation/planted/workshop.ts';
import { NOTIFICATION_BUGS } from './planted.ts';
import { Play } from './play.ts';

const SEEDS_MAX = 100;
const STEPS = 250;

const load = createRequire(import.meta.url);
let workshop: Workshop;

beforeAll(() => {
  workshop = new Workshop(NOTIFICATION_BUGS.map((bug) => ({ ...bug, invariants: [] })));
}, 300_000);
afterAll(() => workshop.close());

/** What the first course that differs says, and which it is. */
function hunt(build: new () => Engine): string | undefined {
  for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
    try {
      new Play(new build(), seed, { steps: STEPS }).run();
    } catch (error) {
      return `seed ${seed}: ${String(error)}`;
    }
  }
  return undefined;
}

describe('planted bugs of notifications', () => {
  it('are at least 12, under names of their own', () => {
    expect(NOTIFICATION_BUGS.length).toBeGreaterThanOrEqual(12);
    expect(new Set(NOTIFICATION_BUGS.map(({ name }) => name)).size).toBe(NOTIFICATION_BUGS.length);
  });

  it.each(NOTIFICATION_BUGS)(
    '$name: $breaks',
    (bug) => {
      expect(planted({ ...bug, invariants: [] })).toContain(bug.replace);
      const worker = workshop.build({ ...bug, invariants: [] }, bug.name);
      // Not by vite, which would compile it anew.
      const built = load(fileURLToPath(new URL('../../src/engine/engine.js', worker))) as {
        readonly Engine: new () => Engine;
      };
      const found = hunt(built.Engine);
      expect(found, 'no course differs').toBeDefined();
    },
    300_000,
  );
});
