/**
 * `<data>/blobs.db`: rows of blobs.
 *
 * BD1 `synchronous=FULL`: a commit is on the disk when it returns (B1 of port.ts).
 * BD2 A blob that was found damaged is written anew when it is put again, and so is one whose size is not that of what is put.
 * BD3 `key` names the key that encrypts the data; 0: none.
 * BD4 While it is frozen for a backup its file stays as it is, all that is written goes to the write-ahead log, which begins anew, and nothing is
 *     removed: a copy of the one and then of the other has every blob that was there when it was frozen.
 */
import { hash } from 'node:crypto';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { codeOf, openDatabase, type DatabaseShape } from '../database.ts';
import type { BlobHash, BlobUsage, Kept, Settling } from './port.ts';

/** "MBLB" */
const applicationId = 0x4d424c42;
const schemaVersion = 1;
/** Damaged blobs that are remembered; one that is forgotten is found again by the next read. */
const damagedMax = 10_000;
/** Pages in the write-ahead log after which it is emptied: 4 MiB. */
const walPages = 1_000;

const schema = `
  CREATE TABLE tenant (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, count INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE blob (
    no INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, hash TEXT NOT NULL, key INTEGER NOT NULL DEFAULT 0,
    orphaned INTEGER, data BLOB NOT NULL, UNIQUE (tenant, hash)
  ) STRICT;
`;

interface Sized {
  readonly hash: BlobHash;
  readonly bytes: number;
}

interface Row {
  readonly no: number;
  readonly orphaned: number | null;
  readonly bytes: number;
}

/** BD1 */
const SHAPE: DatabaseShape = { applicationId, schemaVersion, schema, synchronous: 'FULL', walPages };

export class BlobDatabase {
  readonly #db: Database.Database;
  readonly #select: Database.Statement<[string, BlobHash], Row>;
  readonly #data: Database.Statement<[string, BlobHash], { data: Uint8Array }>;
  readonly #insert: Database.Statement<[Uint8Array, BlobHash, string]>;
  readonly #replace: Database.Statement<[Uint8Array, number]>;
  readonly #mark: Database.Statement<[number | null, number]>;
  readonly #remove: Database.Statement<[number]>;
  readonly #makeTenant: Database.Statement<[string]>;
  readonly #count: Database.Statement<[number, number, string]>;
  readonly #usage: Database.Statement<[string], BlobUsage>;
  readonly #list: Database.Statement<[string, BlobHash, number], { hash: BlobHash }>;
  readonly #sizes: Database.Statement<[string], Sized>;
  /** BD2: `<hash><tenant>` */
  readonly #damaged = new Set<string>();
  /** BD4 */
  #frozen = false;

  constructor(dir: string) {
    this.#db = openDatabase(join(dir, 'blobs.db'), SHAPE);
    const ofTenant = 'tenant = (SELECT no FROM tenant WHERE id = ?)';
    const prepare = this.#db.prepare.bind(this.#db);
    this.#select = prepare(`SELECT no, orphaned, length(data) AS bytes FROM blob WHERE ${ofTenant} AND hash = ?`);
    this.#data = prepare(`SELECT data FROM blob WHERE ${ofTenant} AND hash = ?`);
    this.#insert = prepare('INSERT INTO blob (data, hash, tenant) SELECT ?, ?, no FROM tenant WHERE id = ?');
    this.#replace = prepare('UPDATE blob SET data = ? WHERE no = ?');
    this.#mark = prepare('UPDATE blob SET orphaned = ? WHERE no = ?');
    this.#remove = prepare('DELETE FROM blob WHERE no = ?');
    this.#makeTenant = prepare('INSERT INTO tenant (id) VALUES (?) ON CONFLICT DO NOTHING');
    this.#count = prepare('UPDATE tenant SET count = count + ?, bytes = bytes + ? WHERE id = ?');
    this.#usage = prepare('SELECT count, bytes FROM tenant WHERE id = ?');
    this.#list = prepare(`SELECT hash FROM blob WHERE ${ofTenant} AND hash > ? ORDER BY hash LIMIT ?`);
    this.#sizes = prepare(`SELECT hash, length(data) AS bytes FROM blob WHERE ${ofTenant}`);
  }

