/**
 * The oracles beside the checker: the reference, which decides each entry for itself as the server applies it, and the
 * replays: the same entries give the same states, from nothing and from every snapshot that was ever stored, and some of them
 * in other ways than the server's (perturb/oracle.ts).
 *
 * The replays keep what the simulated disks later forget, and compare at the points where the serving engine was hashed.
 * Both are shares of the runs (simulation.ts), since each costs about as much as everything that the checker does.
 */
import { decodeValue } from '../../protocol/wire/codec.ts';
import { decodeEntry } from '../../src/engine/entry.ts';
import { Engine, type EngineOptions } from '../../src/engine/engine.ts';
import { loadRecord, type LoadedRecord } from '../../src/engine/kernel/image.ts';
import { EnvelopeKind, unseal } from '../../src/log/envelope.ts';
import type { DiskSnapshot } from '../../src/log/memory-disk.ts';
import type { MadeEntry } from './entry-marks.ts';
import { PerturbationOracle } from './perturb/oracle.ts';
import type { Recorder } from './recorder.ts';
import { Reference } from './reference/reference.ts';
import { hashAt, HASH_EVERY, type Book, type ServerView } from './server-view.ts';
import { StateTracker, UNFOLLOWED } from './state-tracker.ts';

/** So many entries are applied upon each snapshot; the replay from zero applies all. */
const UPON_SNAPSHOT = 100;

interface Stored {
  readonly seq: number;
  readonly stateHash: string;
  readonly tracker: StateTracker;
}

export class Oracle {
  readonly #recorder: Recorder;
  readonly #view: ServerView;
  readonly #engine: EngineOptions;
  readonly #judged: boolean;
  readonly #replayed: boolean;
  readonly #perturbed: PerturbationOracle | undefined;
  readonly #references = new Map<string, Reference>();
  readonly #snapshots = new Map<string, Stored[]>();

  /** `judged`: the reference follows the server. `replayed`: what was logged and stored is replayed at the end; `perturbed`: in other
   * ways too. */
  constructor(parts: {
    readonly recorder: Recorder;
    readonly view: ServerView;
    readonly engine: EngineOptions;
    readonly judged: boolean;
    readonly replayed: boolean;
    readonly perturbed: boolean;
    readonly seed: number;
  }) {
    this.#recorder = parts.recorder;
    this.#view = parts.view;
    this.#engine = parts.engine;
    this.#judged = parts.judged;
    this.#replayed = parts.replayed;
    this.#perturbed = parts.replayed && parts.perturbed ? new PerturbationOracle(parts) : undefined;
  }

  /** The server applied an entry for the first time. */
  applied(tenant: string, { decoded, output, state }: MadeEntry): void {
    this.#perturbed?.applied(tenant, output);
    if (!this.#judged) return;
    let reference = this.#references.get(tenant);
    if (reference === undefined) {
      const report = (message: string): void => this.#recorder.trouble('reference', `${tenant}: ${message}`);
      this.#references.set(tenant, (reference = new Reference(this.#engine.followUpsMax ?? 0, report)));
    }
    try {
      reference.step(decoded, output, state);
    } catch (error) {
      this.#recorder.trouble('reference', `${tenant}: it fails at entry ${output.seq}: ${String(error)}`);
    }
  }

  /** A snapshot was stored: it must be what it says it is. */
  snapshot(tenant: string, snapshot: DiskSnapshot): void {
    const { seq, stateHash } = snapshot.meta;
    if (!this.#replayed) {
      const served = this.#view.book(tenant).hashes.get(seq) ?? '';
      this.#recorder.add({ kind: 'snapshot', tenant, seq, stateHash: served });
      return;
    }
    const engine = new Engine(this.#engine);
    load(engine, snapshot);
    const tracker = new StateTracker(engine, UNFOLLOWED);
    if (tracker.wholeHash() !== stateHash)
      this.#recorder.trouble('9', `the snapshot of ${tenant} at ${seq} is not the state that it names`);
    this.#recorder.add({ kind: 'snapshot', tenant, seq, stateHash: hashAt(tracker, seq) });
    const stored = this.#snapshots.get(tenant) ?? [];
    this.#snapshots.set(tenant, [...stored, { seq, stateHash, tracker }]);
  }

  /** Replays everything and writes what it came to into the history. */
  replay(): void {
    if (!this.#replayed) return;
    for (const book of this.#view.books.values()) {
      this.#fromZero(book);
      for (const stored of this.#snapshots.get(book.tenant) ?? []) this.#follow(book, stored.tracker, stored.seq);
      this.#perturbed?.replay(book);
    }
  }

  #fromZero(book: Book): void {
    const tracker = new StateTracker(new Engine(this.#engine), UNFOLLOWED);
    const snapshots = new Map((this.#snapshots.get(book.tenant) ?? []).map(({ seq, stateHash }) => [seq, stateHash]));
    this.#run(book, { tracker, from: 0, until: book.applied }, (seq) => {
      const wanted = snapshots.get(seq);
      if (wanted !== undefined && tracker.wholeHash() !== wanted) {
        this.#recorder.trouble('9', `the replay of ${book.tenant} from zero differs from the snapshot at ${seq}`);
      }
    });
    const live = book.tracker;
    if (live === undefined || live.engine.state.counters.seq !== book.applied) return;
    const [replayed, served] = [tracker.wholeHash(), live.wholeHash()];
    if (replayed !== served)
      this.#recorder.trouble('9', `the replay of ${book.tenant} ends in another state than the one that served`);
    if (live.hash() !== served) this.#recorder.trouble('H', 'the kept hash of the state is not the hash of the state');
  }

  #follow(book: Book, tracker: StateTracker, from: number): void {
    this.#run(book, { tracker, from, until: Math.min(book.applied, from + UPON_SNAPSHOT) }, () => undefined);
  }

  #run(
    book: Book,
    what: {
      readonly tracker: StateTracker;
      readonly from: number;
      readonly until: number;
    },
    at: (seq: number) => void,
  ): void {
    const { tracker, from, until } = what;
    const { engine } = tracker;
    for (let seq = from + 1; seq <= until; seq += 1) {
      const kept = book.entries[seq - 1];
      if (kept === undefined || kept.seq !== seq) {
        this.#recorder.trouble('H', `the harness has no entry ${seq} of ${book.tenant}`);
        return;
      }
      try {
        engine.apply(decodeEntry(kept.payload, kept));
      } catch (error) {
        this.#recorder.trouble('9', `the replay of ${book.tenant} from ${from} stops at ${seq}: ${String(error)}`);
        return;
      }
      at(seq);
      const compared = seq % HASH_EVERY === 0 || seq === until;
      const stateHash = compared ? hashAt(tracker, seq) : '';
      if (!compared || (stateHash === book.hashes.get(seq) && seq !== until)) continue;
      this.#recorder.add({
        kind: 'replay',
        tenant: book.tenant,
        from: from === 0 ? 'zero' : from,
        seq,
        stateHash,
        rev: engine.state.rev,
      });
    }
  }
}

/** The layout of chunks is part of the format on disk: records behind their length. */
function load(engine: Engine, snapshot: DiskSnapshot): void {
  for (const stored of snapshot.chunks) {
    const opened = unseal(EnvelopeKind.chunk, stored);
    if (!opened.ok) throw new Error('a chunk that was stored a moment ago does not open');
    const chunk = opened.value.payload;
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < chunk.length;) {
      const length = view.getUint32(at);
      loadRecord(engine.state, decodeValue(chunk.subarray(at + 4, at + 4 + length)) as unknown as LoadedRecord);
      at += 4 + length;
    }
  }
}
