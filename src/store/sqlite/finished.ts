/**
 * Finished tasks, in the store's thread.
 *
 * A task costs one row of (tenant, id, chunk); what it is made of stands in chunks of up to 128. Lists walk the chunks
 * from the highest id down and skip those among whose keys the filter's are not. A row per task with an index per
 * column of the filter would be five inserts, at 1 to 1.5 µs each.
 *
 * F1 The first task put under an id stays.
 * F2 A chunk's tasks are in no order; chunks overlap, since tasks end in another order than they were made. A list
 *    ends when no chunk that is left can hold a higher id than the lowest one found.
 * F3 Retention drops whole chunks, with the rows of their tasks, in one transaction: what is dropped is gone by id too.
 *    A chunk counts as dead letters if one of its tasks is one.
 */
import type Database from 'better-sqlite3';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { matcherOf } from '../../../protocol/wire/task-query.ts';
import { byCodeUnits } from '../../base/order.ts';
import { hashOf } from '../audience.ts';
import type { FinishedSearch, FinishedTask, FoundTask, Retention, SearchPlace, TaskFilter } from '../port.ts';
import {
  filterKeys,
  matches,
  queriedOf,
  rowsOf,
  taskOf,
  TaskBuilder,
  type TaskChunk,
  type TaskRow,
} from '../task-chunk.ts';
import { checked, withCheck } from './checked.ts';
import type { StoreDatabase } from './database.ts';
import { chunkFacts, FinishedChunks, type DueChunk } from './finished-chunks.ts';
import type { Sliced } from './slices.ts';
import type { StoreTenant } from './tenants.ts';

/** Chunks looked at in one slice. */
const sliceChunks = 128;

/** Chunks that a search looks at in one slice. */
const searchChunks = 32;

interface Candidate {
  readonly no: number;
  readonly highest: string;
  readonly lowest: string;
}

interface Found {
  readonly chunk: number;
  readonly row: TaskRow;
}

/** Above every id. */
const top = '\u{10ffff}';

export class Finished {
  readonly #database: StoreDatabase;
  readonly #chunks: FinishedChunks;
  readonly #damaged: (what: string) => void;
  #lastNo: number;
  readonly #claim: Database.Statement<[number, number, string]>;
  readonly #owner: Database.Statement<[number, string]>;
  readonly #insert: Database.Statement<(number | string | Uint8Array)[]>;
  readonly #keys: Database.Statement<[number]>;
  readonly #columns: Database.Statement<[number]>;
  readonly #views: Database.Statement<[number]>;
  readonly #delete: Database.Statement<[number]>;
  readonly #disown: Database.Statement<[number, number, string]>;
  readonly #disownAll: Database.Statement<[number, number]>;
  readonly #walk: Database.Statement<(number | string)[], Candidate>;

