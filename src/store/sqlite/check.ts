/**
 * Looks through `store.db` while no server has it: every blob, and whether the rows that find tasks agree with the chunks
 * that hold them.
 *
 * Owns: what can be wrong with the file. Does not own: whether it agrees with the log (the doctor asks that).
 *
 * CH1 Without `repair` nothing is changed, but for a file of an older version, which is brought up to date as by any start.
 * CH2 Repair takes out what cannot be read, so that it is said to be gone and not that it is damaged; history that is taken
 *     out raises floors, so that clients are told of a gap. It never makes anything up.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hashOf } from '../audience.ts';
import { filterKeys, rowsOf, type TaskRow } from '../task-chunk.ts';
import { checked, withCheck } from './checked.ts';
import { openDatabase, type StoreDatabase } from './database.ts';
import { chunkFacts } from './finished-chunks.ts';
import { History } from './history.ts';
import { StoreTenants } from './tenants.ts';

export interface StoreFault {
  readonly code:
    'STORE_UNREADABLE' | 'STORE_CHUNK' | 'STORE_INDEX' | 'STORE_HISTORY' | 'STORE_COUNTS' | 'STORE_VERSIONS';
  readonly message: string;
}

interface Chunk {
  readonly no: number;
  readonly tenant: number;
  readonly columns: unknown;
  readonly views: unknown;
  readonly keys: unknown;
}

/** What is wrong with the store of a data directory; nothing if there is none. */
export function checkStore(dir: string, options: { readonly repair: boolean }): readonly StoreFault[] {
  if (!existsSync(join(dir, 'store.db'))) return [];
  let database: StoreDatabase;
  try {
    database = openDatabase(dir);
  } catch (error) {
    return [unreadable(error)];
  }
  try {
    const sound: unknown = database.db.pragma('quick_check(1)', { simple: true });
    if (sound !== 'ok') return [unreadable(new Error(String(sound)))];
    return new StoreCheck(database, options.repair).run();
  } catch (error) {
    return [unreadable(error)];
  } finally {
    database.db.close();
  }
}

function unreadable(error: unknown): StoreFault {
  const why = error instanceof Error ? error.message : String(error);
  return { code: 'STORE_UNREADABLE', message: `store.db cannot be read: ${why}` };
}

class StoreCheck {
  readonly #database: StoreDatabase;
  readonly #repair: boolean;
  readonly #faults: StoreFault[] = [];

  constructor(database: StoreDatabase, repair: boolean) {
    this.#database = database;
    this.#repair = repair;
  }

