/** The log on Redis, while Redis and the way to it fail: nothing is lost, doubled or made up, and what cannot be mended has a name. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { chainStart } from '../../src/log/envelope.ts';
import type { AppendOutcome, LogEntry, TenantLog } from '../../src/log/port.ts';
import { openRedisLog, parseRedisUrl, type RedisLog } from '../../src/log/redis/index.ts';
import {
  append,
  closed,
  Collector,
  expectChain,
  openTenant,
  readAll,
  text,
  texts,
  trimmed,
  writeSnapshot,
  metaAt,
} from '../conformance/log.ts';
import { RedisServer, type Settings } from '../support/redis-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { shorten } from './shorten.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function server(settings: Settings = {}): Promise<RedisServer> {
  const started = await RedisServer.start(settings);
  cleanups.push(() => started.remove());
  return started;
}

async function proxyTo({ port }: RedisServer): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(port);
  cleanups.push(() => proxy.close());
  return proxy;
}

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'muster-tail-'));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

interface Node {
  readonly driver: RedisLog;
  readonly dir: string;
  readonly troubles: string[];
  close(): Promise<void>;
}

async function node(
  url: string,
  more: { dir?: string; allowUnsafe?: boolean; answerMs?: number; node?: string; shared?: boolean } = {},
): Promise<Node> {
  const dir = more.dir ?? folder();
  const troubles: string[] = [];
  const driver = await openRedisLog({
    answerMs: 2_000,
    ...more,
    address: parseRedisUrl(url),
    dir,
    scheduler: systemScheduler,
    engine: 1,
    onFatal: (fault) => {
      throw fault;
    },
    onTrouble: (what) => troubles.push(what),
  });
  let open = true;
  const close = async (): Promise<void> => {
    if (open) await closed(driver);
    open = false;
  };
  cleanups.push(close);
  return { driver, dir, troubles, close };
}

async function tailed(driver: RedisLog): Promise<{ log: TenantLog; tail: Collector }> {
  const log = await openTenant(driver, 'acme');
  const tail = new Collector();
  log.tail({ seq: 0 }, tail);
  await tail.until(({ head, stopped }) => head !== undefined || stopped !== undefined);
  return { log, tail };
}

/** What `fail` does to the connection was noticed, and there is another one. */
async function reconnected(driver: RedisLog, fail: () => Promise<void> | void): Promise<void> {
  const { connections } = driver.status();
  await fail();
  await until(() => driver.status().connections > connections, 'another connection', 20_000);
}

/** Appends until it is taken: while Redis is away it is FULL. */
async function insist(log: TenantLog, payload: string): Promise<AppendOutcome> {
  for (;;) {
    const outcome = await append(log, payload);
    if (outcome.kind !== 'FULL') return outcome;
  }
}

function lastOf(outcome: AppendOutcome): number {
  if (outcome.kind !== 'appended') throw new Error(`appended it was not: ${outcome.kind}`);
  return outcome.last;
}

async function fill(log: TenantLog, count: number, name = 'entry'): Promise<void> {
  for (let at = 0; at < count; at += 1) lastOf(await append(log, `${name} ${at}`));
}

