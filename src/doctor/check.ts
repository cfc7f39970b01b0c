/**
 * Looks through a data directory that no server has open: files, log, snapshots, state, texts, store, in this order, and uploads.
 *
 * CK1 Nothing is changed: no entry is appended, no file is moved. A log without its head record is not opened, since that
 *     would accept it as it is.
 * CK2 The data directory is locked meanwhile, by the lock of the log.
 * CK3 A tenant whose log is refused is left; the others are looked at.
 */
import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { decodeEntry } from '../engine/entry.ts';
import type { State } from '../engine/kernel/state.ts';
import { Engine } from '../engine/engine.ts';
import { inspect } from '../engine/queries.ts';
import { LogFault, type LogEntry, type SnapshotMeta, type TenantLog } from '../log/port.ts';
import { openSqliteLog, type SqliteLog } from '../log/sqlite/index.ts';
import { loadSnapshot } from '../node/checkpoint.ts';
import { BlobsCheck, checkStore, leftUploads, openSqliteStore } from '../store/index.ts';
import type { FinishedTask, Store } from '../store/port.ts';
import { FOREVER } from '../store/forever.ts';
import { finding, type Finding } from './findings.ts';
import { checkArchivedTexts, checkTexts } from './texts.ts';

/** Entries that are read at a time. */
const PAGE = 1_000;
const HOUR_MS = 3_600_000;

export const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

export interface Checked {
  readonly findings: readonly Finding[];
  /** Files that are to be put aside. */
  readonly aside: readonly string[];
  readonly tenants: number;
  readonly entries: number;
  readonly tasks: number;
  readonly agents: number;
  readonly blobs: number;
  /** Those of `blobs` that no document has: a server removes them a day after they were put. */
  readonly unnamed: number;
  readonly unnamedBytes: number;
}

interface Looked {
  readonly findings: Finding[];
  readonly aside: string[];
  tenants: number;
  entries: number;
  tasks: number;
  agents: number;
  blobs: number;
  unnamed: number;
  unnamedBytes: number;
}

export async function check(dir: string, scheduler: Scheduler): Promise<Checked> {
  const looked: Looked = {
    findings: [],
    aside: [],
    tenants: 0,
    entries: 0,
    tasks: 0,
    agents: 0,
    blobs: 0,
    unnamed: 0,
    unnamedBytes: 0,
  };
  if (!existsSync(join(dir, 'head'))) {
    looked.findings.push(finding('HEAD_MISSING', { message: 'the head record of the log is not there' }));
    return looked; // CK1
  }
  let log: SqliteLog;
  try {
    log = await openSqliteLog({
      dir,
      scheduler,
      onFatal: (error) => looked.findings.push(faultOf(error)),
      onTrouble: (file, why) => {
        looked.findings.push(finding('SNAPSHOT', { message: `${file}: ${why}`, entity: file }));
        looked.aside.push(file);
      },
    });
  } catch (error) {
    if (!(error instanceof LogFault) || error.fault === 'LOCKED') throw error;
    looked.findings.push(faultOf(error));
    return looked;
  }
  let store: Store | undefined;
  let blobs: BlobsCheck | undefined;
  try {
    store = await storeOf(dir, scheduler, looked);
    blobs = blobsOf(dir, looked);
    const ids = await new Promise<readonly string[]>((done) => log.tenants(done));
    checkUploads(dir, scheduler.now(), looked);
    for (const id of ids) await new TenantCheck({ dir, log, store, blobs, looked, tenant: id }).run();
  } finally {
    blobs?.close();
    await new Promise<void>((done) => (store === undefined ? done() : store.close(done)));
    await new Promise<void>((done) => log.close(done));
  }
  return looked;
}

function faultOf(error: unknown, tenant?: string): Finding {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof LogFault ? (`LOG_${error.fault}` as const) : 'ENGINE';
  return finding(code, { message, ...(tenant === undefined ? {} : { tenant }) });
}

/** The store, if it can be asked. */
async function storeOf(dir: string, scheduler: Scheduler, looked: Looked): Promise<Store | undefined> {
  const faults = checkStore(dir, { repair: false });
  for (const { code, message } of faults) looked.findings.push(finding(code, { message }));
  if (faults.some(({ code }) => code === 'STORE_UNREADABLE')) return undefined;
  return openSqliteStore({ dir, scheduler, ...FOREVER, onFatal: () => undefined });
}

/** Texts, if they can be asked for. */
function blobsOf(dir: string, looked: Looked): BlobsCheck | undefined {
  const blobs = new BlobsCheck(dir);
  if (blobs.unreadable === undefined) return blobs;
  looked.findings.push(finding('TEXTS_UNREADABLE', { message: blobs.unreadable }));
  return undefined;
}

/** A server forgets them an hour after their last piece: where one has not run for long they are left. */
function checkUploads(dir: string, now: number, looked: Looked): void {
  for (const [tenant, { count, bytes, oldestMs }] of leftUploads(dir, now)) {
    const hours = Math.floor(oldestMs / HOUR_MS);
    const message = `${count} uploads of blobs were left, with ${bytes} bytes; to one of them nothing came for ${hours} h`;
    looked.findings.push(finding('UPLOADS_LEFT', { message, tenant }));
  }
}

interface Parts {
  readonly dir: string;
  readonly log: SqliteLog;
  readonly store: Store | undefined;
  readonly blobs: BlobsCheck | undefined;
  readonly looked: Looked;
  readonly tenant: string;
}

