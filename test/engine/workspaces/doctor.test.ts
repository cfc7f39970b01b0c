/** What the doctor finds of workspaces, and how it is mended. */
import { describe, expect, it } from 'vitest';
import { Engine } from '../../../src/engine/engine.ts';
import { inspect } from '../../../src/engine/queries.ts';
import { shared, WORKSPACE_FAULTS } from './faults.ts';
import { Play } from './play.ts';

const found = (engine: Engine): string[] =>
  [...inspect(engine)].flatMap((one) => (one === undefined ? [] : [`${one.code} ${one.entity}: ${one.message}`]));
const codesOf = (engine: Engine): string[] => [
  ...new Set([...inspect(engine)].flatMap((one) => (one === undefined ? [] : [one.code]))),
];

describe('workspaces', () => {
  it('without faults have no finding', () => {
    expect(found(shared().rig.engine)).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5, 6])('have none whatever happens to them (seed %i)', (seed) => {
    let looks = 0;
    const play: Play = new Play(new Engine(), seed, {
      steps: 150,
      each: ({ engine }) => {
        looks += 1;
        expect(found(engine).filter((one) => one.startsWith('WORKSPACE_'))).toEqual([]);
      },
    });
    play.run();
    expect(looks).toBeGreaterThan(100);
  });

  it.each(WORKSPACE_FAULTS)('with $what are found, and mended by a logged command', ({ codes, plant, left }) => {
    const { rig, id } = shared();
    plant(rig.engine.state);
    rig.engine.state.journal.commit();
    expect(codesOf(rig.engine)).toEqual(codes);
    const { reply } = rig.one({ kind: 'mend' });
    expect(reply).toMatchObject({ ok: true, result: left === true ? { mended: 0, left: 1 } : { mended: 1, left: 0 } });
    if (left === true) {
      const admin = rig.session();
      rig.ask(admin, 'member.add', { workspaceId: id, userId: 'key:carl', role: 'owner' });
    }
    expect(found(rig.engine)).toEqual([]);
  });
});