describe('Redis', () => {
  test('that is killed and started again goes on in a new epoch, with everything', async () => {
    const redis = await server();
    const { driver } = await node(redis.url);
    const { log, tail } = await tailed(driver);
    await fill(log, 20);
    await reconnected(driver, async () => {
      await redis.end('SIGKILL');
      await redis.restart();
    });
    expect(lastOf(await insist(log, 'after'))).toBe(21);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 21);
    expect(log.epoch).toBe(2);
    expect(tail.entriesSeen.map(({ epoch }) => epoch)).toEqual([...Array.from({ length: 20 }, () => 1), 2]);
    expectChain(tail.entriesSeen, { seq: 0, chain: chainStart(log.logId) });
    expect(driver.status().repaired).toBe(0);
  });

  test('whose file lost its end gets it back from the node', async () => {
    const redis = await server();
    const { driver } = await node(redis.url);
    const { log, tail } = await tailed(driver);
    await fill(log, 300);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 300);
    await reconnected(driver, async () => {
      await redis.end('SIGKILL');
      shorten(redis.dir, 0.6);
      await redis.restart();
    });
    expect(lastOf(await insist(log, 'after'))).toBe(301);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 301);
    expect(driver.status().repaired).toBeGreaterThan(50);
    const there = await readAll(log);
    expect(there).toEqual(tail.entriesSeen);
    expect(log.epoch).toBe(2);
  });

  test('whose file lost its end while the node was away gets it back at the start', async () => {
    const redis = await server();
    const first = await node(redis.url);
    const { log, tail } = await tailed(first.driver);
    await fill(log, 100);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 100);
    await first.close();
    await redis.end('SIGKILL');
    shorten(redis.dir, 0.5);
    await redis.restart();
    const second = await node(redis.url, { dir: first.dir });
    const again = await tailed(second.driver);
    expect(again.tail.entriesSeen).toEqual(tail.entriesSeen);
    expect(second.driver.status().repaired).toBeGreaterThan(10);
  });

  test('that was emptied is not served: the log is gone, and nothing is made up', async () => {
    const redis = await server();
    const { driver } = await node(redis.url);
    const { log, tail } = await tailed(driver);
    await fill(log, 5);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 5);
    await redis.client().flushall();
    log.append([text('lost')], () => undefined);
    await tail.until(({ stopped }) => stopped !== undefined);
    expect(tail.stopped?.fault).toBe('TRUNCATED');
    expect(await redis.client().exists('muster:{acme}:log', 'muster:{acme}:meta')).toBe(0);
  });

  test('that was emptied while the node was away is refused at the start', async () => {
    const redis = await server();
    const first = await node(redis.url);
    await fill((await tailed(first.driver)).log, 5);
    await first.close();
    await redis.client().flushall();
    const second = await node(redis.url, { dir: first.dir });
    await expect(openTenant(second.driver, 'acme')).rejects.toMatchObject({ fault: 'TRUNCATED' });
  });

  test('that has another history than the node read is refused, and left as it is', async () => {
    const [one, other] = [await server(), await server()];
    const first = await node(one.url);
    const { log } = await tailed(first.driver);
    await fill(log, 3);
    await first.close();
    // The other one has the same log, and went on differently.
    await copy(one, other, 'acme');
    const elsewhere = await node(other.url);
    await fill((await tailed(elsewhere.driver)).log, 5, 'other');
    await elsewhere.close();
    const again = await node(one.url, { dir: first.dir });
    const goesOn = await tailed(again.driver);
    await fill(goesOn.log, 4, 'one');
    // It knows of its history what the tail has delivered.
    await goesOn.tail.until(({ entriesSeen }) => entriesSeen.length === 7);
    await again.close();
    const mixed = await node(other.url, { dir: first.dir });
    await expect(openTenant(mixed.driver, 'acme')).rejects.toMatchObject({ fault: 'FORK' });
    expect(await other.client().xlen('muster:{acme}:log')).toBe(8);
  });

  test('in which an entry is missing or was changed is refused', async () => {
    const redis = await server();
    const first = await node(redis.url);
    await fill((await tailed(first.driver)).log, 5);
    await first.close();
    const client = redis.client();
    const stream = await client.xrangeBuffer('muster:{acme}:log', '-', '+');
    await client.xdel('muster:{acme}:log', '1-3');
    const second = await node(redis.url);
    await expect(openTenant(second.driver, 'acme')).rejects.toMatchObject({ fault: 'CORRUPT' });
    await second.close();
    await client.del('muster:{acme}:log');
    for (const [id, fields] of stream) {
      const changed = fields.map((field, at) => (id.toString() === '1-3' && at === 5 ? flipped(field) : field));
      await client.xadd('muster:{acme}:log', id.toString(), ...changed);
    }
    const third = await node(redis.url);
    expect((await tailed(third.driver)).tail.stopped?.fault).toBe('CORRUPT');
  });

  test('without memory takes nothing, says so, and goes on when there is some', async () => {
    const redis = await server();
    const { driver, troubles } = await node(redis.url);
    const { log, tail } = await tailed(driver);
    await redis.client().config('SET', 'maxmemory', '1');
    expect(await append(log, 'a', 'b')).toEqual({ kind: 'FULL' });
    expect(troubles.join()).toContain('OOM');
    await redis.client().config('SET', 'maxmemory', '0');
    expect(lastOf(await append(log, 'c'))).toBe(1);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 1);
    expect(texts(tail.entriesSeen)).toEqual(['c']);
  });

  test('that forgot its scripts is told them again', async () => {
    const redis = await server();
    const { log, tail } = await tailed((await node(redis.url)).driver);
    await fill(log, 2);
    await redis.client().script('FLUSH');
    await fill(log, 2);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 4);
  });

  test('that became a replica takes nothing; when it is the primary again, it goes on', async () => {
    const redis = await server();
    const { log, tail } = await tailed((await node(redis.url)).driver);
    await fill(log, 2);
    await redis.client().replicaof('127.0.0.1', '1');
    expect(await append(log, 'not taken')).toEqual({ kind: 'FULL' });
    await redis.client().replicaof('NO', 'ONE');
    expect(lastOf(await insist(log, 'taken'))).toBe(3);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 3);
    expect(texts(tail.entriesSeen)).toEqual(['entry 0', 'entry 1', 'taken']);
  });

  test('whose replica lacks the end and is promoted gets it back from the node', async () => {
    const { primary, replica, link, looker } = await pair();
    const way = await proxyTo(primary);
    // Nobody waits for the replica.
    const { driver } = await node(way.url, { allowUnsafe: true });
    const { log, tail } = await tailed(driver);
    await fill(log, 10);
    expect(await looker.call('WAIT', '1', '10000')).toBe(1);
    // The link between them is cut: what follows the replica never has, and the primary has not noticed yet.
    link.refuse = true;
    link.cut();
    await fill(log, 50, 'unseen');
    await tail.until(({ entriesSeen }) => entriesSeen.length === 60);
    await reconnected(driver, async () => {
      await primary.end('SIGKILL');
      await replica.client().replicaof('NO', 'ONE');
      way.lead(replica.port);
      way.cut();
    });
    expect(lastOf(await insist(log, 'after'))).toBe(61);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 61);
    expect(driver.status().repaired).toBe(50);
    expect(await readAll(log)).toEqual(tail.entriesSeen);
  });
});

