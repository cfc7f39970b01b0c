/**
 * The oracle of perturbed replays, in a run: a share of the logs is applied once more in every other way at once, and each
 * entry gives the same replies, pushes and facts, and the state has the same hash where the server's was hashed.
 *
 * The replays beside it (../oracle.ts) apply in the way of the server; they find what is lost by a snapshot that was stored, not what
 * all that was done in one process has in common: its clock and zone, the order in which tables were filled, whether
 * somebody reads, and states that are on their way to the next entry when they are stored.
 */
import type { EngineOptions } from '../../../src/engine/engine.ts';
import { decodeEntry } from '../../../src/engine/entry.ts';
import type { EntryOutput } from '../../../src/engine/port.ts';
import { Random } from '../random.ts';
import type { Recorder } from '../recorder.ts';
import { HASH_EVERY, type Book } from '../server-view.ts';
import { elsewhere } from './hostile.ts';
import { OtherReplay, outputBytes, type Way } from './replay.ts';

/** All at once: each alone would find less, and cost as much. */
const EVERY_WAY: Way = { restoredEvery: 48, shuffled: true, readEvery: 24, elsewhere: true };

const NO_WAY: Way = { restoredEvery: 0, shuffled: false, readEvery: 0, elsewhere: false };

/** To say which of them it is, when something differs. */
const ONE_BY_ONE: readonly (readonly [name: string, way: Way])[] = [
  ['as it is', NO_WAY],
  ['restored from snapshots', { ...NO_WAY, restoredEvery: 1 }],
  ['loaded in another order', { ...NO_WAY, restoredEvery: 1, shuffled: true }],
  ['read between entries', { ...NO_WAY, readEvery: 1 }],
  ['without clock, chance, zone and language', { ...NO_WAY, elsewhere: true }],
];

const NOTHING = new Uint8Array(0);

export class PerturbationOracle {
  readonly #seed: number;
  readonly #recorder: Recorder;
  readonly #engine: EngineOptions;
  /** By tenant: what each entry gave when the server applied it first. */
  readonly #given = new Map<string, Map<number, Uint8Array>>();

  constructor(parts: { readonly seed: number; readonly recorder: Recorder; readonly engine: EngineOptions }) {
    this.#seed = parts.seed;
    this.#recorder = parts.recorder;
    this.#engine = parts.engine;
  }

  applied(tenant: string, output: EntryOutput): void {
    const given = this.#given.get(tenant) ?? new Map<number, Uint8Array>();
    this.#given.set(tenant, given.set(output.seq, outputBytes(output)));
  }

  /** Replays the whole log of a tenant. */
  replay(book: Book): void {
    const difference = this.#differs(book, EVERY_WAY, true);
    if (difference === undefined) return;
    const alone = ONE_BY_ONE.filter(([, way]) => this.#differs(book, way, false) !== undefined);
    const ways = alone.length === 0 ? 'in all ways at once' : alone.map(([name]) => name).join('; ');
    this.#recorder.trouble('perturbed', `${book.tenant}: ${difference} when it is replayed ${ways}`);
  }

  /** What is first another than it was. */
  #differs(book: Book, way: Way, counted: boolean): string | undefined {
    const random = new Random(`perturbed ${this.#seed} ${book.tenant}`);
    const replay = new OtherReplay(this.#engine, way, random);
    const run = (): string | undefined => this.#run(book, replay);
    const found = way.elsewhere ? elsewhere(run) : run();
    if (counted) {
      const { marks } = this.#recorder;
      marks.count('replayed in other ways');
      marks.count('state taken down and loaded anew', replay.restored);
      marks.count('state loaded anew amid its work', replay.restoredAmid);
    }
    return found;
  }

  #run(book: Book, replay: OtherReplay): string | undefined {
    const given = this.#given.get(book.tenant);
    for (const kept of book.entries) {
      const { seq } = kept;
      if (seq > book.applied) break;
      let output: EntryOutput;
      try {
        output = replay.step(decodeEntry(kept.payload, kept), seq / book.applied);
      } catch (error) {
        return `entry ${seq} fails (${error instanceof Error ? error.message : String(error)})`;
      }
      if (Buffer.compare(given?.get(seq) ?? NOTHING, outputBytes(output)) !== 0)
        return `entry ${seq} gives something else`;
      if (seq % HASH_EVERY === 0 && replay.hash() !== book.hashes.get(seq))
        return `the state after entry ${seq} differs`;
    }
    const live = book.tracker;
    if (live === undefined || live.engine.state.counters.seq !== book.applied) return undefined;
    return replay.wholeHash() === live.wholeHash() ? undefined : `the state at the end, entry ${book.applied}, differs`;
  }
}
