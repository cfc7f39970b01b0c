/** What the doctor finds of locks, and how it is mended. */
import { describe, expect, it } from 'vitest';
import { Engine } from '../../../src/engine/engine.ts';
import { inspect } from '../../../src/engine/queries.ts';
import { LOCK_FAULTS, locked } from './faults.ts';
import { Play } from './play.ts';

const found = (engine: Engine): string[] =>
  [...inspect(engine)].flatMap((one) => (one === undefined ? [] : [`${one.code} ${one.entity}: ${one.message}`]));
const codesOf = (engine: Engine): string[] => [
  ...new Set([...inspect(engine)].flatMap((one) => (one === undefined ? [] : [one.code]))),
];

describe('locks', () => {
  it('without faults have no finding', () => {
    expect(found(locked().rig.engine)).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5, 6])('have none whatever happens to them (seed %i)', (seed) => {
    const play: Play = new Play(new Engine(), seed, {
      steps: 150,
      patient: seed % 2 === 0,
      each: ({ engine }) => {
        if (engine.state.work.size === 0) expect(found(engine)).toEqual([]);
      },
    });
    play.run();
    expect(play.log.length).toBeGreaterThan(100);
  });

  it.each(LOCK_FAULTS)('with $what are mended by a logged command', ({ codes, plant, mended }) => {
    const planted = locked();
    const { rig } = planted;
    plant(rig.engine.state, planted);
    rig.engine.state.journal.commit();
    expect(codesOf(rig.engine).toSorted()).toEqual(codes.toSorted());
    // What mending one fault brings to light is mended by the next command.
    for (let round = 0; round < 3 && found(rig.engine).length > 0; round += 1) rig.one({ kind: 'mend' });
    expect(found(rig.engine)).toEqual([]);
    if (mended !== undefined) expect(mended(rig.engine.state, planted)).toBe(true);
    rig.wait(130_000);
    expect(found(rig.engine)).toEqual([]);
  });

  it('under a token that was never given are said to be so, and left as they are', () => {
    const { rig, held } = locked();
    const s = rig.engine.state;
    const record = s.locks.get(held.id);
    if (record !== undefined) s.locks.put({ ...record, token: record.token + 1_000 });
    s.journal.commit();
    expect(found(rig.engine)).toEqual([expect.stringMatching(`^TOKEN ${held.id}: the token of lock`)]);
    expect(rig.one({ kind: 'mend' }).reply).toMatchObject({ ok: true, result: { mended: 0, left: 1 } });
  });
});
