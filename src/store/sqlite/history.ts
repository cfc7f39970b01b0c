/**
 * The history of pushes, in the store's thread.
 *
 * Owns: chunks and what is known of them in memory, retention, floors. Does not own: how pushes are packed
 * (history-chunk.ts).
 *
 * H1 Revs at or below the newest one ever put are not put again.
 * H2 Retention first stores the floors, then removes chunks: a crash between leaves floors that are too high, and the
 *    chunks are removed at the next retention.
 * H3 A floor is the last rev of the dropped chunk, for every audience in it: at most the width of one chunk too high.
 * H4 A damaged chunk counts as dropped, for everybody.
 */
import type Database from 'better-sqlite3';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { isPattern, meansTopic } from '../../../protocol/wire/topics.ts';
import { hashOf } from '../audience.ts';
import { Floors } from '../floors.ts';
import { HistoryBuilder, HistoryReader, type HistoryChunk } from '../history-chunk.ts';
import { checked, withCheck } from './checked.ts';
import type { PatternQuery, Retention } from '../port.ts';
import type { StoreDatabase } from './database.ts';
import type { HistoryQuery } from './messages.ts';
import { Postings } from './postings.ts';
import type { Sliced } from './slices.ts';
import type { StoreTenant } from './tenants.ts';

/** Postings kept in memory, so that a reader after an outage need not read those of every chunk. */
const postingsBytesMax = 32 * 1024 * 1024;
const floorsMax = 200_000;
/** Chunks that one transaction removes. */
const sliceChunks = 64;
const TOPIC_MARK = 't'.charCodeAt(0);
const text = new TextDecoder();

interface Chunk {
  readonly no: number;
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly at: number;
  readonly bytes: number;
}

/** What is known of a tenant's history. */
interface Line {
  readonly tenant: StoreTenant;
  /** In rev order. */
  chunks: Chunk[];
  bytes: number;
  /** Everything up to here was dropped. */
  dropped: number;
  floors: Floors;
  /** Rows of dropped chunks that are still there. */
  leftovers: number[];
}

export class History {
  readonly #database: StoreDatabase;
  readonly #damaged: (what: string) => void;
  readonly #lines = new Map<number, Line>();
  /** The least recently used first. */
  readonly #postings = new Map<Chunk, Postings>();
  #postingsBytes = 0;
  readonly #insert: Database.Statement<(number | Uint8Array)[]>;
  readonly #audiences: Database.Statement<[number]>;
  readonly #payload: Database.Statement<[number]>;
  readonly #delete: Database.Statement<[number]>;
  readonly #keepFloors: Database.Statement<[number, number, Uint8Array, number]>;

  constructor(database: StoreDatabase, tenants: Iterable<StoreTenant>, damaged: (what: string) => void) {
    const { db } = database;
    this.#database = database;
    this.#damaged = damaged;
    this.#insert = db.prepare(
      'INSERT INTO history (tenant, first, last, count, at, bytes, audiences, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#audiences = db.prepare<[number]>('SELECT audiences FROM history WHERE no = ?').pluck();
    this.#payload = db.prepare<[number]>('SELECT payload FROM history WHERE no = ?').pluck();
    this.#delete = db.prepare('DELETE FROM history WHERE no = ?');
    this.#keepFloors = db.prepare('UPDATE tenant SET dropped = ?, floor = ?, floors = ? WHERE no = ?');
    for (const tenant of tenants) this.#load(tenant);
    this.#loadChunks();
  }

