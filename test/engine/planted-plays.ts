/** Planted bugs that random plays on the engine find: each is built apart and played from the first course on, or from the one that is noted. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import type { PlantedBug } from '../simulation/planted/bug.ts';
import { Builds, Program } from '../simulation/planted/program.ts';
import { planted } from '../simulation/planted/sources.ts';

export interface PlayedBug extends Omit<PlantedBug, 'invariants'> {
  /** The course that found it when it was planted, if the first ones do not: it is played first. */
  readonly course?: number;
}

export interface PlantedPlays {
  readonly of: string;
  readonly bugs: readonly PlayedBug[];
  readonly seedsMax: number;
  /** Plays one seed on the engine, and throws where that differs from the model. */
  readonly play: (engine: Engine, seed: number, asked: Asked) => void;
}

interface Built extends Asked {
  readonly Engine: new () => Engine;
}

/** What a play asks the state by: of the build that has the bug. */
export type Asked = Pick<typeof import('../../src/engine/queries.ts'), 'hears' | 'readWorkspace'>;

const HUNT_MS = 300_000;
const ENTRIES = ['src/engine/engine.ts', 'src/engine/queries.ts'];

export function plantedPlays({ of, bugs, seedsMax, play }: PlantedPlays): void {
  let builds: Builds;
  let program: Program;

  beforeAll(() => {
    const all = bugs.map((bug) => ({ ...bug, invariants: [] }));
    builds = new Builds(all, ENTRIES);
    program = new Program(builds.folder);
  }, HUNT_MS);
  afterAll(() => builds.close(), HUNT_MS);

  /** What the first course that differs says, and which it is. */
  function hunt({ Engine: Build, ...asked }: Built, first: number | undefined): string | undefined {
    const courses = Array.from({ length: seedsMax }, (_, index) => index + 1);
    for (const seed of first === undefined ? courses : [first, ...courses]) {
      try {
        play(new Build(), seed, asked);
      } catch (error) {
        return `seed ${seed}: ${String(error)}`;
      }
    }
    return undefined;
  }

  describe(`planted bugs of ${of}`, () => {
    it('are at least 12, under names of their own', () => {
      expect(bugs.length).toBeGreaterThanOrEqual(12);
      expect(new Set(bugs.map(({ name }) => name)).size).toBe(bugs.length);
    });

    it.each(bugs)(
      '$name: $breaks',
      (bug) => {
        expect(planted({ ...bug, invariants: [] })).toContain(bug.replace);
        const load = program.load(builds.changed({ ...bug, invariants: [] }));
        const [engine, queries] = ENTRIES.map(load);
        const built = { ...(engine as Built), ...(queries as Asked) };
        expect(hunt(built, bug.course), 'no course differs').toBeDefined();
      },
      HUNT_MS,
    );
  });
}
