/** Damage of the read store, as clients see it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { openSqliteStore } from '../../src/store/index.ts';
import { closedStore, flushed, forever } from '../conformance/store.ts';
import { Client, NodeRig } from '../support/node-rig.ts';
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
    ...forever,
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

/** A bit of every chunk of the history in the range of revs. */
function damage(upTo: number): void {
  const db = new Database(join(dir, 'store.db'));
  try {
    const select = db.prepare<[number], { no: number; payload: Buffer }>(
      'SELECT no, payload FROM history WHERE first <= ?',
    );
    for (const { no, payload } of select.all(upTo)) {
      payload[payload.length >> 1]! ^= 1;
      db.prepare('UPDATE history SET payload = ? WHERE no = ?').run(payload, no);
    }
  } finally {
    db.close();
  }
}

test(
  'a client that would have read a damaged part of the history is told of the gap',
  { timeout: 30_000 },
  async () => {
    const rig = new NodeRig({
      engine: { ring: { pushesMax: 2, bytesMax: 1_000_000 } },
      store: () => must(store, 'an open store'),
    });
    const settled = async (condition: () => boolean, what: string): Promise<void> =>
      until(() => {
        rig.scheduler.settle();
        return condition();
      }, what);
    const publish = (data: string): void => {
      rig.result(publisher, 'topic.publish', { topic: 'news', data });
    };
    await open();
    rig.start();
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
    damage(damagedUpTo);

    await open();
    rig.restart();
    const again = new Client();
    rig.begin(again, rig.operator, { resume: { session, secret, rev } });
    await settled(() => again.messages().includes('m7'), 'the newest message');
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
    await settled(() => answer !== undefined, 'the answer');
    expect(answer).toMatchObject({ ok: true, result: { gap: true, missed: [{}, {}, {}, {}] } });
  },
);
