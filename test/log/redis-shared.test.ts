/** The log on Redis, of several nodes: up to which version they decide together, what may be forgotten, what they hand to each other. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import type { LogEntry, Members, TenantLog } from '../../src/log/port.ts';
import { openRedisLog, parseRedisUrl, type RedisLog } from '../../src/log/redis/index.ts';
import {
  append,
  closed,
  Collector,
  metaAt,
  openTenant,
  read,
  text,
  trimmed,
  writeSnapshot,
} from '../conformance/log.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { shorten } from './shorten.ts';

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.remove());

const cleanups: (() => Promise<void> | void)[] = [];
beforeEach(async () => void (await redis.client().flushall()));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Opened {
  readonly driver: RedisLog;
  readonly dir: string;
  readonly troubles: string[];
  close(): Promise<void>;
}

async function node(
  name: string,
  more: { readonly engine?: number; readonly dir?: string; readonly url?: string } = {},
): Promise<Opened> {
  const dir = more.dir ?? mkdtempSync(join(tmpdir(), 'muster-tail-'));
  const troubles: string[] = [];
  const driver = await openRedisLog({
    address: parseRedisUrl(more.url ?? redis.url),
    dir,
    scheduler: systemScheduler,
    engine: more.engine ?? 6,
    node: name,
    shared: true,
    answerMs: 2_000,
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
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }), close);
  return { driver, dir, troubles, close };
}

async function tailed(driver: RedisLog): Promise<{ log: TenantLog; tail: Collector; members: Members }> {
  const log = await openTenant(driver, 'acme');
  const tail = new Collector();
  log.tail({ seq: 0 }, tail);
  await tail.until(({ head, stopped }) => head !== undefined || stopped !== undefined);
  if (log.members === undefined) throw new Error('a log that is shared has members');
  return { log, tail, members: log.members };
}

/** Of all nodes; they come back. */
async function endConnections(): Promise<void> {
  const clients = String(await redis.client().client('LIST')).split('\n');
  const ids = clients.filter((one) => one.includes(' name=muster ')).map((one) => /^id=(\d+) /.exec(one)?.[1] ?? '');
  for (const id of ids) await redis.client().call('CLIENT', 'KILL', 'ID', id);
}

function raised(members: Members, engine: number): Promise<number> {
  return new Promise((resolve) => members.raise(engine, resolve));
}

describe('the version of the engine', () => {
  test('is what all nodes know, and rises when the last of the older ones has left', async () => {
    const [older, newer] = [await node('n_older'), await node('n_newer', { engine: 7 })];
    await tailed(older.driver);
    const { members } = await tailed(newer.driver);
    expect(await raised(members, 7)).toBe(6);
    expect(newer.troubles).toEqual([
      'tenant acme: engine version 7 is not begun while node n_older serves, which knows 6 at most',
    ]);
    expect(await raised(members, 7)).toBe(6);
    expect(newer.troubles).toHaveLength(1);
    await older.close();
    expect(await raised(members, 7)).toBe(7);
  });

  test('keeps a node out that does not know it, by a sentence that says which is needed', async () => {
    const newer = await node('n_newer', { engine: 7 });
    expect(await raised((await tailed(newer.driver)).members, 7)).toBe(7);
    const older = await node('n_older');
    await expect(openTenant(older.driver, 'acme')).rejects.toMatchObject({
      fault: 'VERSION',
      message: expect.stringContaining('it goes on under version 7, and this build knows 6: start a later one'),
    });
    expect(await redis.client().hget('muster:{acme}:meta', 'pass:n_older')).toBeNull();
  });

  test('does not rise while a node serves whose build does not say what it knows', async () => {
    const newer = await node('n_newer', { engine: 7 });
    const { members } = await tailed(newer.driver);
    await redis.client().hset('muster:{acme}:meta', 'pass:n_ancient', 'x', 'seen:n_ancient', '0');
    expect(await raised(members, 7)).toBe(0);
    expect(newer.troubles.join()).toContain('while node n_ancient serves');
  });
});

/** What nodes say with each beat, as the tenant's part of the log has it. */
async function keeps(name: string, seq: number): Promise<void> {
  await redis.client().hset('muster:{acme}:meta', `kept:${name}`, String(seq));
}

async function base(): Promise<number> {
  return Number(await redis.client().hget('muster:{acme}:meta', 'baseSeq'));
}

