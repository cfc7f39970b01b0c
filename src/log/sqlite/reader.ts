/**
 * Reading entries of the database, in the worker: always in order, always verified.
 *
 * Owns: pages, verification of a stretch of a log. Does not own: whether a log may begin or end where it does
 * (tenants.ts).
 *
 * Long work is a generator that yields at every slice, so that group commits go between.
 */
import type Database from 'better-sqlite3';
import { LogFault, type LogEntry } from '../port.ts';
import { VerifyingCursor, type StoredEntry } from '../verify.ts';
import type { Page } from './messages.ts';
import { packEntries } from './page.ts';
import { cells, linkOf } from './record.ts';
import { positionOf, type Tenant, type Tenants } from './tenants.ts';

/** Work in slices; what it returns is its result. */
export type Sliced<T> = Generator<undefined, T, undefined>;

/** One page or slice reads no more than this, unless a single entry is larger. */
const sliceBytes = 1024 * 1024;
const sliceEntries = 1024;

export class Reader {
  readonly #tenants: Tenants;
  readonly #rows: Database.Statement<[number, number]>;

  constructor(db: Database.Database, tenants: Tenants) {
    this.#tenants = tenants;
    this.#rows = db
      .prepare<[number, number]>('SELECT pos, link FROM entry WHERE pos > ? AND pos <= ? ORDER BY pos')
      .raw();
  }

  page(tenant: Tenant, ask: { readonly after: number; readonly upTo: number; readonly countMax: number }): Page {
    const { after, upTo, countMax } = ask;
    const chain = this.#tenants.chainAt(tenant, after);
    const page = { first: after + 1, baseSeq: tenant.base.seq, headSeq: tenant.head.seq, chain };
    if (chain === undefined) return { ...page, count: 0, bytes: new Uint8Array(0) };
    const cursor = new VerifyingCursor(tenant.id, { seq: after, chain, ts: 0, epoch: 0 });
    const entries = this.#slice(tenant, cursor, { upTo: Math.min(upTo, tenant.head.seq), countMax });
    return { ...page, count: entries.length, bytes: packEntries(entries) };
  }

  /** Proves everything after `after` up to the head; throws the fault. */
  *verify(tenant: Tenant, after: number): Sliced<void> {
    const chain = this.#tenants.chainAt(tenant, after);
    if (chain === undefined) throw new LogFault('GAP', `log of tenant ${tenant.id}: entry ${after} is missing`);
    const cursor = new VerifyingCursor(tenant.id, { seq: after, chain, ts: 0, epoch: 0 });
    const upTo = tenant.head.seq;
    while (cursor.at.seq < upTo) {
      this.#slice(tenant, cursor, { upTo, countMax: sliceEntries });
      yield;
    }
  }

  /** At least one entry if there is one; throws the fault of the first bad one. */
  #slice(tenant: Tenant, cursor: VerifyingCursor, bounds: { upTo: number; countMax: number }): LogEntry[] {
    const { upTo, countMax } = bounds;
    const entries: LogEntry[] = [];
    if (cursor.at.seq >= upTo) return entries;
    let bytes = 0;
    for (const row of this.#rows.iterate(positionOf(tenant, cursor.at.seq), positionOf(tenant, upTo))) {
      const entry = cursor.next(storedOf(tenant, row));
      if (entry instanceof LogFault) throw entry;
      entries.push(entry);
      bytes += entry.payload.length;
      if (entries.length >= Math.min(countMax, sliceEntries) || bytes >= sliceBytes) break;
    }
    if (entries.length === 0) {
      throw new LogFault('GAP', `log of tenant ${tenant.id}: entry ${cursor.at.seq + 1} is missing`);
    }
    return entries;
  }
}

function storedOf(tenant: Tenant, row: unknown): StoredEntry {
  const [pos, stored] = cells(row);
  const link = linkOf(stored);
  if (typeof pos !== 'number' || link === undefined) {
    throw new LogFault('CORRUPT', `log of tenant ${tenant.id}: a row of entries cannot be read`);
  }
  return { seq: pos - positionOf(tenant, 0), chain: link.chain, bytes: link.bytes };
}
