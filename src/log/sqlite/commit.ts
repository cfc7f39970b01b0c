/**
 * Group commit, in the worker: all appends of a group become durable in one transaction.
 *
 * Owns: stamping, chaining, the transaction, the size of the write-ahead log. Does not own: what a group holds
 * (lane.ts), when one comes.
 *
 * C1 Heads advance and head records are written only after the commit returned.
 * C2 A commit that fails is never tried again: after a failed fsync the kernel may call the lost pages clean, and the
 *    second try would succeed without them. The error leaves this module, the worker stops, and the process ends.
 * C3 The write-ahead log is kept below about `walBytes` (file.ts says why): it is emptied when it has grown past that,
 *    after the reply was posted, or past half of it when the worker is idle. Not sooner: the first commit after that
 *    syncs twice.
 * C4 While a backup copies the database's file, the write-ahead log is not emptied, however large it gets.
 */
import type Database from 'better-sqlite3';
import { assert } from '../../base/assert.ts';
import { chainBytes, chainOf, EnvelopeKind, overheadBytes, sealInPlace } from '../envelope.ts';
import { LogFault, type LogHead } from '../port.ts';
import { Stamps, type Clocks } from '../stamps.ts';
import { pageBytes, type LogFiles } from './file.ts';
import { appendsOf, type PlacedAppend } from './lane.ts';
import { positionOf, type Tenant, type Tenants } from './tenants.ts';

const walBytes = 2 * 1024 * 1024;

export class Committer {
  readonly #files: LogFiles;
  readonly #tenants: Tenants;
  readonly #begin: Database.Statement;
  readonly #insert: Database.Statement<[number, Uint8Array]>;
  readonly #commit: Database.Statement;
  readonly #checkpoint: Database.Statement;
  readonly #clocks: () => Clocks;
  readonly #stamps = new Map<Tenant, Stamps>();
  /** Bytes in the write-ahead log since it was last emptied, estimated. */
  #walBytes = 0;
  /** C4 */
  #held = false;

  constructor(files: LogFiles, tenants: Tenants, clocks: () => Clocks = systemClocks) {
    this.#clocks = clocks;
    const { db } = files;
    this.#files = files;
    this.#tenants = tenants;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#insert = db.prepare('INSERT INTO entry (pos, link) VALUES (?, ?)');
    this.#commit = db.prepare('COMMIT');
    this.#checkpoint = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  }

  /** Makes the group in `area` durable, or throws (C2). */
  group(area: Uint8Array): void {
    const heads = new Map<Tenant, LogHead>();
    let bytes = 0;
    this.#begin.run();
    for (const append of appendsOf(area)) {
      const tenant = this.#tenants.byNo(append.tenantNo);
      heads.set(tenant, this.#append(area, append, { tenant, head: heads.get(tenant) ?? tenant.head }));
      bytes += append.end - append.offset;
    }
    this.#commit.run();
    this.wrote(bytes + (heads.size - 1) * pageBytes);
    for (const [tenant, head] of heads) {
      tenant.head = head; // C1
      this.#files.head.write(tenant.no, head);
    }
  }

  /** A transaction wrote so many bytes of rows, which fill some pages and touch one more. */
  wrote(bytes: number): void {
    this.#walBytes += bytes + pageBytes;
  }

  /** C3: to be called after each step. */
  checkSize(): void {
    if (this.#walBytes >= walBytes && !this.#held) this.empty();
  }

  /** There is something to do when there is nothing else to do. */
  get untidy(): boolean {
    return this.#files.head.unsynced || (this.#walBytes >= walBytes / 2 && !this.#held);
  }

  tidy(): void {
    if (this.#walBytes >= walBytes / 2 && !this.#held) this.empty();
    this.#files.head.sync();
  }

  /** Empties the write-ahead log and syncs the head records behind it. */
  empty(): void {
    this.#checkpoint.all();
    this.#files.head.sync();
    this.#walBytes = 0;
  }

  /**
   * C4. Everything is in the database's file now, and the write-ahead log begins anew: a copy of the file, and then of the
   * write-ahead log up to wherever it has come, is a database as of some commit in between.
   */
  hold(): void {
    const busy: unknown = this.#files.db.pragma('wal_checkpoint(TRUNCATE)', { simple: true });
    if (busy !== 0) throw new LogFault('IO', 'the write-ahead log cannot be emptied');
    this.#files.head.sync();
    this.#walBytes = 0;
    this.#held = true;
  }

  release(): void {
    this.#held = false;
  }

  #append(area: Uint8Array, append: PlacedAppend, at: { tenant: Tenant; head: LogHead }): LogHead {
    const { tenant, head } = at;
    assert(append.first === head.seq + 1, `entry ${append.first} of tenant ${tenant.id} does not follow ${head.seq}`);
    assert(tenant.fault === undefined, `the log of tenant ${tenant.id} is not open`);
    const stamp = { kind: EnvelopeKind.entry, epoch: tenant.epoch, ts: this.#stamp(tenant) };
    area.set(head.chain, append.offset);
    let seq = head.seq;
    let chain = head.chain;
    for (const { offset, payloadBytes } of append.entries) {
      const end = offset + overheadBytes + payloadBytes;
      sealInPlace(area, { offset, payloadBytes }, stamp);
      chain = chainOf(area.subarray(offset - chainBytes, end));
      area.set(chain, end);
      seq += 1;
      this.#insert.run(positionOf(tenant, seq), area.subarray(offset, end + chainBytes));
    }
    return { seq, ts: stamp.ts, chain };
  }

  #stamp(tenant: Tenant): number {
    const now = this.#clocks();
    let stamps = this.#stamps.get(tenant);
    if (stamps === undefined) {
      stamps = new Stamps({ wall: tenant.head.ts, mono: now.mono });
      this.#stamps.set(tenant, stamps);
    }
    return stamps.next(now);
  }
}

function systemClocks(): Clocks {
  return { wall: Date.now(), mono: performance.now() };
}