describe('entries that a snapshot covers', () => {
  async function filled(): Promise<{
    first: Opened;
    second: Opened;
    log: TenantLog;
    other: TenantLog;
    seen: readonly LogEntry[];
  }> {
    const [first, second] = [await node('n_first'), await node('n_second')];
    const { log, tail } = await tailed(first.driver);
    const { log: other } = await tailed(second.driver);
    for (let at = 1; at <= 10; at += 1) await append(log, `entry ${at}`);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 10);
    const at = tail.entriesSeen[5] as LogEntry;
    await writeSnapshot(first.driver, { tenant: 'acme', meta: metaAt(at) }, [text('state')]);
    return { first, second, log, other, seen: tail.entriesSeen };
  }

  test('stay until every node has said that it needs them no more', async () => {
    const { log } = await filled();
    await trimmed(log, 6);
    expect(await base()).toBe(0);
    await keeps('n_first', 10);
    await trimmed(log, 6);
    expect(await base()).toBe(0);
    await keeps('n_second', 5);
    await trimmed(log, 6);
    expect(await base()).toBe(0);
    await keeps('n_second', 6);
    await trimmed(log, 6);
    expect(await base()).toBe(6);
    expect(log.members?.base).toBe(6);
  });

  test('stay for a node that has begun and said nothing yet, and go without one that was taken for dead', async () => {
    const { log, second } = await filled();
    await keeps('n_first', 10);
    await second.close();
    const third = await node('n_third');
    await openTenant(third.driver, 'acme');
    await trimmed(log, 6);
    expect(await base()).toBe(0);
    await redis.client().hdel('muster:{acme}:meta', 'pass:n_third');
    await trimmed(log, 6);
    expect(await base()).toBe(6);
  });

  test('are gone for the readers of another node, who are told, and go on behind them', async () => {
    const { log, other, seen } = await filled();
    await keeps('n_first', 10);
    await keeps('n_second', 10);
    await trimmed(log, 6);
    expect(await read(other, 3, 4)).toMatchObject({ fault: 'GAP' });
    expect(await read(other, 7, 100)).toEqual(seen.slice(6));
  });

  test('that go while a node reads end its tail by a gap, and it begins anew from the snapshot', async () => {
    const { first, second, log, seen } = await filled();
    const late = await openTenant((await node('n_late')).driver, 'acme');
    // It needs them, whatever Redis has been told.
    await keeps('n_late', 10);
    await keeps('n_first', 10);
    await keeps('n_second', 10);
    await trimmed(log, 6);
    const tail = new Collector();
    late.tail({ seq: 0 }, tail);
    await tail.until(({ stopped }) => stopped !== undefined);
    expect(tail.stopped?.fault).toBe('GAP');
    expect(tail.entriesSeen).toEqual([]);
    // The directory of a node that has gone, and the log of which nothing was read for long.
    await second.close();
    const again = await openTenant((await node('n_again', { dir: second.dir })).driver, 'acme');
    expect(again.members?.base).toBe(6);
    const goesOn = new Collector();
    again.tail(seen[5] as LogEntry, goesOn);
    await goesOn.until(({ head }) => head !== undefined);
    expect(goesOn.entriesSeen).toEqual(seen.slice(6));
    await first.close();
  });
});

describe('a node that others took for dead while it begins', () => {
  /** It has a pass and follows nothing yet, as while it loads a snapshot. Then it is fenced, and its connections end. */
  async function fenced(): Promise<{ late: Opened; log: TenantLog }> {
    await tailed((await node('n_first')).driver);
    const late = await node('n_late');
    const log = await openTenant(late.driver, 'acme');
    await redis.client().hdel('muster:{acme}:meta', 'pass:n_late');
    return { late, log };
  }

  function listed(late: Opened): Promise<unknown> {
    return new Promise((resolve) => late.driver.snapshots.list('acme', resolve));
  }

  // Nobody told the reader of snapshots, which waited for a connection of a log that was claimed no more: the node never began.
  test('is told so by the log when it follows it, and what it reads from Redis meanwhile ends', async () => {
    const { late, log } = await fenced();
    await endConnections();
    expect(await listed(late)).toEqual([]);
    const tail = new Collector();
    log.tail({ seq: 0 }, tail);
    await tail.until(({ stopped }) => stopped !== undefined);
    expect(tail.stopped).toMatchObject({
      fault: 'LOCKED',
      message: expect.stringContaining('took this node for dead'),
    });
    expect(late.troubles.join()).toContain('snapshots cannot be listed');
  });

  test('waits for no connection when it has left by itself', async () => {
    const { late, log } = await fenced();
    log.members?.leave();
    await endConnections();
    expect(await listed(late)).toEqual([]);
  });
});

