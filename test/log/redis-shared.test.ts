/** The log on Redis, of several nodes: up to which version they decide together. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import type { Members, TenantLog } from '../../src/log/port.ts';
import { openRedisLog, parseRedisUrl, type RedisLog } from '../../src/log/redis/index.ts';
import { closed, Collector, openTenant } from '../conformance/log.ts';
import { RedisServer } from '../support/redis-server.ts';

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

async function node(name: string, more: { readonly engine?: number; readonly dir?: string } = {}): Promise<Opened> {
  const dir = more.dir ?? mkdtempSync(join(tmpdir(), 'muster-tail-'));
  const troubles: string[] = [];
  const driver = await openRedisLog({
    address: parseRedisUrl(redis.url),
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
