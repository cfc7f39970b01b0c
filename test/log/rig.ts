/**
 * The worker's half of the SQLite log, run in this thread: for tests that need hundreds of openings, or a step
 * between two steps.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Committer } from '../../src/log/sqlite/commit.ts';
import { faultOf } from '../../src/log/sqlite/fault.ts';
import { openFiles, type LogFiles } from '../../src/log/sqlite/file.ts';
import { GroupWriter, LaneControl } from '../../src/log/sqlite/lane.ts';
import { unpackEntries } from '../../src/log/sqlite/page.ts';
import { Reader, type Sliced } from '../../src/log/sqlite/reader.ts';
import { Tenants, type Tenant } from '../../src/log/sqlite/tenants.ts';
import { Trimmer } from '../../src/log/sqlite/trimmer.ts';
import { LogFault } from '../../src/log/port.ts';

export class Rig {
  readonly files: LogFiles;
  readonly tenants: Tenants;
  readonly committer: Committer;
  readonly reader: Reader;
  readonly trimmer: Trimmer;
  readonly #control = new LaneControl();

  constructor(dir: string) {
    this.files = openFiles(dir);
    try {
      this.tenants = new Tenants(this.files);
      this.committer = new Committer(this.files, this.tenants, this.#control);
      this.reader = new Reader(this.files.db, this.tenants);
      this.trimmer = new Trimmer(this.files.db, this.tenants, {
        wrote: (bytes) => this.committer.wrote(bytes),
        lazily: (write) => this.files.lazily(write),
      });
    } catch (error) {
      this.files.close();
      throw faultOf(error, 'the log');
    }
  }

  tenant(id: string): Tenant {
    return this.tenants.byId(id) ?? this.tenants.create(id);
  }

  /** One group commit. */
  append(tenant: Tenant, ...payloads: readonly string[]): void {
    const area = new Uint8Array(new SharedArrayBuffer(1024 * 1024));
    const bytes = payloads.map((payload) => new TextEncoder().encode(payload));
    const ts = Math.max(tenant.head.ts, Date.now());
    new GroupWriter(area).add({ tenantNo: tenant.no, first: tenant.head.seq + 1, ts }, bytes);
    this.committer.group(area);
    this.files.head.write(tenant.no, tenant.head);
    this.#control.wroteHead();
  }

  /** All payloads, verified. */
  read(tenant: Tenant): string[] {
    if (tenant.fault !== undefined) throw tenant.fault;
    const all: string[] = [];
    for (let after = tenant.base.seq; after < tenant.head.seq;) {
      const page = this.reader.page(tenant, { after, upTo: tenant.head.seq, countMax: 1_000 });
      all.push(...unpackEntries(page.bytes, page.first).map((entry) => new TextDecoder().decode(entry.payload)));
      after += page.count;
    }
    return all;
  }

  close(): void {
    this.files.close();
  }
}

export function run<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** Everything of every tenant, or why not. */
export function recover(dir: string): ReadonlyMap<string, readonly string[]> | LogFault {
  try {
    const rig = new Rig(dir);
    try {
      return new Map(rig.tenants.all().map((tenant) => [tenant.id, rig.read(tenant)]));
    } finally {
      rig.close();
    }
  } catch (error) {
    return faultOf(error, 'the log');
  }
}

/** What a kill -9 leaves, while `rig` goes on: the files as the page cache has them. */
export function imageOf(dir: string): string {
  const image = mkdtempSync(join(tmpdir(), 'muster-image-'));
  for (const file of ['muster.db', 'muster.db-wal', 'head']) {
    if (existsSync(join(dir, file))) cpSync(join(dir, file), join(image, file));
  }
  return image;
}

export function remove(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}

export function temporary(): string {
  return mkdtempSync(join(tmpdir(), 'muster-log-'));
}