describe('what a node hands to another one', () => {
  const pieces = (count: number) =>
    async function* (): AsyncIterable<Uint8Array> {
      for (let at = 0; at < count; at += 1) yield new Uint8Array(1_000).fill(at % 256);
    };

  test('comes over whole, with a bound of what is in Redis meanwhile', async () => {
    const [giver, asker] = [await node('n_giver'), await node('n_asker')];
    const end = giver.driver.relay?.serve(pieces(200));
    let [count, most] = [0, 0];
    const looker = redis.client();
    const bytes = await asker.driver.relay?.fetch(async (piece) => {
      expect(piece).toEqual(new Uint8Array(1_000).fill(count % 256));
      count += 1;
      const [key] = (await looker.keys('muster:{relay}:*')).filter((name) => name !== 'muster:{relay}:asks');
      if (key !== undefined) most = Math.max(most, await looker.llen(key));
    });
    end?.();
    expect([count, bytes]).toEqual([200, 200_000]);
    expect(most).toBeLessThanOrEqual(17);
  });

  test('is not taken when a piece of it got lost', async () => {
    const [giver, asker] = [await node('n_giver'), await node('n_asker')];
    const end = giver.driver.relay?.serve(pieces(40));
    const looker = redis.client();
    let count = 0;
    const fetched = asker.driver.relay?.fetch(async () => {
      count += 1;
      if (count !== 3) return;
      for (let stolen: string | null = null; stolen === null;) {
        const [key] = (await looker.keys('muster:{relay}:*')).filter((name) => name !== 'muster:{relay}:asks');
        if (key !== undefined) stolen = await looker.lpop(key);
      }
    });
    await expect(fetched).rejects.toThrow('is not what that gave out');
    end?.();
  });
});

describe('a connection', () => {
  test('that is made, and of which nothing is heard then, is left in time', async () => {
    const way = await TcpProxy.start(redis.port);
    cleanups.push(() => way.close());
    way.dropReplies = true;
    await expect(node('n_deaf', { url: way.url })).rejects.toMatchObject({
      fault: 'IO',
      message: expect.stringContaining('INFO was not answered within 2000 ms'),
    });
  });
});

describe('a Redis that lost its end', () => {
  test('gets it back from the node whose copy goes furthest, before another one serves', async () => {
    const own = await RedisServer.start();
    cleanups.push(() => own.remove());
    const way = await TcpProxy.start(own.port);
    cleanups.push(() => way.close());
    const [long, short] = [
      await node('n_long', { url: own.url }),
      await node('n_short', { url: `redis://127.0.0.1:${way.port}` }),
    ];
    const { log, tail } = await tailed(long.driver);
    const { log: shortLog, tail: shortTail } = await tailed(short.driver);
    const fill = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at += 1) await append(log, `entry ${at}`);
    };
    await fill(100);
    await shortTail.until(({ entriesSeen }) => entriesSeen.length === 100);
    way.dropReplies = true;
    await fill(100);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 200);
    await own.end('SIGKILL');
    shorten(own.dir, 0.3);
    await own.restart();
    way.dropReplies = false;
    await shortTail.until(({ entriesSeen }) => entriesSeen.length === 200);
    expect(shortTail.entriesSeen).toEqual(tail.entriesSeen);
    expect(short.driver.status().repaired).toBe(0);
    expect(long.driver.status().repaired).toBeGreaterThan(100);
    expect([shortLog.epoch, shortTail.stopped, tail.stopped]).toEqual([log.epoch, undefined, undefined]);
  });

  test('and goes on without a node that had more: that is told which entries are lost', async () => {
    const own = await RedisServer.start();
    cleanups.push(() => own.remove());
    const [gone, other] = [await node('n_gone', { url: own.url }), await node('n_other', { url: own.url })];
    const { log, tail } = await tailed(gone.driver);
    await tailed(other.driver);
    for (let at = 0; at < 100; at += 1) await append(log, `entry ${at}`);
    await tail.until(({ entriesSeen }) => entriesSeen.length === 100);
    await gone.close();
    await other.close();
    await own.end('SIGKILL');
    shorten(own.dir, 0.5);
    await own.restart();
    // One with a directory of its own knows of nothing that is missing.
    const third = await node('n_third', { url: own.url });
    const { log: goesOn, tail: after } = await tailed(third.driver);
    const kept = after.entriesSeen.length;
    expect(kept).toBeLessThan(100);
    for (let at = kept; at < 100; at += 1) await append(goesOn, `another ${at}`);
    const again = await node('n_again', { url: own.url, dir: gone.dir });
    await expect(openTenant(again.driver, 'acme')).rejects.toMatchObject({
      fault: 'FORK',
      message: expect.stringContaining(`the entries ${kept + 1} to 100 that this node read are not in Redis`),
    });
  });
});
