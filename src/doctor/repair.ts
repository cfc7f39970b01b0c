/**
 * Mends a data directory: puts damaged files aside, builds the store again from the log, mends states by logged commands.
 *
 * RP1 The log is never edited: it only gets entries, by the same door as from a server.
 * RP2 No file is removed: what is of no use goes to `<data>/damaged/`. Uploads that were left are: a server does so too, and no text is lost by it.
 * RP3 It may be stopped at any moment and begun again.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { authorise, mintKey } from '../access/index.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { decodeEntry } from '../engine/entry.ts';
import { Engine } from '../engine/engine.ts';
import { LogFault, type LogEntry, type SnapshotMeta } from '../log/port.ts';
import { openSqliteLog, type SqliteLog } from '../log/sqlite/index.ts';
import { loadSnapshot } from '../node/checkpoint.ts';
import { archive, finishedRow } from '../node/kept.ts';
import { Node } from '../node/node.ts';
import type { Serving } from '../node/serving.ts';
import { compileRule } from '../rules/index.ts';
import { checkStore, openSqliteStore, removeLeftUploads, type SqliteStore } from '../store/index.ts';
import type { TenantStore } from '../store/port.ts';
import { sha256, type Checked } from './check.ts';
import { FOREVER } from '../store/forever.ts';

const PAGE = 1_000;
/** What mending brings to light is mended in further rounds. */
const ROUNDS = 20;

/** What was done, in words. */
export async function repair(dir: string, scheduler: Scheduler, checked: Checked): Promise<readonly string[]> {
  const done: string[] = [];
  const codes = new Set(checked.findings.filter(({ repairable }) => repairable).map(({ code }) => code));
  const uploads = codes.has('UPLOADS_LEFT') ? removeLeftUploads(dir, scheduler.now()) : 0;
  if (uploads > 0) done.push(`removed ${uploads} uploads that were left`);
  codes.delete('UPLOADS_LEFT');
  if (codes.size === 0) return done;
  for (const file of checked.aside) if (putAside(dir, file)) done.push(`put aside ${file}`);
  const rebuilt = (['STORE_UNREADABLE', 'STORE_AHEAD', 'STORE_DIFFERS'] as const).some((code) => codes.has(code));
  if (rebuilt) {
    for (const name of ['store.db', 'store.db-wal', 'store.db-shm']) putAside(dir, join(dir, name));
    done.push('put aside store.db, to be built again from the log');
  } else {
    for (const { message } of checkStore(dir, { repair: true })) done.push(`mended: ${message}`);
  }
  const log = await openSqliteLog({ dir, scheduler, onFatal: fatal });
  try {
    const store = await openSqliteStore({ dir, scheduler, ...FOREVER, onFatal: fatal });
    try {
      if (rebuilt || codes.has('STORE_LACKS') || codes.has('STORE_CHUNK') || codes.has('STORE_VERSIONS'))
        done.push(...(await refill(log, store)));
    } finally {
      await new Promise<void>((closed) => store.close(closed));
    }
  } finally {
    await new Promise<void>((closed) => log.close(closed));
  }
  done.push(...(await mendStates(dir, scheduler)));
  return done;
}

function fatal(error: Error): void {
  throw error;
}

/** RP2 */
function putAside(dir: string, file: string): boolean {
  if (!existsSync(file)) return false;
  const folder = join(dir, 'damaged');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let name = basename(file);
  for (let count = 1; existsSync(join(folder, name)); count += 1) name = `${basename(file)}.${count}`;
  renameSync(file, join(folder, name));
  return true;
}