class TenantCheck {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { log, tenant, looked } = this.#parts;
    looked.tenants += 1;
    const opened = await new Promise<Awaited<ReturnType<typeof openedLog>>>((done) => log.open(tenant, done));
    if (opened instanceof LogFault) return this.#say(faultOf(opened, tenant));
    const damaged = await new Promise<LogFault | undefined>((done) => opened.verifyAll(done));
    if (damaged !== undefined) return this.#say(faultOf(damaged, tenant));
    const loaded = await this.#load(opened.no);
    const finished = [...loaded.engine.state.finished.set].map((task) => ({
      id: task.id,
      status: task.status,
      at: task.finishedAt ?? 0,
    }));
    if (!(await this.#replay(opened, loaded))) return;
    const { engine } = loaded;
    looked.tasks += engine.state.tasks.size;
    looked.agents += engine.state.agents.size;
    for (const one of inspect(engine)) {
      if (one === undefined) continue;
      const { mendable, ...rest } = one;
      this.#say({ ...rest, tenant, repairable: mendable });
    }
    await this.#checkTexts(engine.state);
    await this.#compare(engine, finished);
  }

  async #checkTexts(state: State): Promise<void> {
    const { blobs, store, tenant, looked } = this.#parts;
    if (blobs === undefined) return;
    const named = checkTexts({ tenant, state, blobs }, (found) => this.#say(found));
    if (store !== undefined) {
      const { archive } = store.tenant(tenant);
      await checkArchivedTexts({ tenant, archive, blobs, named }, (found) => this.#say(found));
    }
    const counted = blobs.count(tenant, named);
    if (counted instanceof Error) return this.#say(finding('TEXTS_UNREADABLE', { tenant, message: counted.message }));
    looked.blobs += counted.blobs;
    looked.unnamed += counted.unnamed;
    looked.unnamedBytes += counted.unnamedBytes;
  }

  #say(one: Finding): void {
    this.#parts.looked.findings.push(one);
  }

  /** The newest snapshot that is whole; each of them is read. */
  async #load(no: number): Promise<{ readonly engine: Engine; readonly seq: number }> {
    const { log, tenant, dir, looked } = this.#parts;
    const metas = await new Promise<readonly SnapshotMeta[]>((done) => log.snapshots.list(tenant, done));
    const damaged = (seq: number, why: string): void => {
      const file = join(dir, 'snapshots', `${no}-${seq}.snapshot`);
      this.#say(finding('SNAPSHOT', { message: `${file}: ${why}`, tenant, entity: file }));
      looked.aside.push(file);
    };
    const fresh = (): Engine => new Engine();
    let best: { readonly engine: Engine; readonly seq: number } | undefined;
    for (const meta of metas) {
      const engine = await new Promise<Engine | undefined>((done) =>
        loadSnapshot({ tenant, snapshots: log.snapshots, sha256, fresh, damaged }, meta, done),
      );
      if (engine !== undefined) best ??= { engine, seq: meta.seq };
    }
    return best ?? { engine: fresh(), seq: 0 };
  }

  /** False: the state of the tenant cannot be had. */
  async #replay(log: TenantLog, loaded: { readonly engine: Engine; readonly seq: number }): Promise<boolean> {
    const { looked, tenant } = this.#parts;
    for (let from = loaded.seq + 1; ;) {
      const page = await new Promise<readonly LogEntry[] | LogFault>((done) => log.read(from, PAGE, done));
      if (page instanceof LogFault) {
        this.#say(faultOf(page, tenant));
        return false;
      }
      for (const entry of page) {
        try {
          loaded.engine.apply(decodeEntry(entry.payload, entry));
        } catch (error) {
          this.#say(faultOf(error, tenant));
          return false;
        }
        looked.entries += 1;
      }
      if (page.length < PAGE) return true;
      from += page.length;
    }
  }

  /** What stood in the snapshot as finished must be in the store: the snapshot counted only when it was there. */
  async #compare(
    engine: Engine,
    finished: readonly { readonly id: string; readonly status: string; readonly at: number }[],
  ): Promise<void> {
    const { store, tenant } = this.#parts;
    if (store === undefined) return;
    const of = store.tenant(tenant);
    const newest = await new Promise<number>((done) => of.newest(done));
    if (newest > engine.state.rev) {
      const message = `the store has pushes up to ${newest}, the log ends at ${engine.state.rev}`;
      return this.#say(finding('STORE_AHEAD', { message, tenant }));
    }
    const kept = engine.state.counters.now - Math.min(LIMITS.finishedMs, LIMITS.deadLetterMs);
    for (const { id, status, at } of finished) {
      const found = await new Promise<FinishedTask | 'damaged' | undefined>((done) => of.getFinished(id, done));
      if (found === 'damaged') continue; // said already
      if (found === undefined) {
        if (at > kept)
          this.#say(finding('STORE_LACKS', { message: `task ${id} is not in the store`, tenant, entity: id }));
      } else if (found.status !== status) {
        const message = `task ${id} ended ${status}, the store says ${found.status}`;
        this.#say(finding('STORE_DIFFERS', { message, tenant, entity: id }));
      }
    }
  }
}

/** What opening gives. */
function openedLog(log: SqliteLog, tenant: string): Promise<Parameters<Parameters<SqliteLog['open']>[1]>[0]> {
  return new Promise((done) => log.open(tenant, done));
}