  transact<T>(fn: () => T): T {
    return this.#db.transaction(fn).immediate();
  }

  put(tenant: string, data: readonly Uint8Array[]): readonly BlobHash[] {
    this.#makeTenant.run(tenant);
    return data.map((one) => {
      const name = hash('sha256', one, 'hex');
      const row = this.#select.get(tenant, name);
      if (row === undefined) {
        this.#insert.run(one, name, tenant);
        this.#count.run(1, one.length, tenant);
        return name;
      }
      if (row.bytes !== one.length || this.#damaged.delete(name + tenant)) {
        this.#replace.run(one, row.no); // BD2
        this.#count.run(0, one.length - row.bytes, tenant);
      }
      if (row.orphaned !== null) this.#mark.run(null, row.no);
      return name;
    });
  }

  /** What is missing; if nothing is, none of them is marked any more. */
  hold(tenant: string, hashes: readonly BlobHash[]): readonly BlobHash[] {
    const missing = this.missing(tenant, hashes);
    if (missing.length > 0) return missing;
    for (const name of hashes) this.#unmark(tenant, name);
    return missing;
  }

  missing(tenant: string, hashes: readonly BlobHash[]): readonly BlobHash[] {
    return hashes.filter((name) => this.#select.get(tenant, name) === undefined);
  }

  get(tenant: string, name: BlobHash): Kept {
    const data = this.#read(tenant, name);
    if (data === undefined) return { kind: 'absent' };
    if (data !== 'unreadable' && hash('sha256', data, 'hex') === name) return { kind: 'found', data };
    if (this.#damaged.size < damagedMax) this.#damaged.add(name + tenant);
    return { kind: 'lost' };
  }

  list(tenant: string, above: BlobHash, limit: number): readonly BlobHash[] {
    return this.#list.all(tenant, above, limit).map((row) => row.hash);
  }

  /** All of them, without their data. */
  sizes(tenant: string): IterableIterator<Sized> {
    return this.#sizes.iterate(tenant);
  }

  settle(tenant: string, { now, unreferencedMs, referenced, unreferenced }: Settling): BlobUsage {
    let count = 0;
    let bytes = 0;
    for (const name of referenced) this.#unmark(tenant, name);
    for (const name of unreferenced) {
      const row = this.#select.get(tenant, name);
      if (row === undefined) continue;
      if (row.orphaned === null) this.#mark.run(now, row.no);
      else if (row.orphaned <= now - unreferencedMs && !this.#frozen) {
        this.#remove.run(row.no);
        count += 1;
        bytes += row.bytes;
      }
    }
    if (count > 0) this.#count.run(-count, -bytes, tenant);
    return { count, bytes };
  }

  /** BD4 */
  freeze(): void {
    const busy: unknown = this.#db.pragma('wal_checkpoint(TRUNCATE)', { simple: true });
    if (busy !== 0) throw new Error(`the write-ahead log of ${this.#db.name} cannot be emptied`);
    this.#db.pragma('wal_autocheckpoint=0');
    this.#frozen = true;
  }

  thaw(): void {
    this.#db.pragma(`wal_autocheckpoint=${walPages}`);
    this.#frozen = false;
  }

  usage(tenant: string): BlobUsage {
    return this.#usage.get(tenant) ?? { count: 0, bytes: 0 };
  }

  close(): void {
    this.#db.close();
  }

  #unmark(tenant: string, name: BlobHash): void {
    const row = this.#select.get(tenant, name);
    if (row !== undefined && row.orphaned !== null) this.#mark.run(null, row.no);
  }

  #read(tenant: string, name: BlobHash): Uint8Array | 'unreadable' | undefined {
    try {
      return this.#data.get(tenant, name)?.data;
    } catch (error) {
      if (codeOf(error)?.startsWith('SQLITE_CORRUPT') === true) return 'unreadable';
      throw error;
    }
  }
}
