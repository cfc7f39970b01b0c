/**
 * What tasks hand out before they have ended, in the store's thread: a row per piece.
 *
 * U1 The first piece put at a place stays.
 * U2 Retention drops the pieces that were put first, whatever task they are of; a read then begins behind them.
 * U3 A damaged piece is left out: whoever reads sees the gap by its offset.
 */
import type Database from 'better-sqlite3';
import type { Retention } from '../port.ts';
import { checked, withCheck } from './checked.ts';
import type { StoreDatabase } from './database.ts';
import type { OutputQuery, OutputRow } from './messages.ts';
import type { Sliced } from './slices.ts';
import type { StoreTenant } from './tenants.ts';

/** Pieces that one transaction removes. */
const slicePieces = 256;

interface Row {
  readonly start: number;
  readonly record: unknown;
}

interface Oldest {
  readonly no: number;
  readonly at: number;
  readonly bytes: number;
}

export class Output {
  readonly #database: StoreDatabase;
  readonly #damaged: (what: string) => void;
  readonly #insert: Database.Statement<(number | string | Uint8Array)[]>;
  readonly #first: Database.Statement<[number, string, number]>;
  readonly #read: Database.Statement<[number, string, number, number], Row>;
  readonly #oldest: Database.Statement<[number, number], Oldest>;
  readonly #sum: Database.Statement<[number]>;
  readonly #delete: Database.Statement<[number, number]>;
  /** Of each tenant, once it was asked for. */
  readonly #bytes = new Map<number, number>();

  constructor(database: StoreDatabase, damaged: (what: string) => void) {
    const { db } = database;
    this.#database = database;
    this.#damaged = damaged;
    this.#insert = db.prepare(
      'INSERT INTO output (tenant, task, start, at, bytes, record) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#first = db
      .prepare<[number, string, number]>('SELECT max(start) FROM output WHERE tenant = ? AND task = ? AND start <= ?')
      .pluck();
    this.#read = db.prepare(
      'SELECT start, record FROM output WHERE tenant = ? AND task = ? AND start >= ? ORDER BY start LIMIT ?',
    );
    this.#oldest = db.prepare('SELECT no, at, bytes FROM output WHERE tenant = ? ORDER BY no LIMIT ?');
    this.#sum = db.prepare<[number]>('SELECT coalesce(sum(bytes), 0) FROM output WHERE tenant = ?').pluck();
    this.#delete = db.prepare('DELETE FROM output WHERE tenant = ? AND no <= ?');
  }

  put(tenant: StoreTenant, at: number, rows: readonly OutputRow[]): void {
    for (const { task, offset, record } of rows) {
      const { changes } = this.#insert.run(tenant.no, task, offset, at, record.length, withCheck(record)); // U1
      const bytes = this.#bytes.get(tenant.no);
      if (changes > 0 && bytes !== undefined) this.#bytes.set(tenant.no, bytes + record.length);
    }
  }

  /** From the piece that begins at `from` or before it. */
  read(tenant: StoreTenant, { task, from, limit }: OutputQuery): readonly OutputRow[] {
    const first: unknown = this.#first.get(tenant.no, task, from);
    const start = typeof first === 'number' ? first : from;
    const found: OutputRow[] = [];
    for (const { start: offset, record } of this.#read.all(tenant.no, task, start, limit)) {
      const bytes = checked(record);
      if (bytes === undefined)
        this.#damaged(`output of ${task} at ${offset}`); // U3
      else found.push({ task, offset, record: new Uint8Array(bytes) });
    }
    return found;
  }

  /** U2 */
  *retain(tenant: number, now: number, { outputMs, outputBytes }: Retention): Sliced<void> {
    let bytes = this.#bytes.get(tenant) ?? Number(this.#sum.get(tenant));
    for (;;) {
      let last: Oldest | undefined;
      let dropped = 0;
      const oldest = this.#oldest.all(tenant, slicePieces);
      for (const piece of oldest) {
        if (piece.at >= now - outputMs && bytes - dropped <= outputBytes) break;
        dropped += piece.bytes;
        last = piece;
      }
      bytes -= dropped;
      this.#bytes.set(tenant, bytes);
      if (last === undefined) return;
      const upTo = last.no;
      this.#database.transact(() => this.#delete.run(tenant, upTo));
      yield;
      bytes = this.#bytes.get(tenant) ?? bytes;
    }
  }
}
