/** Blobs that nodes share through Redis: what every driver does, and what is between nodes. */
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import type { TenantLog } from '../../src/log/port.ts';
import { keysOf } from '../../src/log/redis/keys.ts';
import { openRedisLog, parseRedisUrl, type RedisLog } from '../../src/log/redis/index.ts';
import { tell } from '../../src/log/redis/tell.ts';
import type { Blobs, BlobUsage, Got, PutOutcome } from '../../src/store/blobs/port.ts';
import { SharedBlobs } from '../../src/store/blobs/shared.ts';
import { openSqliteBlobs } from '../../src/store/blobs/sqlite.ts';
import { sweepBlobs, UNREFERENCED_MS } from '../../src/store/blobs/sweep.ts';
import { blobConformance } from '../conformance/blobs.ts';
import { append, closed, Collector, openTenant } from '../conformance/log.ts';
import { puttingBy } from '../support/node-rig.ts';
import { RedisServer } from '../support/redis-server.ts';
import { untilAsked } from '../support/until.ts';

const TENANT = 'acme';
const { meta, texts: keys } = keysOf(TENANT);
const nameOf = (text: string): string => hash('sha256', text, 'hex');
const onFatal = (error: Error): void => {
  throw error;
};

/** The log and the blobs of one node. */
class BlobNode {
  readonly driver: RedisLog;
  readonly log: TenantLog;
  readonly blobs: Blobs;
  readonly tail = new Collector();

  private constructor(driver: RedisLog, log: TenantLog, blobs: Blobs) {
    this.driver = driver;
    this.log = log;
    this.blobs = blobs;
  }

  static async open(dir: string, shared = true): Promise<BlobNode> {
    const address = parseRedisUrl(redis.url);
    const options = { address, dir: join(dir, 'tail'), scheduler: systemScheduler, shared, engine: 1, onFatal };
    const driver = await openRedisLog(options);
    const log = await openTenant(driver, TENANT);
    await openTenant(driver, 'beta');
    const copies = await openSqliteBlobs({ dir, scheduler: systemScheduler, onFatal });
    const blobs = new SharedBlobs({ copies, place: driver.texts, scheduler: systemScheduler });
    return new BlobNode(driver, log, blobs);
  }

  /** Reads the log, as a node that serves does. */
  async follow(): Promise<void> {
    this.log.tail({ seq: 0 }, this.tail);
    await this.tail.until(({ head }) => head !== undefined);
  }

  async close(): Promise<void> {
    await new Promise<void>((done) => this.blobs.close(done));
    await closed(this.driver);
  }
}

let redis: RedisServer;
let client: Redis;
const folders: string[] = [];
const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'muster-shared-blobs-'));
  folders.push(dir);
  return dir;
};
beforeAll(async () => {
  redis = await RedisServer.start();
  client = redis.client();
});
afterAll(async () => {
  await redis.remove();
  for (const dir of folders) rmSync(dir, { recursive: true });
});

blobConformance('shared through Redis', async () => {
  const dir = folder();
  await client.flushall();
  return {
    open: async () => {
      const opened = await BlobNode.open(dir, false);
      const { blobs } = opened;
      return {
        ...puttingBy(blobs, (...asked) => blobs.put(...asked)),
        close: (done) => void tell(opened.close(), done),
      };
    },
    damage: async (tenant, name) => {
      const db = new Database(join(dir, 'blobs.db'));
      db.prepare("UPDATE blob SET data = x'6f6f65' WHERE hash = ?").run(name);
      db.close();
      await client.hset(keysOf(tenant).texts.data, name, 'ooe');
    },
    cleanup: async () => undefined,
  };
});