test('nothing is told that the replica, which Redis demands, does not have', async () => {
  const { primary, replica, link, looker } = await pair();
  await looker.config('SET', 'min-replicas-to-write', '1');
  const way = await proxyTo(primary);
  const { driver } = await node(way.url);
  const { log, tail } = await tailed(driver);
  await fill(log, 10);
  await tail.until(({ entriesSeen }) => entriesSeen.length === 10);
  link.refuse = true;
  link.cut();
  const unseen = append(log, 'unseen');
  // The primary has it, or has noticed that it is alone.
  let told: AppendOutcome | undefined;
  void unseen.then((outcome) => (told = outcome));
  const client = primary.client();
  while (told === undefined && (await client.xlen('muster:{acme}:log')) < 11) await client.ping();
  await reconnected(driver, async () => {
    await primary.end('SIGKILL');
    await replica.client().config('SET', 'min-replicas-to-write', '0');
    await replica.client().replicaof('NO', 'ONE');
    way.lead(replica.port);
    way.cut();
  });
  expect(['UNKNOWN', 'FULL']).toContain((await unseen).kind);
  expect(lastOf(await insist(log, 'after'))).toBe(11);
  await tail.until(({ entriesSeen }) => entriesSeen.length === 11);
  expect(texts(tail.entriesSeen).slice(9)).toEqual(['entry 9', 'after']);
  expect(driver.status().repaired).toBe(0);
});

test('time goes on when the clock of Redis was set back, and never falls', async () => {
  const redis = await server();
  const first = await node(redis.url);
  await fill((await tailed(first.driver)).log, 1);
  await first.close();
  const ahead = Date.now() + 3_600_000;
  await redis.client().hset('muster:{acme}:meta', 'ts', String(ahead));
  const { log, tail } = await tailed((await node(redis.url)).driver);
  let count = 1;
  const newest = (): number => tail.entriesSeen.at(-1)?.ts ?? 0;
  while (newest() < ahead + 20) {
    await fill(log, 1);
    count += 1;
    await tail.until(({ entriesSeen }) => entriesSeen.length === count);
  }
  expect(newest()).toBeLessThan(ahead + 30_000);
  expectChain(tail.entriesSeen, { seq: 0, chain: chainStart(log.logId) });
});

