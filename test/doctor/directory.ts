/** Data directories as real servers leave them, to be damaged. */
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { mintKey, authorise } from '../../src/access/index.ts';
import { must } from '../../src/base/assert.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { connect, type Client } from '../../src/client/node.ts';
import { sha256 } from '../../src/doctor/check.ts';
import { Engine } from '../../src/engine/engine.ts';
import { holdImage, stateHash } from '../../src/engine/kernel/image.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import { LogFault, type SnapshotMeta } from '../../src/log/port.ts';
import { openSqliteLog, type SqliteLog } from '../../src/log/sqlite/index.ts';
import { serve } from '../../src/main.ts';
import { loadSnapshot } from '../../src/node/checkpoint.ts';
import { Node } from '../../src/node/node.ts';
import { compileRule } from '../../src/rules/index.ts';
import { openSqliteStore } from '../../src/store/index.ts';
import { FOREVER } from '../../src/store/forever.ts';

export function temporary(): string {
  return mkdtempSync(join(tmpdir(), 'muster-doctor-'));
}

export function copyOf(dir: string): string {
  const copy = temporary();
  cpSync(dir, copy, { recursive: true });
  return copy;
}

export function remove(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}

/** A server on the directory, as long as `work` takes. */
export async function served(dir: string, work: (client: Client, url: string) => Promise<void>): Promise<void> {
  const server = await serve({ data: dir, port: 0, httpPort: 0, logLevel: 'silent' });
  try {
    const client = await connect({ url: server.url, key: readFileSync(server.keyFile, 'utf8').trim() });
    try {
      await work(client, server.url);
    } finally {
      await client.close({ timeoutMs: 0 });
    }
  } finally {
    await server.stop();
  }
}

/** Tasks that end, that fail, that wait, that are held by an agent which has gone. */
export async function fill(client: Client, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const { task } = await client.task.create({ type: i % 2 === 0 ? 'even' : 'odd', labels: { i: String(i) } });
    await client.task.cancel({ id: task.id });
  }
  await client.task.create({ type: 'later', delayMs: 3_600_000 });
  await client.task.create({ type: 'nobody' });
}

/** A document of three texts, of which one is of a version before. */
export async function write(client: Client): Promise<void> {
  const { document } = await client.document.create({ name: 'plan', content: '# One\n\nfirst\n\n# Two\n' });
  await client.document.update({ id: document.id, version: 1, content: '# One\n\nsecond\n\n# Two\n' });
}

/** Texts as a version before kept them: each a file of its own. */
export function textsAsFiles(dir: string): void {
  const db = new Database(join(dir, 'blobs.db'));
  const rows = db
    .prepare<[], { id: string; hash: string; data: Uint8Array }>(
      'SELECT tenant.id, hash, data FROM blob JOIN tenant ON tenant.no = blob.tenant',
    )
    .all();
  db.close();
  for (const { id, hash, data } of rows) {
    mkdirSync(join(dir, 'blobs', id, hash.slice(0, 2)), { recursive: true });
    writeFileSync(join(dir, 'blobs', id, hash.slice(0, 2), hash), data);
  }
  for (const name of ['blobs.db', 'blobs.db-wal', 'blobs.db-shm']) rmSync(join(dir, name), { force: true });
}

/** Two snapshots, of which the newest is of the newest entry. */
export async function checkpointed(dir: string): Promise<void> {
  const log = await openSqliteLog({ dir, scheduler: systemScheduler, onFatal: fatal });
  const store = await openSqliteStore({ dir, scheduler: systemScheduler, ...FOREVER, onFatal: fatal });
  const entropy = (size: number): Uint8Array => randomBytes(size);
  const node = new Node({
    nodeId: 'n_test',
    version: 'test',
    log,
    store,
    scheduler: systemScheduler,
    entropy,
    sha256,
    access: { authorise, mintKey: (tenant) => mintKey(tenant, entropy), compileRule },
    authenticate: () => undefined,
  });
  await new Promise<void>((done, failed) =>
    node.start(
      () => undefined,
      (fault) => (fault === undefined ? done() : failed(fault)),
    ),
  );
  for (let round = 0; round < 2; round += 1) {
    await new Promise<void>((done) => node.checkpoint(() => true, done));
    for (const { tenant } of node.servings) await new Promise((done) => tenant.submit({ kind: 'tick' }, done));
  }
  await new Promise<void>((done) => node.checkpoint(() => true, done));
  await new Promise<void>((done) => node.stop(done));
  await new Promise<void>((done) => store.close(done));
  await new Promise<void>((done) => log.close(done));
}

/** The newest snapshot of tenant `default`, written again with another state, as a bug would have made it. */
export async function twisted(dir: string, twist: (state: State) => void): Promise<void> {
  const log = await openSqliteLog({ dir, scheduler: systemScheduler, onFatal: fatal });
  const opened = await new Promise<Parameters<Parameters<SqliteLog['open']>[1]>[0]>((done) =>
    log.open('default', done),
  );
  if (opened instanceof LogFault) throw opened;
  const [meta] = await new Promise<readonly SnapshotMeta[]>((done) => log.snapshots.list('default', done));
  const newest = must(meta, 'a snapshot');
  const parts = {
    tenant: 'default',
    snapshots: log.snapshots,
    sha256,
    fresh: () => new Engine(),
    damaged: () => undefined,
  };
  const engine = must(
    await new Promise<Engine | undefined>((done) => loadSnapshot(parts, newest, done)),
    'a whole one',
  );
  twist(engine.state);
  engine.state.journal.commit();
  const writer = log.snapshots.begin('default', { ...newest, stateHash: stateHash(engine.state, sha256) });
  for (const record of holdImage(engine.state).records()) {
    const bytes = record.bytes();
    const chunk = new Uint8Array(bytes.length + 4);
    new DataView(chunk.buffer).setUint32(0, bytes.length);
    chunk.set(bytes, 4);
    await new Promise<void>((done, failed) =>
      writer.chunk(chunk, (fault) => (fault === undefined ? done() : failed(fault))),
    );
  }
  await new Promise<void>((done, failed) => writer.commit((fault) => (fault === undefined ? done() : failed(fault))));
  await new Promise<void>((done) => log.close(done));
}

/** Changes a database that nobody has open. */
export function edit(path: string, sql: string): void {
  const db = new Database(path);
  try {
    db.exec(sql);
  } finally {
    db.close();
  }
}

function fatal(error: Error): void {
  throw error;
}
