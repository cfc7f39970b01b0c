/** Random courses beside a model: a play throws where the engine differs, and an engine that was loaded on the way does the same. */
import { expect } from 'vitest';
import { decodeValue } from '../../protocol/wire/codec.ts';
import { Engine } from '../../src/engine/engine.ts';
import { decodeEntry } from '../../src/engine/entry.ts';
import { holdImage, loadRecord, stateHash, type LoadedRecord } from '../../src/engine/kernel/image.ts';
import { sha256 } from './rig.ts';

interface Course {
  readonly engine: Engine;
  readonly log: readonly { readonly seq: number; readonly ts: number; readonly payload: Uint8Array }[];
  /** What was done, a line each. */
  readonly story: readonly string[];
  /** How often what happened. */
  readonly counts: { readonly [what: string]: number };
  run(): void;
}

export interface Courses<P extends Course> {
  readonly seeds: number;
  /** An engine is loaded after each so many entries. */
  readonly loadedEach: number;
  readonly play: (engine: Engine, seed: number, each: (play: P) => void) => P;
  /** Each of these happens more often than there are seeds. */
  readonly often: readonly string[];
}

export function playCourses<P extends Course>({ seeds, loadedEach, play: begin, often }: Courses<P>): void {
  const counts: Record<string, number> = {};
  for (let seed = 1; seed <= seeds; seed += 1) {
    const loaded: ReturnType<typeof load>[] = [];
    let entries = 0;
    const play = begin(new Engine(), seed, ({ engine }) => {
      entries += 1;
      if (entries % loadedEach === 0) loaded.push(load(engine));
    });
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
  for (const what of often) expect(counts[what] ?? 0, what).toBeGreaterThan(seeds);
}

function load(from: Engine): { readonly engine: Engine; readonly seq: number } {
  const engine = new Engine();
  const records = [...holdImage(from.state).records()].map(
    (one) => decodeValue(one.bytes()) as unknown as LoadedRecord,
  );
  // In another order: what is derived must not depend on it.
  for (const record of records.toReversed()) loadRecord(engine.state, record);
  return { engine, seq: from.state.counters.seq };
}
