/** Random courses of locks: the engine does what the model says, after every entry, and an engine that was loaded does the same. */
import { expect, it } from 'vitest';
import { decodeValue } from '../../../protocol/wire/codec.ts';
import { Engine } from '../../../src/engine/engine.ts';
import { decodeEntry } from '../../../src/engine/entry.ts';
import { holdImage, loadRecord, stateHash, type LoadedRecord } from '../../../src/engine/kernel/image.ts';
import { sha256 } from '../rig.ts';
import { Play } from './play.ts';

/** So many, from the first on: `LOCK_FIRST=401 LOCK_SEEDS=200` plays those from 401 to 600. */
const SEEDS = Number(process.env['LOCK_SEEDS'] ?? 30);
const FIRST = Number(process.env['LOCK_FIRST'] ?? 1);
const LOADED_EACH = 60;

interface Loaded {
  readonly engine: Engine;
  readonly seq: number;
}

function load(from: Engine, options: { readonly followUpsMax?: number }): Loaded {
  const engine = new Engine(options);
  const records = [...holdImage(from.state).records()].map(
    (one) => decodeValue(one.bytes()) as unknown as LoadedRecord,
  );
  // Tables of locks in another order: what is derived of them must not depend on it.
  const isOfLocks = ([section]: LoadedRecord): boolean => section.startsWith('lock');
  const ordered = [...records.filter((one) => !isOfLocks(one)), ...records.filter(isOfLocks).toReversed()];
  for (const record of ordered) loadRecord(engine.state, record);
  return { engine, seq: from.state.counters.seq };
}

function follow({ engine, seq }: Loaded, play: Play): void {
  for (const logged of play.log) {
    if (logged.seq > seq) engine.apply(decodeEntry(logged.payload, { ...logged, epoch: 1 }));
  }
  expect(stateHash(engine.state, sha256), `loaded at entry ${seq}`).toBe(stateHash(play.engine.state, sha256));
}

it(`does as the model in ${SEEDS} random courses from ${FIRST} on`, () => {
  const counts: Record<string, number> = {};
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    const options = seed % 3 === 0 ? { followUpsMax: 1 + (seed % 5) } : {};
    const loaded: Loaded[] = [];
    let entries = 0;
    const each = (play: Play): void => {
      entries += 1;
      if (entries % LOADED_EACH === 0) loaded.push(load(play.engine, options));
    };
    const play = new Play(new Engine(options), seed, { steps: 250, patient: seed % 3 === 0, each });
    try {
      play.run();
      for (const one of loaded) follow(one, play);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}\n${play.story.slice(-14).join('\n')}`, {
        cause: error,
      });
    }
    for (const [what, count] of Object.entries(play.counts)) counts[what] = (counts[what] ?? 0) + count;
  }
  for (const what of [
    'acquire granted',
    'acquire queued',
    'acquire BUSY',
    'acquire DEADLOCK',
    'NOT_HELD',
    'taken over',
  ]) {
    expect(counts[what] ?? 0, what).toBeGreaterThan(SEEDS / 20);
  }
}, 1_200_000);
