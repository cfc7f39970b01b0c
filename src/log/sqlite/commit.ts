/**
 * Group commit: all appends of a group become durable in one transaction.
 *
 * Owns: sealing, chaining, the transaction, the size of the write-ahead log. Does not own: what a group holds and how it is
 * stamped (lane.ts), when one comes, on which thread (groups.ts).
 *
 * C1 Heads advance only after the commit returned, and so are head records written (groups.ts).
 * C2 A commit that fails is never tried again: after a failed fsync the kernel may call the lost pages clean, and the
 *    second try would succeed without them. The error leaves this module, and the process ends.
 * C3 The write-ahead log is kept below about `walBytes` (file.ts says why): the worker empties it when it has grown past
 *    that, after the reply was posted, or past half of it when the worker is idle. Not sooner: the first commit after that
 *    syncs twice.
 * C4 While a backup copies the database's file, the write-ahead log is not emptied, however large it gets.
 */
import type Database from 'better-sqlite3';
import { assert } from '../../base/assert.ts';
import { chainBytes, chainOf, EnvelopeKind, overheadBytes, sealInPlace } from '../envelope.ts';
import { LogFault, type LogHead } from '../port.ts';
import { pageBytes, type LogFiles } from './file.ts';
import { appendsOf, type LaneControl, type PlacedAppend } from './lane.ts';
import { positionOf, type Tenant, type Tenants } from './tenants.ts';

export const walBytes = 2 * 1024 * 1024;

/** Of a tenant what a commit needs to know. */
export interface Appendee {
  readonly no: number;
  readonly epoch: number;
  readonly head: LogHead;
}

/** The transaction, on whichever connection. */
export class GroupCommit<T extends Appendee> {
  readonly #byNo: (no: number) => T;
  readonly #begin: Database.Statement;
  readonly #insert: Database.Statement<[number, Uint8Array]>;
  readonly #commit: Database.Statement;

  constructor(db: Database.Database, byNo: (no: number) => T) {
    this.#byNo = byNo;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#insert = db.prepare('INSERT INTO entry (pos, link) VALUES (?, ?)');
    this.#commit = db.prepare('COMMIT');
  }

  /** To be called before `run`; it throws if another program has the database. */
  begin(): void {
    this.#begin.run();
  }

  /** Makes the group in `area` durable, or throws (C2). Returns where its tenants end now, and about how many bytes were written. */
  run(area: Uint8Array): { readonly heads: ReadonlyMap<T, LogHead>; readonly bytes: number } {
    const heads = new Map<T, LogHead>();
    let bytes = 0;
    for (const append of appendsOf(area)) {
      const tenant = this.#byNo(append.tenantNo);
      heads.set(tenant, this.#append(area, append, { tenant, head: heads.get(tenant) ?? tenant.head }));
      bytes += append.end - append.offset;
    }
    this.#commit.run();
    // The rows fill some pages, and touch one more for each tenant.
    return { heads, bytes: bytes + heads.size * pageBytes };
  }

  #append(area: Uint8Array, append: PlacedAppend, at: { tenant: T; head: LogHead }): LogHead {
    const { tenant, head } = at;
    assert(append.first === head.seq + 1, `entry ${append.first} of tenant ${tenant.no} does not follow ${head.seq}`);
    assert(append.ts >= head.ts, `the stamp of entry ${append.first} of tenant ${tenant.no} falls`);
    const stamp = { kind: EnvelopeKind.entry, epoch: tenant.epoch, ts: append.ts };
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
}

/** The worker's. */
export class Committer {
  readonly #files: LogFiles;
  readonly #control: LaneControl;
  readonly #transaction: GroupCommit<Tenant>;
  readonly #checkpoint: Database.Statement;
  /** Bytes in the write-ahead log since it was last emptied, estimated. */
  #walBytes = 0;
  /** So many head records are synced. */
  #headsSynced = 0;
  /** C4 */
  #held = false;

  constructor(files: LogFiles, tenants: Tenants, control: LaneControl) {
    const { db } = files;
    this.#files = files;
    this.#control = control;
    this.#transaction = new GroupCommit(db, (no) => {
      const tenant = tenants.byNo(no);
      assert(tenant.fault === undefined, `the log of tenant ${tenant.id} is not open`);
      return tenant;
    });
    this.#checkpoint = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  }

  group(area: Uint8Array): void {
    this.#transaction.begin();
    const { heads, bytes } = this.#transaction.run(area);
    this.#walBytes += bytes;
    for (const [tenant, head] of heads) tenant.head = head; // C1
  }

  /** A transaction wrote so many bytes of rows, which fill some pages and touch one more. */
  wrote(bytes: number): void {
    this.#walBytes += bytes + pageBytes;
  }

  /** C3: to be called after each step. */
  checkSize(): void {
    if (this.#grown() >= walBytes && !this.#held) this.empty();
  }

  /** There is something to do when there is nothing else to do. */
  get untidy(): boolean {
    const unsynced = this.#control.headsWritten() !== this.#headsSynced;
    return unsynced || (this.#grown() >= walBytes / 2 && !this.#held);
  }

  tidy(): void {
    if (this.#grown() >= walBytes / 2 && !this.#held) this.empty();
    this.#syncHeads();
  }

  /** Empties the write-ahead log and syncs the head records behind it. */
  empty(): void {
    this.#checkpoint.all();
    this.#emptied();
  }

  /**
   * C4. Everything is in the database's file now, and the write-ahead log begins anew: a copy of the file, and then of the
   * write-ahead log up to wherever it has come, is a database as of some commit in between.
   */
  hold(): void {
    const busy: unknown = this.#files.db.pragma('wal_checkpoint(TRUNCATE)', { simple: true });
    if (busy !== 0) throw new LogFault('IO', 'the write-ahead log cannot be emptied');
    this.#emptied();
    this.#held = true;
  }

  release(): void {
    this.#held = false;
  }

  #grown(): number {
    this.#walBytes += this.#control.takeWritten();
    return this.#walBytes;
  }

  #emptied(): void {
    this.#control.takeWritten();
    this.#walBytes = 0;
    this.#syncHeads();
  }

  #syncHeads(): void {
    const written = this.#control.headsWritten();
    if (written === this.#headsSynced) return;
    this.#files.head.syncAll();
    this.#headsSynced = written;
  }
}