describe('blobs of two nodes', () => {
  let nodes: BlobNode[] = [];
  let dirs: string[];
  const node = (at: number): BlobNode => {
    const found = nodes[at];
    if (found === undefined) throw new Error(`there is no node ${at}`);
    return found;
  };
  beforeEach(async () => {
    await client.flushall();
    dirs = [folder(), folder()];
    nodes = [];
    for (const dir of dirs) nodes.push(await BlobNode.open(dir));
  });
  afterEach(async () => {
    for (const one of nodes) await one.close();
  });

  const asked = (at: number, text: string): Promise<PutOutcome> =>
    new Promise((done) => node(at).blobs.put(TENANT, [Buffer.from(text)], done));
  const put = async (at: number, text: string): Promise<Extract<PutOutcome, { kind: 'stored' }>> => {
    const outcome = await asked(at, text);
    if (outcome.kind !== 'stored') throw new Error(outcome.kind);
    return outcome;
  };
  const get = async (at: number, text: string): Promise<string> => {
    const got = await new Promise<Got>((done) => node(at).blobs.get(TENANT, nameOf(text), done));
    return got.kind === 'found' ? Buffer.from(got.data).toString() : got.kind;
  };
  const sweep = (at: number, now: number, found: { named?: readonly string[]; applied?: number } = {}) =>
    new Promise<BlobUsage>((done) => {
      const { named = [], applied = Number.MAX_SAFE_INTEGER } = found;
      const referenced = new Set(named.map(nameOf));
      const { blobs } = node(at);
      sweepBlobs(
        { blobs, tenant: TENANT, now, applied: () => applied, referenced: (_, told) => told(referenced) },
        done,
      );
    });
  const allLetGo = (): Promise<void> =>
    untilAsked(async () => (await client.hlen(keys.holds)) === 0, 'everything to be let go of');

  test('what one put the other one reads, also when the first is gone and when Redis is away afterwards', async () => {
    (await put(0, 'one')).release();
    await node(0).close();
    nodes = [node(1)];
    expect(await get(0, 'one')).toBe('one');
    await client.hdel(keys.data, nameOf('one'));
    expect([await get(0, 'one'), await get(0, 'two')]).toEqual(['one', 'absent']);
  });

  test('what one holds the other one does not remove, however its clock jumps', async () => {
    const held = await put(0, 'one');
    for (const days of [0, 1, 2]) expect((await sweep(1, days * UNREFERENCED_MS)).count).toBe(0);
    expect(await client.hlen(keys.marks)).toBe(0);
    held.release();
    await allLetGo();
    await sweep(1, 3 * UNREFERENCED_MS);
    expect(await sweep(0, 4 * UNREFERENCED_MS)).toEqual({ count: 1, bytes: 3 });
  });

  test('what a node holds that is fenced counts no more', async () => {
    await put(0, 'one');
    const holder = (await client.hkeys(keys.holds))[0]?.split(' ')[1];
    await client.hdel(meta, `pass:${holder}`);
    await sweep(1, 0);
    expect((await sweep(1, UNREFERENCED_MS)).count).toBe(1);
    expect(await client.hlen(keys.holds)).toBe(0);
  });

  test('who is behind removes nothing that was marked after what it has read', async () => {
    for (const one of nodes) await one.follow();
    (await put(0, 'one')).release();
    await allLetGo();
    await append(node(0).log, 'names it');
    await sweep(1, 0, { applied: 0 });
    expect((await sweep(1, UNREFERENCED_MS, { applied: 0 })).count).toBe(0);
    expect((await sweep(1, UNREFERENCED_MS, { applied: 1, named: ['one'] })).count).toBe(0);
    expect(await client.hlen(keys.marks)).toBe(0);
    expect(await get(1, 'one')).toBe('one');
  });

  test('what one lists and the other has forgotten stays, whatever the clock of that one, until the first is gone', async () => {
    (await put(0, 'old')).release();
    await allLetGo();
    for (const days of [0, 1, 2, 30]) {
      expect((await sweep(1, days * UNREFERENCED_MS)).count).toBe(0);
      expect((await sweep(1, (days + 1) * UNREFERENCED_MS)).count).toBe(0);
      expect((await sweep(0, days * UNREFERENCED_MS, { named: ['old'] })).count).toBe(0);
    }
    await sweep(1, 40 * UNREFERENCED_MS);
    const [lists] = (await client.hget(keys.marks, nameOf('old')))?.match(/n_\w+/) ?? [];
    const [other] = (await client.hkeys(meta)).filter(
      (field) => field.startsWith('pass:') && field !== `pass:${lists}`,
    );
    await client.hdel(meta, String(other));
    expect((await sweep(1, 41 * UNREFERENCED_MS)).count).toBe(1);
  });

  test('a mark of a build that did not ask all nodes is taken for one that nobody has agreed to', async () => {
    (await put(0, 'old')).release();
    await allLetGo();
    await client.hset(keys.marks, nameOf('old'), '0:0');
    expect((await sweep(1, UNREFERENCED_MS)).count).toBe(0);
    expect((await sweep(0, UNREFERENCED_MS)).count).toBe(1);
  });

  test('a sweep goes on while the memory of Redis is full, and makes room', async () => {
    (await put(0, 'old')).release();
    await allLetGo();
    await client.config('SET', 'maxmemory', '1');
    try {
      expect(await asked(0, 'new')).toEqual({ kind: 'full' });
      await sweep(0, 0);
      await sweep(1, 0);
      expect((await sweep(0, UNREFERENCED_MS)).count).toBe(1);
      expect(await client.hlen(keys.data)).toBe(0);
    } finally {
      await client.config('SET', 'maxmemory', '0');
    }
  });

  test('what Redis lost is put again: what is new before the next append, all that is named by the next sweep', async () => {
    await node(0).follow();
    (await put(0, 'new')).release();
    await allLetGo();
    await client.hdel(keys.data, nameOf('new'));
    await client.zrem(keys.names, nameOf('new'));
    const held = await put(0, 'held');
    await client.del(keys.holds);
    await redis.end('SIGKILL');
    await redis.restart();
    await untilAsked(async () => (await append(node(0).log, 'after it')).kind === 'appended', 'an append');
    await untilAsked(async () => (await get(1, 'new')) !== 'away', 'the other node');
    expect(await get(1, 'new')).toBe('new');
    expect((await client.hkeys(keys.holds)).map((field) => field.split(' ')[0])).toContain(nameOf('held'));
    held.release();
    await allLetGo();
    await client.hdel(keys.data, nameOf('new'));
    await sweep(0, 0, { named: ['new'] });
    expect((await client.hget(keys.data, nameOf('new'))) ?? 'gone').toBe('new');
  });

  test('without Redis nothing is put, and what is not here cannot be had', async () => {
    await redis.end('SIGKILL');
    expect(await asked(0, 'x')).toEqual({ kind: 'away' });
    expect(await get(0, 'y')).toBe('away');
    await redis.restart();
    await untilAsked(async () => (await asked(0, 'x')).kind === 'stored', 'the connection');
    await untilAsked(async () => (await get(1, 'x')) !== 'away', 'the other node');
    expect(await get(1, 'x')).toBe('x');
  });
});
