/**
 * The same state on every node: each hashes it at the same entries, and they compare.
 *
 * Owns: at which entries, the hashes, what follows when they differ. Does not own: how nodes hear of one another (beside.ts).
 *
 * AU1 An entry is hashed after if the time that the log stamped on it is in another `auditMs` than that of the entry before: all nodes
 *     choose the same ones, however busy they are. One that is still hashing leaves it out.
 * AU2 The state is held as it is after that entry, and encoded in slices; serving goes on between them.
 * AU3 A node whose hash fewer nodes have than another one is wrong. Where as many have each, every node replays the log, from its
 *     beginning or from a snapshot, which counts only if two nodes had its hash, and is wrong if that gives another hash than its own.
 * AU4 Who is wrong serves no more. Nothing is decided twice of one entry.
 */
import type { Scheduler } from '../base/scheduler.ts';
import { decodeEntry } from '../engine/entry.ts';
import type { Engine } from '../engine/engine.ts';
import { holdImage, StateHasher, type ImageRecord, type Sha256 } from '../engine/kernel/image.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { LogEntry, LogFault } from '../log/port.ts';

/** The hash of the state after an entry, shortened. */
export interface Audited {
  readonly seq: number;
  readonly hash: string;
}

/** Of the hashes of an entry that differ. */
export interface Mismatch {
  readonly seq: number;
  readonly verdict: 'this node is wrong' | 'another node is wrong';
  readonly by: 'votes' | 'replay';
}

export interface AuditParts {
  readonly scheduler: Scheduler;
  readonly sha256: Sha256;
  readonly engine: Engine;
  /** An engine for a replay up to an entry, and the entry that it is after: none, or that of a snapshot. */
  readonly base: (upTo: number, done: (engine: Engine, seq: number) => void) => void;
  /** Entries of the log, from its beginning on. */
  readonly read: (from: number, limit: number, done: (result: readonly LogEntry[] | LogFault) => void) => void;
  readonly differs: (mismatch: Mismatch) => void;
}

export const HASH_DIGITS = 16;
const TOLD_MAX = 4;
/** AU2. As a checkpoint does (checkpoint.ts, C4). */
const SLICE_MS = 1;
const REST_MS = 5;
const SLICE_RECORDS = 1_000;
/** A log may have to be read from its beginning to find a page. */
const PAGE = 4_096;

export class Audit {
  readonly #parts: AuditParts;
  #told: readonly Audited[] = [];
  #lastTs: number | undefined;
  #hashing = false;
  readonly #judged = new Set<number>();

  constructor(parts: AuditParts) {
    this.#parts = parts;
  }

  /** What is told to others: the newest, oldest first. */
  get told(): readonly Audited[] {
    return this.#told;
  }

  /** Called for each entry right after it was applied, and nothing of the next one. True: all nodes hash after this one. */
  applied({ seq, ts }: Pick<LogEntry, 'seq' | 'ts'>, live: boolean): boolean {
    const { auditMs } = LIMITS;
    const due = this.#lastTs !== undefined && Math.floor(ts / auditMs) !== Math.floor(this.#lastTs / auditMs);
    this.#lastTs = ts;
    if (!live || !due) return false;
    if (this.#hashing) return true; // AU1
    this.#hashing = true;
    this.#hash(this.#parts.engine, (hash) => {
      this.#hashing = false;
      this.#told = [...this.#told, { seq, hash }].slice(-TOLD_MAX);
    });
    return true;
  }

  /** AU3. What the others told. */
  compare(others: readonly (readonly Audited[])[]): void {
    for (const { seq, hash } of this.#told) {
      if (this.#judged.has(seq)) continue;
      const hashes = others.flatMap((told) => told.filter((one) => one.seq === seq).map((one) => one.hash));
      if (hashes.every((one) => one === hash)) continue;
      this.#judged.add(seq); // AU4
      const votes = (of: string): number => hashes.filter((one) => one === of).length + (of === hash ? 1 : 0);
      const most = Math.max(...hashes.filter((one) => one !== hash).map(votes));
      if (most === votes(hash)) this.#replay({ seq, hash });
      else {
        const verdict = most > votes(hash) ? 'this node is wrong' : 'another node is wrong';
        this.#parts.differs({ seq, verdict, by: 'votes' });
      }
    }
  }

  #replay({ seq, hash }: Audited): void {
    this.#parts.base(seq, (engine, after) => this.#replayOn(engine, { seq, hash }, after));
  }

  #replayOn(engine: Engine, { seq, hash }: Audited, after: number): void {
    const { read, differs } = this.#parts;
    const next = (from: number): void => {
      if (from > seq) {
        return this.#hash(engine, (found) => {
          const verdict = found === hash ? 'another node is wrong' : 'this node is wrong';
          differs({ seq, verdict, by: 'replay' });
        });
      }
      read(from, Math.min(PAGE, seq - from + 1), (entries) => {
        // What cannot be read now is judged when hashes differ the next time.
        if (entries instanceof Error || entries.length === 0) return;
        this.#apply(engine, entries, () => next(from + entries.length));
      });
    };
    next(after + 1);
  }

  #apply(engine: Engine, entries: readonly LogEntry[], done: () => void): void {
    const { scheduler } = this.#parts;
    let at = 0;
    const slice = (): void => {
      const until = scheduler.mono() + SLICE_MS;
      for (let count = 1; count <= SLICE_RECORDS && scheduler.mono() < until; count += 1) {
        const entry = entries[at];
        if (entry === undefined) return done();
        engine.apply(decodeEntry(entry.payload, entry));
        at += 1;
      }
      scheduler.after(REST_MS, slice);
    };
    slice();
  }

  /** AU2 */
  #hash(engine: Engine, done: (hash: string) => void): void {
    const { scheduler, sha256 } = this.#parts;
    const hasher = new StateHasher(sha256);
    const records: Iterator<ImageRecord> = holdImage(engine.state).records();
    const slice = (): void => {
      const until = scheduler.mono() + SLICE_MS;
      for (let count = 1; count <= SLICE_RECORDS; count += 1) {
        const { value, done: over } = records.next();
        if (over === true) return done(hasher.hex().slice(0, HASH_DIGITS));
        hasher.add(value.bytes());
        if (count % 16 === 0 && scheduler.mono() >= until) break;
      }
      scheduler.after(REST_MS, slice);
    };
    scheduler.defer(slice);
  }
}
