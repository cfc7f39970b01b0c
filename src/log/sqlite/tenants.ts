/**
 * The tenants of a database, in the worker: who they are, where their logs begin and end, and whether that can be
 * true.
 *
 * Owns: the tenant rows, recovery of the heads, the comparison with the head file. Does not own: the entries between
 * base and head (reader.ts verifies them when a log is opened).
 *
 * T1 A log never ends before its recorded head and has the recorded chain there: else it is not opened.
 * T2 A tenant that the head file knows and the database does not is a fault of the whole directory.
 * T3 Numbers of tenants are never used again.
 * T4 Where a log ends is read again after another thread had the turn at the database.
 */
import { randomUUID } from 'node:crypto';
import type Database from 'better-sqlite3';
import { assert, must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import { chainBytes, chainStart, EnvelopeKind, sameBytes, unseal } from '../envelope.ts';
import { LogFault, type LogHead } from '../port.ts';
import type { LogFiles } from './file.ts';
import type { HeadRecord } from './head-file.ts';
import { cells, hex, linkOf, RecordReader, sealRecord } from './record.ts';

/** Room of positions per tenant: the rows of one tenant stand together, those of all in one b-tree. */
const positions = 2 ** 40;

export interface Tenant {
  readonly no: number;
  readonly id: string;
  readonly logId: string;
  epoch: number;
  /** Everything up to here was trimmed. */
  base: LogHead;
  head: LogHead;
  /** Why its log cannot be opened. */
  fault?: LogFault;
  /** At which `version` of the database its head was read. */
  version: number;
}

/** The row of an entry. */
export function positionOf(tenant: { readonly no: number }, seq: number): number {
  return tenant.no * positions + seq;
}

export class Tenants {
  readonly #files: LogFiles;
  readonly #byNo = new Map<number, Tenant>();
  readonly #byId = new Map<string, Tenant>();
  readonly #put: Database.Statement<[number, Uint8Array]>;
  readonly #chainOf: Database.Statement<[number]>;
  readonly #last: Database.Statement<[number, number]>;
  readonly #version: () => number;

  /** `epoch`: at least this one, where a new one begins. `version`: changes when another thread has appended. */
  constructor(files: LogFiles, epoch = 0, version = () => 0) {
    const { db } = files;
    this.#files = files;
    this.#version = version;
    this.#put = db.prepare(
      'INSERT INTO tenant (no, record) VALUES (?, ?) ON CONFLICT (no) DO UPDATE SET record = excluded.record',
    );
    this.#chainOf = db.prepare<[number]>('SELECT substr(link, -32) FROM entry WHERE pos = ?').pluck();
    this.#last = db
      .prepare<[number, number]>('SELECT pos, link FROM entry WHERE pos > ? AND pos < ? ORDER BY pos DESC LIMIT 1')
      .raw();
    for (const row of db.prepare('SELECT no, record FROM tenant ORDER BY no').raw().all()) this.#load(row);
    for (const [no, recorded] of files.head.records) this.#compare(no, recorded);
    if (files.accepted) this.#beginEpoch(epoch);
  }

  ids(): readonly string[] {
    return [...this.#byId.keys()].toSorted(byCodeUnits);
  }

  all(): readonly Tenant[] {
    return [...this.#byNo.values()];
  }

  byNo(no: number): Tenant {
    const tenant = must(this.#byNo.get(no), `there is no tenant ${no}`);
    this.#refresh(tenant);
    return tenant;
  }

  byId(id: string): Tenant | undefined {
    return this.#byId.get(id);
  }

  create(id: string): Tenant {
    assert(!this.#byId.has(id), `tenant ${id} exists`);
    const no = Math.max(0, ...this.#byNo.keys()) + 1; // T3: rows are never deleted
    const logId = randomUUID();
    const start: LogHead = { seq: 0, ts: 0, chain: chainStart(logId) };
    const tenant: Tenant = { no, id, logId, epoch: 1, base: start, head: start, version: this.#version() };
    this.save(tenant);
    this.#add(tenant);
    return tenant;
  }

  /** Writes the tenant's row, within the caller's transaction if there is one. */
  save(tenant: Tenant): void {
    const { no, id, logId, epoch, base } = tenant;
    const { seq, ts } = base;
    this.#put.run(no, sealRecord({ no, id, logId, epoch, seq, ts, chain: hex(base.chain) }));
  }

  /** The chain after entry `seq`, if that entry or the base is there. */
  chainAt(tenant: Tenant, seq: number): Uint8Array | undefined {
    if (seq === tenant.base.seq) return tenant.base.chain;
    if (seq < tenant.base.seq) return undefined;
    const chain: unknown = this.#chainOf.get(positionOf(tenant, seq));
    return chain instanceof Uint8Array && chain.length === chainBytes ? chain : undefined;
  }

  #add(tenant: Tenant): void {
    this.#byNo.set(tenant.no, tenant);
    this.#byId.set(tenant.id, tenant);
  }

  #load(row: unknown): void {
    const [no, stored] = cells(row);
    const record = new RecordReader(`tenant ${String(no)}`, stored);
    if (record.integer('no') !== no || this.#byNo.has(no)) {
      throw new LogFault('CORRUPT', `the record of tenant ${String(no)} stands in the wrong place`);
    }
    const base: LogHead = { seq: record.integer('seq'), ts: record.integer('ts'), chain: record.bytes('chain') };
    const tenant: Tenant = {
      no,
      id: record.text('id'),
      logId: record.text('logId'),
      epoch: record.integer('epoch'),
      base,
      head: base,
      version: this.#version(),
    };
    this.#add(tenant);
    this.#recoverHead(tenant);
  }

  /** T4 */
  #refresh(tenant: Tenant): void {
    const version = this.#version();
    if (tenant.version === version) return;
    tenant.version = version;
    if (tenant.fault === undefined) this.#recoverHead(tenant);
  }

  #recoverHead(tenant: Tenant): void {
    const row: unknown = this.#last.get(positionOf(tenant, tenant.base.seq), positionOf(tenant, positions));
    if (row === undefined) return;
    const [pos, stored] = cells(row);
    const link = linkOf(stored);
    const opened = link === undefined ? undefined : unseal(EnvelopeKind.entry, link.bytes);
    if (typeof pos !== 'number' || link === undefined || opened === undefined || !opened.ok) {
      tenant.fault = new LogFault('CORRUPT', `log of tenant ${tenant.id}: its newest entry cannot be read`);
      return;
    }
    tenant.head = { seq: pos - positionOf(tenant, 0), ts: opened.value.ts, chain: link.chain };
  }

  /** T1, T2 */
  #compare(no: number, recorded: HeadRecord): void {
    const tenant = this.#byNo.get(no);
    if (tenant === undefined) {
      throw new LogFault('TRUNCATED', `the log of tenant number ${no} is gone: it had ${recorded.seq} entries`);
    }
    const { id, head } = tenant;
    if (tenant.fault !== undefined) return;
    if (head.seq < recorded.seq) {
      const advice = 'Restore a backup, or delete the file "head" to go on with what is there, in a new epoch';
      tenant.fault = new LogFault(
        'TRUNCATED',
        `log of tenant ${id} ends at entry ${head.seq}, but entry ${recorded.seq} was durable. ${advice}`,
      );
      return;
    }
    if (recorded.seq < tenant.base.seq) return;
    const chain = this.chainAt(tenant, recorded.seq);
    if (chain === undefined || !sameBytes(chain, recorded.chain)) {
      tenant.fault = new LogFault('FORK', `log of tenant ${id}: entry ${recorded.seq} is not the one that was written`);
    }
  }

  #beginEpoch(atLeast: number): void {
    this.#files.db
      .transaction(() => {
        for (const tenant of this.#byNo.values()) {
          tenant.epoch = Math.max(tenant.epoch + 1, atLeast);
          this.save(tenant);
        }
      })
      .immediate();
    for (const { no, head } of this.#byNo.values()) this.#files.head.write(no, head);
    this.#files.head.sync();
  }
}
