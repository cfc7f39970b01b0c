/** A log that goes on in another epoch: the state knows where, and whoever listens is told. */
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { REV_EPOCH } from '../../src/engine/kernel/state.ts';
import { ENGINE_VERSION, EPOCHS_VERSION, type HelloCommand } from '../../src/engine/port.ts';
import { followed, Rig } from './rig.ts';

function begun(version = ENGINE_VERSION): Rig {
  const rig = new Rig();
  for (let next = 2; next <= version; next += 1) rig.one({ kind: 'upgrade', version: next });
  return rig;
}

const rev = (rig: Rig): number => rig.engine.state.rev;
const LOST = { session: 'ses_lost', secretHash: 's', rev: 1 };
const reasonOf = (rig: Rig, resume: NonNullable<HelloCommand['resume']>): string | undefined =>
  rig.hello({ resume }).welcome?.reason;

describe('another epoch', () => {
  it('is told with the first entry in it, once, and stands in the state', () => {
    const rig = begun();
    const after = rev(rig);
    rig.epoch = 3;
    const { pushes } = rig.tick(5);
    expect(pushes).toMatchObject([
      {
        event: 'log.recovered',
        topic: 'tenant.log',
        to: ['t:tenant.log'],
        rev: 3 * REV_EPOCH + (after % REV_EPOCH) + 2,
        data: { epoch: 3, after, at: rig.now },
      },
    ]);
    expect(rig.engine.state.counters.epochs).toEqual([
      { epoch: 1, after: 0 },
      { epoch: 3, after },
    ]);
    expect(rig.tick(5).pushes).toEqual([]);
  });

  it('in which the log begins is none that went on', () => {
    const rig = new Rig();
    rig.epoch = 7;
    rig.tick(1);
    expect([rig.pushes, rig.engine.state.counters.epochs]).toEqual([[], undefined]);
  });

  it('is not told, nor known, before the version that has it', () => {
    const rig = begun(EPOCHS_VERSION - 1);
    rig.epoch = 2;
    rig.tick(1);
    expect([rig.pushes, rig.engine.state.counters.epochs]).toEqual([[], undefined]);
    expect(reasonOf(rig, { ...LOST, gap: 'epoch' })).toBe('expired');
    rig.one({ kind: 'upgrade', version: EPOCHS_VERSION });
    const after = rev(rig);
    rig.epoch = 4;
    rig.tick(1);
    expect(rig.engine.state.counters.epochs).toEqual([
      { epoch: 2, after: 0 },
      { epoch: 4, after },
    ]);
  });

  it('is one of a bounded number, and the state is the same from every snapshot', () => {
    const rig = begun();
    const steps = Array.from({ length: LIMITS.epochsKept + 3 }, (_, n) => n + 2);
    followed(rig, steps, {
      go: (epoch) => {
        rig.epoch = epoch;
        rig.tick(1);
      },
      judge: () => undefined,
    });
    const epochs = rig.engine.state.counters.epochs ?? [];
    expect(epochs).toHaveLength(LIMITS.epochsKept);
    expect(epochs.at(-1)?.epoch).toBe(steps.at(-1));
  });
});

it.each([
  ['epoch', 'epoch'],
  ['gap', 'expired'],
  [undefined, 'expired'],
] as const)('a session that is not there, of a client whose position is judged %s, is refused by %s', (gap, reason) => {
  expect(reasonOf(begun(), { ...LOST, ...(gap === undefined ? {} : { gap }) })).toBe(reason);
});
