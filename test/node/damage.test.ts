/** Damage of the read store, as clients see it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { openSqliteStore } from '../../src/store/index.ts';
import { FOREVER } from '../../src/store/forever.ts';
import { closedStore, flushed } from '../conformance/store.ts';
import { keepNoFinished, Client, NodeRig } from '../support/node-rig.ts';
import { until } from '../support/until.ts';

let dir: string;
let store: Awaited<ReturnType<typeof openSqliteStore>> | undefined;
let damaged: string[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'muster-damage-'));
  damaged = [];
});

afterEach(async () => {
  await close();
  rmSync(dir, { recursive: true });
});

async function open(): Promise<void> {
  store = await openSqliteStore({
    dir,
    scheduler: systemScheduler,
    ...FOREVER,
    onFatal: (error) => {
      throw error;
    },
    onDamaged: (what) => damaged.push(what),
  });
}

async function close(): Promise<void> {
  if (store !== undefined) await closedStore(store);
  store = undefined;
}

/** Flips a bit in a column of the rows that `where` says. */
function damage(table: 'history' | 'finished', column: string, where: string): void {
  const db = new Database(join(dir, 'store.db'));
  try {
    const select = db.prepare<[], { no: number; bytes: Buffer }>(
      `SELECT no, ${column} AS bytes FROM ${table} WHERE ${where}`,
    );
    for (const { no, bytes } of select.all()) {
      bytes[bytes.length >> 1]! ^= 1;
      db.prepare(`UPDATE ${table} SET ${column} = ? WHERE no = ?`).run(bytes, no);
    }
  } finally {
    db.close();
  }
}

function started(rig: NodeRig): Promise<NodeRig> {
  return rig.startWith((condition) => settled(rig, condition, 'the start'));
}

/** Waits for the store's thread while the node goes on. */
async function settled(rig: NodeRig, condition: () => boolean, what: string): Promise<void> {
  return until(() => {
    rig.scheduler.settle();
    return condition();
  }, what);
}

test(
  'a client that would have read a damaged part of the history is told of the gap',
  { timeout: 120_000 },
  async () => {
    const rig = new NodeRig({
      ring: { pushesMax: 2, bytesMax: 1_000_000 },
      store: () => must(store, 'an open store'),
    });
    const publish = (data: string): void => {
      rig.result(publisher, 'topic.publish', { topic: 'news', data });
    };
    await open();
    await started(rig);
    const reader = rig.client(rig.operator, { subs: ['news'] });
    const { session, secret, rev } = must(reader.welcome, 'a welcome');
    reader.attached.detach();
    let publisher = rig.client(rig.operator);
    for (const data of ['m1', 'm2', 'm3']) publish(data);
    const damagedUpTo = rig.node.serving('default')!.tenant.engine.state.rev;
    await flushed(must(store, 'a store').tenant('default'));
    for (const data of ['m4', 'm5', 'm6', 'm7']) publish(data);
    await flushed(must(store, 'a store').tenant('default'));
    await close();
    damage('history', 'payload', `first <= ${damagedUpTo}`);

    await open();
    rig.crash();
    await started(rig);
    const again = new Client();
    rig.begin(again, rig.operator, { resume: { session, secret, rev } });
    await settled(rig, () => again.messages().includes('m7'), 'the newest message');
    expect(again.welcome?.resumed).toBe(true);
    expect(again.told[0]).toBe('gap');
    expect(again.told.filter((one) => one === 'gap')).toEqual(['gap']);
    expect(again.messages()).toEqual(['m4', 'm5', 'm6', 'm7']);
    expect(damaged).toHaveLength(1);

    // One that comes from before it is told at once, and so is a new listener that asks for what it missed.
    publisher = rig.client(rig.operator);
    let answer: unknown;
    const request = {
      id: publisher.id,
      method: 'topic.subscribe',
      params: { topic: 'news', since: rev },
      hash: 1,
    } as const;
    publisher.attached.request(request, (reply) => {
      answer = reply;
    });
    await settled(rig, () => answer !== undefined, 'the answer');
    expect(answer).toMatchObject({ ok: true, result: { gap: true, missed: [{}, {}, {}, {}] } });
  },
);

test('a finished task that cannot be read is not said to be unknown', { timeout: 120_000 }, async () => {
  onTestFinished(keepNoFinished());
  const rig = new NodeRig({ store: () => must(store, 'an open store') });
  await open();
  await started(rig);
  const client = rig.client(rig.operator);
  const { task } = rig.result(client, 'task.create', { type: 'build' });
  const id = task !== null && typeof task === 'object' && 'id' in task ? String(task['id']) : '';
  rig.result(client, 'task.cancel', { id });
  let checkpoints = 0;
  rig.node.checkpoint(
    () => true,
    () => (checkpoints += 1),
  );
  await settled(
    rig,
    () => {
      rig.scheduler.advance(10);
      return checkpoints === 1;
    },
    'the checkpoint',
  );
  await close();
  damage('finished', 'views', 'true');

  await open();
  rig.crash();
  await started(rig);
  const asker = rig.client(rig.operator);
  const codes = new Map<string, string>();
  for (const method of ['task.get', 'task.retry', 'task.cancel'] as const) {
    asker.attached.request({ id: asker.id, method, params: { id }, hash: 1 }, (reply) =>
      codes.set(method, reply.ok ? 'ok' : reply.rejection.code),
    );
  }
  await settled(rig, () => codes.size === 3, 'the answers');
  expect([...codes.values()]).toEqual(['INTERNAL', 'INTERNAL', 'INTERNAL']);
  expect(damaged.length).toBeGreaterThan(0);
});
