/**
 * The counts of work, in the store's thread: what is at hand in memory, all of it in table `stat`.
 *
 * Owns: tables `stat` and `stat_tenant`. Does not own: how facts are counted (tally.ts).
 *
 * SQ1 Counts are written with every flush, at least every `keepMs`, and before they are read; with them, in the same
 *     transaction, the rev up to which they count. After a crash the log has the facts behind it, and they are put again.
 * SQ2 Counts that are damaged are left out, and said so.
 */
import type Database from 'better-sqlite3';
import { decodeValue, encodeValue } from '../../../protocol/wire/codec.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { entriesOf, type FactChunk } from '../fact-chunk.ts';
import type { StatsQuery, StatsRow } from '../port.ts';
import { LEVELS, rowOf, STEPS, summed, Tallies, Tally, type Place } from '../tally.ts';
import { checked, withCheck } from './checked.ts';
import type { StoreDatabase } from './database.ts';
import type { Sliced } from './slices.ts';
import type { StoreTenant } from './tenants.ts';

const keepMs = 10_000;
/** Rows that one slice of a read takes. */
const sliceRows = 2_000;

interface Row {
  readonly key: string;
  readonly slot: number;
  readonly data: unknown;
}

const KEPT = { minute: LIMITS.statsMinutesMs, hour: LIMITS.statsHoursMs } as const;

export class Statistics {
  readonly #database: StoreDatabase;
  readonly #damaged: (what: string) => void;
  readonly #tenants = new Map<number, Tallies>();
  #keptAt = 0;
  readonly #load: Database.Statement<(number | string)[]>;
  readonly #keys: Database.Statement<(number | string)[]>;
  readonly #put: Database.Statement<(number | string | Uint8Array)[]>;
  readonly #counted: Database.Statement<[number]>;
  readonly #count: Database.Statement<[number, number]>;
  readonly #read: Database.Statement<(number | string | Uint8Array)[], Row>;
  readonly #drop: Database.Statement<[string, number]>;

  constructor(database: StoreDatabase, damaged: (what: string) => void) {
    const { db } = database;
    this.#database = database;
    this.#damaged = damaged;
    this.#load = db
      .prepare<(number | string)[]>(
        'SELECT data FROM stat WHERE tenant = ? AND scope = ? AND level = ? AND key = ? AND slot = ?',
      )
      .pluck();
    this.#keys = db
      .prepare<(number | string)[]>(
        "SELECT count(*) FROM stat WHERE level = 'hour' AND slot = ? AND tenant = ? AND scope = ?",
      )
      .pluck();
    this.#put = db.prepare(
      'INSERT OR REPLACE INTO stat (tenant, scope, level, key, slot, data) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#counted = db.prepare<[number]>('SELECT counted FROM stat_tenant WHERE tenant = ?').pluck();
    this.#count = db.prepare('INSERT OR REPLACE INTO stat_tenant (tenant, counted) VALUES (?, ?)');
    this.#read = db.prepare(
      `SELECT key, slot, data FROM stat
       WHERE tenant = ? AND scope = ? AND level = ? AND (key, slot) > (?, ?) AND slot >= ? AND key <= ?
       ORDER BY key, slot LIMIT ?`,
    );
    this.#drop = db.prepare('DELETE FROM stat WHERE level = ? AND slot < ?');
  }

  put(tenant: StoreTenant, chunk: FactChunk): void {
    const tallies = this.#of(tenant.no);
    for (const { rev, at, facts } of entriesOf(chunk)) tallies.add(rev, at, facts);
  }

  /** SQ1; within a transaction. */
  keepDue(now: number): void {
    if (Math.abs(now - this.#keptAt) >= keepMs) this.keep(now);
  }

  keep(now: number): void {
    this.#keptAt = now;
    for (const [tenant, tallies] of this.#tenants) {
      let kept = 0;
      for (const { place, tally } of tallies.dirty()) {
        const data = withCheck(encodeValue(tally.pack()));
        this.#put.run(tenant, place.scope, place.level, place.key, place.slot, data);
        kept += 1;
      }
      if (kept > 0) this.#count.run(tenant, tallies.counted);
      tallies.kept(now);
    }
  }

  *read(
    tenant: StoreTenant,
    query: StatsQuery,
  ): Sliced<{ readonly rows: readonly StatsRow[]; readonly more: boolean }> {
    this.#database.transact(() => this.keep(this.#keptAt)); // SQ1
    const { by, level, from, key, after, limit } = query;
    const found: { readonly key: string; readonly tally: Tally }[] = [];
    const keys = new Set<string>();
    // Above every slot: keys after `after`. Below every slot: from the first key on.
    let [lastKey, lastSlot] = key !== undefined ? [key, -1] : after === undefined ? ['', -1] : [after, Infinity];
    for (;;) {
      const bounds = [lastKey, Math.min(lastSlot, Number.MAX_SAFE_INTEGER), from, key ?? top];
      const rows = this.#read.all(tenant.no, by, level, ...bounds, sliceRows);
      for (const row of rows) {
        keys.add(row.key);
        if (keys.size > limit + 1) break;
        const tally = this.#tally(row.data);
        if (tally !== undefined) found.push({ key: row.key, tally });
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < sliceRows || keys.size > limit + 1) break;
      [lastKey, lastSlot] = [last.key, last.slot];
      yield;
    }
    const { sums, more } = summed(found, limit);
    return { rows: sums.map(({ key: one, tally }) => rowOf(one, tally)), more };
  }

  retain(now: number): void {
    this.#database.transact(() => {
      this.keep(now);
      for (const level of LEVELS) this.#drop.run(level, now - KEPT[level] - STEPS[level]);
    });
  }

  #of(tenant: number): Tallies {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const counted = Number(this.#counted.get(tenant) ?? 0);
    const made = new Tallies(
      {
        load: ({ scope, level, key, slot }: Place) => this.#tally(this.#load.get(tenant, scope, level, key, slot)),
        keys: (scope, hour) => Number(this.#keys.get(hour, tenant, scope)),
      },
      counted,
    );
    this.#tenants.set(tenant, made);
    return made;
  }

  #tally(stored: unknown): Tally | undefined {
    if (stored === undefined) return undefined;
    const bytes = checked(stored);
    const packed = bytes === undefined ? undefined : decodeValue(bytes);
    if (isPacked(packed)) return Tally.unpack(packed);
    this.#damaged('counts of work'); // SQ2
    return undefined;
  }
}

/** Above every key: in SQLite any blob is above any text. */
const top = new Uint8Array(0);

function isPacked(value: unknown): value is readonly (readonly number[])[] {
  return (
    Array.isArray(value) && value.every((part) => Array.isArray(part) && part.every((one) => typeof one === 'number'))
  );
}
