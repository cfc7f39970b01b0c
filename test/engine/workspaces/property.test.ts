/** Random courses of workspaces: the engine answers, keeps and tells what the model says, and one that was loaded does the same. */
import { expect, it } from 'vitest';
import { decodeValue } from '../../../protocol/wire/codec.ts';
import { Engine } from '../../../src/engine/engine.ts';
import { decodeEntry } from '../../../src/engine/entry.ts';
import { holdImage, loadRecord, stateHash, type LoadedRecord } from '../../../src/engine/kernel/image.ts';
import { sha256 } from '../rig.ts';
import { Play } from './play.ts';

const SEEDS = Number(process.env['WORKSPACE_SEEDS'] ?? 40);
const LOADED_EACH = 70;

function load(from: Engine): { readonly engine: Engine; readonly seq: number } {
  const engine = new Engine();
  const records = [...holdImage(from.state).records()].map(
    (one) => decodeValue(one.bytes()) as unknown as LoadedRecord,
  );
  // In another order: what is derived must not depend on it.
  for (const record of records.toReversed()) loadRecord(engine.state, record);
  return { engine, seq: from.state.counters.seq };
}

it(`keeps to the model in ${SEEDS} random courses`, () => {
  const counts: Record<string, number> = {};
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const loaded: ReturnType<typeof load>[] = [];
    let steps = 0;
    const each = (play: Play): void => {
      steps += 1;
      if (steps % LOADED_EACH === 0) loaded.push(load(play.engine));
    };
    const play = new Play(new Engine(), seed, { steps: 250, each });
    try {
      play.run();
      for (const { engine, seq } of loaded) {
        for (const one of play.log) if (one.seq > seq) engine.apply(decodeEntry(one.payload, { ...one, epoch: 1 }));
        expect(stateHash(engine.state, sha256), `loaded at entry ${seq}`).toBe(stateHash(play.engine.state, sha256));
      }
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}\n${play.story.slice(-20).join('\n')}`, {
        cause: error,
      });
    }
    for (const [what, count] of Object.entries(play.counts)) counts[what] = (counts[what] ?? 0) + count;
  }
  const often = [
    'member.add',
    'member.remove',
    'member.setRole',
    'state.apply',
    'presence',
    'task.createBatch',
    'lock.acquire',
  ];
  for (const what of [
    ...often,
    'UNAUTHORIZED',
    'NOT_FOUND',
    'QUOTA_EXCEEDED',
    'INVALID_TRANSITION',
    'STATE_CONFLICT',
  ]) {
    expect(counts[what] ?? 0, what).toBeGreaterThan(SEEDS);
  }
}, 300_000);