/** What the log and its snapshots have of ended tasks, and counts. What is there already stays as it is. */
async function refill(log: SqliteLog, store: SqliteStore): Promise<readonly string[]> {
  const done: string[] = [];
  const ids = await new Promise<readonly string[]>((told) => log.tenants(told));
  for (const tenant of ids) {
    const opened = await new Promise<Parameters<Parameters<SqliteLog['open']>[1]>[0]>((told) => log.open(tenant, told));
    if (opened instanceof LogFault) continue; // it was said, and is not served
    const of = store.tenant(tenant);
    const oldest = await oldestState(log, tenant);
    const known = [...oldest.engine.state.finished.set].map((task) => finishedRow(task, oldest.engine.state.views));
    of.putFinished(known);
    let count = known.length;
    for (let from = oldest.seq + 1; ;) {
      const page = await new Promise<readonly LogEntry[] | LogFault>((told) => opened.read(from, PAGE, told));
      if (page instanceof LogFault) break;
      for (const entry of page) count += put(oldest.engine, of, entry);
      if (page.length < PAGE) break;
      from += page.length;
    }
    await new Promise<void>((flushed) => of.flush(flushed));
    done.push(`tenant ${tenant}: ${count} ended tasks were put into the store that the log has`);
  }
  return done;
}

function put(engine: Engine, store: TenantStore, entry: LogEntry): number {
  const output = engine.apply(decodeEntry(entry.payload, entry));
  store.putFacts(output.rev, output.now, output.facts);
  store.putFinished(output.finished.map((task) => finishedRow(task, engine.state.views)));
  if (output.archived !== undefined) archive(output.archived, store.archive);
  engine.state.views.forget();
  return output.finished.length;
}

async function oldestState(log: SqliteLog, tenant: string): Promise<{ readonly engine: Engine; readonly seq: number }> {
  const metas = await new Promise<readonly SnapshotMeta[]>((told) => log.snapshots.list(tenant, told));
  const parts = { tenant, snapshots: log.snapshots, sha256, fresh: () => new Engine(), damaged: () => undefined };
  for (const meta of metas.toReversed()) {
    const engine = await new Promise<Engine | undefined>((told) => loadSnapshot(parts, meta, told));
    if (engine !== undefined) return { engine, seq: meta.seq };
  }
  return { engine: new Engine(), seq: 0 };
}

/** Opens every tenant as a server does, mends, and takes two snapshots, so that no older one is needed. */
async function mendStates(dir: string, scheduler: Scheduler): Promise<readonly string[]> {
  const done: string[] = [];
  const log = await openSqliteLog({ dir, scheduler, onFatal: fatal });
  const store = await openSqliteStore({ dir, scheduler, ...FOREVER, onFatal: fatal });
  const entropy = (size: number): Uint8Array => randomBytes(size);
  const node = new Node({
    nodeId: 'n_doctor',
    version: 'doctor',
    log,
    store,
    scheduler,
    entropy,
    sha256,
    access: { authorise, mintKey: (tenant) => mintKey(tenant, entropy), compileRule },
    authenticate: () => undefined,
  });
  try {
    await new Promise<void>((started, failed) =>
      node.start(
        () => undefined,
        (fault) => (fault === undefined ? started() : failed(fault)),
      ),
    );
    for (const serving of node.servings) {
      const count = await mendState(serving);
      if (count > 0) done.push(`tenant ${serving.id}: ${count} faults of its state were mended by logged commands`);
    }
    for (let round = 0; round < 2; round += 1) {
      for (const { tenant } of node.servings) await submitted(tenant, { kind: 'tick' });
      await new Promise<void>((checkpointed) => node.checkpoint(() => true, checkpointed));
    }
  } finally {
    await new Promise<void>((stopped) => node.stop(stopped));
    await new Promise<void>((closed) => store.close(closed));
    await new Promise<void>((closed) => log.close(closed));
  }
  return done;
}

type Submitted = Parameters<Parameters<Serving['tenant']['submit']>[1] & object>[0];

function submitted(tenant: Serving['tenant'], command: Parameters<Serving['tenant']['submit']>[0]): Promise<Submitted> {
  return new Promise((told) => tenant.submit(command, told));
}

async function mendState({ tenant }: Serving): Promise<number> {
  let count = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const { reply } = await submitted(tenant, { kind: 'mend' });
    const mended = reply.ok ? mendedOf(reply.result) : 0;
    if (mended === 0) return count;
    count += mended;
    while (tenant.engine.state.work.size > 0) await submitted(tenant, { kind: 'tick' });
  }
  return count;
}

function mendedOf(result: unknown): number {
  return typeof result === 'object' && result !== null && 'mended' in result && typeof result.mended === 'number'
    ? result.mended
    : 0;
}