describe('the way to Redis', () => {
  test('a lost reply is an unknown outcome, and the entry is there once', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const { log, tail } = await tailed((await node(proxy.url, { answerMs: 500 })).driver);
    await fill(log, 1);
    proxy.dropReplies = true;
    expect(await append(log, 'unknown')).toEqual({ kind: 'UNKNOWN' });
    proxy.dropReplies = false;
    expect(lastOf(await insist(log, 'after'))).toBe(3);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 3);
    expect(texts(tail.entriesSeen)).toEqual(['entry 0', 'unknown', 'after']);
    expect(await redis.client().xlen('muster:{acme}:log')).toBe(3);
  });

  test('an append that was stuck on the way is refused when it arrives after the log was taken over', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const { log, tail } = await tailed((await node(proxy.url, { answerMs: 500 })).driver);
    await fill(log, 1);
    const stuck = proxy.hold();
    expect(await append(log, 'stuck')).toEqual({ kind: 'UNKNOWN' });
    expect(lastOf(await insist(log, 'after'))).toBe(2);
    await stuck.release();
    await fill(log, 1, 'last');
    await tail.until(({ entriesSeen }) => entriesSeen.length === 3);
    expect(texts(tail.entriesSeen)).toEqual(['entry 0', 'after', 'last 0']);
  });

  test('connections that are cut again and again lose and double nothing that is known', async () => {
    const redis = await server();
    const proxy = await proxyTo(redis);
    const { driver } = await node(proxy.url);
    const { log, tail } = await tailed(driver);
    const known: string[] = [];
    const unknown: string[] = [];
    for (let at = 0; at < 60; at += 1) {
      const done = append(log, `${at}`);
      if (at % 7 === 3) proxy.cut();
      const { kind } = await done;
      if (kind === 'appended') known.push(`${at}`);
      if (kind === 'UNKNOWN') unknown.push(`${at}`);
    }
    await reconnected(driver, () => proxy.cut());
    const last = lastOf(await insist(log, 'last'));
    await tail.until(({ entriesSeen }) => entriesSeen.length === last);
    const seen = texts(tail.entriesSeen);
    expect(seen.filter((one) => !unknown.includes(one))).toEqual([...known, 'last']);
    expect(new Set(seen).size).toBe(seen.length);
    expectChain(tail.entriesSeen, { seq: 0, chain: chainStart(log.logId) });
  });

  test('without Redis an append is told after a while that nothing was appended', async () => {
    const redis = await server();
    const { driver } = await node(redis.url);
    const { log } = await tailed(driver);
    await redis.end('SIGKILL');
    await until(() => !driver.status().connected);
    expect(await append(log, 'a')).toEqual({ kind: 'FULL' });
  });
});

describe('nodes', () => {
  test('a log that another node serves is refused, and had when that has left', async () => {
    const redis = await server();
    const first = await node(redis.url);
    await fill((await tailed(first.driver)).log, 3);
    const second = await node(redis.url);
    await expect(openTenant(second.driver, 'acme')).rejects.toMatchObject({ fault: 'LOCKED' });
    await first.close();
    expect(texts((await tailed(second.driver)).tail.entriesSeen)).toEqual(['entry 0', 'entry 1', 'entry 2']);
  });

  test('a node whose log was taken over by another one appends nothing more', async () => {
    const redis = await server();
    const { log } = await tailed((await node(redis.url, { node: 'n_first' })).driver);
    await fill(log, 1);
    // As if it had been silent for long.
    await redis.client().hset('muster:{acme}:meta', 'seen:n_first', '0');
    const second = await node(redis.url);
    await fill((await tailed(second.driver)).log, 1, 'second');
    expect(await append(log, 'late')).toEqual({ kind: 'FENCED' });
  });

  test('nodes that share a log append to it in turns, and each reads all of it in one order', async () => {
    const redis = await server();
    const first = await tailed((await node(redis.url, { shared: true })).driver);
    const second = await tailed((await node(redis.url, { shared: true })).driver);
    for (let at = 0; at < 5; at += 1) {
      await fill(first.log, 1, `first ${at}`);
      await fill(second.log, 1, `second ${at}`);
    }
    await first.tail.until(({ entriesSeen }) => entriesSeen.length === 10);
    await second.tail.until(({ entriesSeen }) => entriesSeen.length === 10);
    expect(texts(second.tail.entriesSeen)).toEqual(texts(first.tail.entriesSeen));
    const alone = await node(redis.url);
    await expect(openTenant(alone.driver, 'acme')).rejects.toMatchObject({ fault: 'LOCKED' });
  });

  test('a node that shares a log and was taken for dead appends nothing more, and is not let in again', async () => {
    const redis = await server();
    const { log } = await tailed((await node(redis.url, { node: 'n_first', shared: true })).driver);
    await fill(log, 1);
    await redis.client().hdel('muster:{acme}:meta', 'pass:n_first');
    const second = await tailed((await node(redis.url, { shared: true })).driver);
    expect(await append(log, 'late')).toEqual({ kind: 'FENCED' });
    await fill(second.log, 1, 'second');
    await second.tail.until(({ entriesSeen }) => entriesSeen.length === 2);
    expect(texts(second.tail.entriesSeen)).toEqual(['entry 0', 'second 0']);
  });

  test('a node that was away for longer than Redis keeps goes on from a snapshot', async () => {
    const redis = await server();
    const first = await node(redis.url);
    const { log } = await tailed(first.driver);
    await fill(log, 3);
    await first.close();
    const second = await node(redis.url);
    const went = await tailed(second.driver);
    await fill(went.log, 10, 'meanwhile');
    await went.tail.until(({ entriesSeen }) => entriesSeen.length === 13);
    const at = went.tail.entriesSeen[9] as LogEntry;
    await writeSnapshot(second.driver, { tenant: 'acme', meta: metaAt(at) }, [text('state')]);
    await trimmed(went.log, 10);
    await second.close();
    const third = await node(redis.url, { dir: first.dir });
    const again = await openTenant(third.driver, 'acme');
    const tail = new Collector();
    again.tail(at, tail);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 3);
    await third.close();
    // And its copy begins there.
    await redis.client().xtrim('muster:{acme}:log', 'MAXLEN', 0);
    const fourth = await node(redis.url, { dir: first.dir });
    await expect(openTenant(fourth.driver, 'acme')).rejects.toMatchObject({ fault: 'CORRUPT' });
  });
});