  constructor(database: StoreDatabase, damaged: (what: string) => void) {
    const { db } = database;
    this.#chunks = new FinishedChunks(database);
    this.#database = database;
    this.#damaged = damaged;
    this.#lastNo = Number(db.prepare('SELECT coalesce(max(no), 0) FROM finished').pluck().get());
    this.#claim = db.prepare(
      'INSERT INTO task (tenant, id, chunk) SELECT ?, value, ? FROM json_each(?) WHERE true ON CONFLICT DO NOTHING',
    );
    this.#owner = db.prepare<[number, string]>('SELECT chunk FROM task WHERE tenant = ? AND id = ?').pluck();
    this.#insert = db.prepare(
      'INSERT INTO finished (no, tenant, lowest, highest, keys, columns, views) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#keys = db.prepare<[number]>('SELECT keys FROM finished WHERE no = ?').pluck();
    this.#columns = db.prepare<[number]>('SELECT columns FROM finished WHERE no = ?').pluck();
    this.#views = db.prepare<[number]>('SELECT views FROM finished WHERE no = ?').pluck();
    this.#delete = db.prepare('DELETE FROM finished WHERE no = ?');
    this.#disown = db.prepare(
      'DELETE FROM task WHERE tenant = ? AND chunk = ? AND id IN (SELECT value FROM json_each(?))',
    );
    this.#disownAll = db.prepare('DELETE FROM task WHERE tenant = ? AND chunk = ?');
    this.#walk = db.prepare(
      `SELECT no, highest, lowest FROM finished INDEXED BY finished_by_highest
       WHERE tenant = ? AND lowest < ? AND (highest, lowest, no) < (?, ?, ?)
       ORDER BY highest DESC, lowest DESC, no DESC LIMIT ?`,
    );
  }

  put(tenant: StoreTenant, given: TaskChunk): void {
    const no = this.#lastNo + 1;
    const all = rowsOf(given.columns);
    const { changes } = this.#claim.run(tenant.no, no, JSON.stringify(all.map((row) => row.id)));
    if (changes === 0) return;
    this.#lastNo = no;
    const chunk = changes === all.length ? given : this.#claimed(tenant, no, given); // F1
    const rows = chunk === given ? all : rowsOf(chunk.columns);
    const keys = Uint32Array.from([...keysOf(rows)].map(hashOf));
    const blobs = [new Uint8Array(keys.buffer), chunk.columns, chunk.views].map(withCheck);
    this.#insert.run(no, tenant.no, lowest(rows), highest(rows), ...blobs);
    const bytes = chunk.columns.length + chunk.views.length;
    this.#chunks.add(no, tenant.no, { ...chunkFacts(rows), bytes });
  }

  /** F3 */
  *retain(tenant: number, now: number, retention: Retention): Sliced<void> {
    const { finishedMs, finishedBytes, deadLetterMs, deadLetterBytes } = retention;
    for (const [dead, bounds] of [
      [false, { before: now - finishedMs, bytesMax: finishedBytes }],
      [true, { before: now - deadLetterMs, bytesMax: deadLetterBytes }],
    ] as const) {
      for (let due = this.#chunks.due(tenant, dead, bounds); due !== undefined;) {
        const chunk = due;
        this.#database.transact(() => this.#drop(tenant, chunk));
        this.#chunks.dropped(tenant, dead, chunk);
        yield;
        due = this.#chunks.due(tenant, dead, bounds);
      }
    }
  }

  #drop(tenant: number, { no }: DueChunk): void {
    const columns = checked(this.#columns.get(no));
    // Which tasks a damaged chunk had is not known: then all rows of the tenant are looked at.
    if (columns === undefined) this.#disownAll.run(tenant, no);
    else this.#disown.run(tenant, no, JSON.stringify(rowsOf(columns).map((row) => row.id)));
    this.#delete.run(no);
    this.#chunks.remove(no);
  }

  get(tenant: StoreTenant, id: string): FinishedTask | 'damaged' | undefined {
    const chunk: unknown = this.#owner.get(tenant.no, id);
    if (typeof chunk !== 'number') return undefined;
    const row = this.#rows(chunk).find((task) => task.id === id);
    const task = row === undefined ? undefined : this.#tasks([{ chunk, row }])[0];
    return task ?? 'damaged'; // it has a row, so it was put and not dropped
  }

  *list(tenant: StoreTenant, filter: TaskFilter): Sliced<readonly FinishedTask[]> {
    const hashes = filterKeys(filter).map(hashOf);
    let found: Found[] = [];
    let last: Candidate = { no: 0, highest: top, lowest: '' };
    for (;;) {
      const from = [last.highest, last.lowest, last.no];
      const candidates = this.#walk.all(tenant.no, filter.below ?? top, ...from, sliceChunks);
      for (const candidate of candidates) {
        if (filter.above !== undefined && candidate.highest <= filter.above) return this.#tasks(found);
        const lowestFound = found.at(-1)?.row.id;
        if (found.length >= filter.limit && (lowestFound ?? '') > candidate.highest) return this.#tasks(found); // F2
        if (!this.#mayMatch(candidate.no, hashes)) continue;
        const rows = this.#rows(candidate.no).filter((row) => matches(filter, row));
        if (rows.length > 0) found = merged(found, candidate.no, rows).slice(0, filter.limit);
      }
      const next = candidates.at(-1);
      if (next === undefined || candidates.length < sliceChunks) return this.#tasks(found);
      last = next;
      yield;
    }
  }

  /**
   * From the chunk that was put last down: so what ends meanwhile stands before what was found, and each page has a bounded
   * number of chunks and tasks to look at.
   */
  *search(
    tenant: StoreTenant,
    { query, after, limit, bytesMax }: FinishedSearch,
  ): Sliced<{ readonly found: readonly FoundTask[]; readonly next: SearchPlace | undefined }> {
    const hashes = filterKeys(query).map(hashOf);
    // Chunks of an older build do not have these keys.
    const oldHashes = filterKeys({ ...query, labels: undefined, errorCode: undefined }).map(hashOf);
    const meant = matcherOf(query);
    const found: FoundTask[] = [];
    const left: { chunks: number; tasks: number; bytes: number } = {
      chunks: LIMITS.searchChunksMax,
      tasks: LIMITS.searchTasksMax,
      bytes: bytesMax,
    };
    const { finishedFrom = 0, finishedTo = Number.MAX_SAFE_INTEGER, dead } = query;
    const asked = { finishedFrom, finishedTo, deadOnly: dead === true, limit: searchChunks };
    for (let from = after?.chunk ?? this.#lastNo; ;) {
      const chunks = this.#chunks.walk(tenant.no, from, asked);
      for (const { no, oldest } of chunks) {
        if (left.chunks === 0) return { found, next: { chunk: no, index: Infinity } };
        left.chunks -= 1;
        if (!this.#mayMatch(no, oldest === 0 ? oldHashes : hashes)) continue;
        const rows = this.#rows(no);
        let views: Uint8Array | undefined;
        for (
          let index = Math.min(rows.length, no === after?.chunk ? after.index : Infinity) - 1;
          index >= 0;
          index -= 1
        ) {
          const row = rows[index];
          if (row === undefined || !columnsMatch(query, row)) continue;
          if (left.tasks === 0) return { found, next: { chunk: no, index: index + 1 } };
          left.tasks -= 1;
          views ??= this.#viewsOf(no);
          const view = views?.slice(row.start, row.end);
          if (view === undefined) break; // damaged, which was said
          if (!meant(queriedOf(view))) continue;
          if (found.length > 0 && view.length > left.bytes) return { found, next: { chunk: no, index: index + 1 } };
          found.push({ task: taskOf(row, view), place: { chunk: no, index } });
          left.bytes -= view.length;
          if (found.length === limit) return { found, next: { chunk: no, index } };
        }
      }
      const last = chunks.at(-1);
      if (last === undefined || chunks.length < searchChunks) return { found, next: undefined };
      from = last.no - 1;
      yield;
    }
  }

  #viewsOf(no: number): Uint8Array | undefined {
    const stored: unknown = this.#views.get(no);
    const views = checked(stored);
    if (views === undefined && stored !== undefined) this.#damaged(`finished tasks, views of chunk ${no}`);
    return views;
  }

  /** The tasks of a chunk that are in it for the first time. */
  #claimed(tenant: StoreTenant, no: number, chunk: TaskChunk): TaskChunk {
    const builder = new TaskBuilder();
    const taken = new Set<string>();
    for (const row of rowsOf(chunk.columns)) {
      if (taken.has(row.id) || this.#owner.get(tenant.no, row.id) !== no) continue;
      taken.add(row.id);
      builder.add(taskOf(row, chunk.views.subarray(row.start, row.end)));
    }
    return builder.build();
  }

  #mayMatch(no: number, hashes: readonly number[]): boolean {
    if (hashes.length === 0) return true;
    const stored = checked(this.#keys.get(no));
    if (stored === undefined) return true; // the columns will tell
    const keys = new Uint32Array(new Uint8Array(stored).buffer);
    return hashes.every((hash) => keys.includes(hash));
  }

  #rows(no: number): readonly TaskRow[] {
    const stored: unknown = this.#columns.get(no);
    if (stored === undefined) return []; // dropped since its number was read
    const columns = checked(stored);
    if (columns === undefined) this.#damaged(`finished tasks, chunk ${no}`);
    return columns === undefined ? [] : rowsOf(columns);
  }

  #tasks(found: readonly Found[]): readonly FinishedTask[] {
    const views = new Map<number, Uint8Array | undefined>();
    const tasks: FinishedTask[] = [];
    for (const { chunk, row } of found) {
      const stored: unknown = views.has(chunk) ? null : this.#views.get(chunk);
      if (stored === undefined) continue; // dropped since its columns were read
      if (!views.has(chunk)) views.set(chunk, checked(stored));
      const view = views.get(chunk)?.slice(row.start, row.end);
      if (view === undefined) this.#damaged(`finished task ${row.id}`);
      else tasks.push(taskOf(row, new Uint8Array(view)));
    }
    return tasks;
  }
}