  run(): readonly StoreFault[] {
    const chunk = this.#database.db.prepare<[number], Chunk>(
      'SELECT no, tenant, columns, views, keys FROM finished WHERE no > ? ORDER BY no LIMIT 1',
    );
    for (let one = chunk.get(0); one !== undefined; one = chunk.get(one.no)) this.#chunk(one);
    this.#orphans();
    this.#history();
    this.#counts();
    this.#versions();
    return this.#faults;
  }

  #chunk(chunk: Chunk): void {
    const rows = readable(chunk);
    if (rows === undefined) {
      this.#fault({ code: 'STORE_CHUNK', message: `finished tasks, chunk ${chunk.no}: cannot be read` }, () =>
        this.#drop(chunk.no),
      );
      return;
    }
    const found = this.#database.db
      .prepare<[number, number], string>('SELECT id FROM task WHERE tenant = ? AND chunk = ?')
      .pluck()
      .all(chunk.tenant, chunk.no);
    const known = new Set(found);
    if (known.size !== rows.length || rows.some(({ id }) => !known.has(id))) {
      this.#fault(
        { code: 'STORE_INDEX', message: `finished tasks, chunk ${chunk.no}: not each of its tasks is found by its id` },
        () => this.#reindex(chunk, rows),
      );
    }
    if (checked(chunk.keys) === undefined || !this.#hasFacts(chunk.no)) {
      this.#fault(
        { code: 'STORE_INDEX', message: `finished tasks, chunk ${chunk.no}: lists and retention pass it over` },
        () => this.#relist(chunk, rows),
      );
    }
  }

  #hasFacts(no: number): boolean {
    return this.#database.db.prepare<[number]>('SELECT 1 FROM finished_chunk WHERE no = ?').get(no) !== undefined;
  }

  #drop(no: number): void {
    for (const sql of [
      'DELETE FROM task WHERE chunk = ?',
      'DELETE FROM finished WHERE no = ?',
      'DELETE FROM finished_chunk WHERE no = ?',
    ]) {
      this.#database.db.prepare<[number]>(sql).run(no);
    }
  }

  #reindex({ no, tenant }: Chunk, rows: readonly TaskRow[]): void {
    const { db } = this.#database;
    db.prepare<[number, number]>('DELETE FROM task WHERE tenant = ? AND chunk = ?').run(tenant, no);
    const insert = db.prepare<[number, string, number]>(
      'INSERT INTO task (tenant, id, chunk) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    );
    for (const { id } of rows) insert.run(tenant, id, no);
  }

  #relist({ no, tenant, columns, views }: Chunk, rows: readonly TaskRow[]): void {
    const { db } = this.#database;
    const keys = new Set(rows.flatMap((row) => filterKeys(row)));
    const hashes = Uint32Array.from([...keys].map(hashOf));
    db.prepare<[Uint8Array, number]>('UPDATE finished SET keys = ? WHERE no = ?').run(
      withCheck(new Uint8Array(hashes.buffer)),
      no,
    );
    const bytes = { columns: checked(columns)?.length ?? 0, views: checked(views)?.length ?? 0 };
    const { dead, newest, oldest } = chunkFacts(rows);
    db.prepare<number[]>(
      'INSERT OR REPLACE INTO finished_chunk (no, tenant, dead, newest, oldest, bytes) VALUES (?, ?, ?, ?, ?, ?)',
    ).run(no, tenant, dead ? 1 : 0, newest, oldest, bytes.columns + bytes.views);
  }

  /** Rows of chunks that are not there. */
  #orphans(): void {
    for (const [table, column] of [
      ['task', 'chunk'],
      ['finished_chunk', 'no'],
    ] as const) {
      const lost = `${table} WHERE ${column} NOT IN (SELECT no FROM finished)`;
      const count = Number(this.#database.db.prepare(`SELECT count(*) FROM ${lost}`).pluck().get());
      if (count === 0) continue;
      this.#fault({ code: 'STORE_INDEX', message: `${count} rows of ${table} name chunks that are not there` }, () =>
        this.#database.db.prepare(`DELETE FROM ${lost}`).run(),
      );
    }
  }

  #history(): void {
    const damaged: string[] = [];
    const tenants = new StoreTenants(this.#database.db);
    const history = new History(this.#database, tenants.all(), (what) => damaged.push(what));
    history.verify(this.#repair);
    for (const what of damaged) this.#faults.push({ code: 'STORE_HISTORY', message: `${what}: cannot be read` });
  }

  #counts(): void {
    const { db } = this.#database;
    const rows = db
      .prepare<[], { tenant: number; scope: string; level: string; key: string; slot: number; data: unknown }>(
        'SELECT tenant, scope, level, key, slot, data FROM stat',
      )
      .all();
    const damaged = rows.filter(({ data }) => checked(data) === undefined);
    if (damaged.length === 0) return;
    this.#fault({ code: 'STORE_COUNTS', message: `${damaged.length} counts of work cannot be read` }, () => {
      const remove = db.prepare<(number | string)[]>(
        'DELETE FROM stat WHERE tenant = ? AND scope = ? AND level = ? AND key = ? AND slot = ?',
      );
      for (const { tenant, scope, level, key, slot } of damaged) remove.run(tenant, scope, level, key, slot);
    });
  }

  /** What a version replaced stays named: older ones may need it, which are found by an anchor. */
  #versions(): void {
    const { db } = this.#database;
    const next = db.prepare<
      [number],
      { no: number; document: string; version: number; record: unknown; anchor: unknown }
    >('SELECT no, document, version, record, anchor FROM document_version WHERE no > ? ORDER BY no LIMIT 1');
    for (let row = next.get(0); row !== undefined; row = next.get(row.no)) {
      const { no, document, version, record, anchor } = row;
      const whole = checked(record) !== undefined;
      if (whole && (anchor === null || checked(anchor) !== undefined)) continue;
      const what = whole ? 'its list of sections' : 'what it replaced';
      const sql = whole
        ? 'UPDATE document_version SET anchor = NULL WHERE no = ?'
        : 'DELETE FROM document_version WHERE no = ?';
      const message = `version ${version} of document ${document}: ${what} cannot be read`;
      this.#fault({ code: 'STORE_VERSIONS', message }, () => db.prepare<[number]>(sql).run(no));
    }
  }

  #fault(fault: StoreFault, repair: () => void): void {
    this.#faults.push(fault);
    if (this.#repair) this.#database.transact(repair);
  }
}

/** The tasks of a chunk whose columns and views are whole. */
function readable({ columns, views }: Chunk): readonly TaskRow[] | undefined {
  const bytes = checked(columns);
  const all = checked(views);
  if (bytes === undefined || all === undefined) return undefined;
  try {
    const rows = rowsOf(bytes);
    return (rows.at(-1)?.end ?? 0) === all.length ? rows : undefined;
  } catch {
    return undefined; // not written here, whatever its checksum says
  }
}
