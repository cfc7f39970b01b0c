/**
 * Snapshots in the database, in the worker.
 *
 * S1 A snapshot exists when its row does; the row is written last, in a transaction of its own.
 * S2 Each chunk is a transaction of its own, so that a group commit waits for one chunk at most, and is not synced by
 *    itself: the row of S1 comes later in the same log. Chunks without a row are left from a writer that died or gave up; they are removed in slices.
 * S3 The row holds a chain over all chunks; a reader has the whole snapshot only when that was compared.
 * S4 One snapshot of a tenant and seq: a newer one replaces it.
 */
import type Database from 'better-sqlite3';
import { assert, must } from '../../base/assert.ts';
import { chainNext, chainStart, EnvelopeKind, overheadBytes, sameBytes, sealInPlace, unseal } from '../envelope.ts';
import { LogFault, type SnapshotMeta } from '../port.ts';
import type { AskOf } from './messages.ts';
import type { Sliced } from './reader.ts';
import { cells, hex, RecordReader, sealRecord } from './record.ts';

/** Room of positions per snapshot. */
const positions = 2 ** 24;
/** Chunks that one slice removes. */
const sliceChunks = 16;

type LoadAsk = AskOf<'load'>;

interface Snapshot {
  readonly no: number;
  readonly tenant: string;
  readonly meta: SnapshotMeta;
  readonly chunks: number;
  readonly content: Uint8Array;
}

interface Writing {
  readonly no: number;
  readonly tenant: string;
  readonly meta: SnapshotMeta;
  chunks: number;
  content: Uint8Array;
}

interface Reading {
  readonly snapshot: Snapshot;
  content: Uint8Array;
}

export interface SnapshotsHost {
  /** A transaction wrote so many bytes. */
  wrote(bytes: number): void;
  /** Runs a transaction that need not be durable before later ones are. */
  lazily(write: () => void): void;
  /** Work to be done when there is time. */
  chore(work: Sliced<void>): void;
}

export class Snapshots {
  readonly #host: SnapshotsHost;
  readonly #byNo = new Map<number, Snapshot>();
  /** By the handle that the main thread chose. */
  readonly #writing = new Map<number, Writing>();
  /** By the number that the main thread chose. */
  readonly #reading = new Map<number, Reading>();
  #lastNo: number;
  readonly #putChunk: Database.Statement<[number, Uint8Array]>;
  readonly #getChunk: Database.Statement<[number]>;
  readonly #putRow: Database.Statement<[number, Uint8Array]>;
  readonly #dropRow: Database.Statement<[number]>;
  readonly #dropChunks: Database.Statement<[number, number]>;
  readonly #nextChunk: Database.Statement<[number]>;
  /** Rows whose records are damaged: useless, and kept for whoever looks into it. */
  readonly #unreadable = new Set<number>();

  constructor(db: Database.Database, host: SnapshotsHost) {
    this.#host = host;
    this.#putChunk = db.prepare('INSERT INTO chunk (pos, bytes) VALUES (?, ?)');
    this.#getChunk = db.prepare<[number]>('SELECT bytes FROM chunk WHERE pos = ?').pluck();
    this.#putRow = db.prepare('INSERT INTO snapshot (no, record) VALUES (?, ?)');
    this.#dropRow = db.prepare('DELETE FROM snapshot WHERE no = ?');
    this.#dropChunks = db.prepare('DELETE FROM chunk WHERE pos >= ? AND pos < ?');
    this.#nextChunk = db.prepare<[number]>('SELECT pos FROM chunk WHERE pos >= ? ORDER BY pos LIMIT 1').pluck();
    for (const row of db.prepare('SELECT no, record FROM snapshot').raw().all()) this.#load(row);
    const newestChunk: unknown = db.prepare('SELECT max(pos) FROM chunk').pluck().get();
    const chunkNo = typeof newestChunk === 'number' ? Math.floor(newestChunk / positions) : 0;
    this.#lastNo = Math.max(0, chunkNo, ...this.#byNo.keys(), ...this.#unreadable);
  }

  /** Newest first. */
  list(tenant: string): readonly SnapshotMeta[] {
    return this.#of(tenant).map((snapshot) => snapshot.meta);
  }

  begin(handle: number, tenant: string, meta: SnapshotMeta): void {
    this.#lastNo += 1;
    this.#writing.set(handle, { no: this.#lastNo, tenant, meta, chunks: 0, content: contentStart() });
  }