  put(tenant: StoreTenant, at: number, given: HistoryChunk): void {
    const line = this.#line(tenant);
    const newest = newestOf(line);
    if (given.last <= newest) return; // H1
    const { first, last, count, payload } = given.first > newest ? given : rest(given, newest);
    const postings = Postings.of(new HistoryReader(payload, count));
    const bytes = payload.length + postings.bytes.length;
    const audiences = withCheck(postings.bytes);
    const { lastInsertRowid } = this.#insert.run(
      tenant.no,
      first,
      last,
      count,
      at,
      bytes,
      audiences,
      withCheck(payload),
    );
    const chunk = { no: Number(lastInsertRowid), first, last, count, at, bytes };
    line.chunks.push(chunk);
    line.bytes += bytes;
    this.#remember(chunk, postings);
  }

  /** What is there goes, and whoever reads from before `rev` has missed something. In a transaction. */
  begin(tenant: StoreTenant, rev: number): void {
    const line = this.#line(tenant);
    line.floors.raiseAll(rev);
    this.#drop(line, new Set(line.chunks), rev);
  }

  /** The newest rev that was ever put. */
  newest(tenant: StoreTenant): number {
    return newestOf(this.#line(tenant));
  }

  /** The pushes that were asked for, and whether the limit cut them. */
  *read(tenant: StoreTenant, query: HistoryQuery): Sliced<{ readonly found: HistoryBuilder; readonly more: boolean }> {
    const { after, upTo, limit, since = 0 } = query;
    const line = this.#line(tenant);
    const wanted = new Set(query.audiences);
    const hashes = [...wanted].map(hashOf);
    const found = new HistoryBuilder();
    let position = after;
    for (;;) {
      const chunk = line.chunks[indexAfter(line.chunks, position)];
      if (chunk === undefined || chunk.first > upTo) return { found, more: false };
      position = chunk.last;
      if (chunk.at < since) continue;
      for (const [rev, record] of this.#matching(line, chunk, { hashes, wanted })) {
        if (rev <= after || rev > upTo) continue;
        if (found.count >= limit) return { found, more: true };
        found.add(rev, record);
      }
      yield;
    }
  }

  /** What `read` finds by audiences, by the topics that a pattern means: every push is looked at, up to a bound. */
  *search(
    tenant: StoreTenant,
    { after, upTo, pattern, limit }: PatternQuery,
  ): Sliced<{ readonly found: HistoryBuilder; readonly until: number | undefined; readonly dropped: number }> {
    const line = this.#line(tenant);
    const found = new HistoryBuilder();
    let looked = 0;
    for (let position = after; ;) {
      const chunk = line.chunks[indexAfter(line.chunks, position)];
      if (chunk === undefined || chunk.first > upTo) return { found, until: undefined, dropped: droppedOf(line) };
      const reader = this.#readerOf(line, chunk);
      for (let index = 0; reader !== undefined && index < chunk.count; index += 1) {
        const rev = reader.rev(index);
        if (rev <= after) continue;
        if (rev > upTo) return { found, until: undefined, dropped: droppedOf(line) };
        if (looked === LIMITS.historySearchMax || found.count === limit) {
          return { found, until: position, dropped: droppedOf(line) };
        }
        looked += 1;
        if (topicsOf(reader, index).some((topic) => meansTopic(pattern, topic))) found.add(rev, reader.record(index));
        position = rev;
      }
      position = chunk.last;
      yield;
    }
  }

  floor(tenant: StoreTenant, audiences: readonly string[]): { readonly rev: number; readonly keptFrom: number } {
    const line = this.#line(tenant);
    const rev = line.floors.of(audiences.map(hashOf));
    return { rev, keptFrom: rev === 0 ? 0 : (line.chunks.find((chunk) => chunk.first > rev)?.at ?? Infinity) };
  }

  *retain(now: number, retention: Retention): Sliced<void> {
    for (const line of this.#lines.values()) {
      const dropped = expired(line, now - retention.historyMs, retention.historyBytes);
      for (const chunk of dropped) {
        const postings = this.#postingsOf(line, chunk);
        for (const audience of postings?.audiences() ?? []) line.floors.raise(audience, chunk.last); // H3
        yield;
      }
      const last = dropped.at(-1);
      if (last !== undefined) this.#drop(line, new Set(dropped), last.last);
      yield* this.#removeLeftovers(line);
    }
  }

  /** Reads every chunk and says which are damaged; `drop`: as readers do when they meet one. */
  verify(drop: boolean): void {
    for (const line of this.#lines.values()) {
      for (const chunk of [...line.chunks]) {
        if (this.#stored(chunk) !== undefined) continue;
        if (drop) this.#readerOf(line, chunk);
        else this.#damaged(whatOf(line, chunk));
      }
      for (const no of drop ? line.leftovers.splice(0) : []) this.#delete.run(no);
    }
  }

  #drop(line: Line, gone: ReadonlySet<Chunk>, dropped: number): void {
    line.chunks = line.chunks.filter((chunk) => !gone.has(chunk));
    line.dropped = Math.max(line.dropped, dropped);
    for (const chunk of gone) {
      line.bytes -= chunk.bytes;
      line.leftovers.push(chunk.no);
      this.#forget(chunk);
    }
    const { floors, tenant } = line;
    this.#keepFloors.run(line.dropped, floors.common, withCheck(floors.pack()), tenant.no); // H2
  }

  *#removeLeftovers(line: Line): Sliced<void> {
    while (line.leftovers.length > 0) {
      const rows = line.leftovers.splice(0, sliceChunks);
      this.#database.transact(() => {
        for (const no of rows) this.#delete.run(no);
      });
      yield;
    }
  }

  /** The records of a chunk for any of the audiences. */
  *#matching(
    line: Line,
    chunk: Chunk,
    asked: { readonly hashes: readonly number[]; readonly wanted: ReadonlySet<string> },
  ): Generator<readonly [rev: number, record: Uint8Array]> {
    const indexes = this.#postingsOf(line, chunk)?.find(asked.hashes) ?? [];
    if (indexes.length === 0) return;
    const reader = this.#readerOf(line, chunk);
    if (reader === undefined) return;
    for (const index of indexes) {
      let meant = false;
      reader.audiences(index, (bytes, start, end) => {
        meant ||= asked.wanted.has(text.decode(bytes.subarray(start, end)));
      });
      if (meant) yield [reader.rev(index), reader.record(index)];
    }
  }

  #postingsOf(line: Line, chunk: Chunk): Postings | undefined {
    const known = this.#postings.get(chunk);
    if (known !== undefined) {
      this.#postings.delete(chunk);
      this.#postings.set(chunk, known);
      return known;
    }
    const postings = this.#storedPostings(line, chunk);
    if (postings === undefined) return undefined;
    this.#remember(chunk, postings);
    return postings;
  }

  /** Postings can be made again from the pushes. */
  #storedPostings(line: Line, chunk: Chunk): Postings | undefined {
    const stored = checked(this.#audiences.get(chunk.no));
    if (stored !== undefined) return new Postings(stored);
    const reader = this.#readerOf(line, chunk);
    return reader === undefined ? undefined : Postings.of(reader);
  }

  #readerOf(line: Line, chunk: Chunk): HistoryReader | undefined {
    const reader = this.#stored(chunk);
    if (reader !== undefined) return reader;
    this.#damaged(whatOf(line, chunk));
    line.floors.raiseAll(chunk.last); // H4
    this.#drop(line, new Set([chunk]), line.dropped);
    return undefined;
  }

  /** Undefined: it is not what was stored. */
  #stored(chunk: Chunk): HistoryReader | undefined {
    const payload = checked(this.#payload.get(chunk.no));
    const reader = payload === undefined ? undefined : new HistoryReader(payload, chunk.count);
    const whole = reader?.rev(0) === chunk.first && reader.rev(chunk.count - 1) === chunk.last;
    return whole ? reader : undefined;
  }

  #remember(chunk: Chunk, postings: Postings): void {
    this.#postings.set(chunk, postings);
    this.#postingsBytes += postings.bytes.length;
    for (const oldest of this.#postings.keys()) {
      if (this.#postingsBytes <= postingsBytesMax) return;
      this.#forget(oldest);
    }
  }

  #forget(chunk: Chunk): void {
    this.#postingsBytes -= this.#postings.get(chunk)?.bytes.length ?? 0;
    this.#postings.delete(chunk);
  }

  #line(tenant: StoreTenant): Line {
    const known = this.#lines.get(tenant.no);
    if (known !== undefined) return known;
    const line: Line = { tenant, chunks: [], bytes: 0, dropped: 0, floors: new Floors(floorsMax), leftovers: [] };
    this.#lines.set(tenant.no, line);
    return line;
  }

  #load(tenant: StoreTenant): void {
    const line = this.#line(tenant);
    const row = this.#database.db
      .prepare<[number], { dropped: number; floor: number; floors: unknown }>(
        'SELECT dropped, floor, floors FROM tenant WHERE no = ?',
      )
      .get(tenant.no);
    if (row === undefined) return;
    line.dropped = row.dropped;
    const packed = row.dropped === 0 ? new Uint8Array(0) : checked(row.floors);
    if (packed === undefined) this.#damaged(`floors of tenant ${tenant.id}`);
    // Without its floors everybody may have missed something up to what was dropped.
    const common = packed === undefined ? Math.max(row.floor, row.dropped) : row.floor;
    line.floors = Floors.unpack(floorsMax, common, packed ?? new Uint8Array(0));
  }

  #loadChunks(): void {
    const rows = this.#database.db
      .prepare<[], Chunk & { tenant: number }>(
        'SELECT no, tenant, first, last, count, at, bytes FROM history ORDER BY no',
      )
      .all();
    for (const { tenant, ...chunk } of rows) {
      const line = this.#lines.get(tenant);
      if (line === undefined) continue;
      if (chunk.last <= line.dropped) {
        line.leftovers.push(chunk.no); // H2
        continue;
      }
      line.chunks.push(chunk);
      line.bytes += chunk.bytes;
    }
  }
}