describe('the gate', () => {
  test.each([
    [{ appendfsync: 'everysec' }, 'Set appendfsync to always'],
    [{ appendonly: 'no' }, 'Set appendonly to yes'],
    [{ 'maxmemory-policy': 'allkeys-lru' }, 'Set maxmemory-policy to noeviction'],
    [{ 'no-appendfsync-on-rewrite': 'yes' }, 'Set no-appendfsync-on-rewrite to no'],
  ])('a Redis with %o is refused by a sentence that says what to set', async (settings, sentence) => {
    const redis = await server(settings);
    await expect(node(redis.url)).rejects.toMatchObject({
      code: 'UNSAFE_REDIS',
      message: expect.stringContaining(sentence),
    });
    const { driver } = await node(redis.url, { allowUnsafe: true });
    expect(driver.status().unsafe).toEqual([expect.stringContaining(sentence)]);
    expect(lastOf(await append((await tailed(driver)).log, 'a'))).toBe(1);
  });

  test('settings that became unsafe stop appends until they are right again', async () => {
    const redis = await server();
    const way = await proxyTo(redis);
    const { driver, troubles } = await node(way.url);
    const { log } = await tailed(driver);
    await fill(log, 1);
    await redis.client().config('SET', 'appendfsync', 'no');
    await reconnected(driver, () => way.cut());
    expect(await append(log, 'refused')).toEqual({ kind: 'FULL' });
    expect(troubles.join()).toContain('Set appendfsync to always');
    await redis.client().config('SET', 'appendfsync', 'always');
    await reconnected(driver, () => way.cut());
    expect(lastOf(await append(log, 'taken'))).toBe(2);
  });

  test('a Redis that is not there is refused by a sentence', async () => {
    await expect(node('redis://127.0.0.1:1')).rejects.toMatchObject({ fault: 'IO' });
  });
});

/** A primary and its replica, linked through a proxy. */
async function pair(): Promise<{ primary: RedisServer; replica: RedisServer; link: TcpProxy; looker: Redis }> {
  const [primary, replica] = [await server(), await server()];
  const link = await proxyTo(primary);
  await replica.client().replicaof('127.0.0.1', String(link.port));
  const looker = primary.client();
  while (!(await looker.info('replication')).includes('state=online')) await looker.ping();
  return { primary, replica, link, looker };
}

function flipped(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  changed[8] = (changed[8] ?? 0) ^ 1;
  return changed;
}

/** One server gets the keys of a tenant as another one has them. */
async function copy(from: RedisServer, to: RedisServer, tenant: string): Promise<void> {
  const [source, target] = [from.client(), to.client()];
  for (const key of await source.keys(`muster:{${tenant}}:*`)) {
    await target.restore(key, 0, await source.dumpBuffer(key));
  }
}