  chunk(handle: number, sealed: Uint8Array): void {
    const writing = must(this.#writing.get(handle), 'a snapshot that has ended takes no chunk');
    const { meta } = writing;
    assert(writing.chunks < positions, 'a snapshot has too many chunks');
    const payloadBytes = sealed.length - overheadBytes;
    sealInPlace(
      sealed,
      { offset: 0, payloadBytes },
      { kind: EnvelopeKind.chunk, epoch: meta.epoch, ts: meta.createdAt },
    );
    this.#host.lazily(() => this.#putChunk.run(writing.no * positions + writing.chunks, sealed)); // S2
    this.#host.wrote(sealed.length);
    writing.chunks += 1;
    writing.content = chainNext(writing.content, sealed);
  }

  commit(handle: number): void {
    const { no, tenant, meta, chunks, content } = must(this.#writing.get(handle), 'a snapshot is committed once');
    this.#writing.delete(handle);
    const { seq, chain, epoch, engineVersion, stateHash, createdAt } = meta;
    const fields = { no, tenant, seq, chain: hex(chain), epoch, engineVersion, stateHash, createdAt };
    this.#putRow.run(no, sealRecord({ ...fields, chunks, content: hex(content) })); // S1
    this.#host.wrote(0);
    const replaced = this.#of(tenant).filter((snapshot) => snapshot.meta.seq === seq);
    this.#byNo.set(no, { no, tenant, meta, chunks, content });
    for (const snapshot of replaced) this.#drop(snapshot); // S4
  }

  abort(handle: number): void {
    const writing = this.#writing.get(handle);
    if (writing === undefined) return;
    this.#writing.delete(handle);
    this.#host.chore(this.#dropChunksOf(writing.no));
  }

  /** Chunk `index`, asked for in order from 0; null after the last. */
  load(ask: LoadAsk): Uint8Array | null {
    const { reader, index } = ask;
    const what = `snapshot ${ask.seq} of tenant ${ask.tenant}`;
    if (index === 0) this.#beginReading(ask, what);
    const reading = must(this.#reading.get(reader), 'a snapshot is read from its first chunk');
    if (index === reading.snapshot.chunks) {
      this.#reading.delete(reader);
      if (sameBytes(reading.content, reading.snapshot.content)) return null; // S3
      throw new LogFault('CORRUPT', `${what} is not what was written`);
    }
    const stored: unknown = this.#getChunk.get(reading.snapshot.no * positions + index);
    const opened = stored instanceof Uint8Array ? unseal(EnvelopeKind.chunk, stored) : undefined;
    if (!(stored instanceof Uint8Array) || opened === undefined || !opened.ok) {
      this.#reading.delete(reader);
      throw new LogFault('CORRUPT', `chunk ${index} of ${what} cannot be read`);
    }
    reading.content = chainNext(reading.content, stored);
    return new Uint8Array(opened.value.payload);
  }

  prune(tenant: string, keep: number): void {
    for (const snapshot of this.#of(tenant).slice(keep)) this.#drop(snapshot);
  }

  /** Removes what dead writers left. */
  *tidy(): Sliced<void> {
    let from = 0;
    for (;;) {
      const pos: unknown = this.#nextChunk.get(from);
      if (typeof pos !== 'number') return;
      const no = Math.floor(pos / positions);
      const live = this.#byNo.has(no) || this.#unreadable.has(no) || this.#isWriting(no);
      if (!live) yield* this.#dropChunksOf(no);
      from = (no + 1) * positions;
    }
  }

  #beginReading({ reader, tenant, seq }: LoadAsk, what: string): void {
    const snapshot = this.#of(tenant).find(({ meta }) => meta.seq === seq);
    if (snapshot === undefined) throw new LogFault('CORRUPT', `${what} is not there`);
    this.#reading.set(reader, { snapshot, content: contentStart() });
  }

  #of(tenant: string): Snapshot[] {
    return [...this.#byNo.values()]
      .filter((snapshot) => snapshot.tenant === tenant)
      .toSorted((a, b) => b.meta.seq - a.meta.seq);
  }

  #isWriting(no: number): boolean {
    for (const writing of this.#writing.values()) if (writing.no === no) return true;
    return false;
  }

  /** The row goes first: from then on the snapshot does not exist. */
  #drop(snapshot: Snapshot): void {
    this.#byNo.delete(snapshot.no);
    this.#dropRow.run(snapshot.no);
    this.#host.wrote(0);
    this.#host.chore(this.#dropChunksOf(snapshot.no));
  }

  *#dropChunksOf(no: number): Sliced<void> {
    for (;;) {
      const pos: unknown = this.#nextChunk.get(no * positions);
      if (typeof pos !== 'number' || pos >= (no + 1) * positions) return;
      const end = Math.min(pos + sliceChunks, (no + 1) * positions);
      this.#host.lazily(() => this.#dropChunks.run(pos, end));
      this.#host.wrote(0);
      yield;
    }
  }

  #load(row: unknown): void {
    const [no, stored] = cells(row);
    if (typeof no !== 'number') return;
    try {
      const record = new RecordReader(`snapshot ${no}`, stored);
      const meta: SnapshotMeta = {
        seq: record.integer('seq'),
        chain: record.bytes('chain'),
        epoch: record.integer('epoch'),
        engineVersion: record.integer('engineVersion'),
        stateHash: record.text('stateHash'),
        createdAt: record.integer('createdAt'),
      };
      const content = record.bytes('content');
      this.#byNo.set(no, { no, tenant: record.text('tenant'), meta, chunks: record.integer('chunks'), content });
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      this.#unreadable.add(no);
    }
  }
}

function contentStart(): Uint8Array {
  return chainStart('snapshot');
}