/** The topics of a push, as its audiences name them. */
function topicsOf(reader: HistoryReader, index: number): string[] {
  const topics: string[] = [];
  reader.audiences(index, (bytes, start, end) => {
    if (bytes[start] !== TOPIC_MARK) return;
    const topic = text.decode(bytes.subarray(start + 2, end));
    if (!isPattern(topic)) topics.push(topic);
  });
  return topics;
}

/** Up to here something was dropped, or may have been. */
function droppedOf(line: Line): number {
  return Math.max(line.dropped, line.floors.common);
}

function whatOf(line: Line, chunk: Chunk): string {
  return `history of tenant ${line.tenant.id}, revs ${chunk.first} to ${chunk.last}`;
}

/** The pushes of a chunk after a rev. */
function rest(chunk: HistoryChunk, after: number): HistoryChunk {
  const reader = new HistoryReader(chunk.payload, chunk.count);
  const builder = new HistoryBuilder();
  for (let index = 0; index < chunk.count; index += 1) {
    if (reader.rev(index) > after) builder.add(reader.rev(index), reader.record(index));
  }
  return builder.build();
}

function newestOf(line: Line): number {
  return line.chunks.at(-1)?.last ?? line.dropped;
}

/** The index of the first chunk that ends after a rev. */
function indexAfter(chunks: readonly Chunk[], rev: number): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chunks[middle]?.last ?? 0) <= rev) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** From the old end: what is older than `before`, and what is over `bytesMax`. */
function expired(line: Line, before: number, bytesMax: number): readonly Chunk[] {
  let { bytes } = line;
  const kept = line.chunks.findIndex((chunk) => {
    if (chunk.at >= before && bytes <= bytesMax) return true;
    bytes -= chunk.bytes;
    return false;
  });
  return kept < 0 ? [...line.chunks] : line.chunks.slice(0, kept);
}