/** What the columns say of a query, so that few views are decoded. */
function columnsMatch(query: FinishedSearch['query'], row: TaskRow): boolean {
  return (
    (query.status === undefined || row.status === query.status) &&
    (query.type === undefined || row.type === query.type) &&
    (query.agentId === undefined || row.agentId === query.agentId) &&
    (query.workspaceId === undefined || row.workspaceId === query.workspaceId) &&
    (query.dead === undefined || row.dead === query.dead) &&
    (query.finishedFrom === undefined || row.finishedAt >= query.finishedFrom) &&
    (query.finishedTo === undefined || row.finishedAt < query.finishedTo)
  );
}

function keysOf(rows: readonly TaskRow[]): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const row of rows) for (const key of filterKeys(row)) keys.add(key);
  return keys;
}

function lowest(rows: readonly TaskRow[]): string {
  return rows.reduce((low, { id }) => (id < low ? id : low), top);
}

function highest(rows: readonly TaskRow[]): string {
  return rows.reduce((high, { id }) => (id > high ? id : high), '');
}

/** From the highest id down. */
function merged(found: readonly Found[], chunk: number, rows: readonly TaskRow[]): Found[] {
  return [...found, ...rows.map((row) => ({ chunk, row }))].toSorted((a, b) => byCodeUnits(b.row.id, a.row.id));
}
