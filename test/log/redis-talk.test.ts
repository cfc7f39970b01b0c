/** Messages between nodes that are not kept: at most once and in order, over connections that are cut. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import type { Talk } from '../../src/log/port.ts';
import { openRedisLog, parseRedisUrl, type RedisLog } from '../../src/log/redis/index.ts';
import { closed, openTenant } from '../conformance/log.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

interface Speaker {
  readonly driver: RedisLog;
  readonly talk: Talk;
  readonly heard: string[];
}

let redis: RedisServer;
let proxy: TcpProxy;
const dirs: string[] = [];
const speakers: Speaker[] = [];

async function speaker(url: string): Promise<Speaker> {
  const dir = mkdtempSync(join(tmpdir(), 'muster-talk-'));
  dirs.push(dir);
  const onFatal = (error: Error): void => {
    throw error;
  };
  const driver = await openRedisLog({
    address: parseRedisUrl(url),
    dir,
    scheduler: systemScheduler,
    shared: true,
    engine: 1,
    onFatal,
  });
  const { talk } = await openTenant(driver, 'acme');
  if (talk === undefined) throw new Error('nodes that share talk');
  const heard: string[] = [];
  talk.hear((bytes) => heard.push(Buffer.from(bytes).toString()));
  const made = { driver, talk, heard };
  speakers.push(made);
  return made;
}

beforeAll(async () => {
  redis = await RedisServer.start();
  proxy = await TcpProxy.start(redis.port);
});
afterAll(async () => {
  for (const { driver } of speakers) await closed(driver);
  await proxy.close();
  await redis.remove();
  for (const dir of dirs) rmSync(dir, { recursive: true });
});

/** Says it until it is heard: before there is a connection nobody hears. */
async function greet(from: Speaker, to: Speaker, word: string): Promise<void> {
  await until(() => {
    if (!to.heard.includes(word)) from.talk.say(Buffer.from(word));
    return to.heard.includes(word);
  }, `${word} to be heard`);
}

test('what one says the others hear, at most once and in order, whatever becomes of the connections', async () => {
  const [one, two] = [await speaker(redis.url), await speaker(proxy.url)];
  await greet(one, two, 'hello');
  await greet(two, one, 'hello too');
  let said = 0;
  const say = (count: number): void => {
    for (const end = said + count; said < end; said += 1) one.talk.say(Buffer.from(String(said)));
  };
  for (let round = 0; round < 3; round += 1) {
    say(100);
    proxy.cut();
    say(100);
    await greet(one, two, `again ${round}`);
  }
  say(100);
  await until(() => two.heard.includes(String(said - 1)), 'the last one');
  const numbers = two.heard.filter((word) => /^\d+$/.test(word)).map(Number);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
  // Nobody hears itself, and what is lost is counted or was said to nobody.
  expect(one.heard.filter((word) => /^\d+$/.test(word))).toEqual([]);
  expect(one.driver.status().talk.said).toBeGreaterThanOrEqual(numbers.length);
});

test('tenants that are opened while it is being connected are heard too, each its own', async () => {
  const one = await speaker(redis.url);
  const two = await speaker(redis.url);
  const words: string[] = [];
  const others: Talk[] = [];
  for (let n = 0; n < 8; n += 1) {
    const tenant = `other${n}`;
    (await openTenant(two.driver, tenant)).talk?.hear((bytes) =>
      words.push(`${tenant} ${Buffer.from(bytes).toString()}`),
    );
    const { talk } = await openTenant(one.driver, tenant);
    if (talk !== undefined) others.push(talk);
  }
  for (const [n, talk] of others.entries()) {
    await until(() => words.includes(`other${n} word`) || (talk.say(Buffer.from('word')), false), `tenant ${n}`);
  }
  expect(new Set(words)).toEqual(new Set(others.map((_, n) => `other${n} word`)));
  expect(two.heard).toEqual([]);
});

test('what waits is bounded: beyond it nothing is said, and whoever asks learns it', async () => {
  const [one, two] = [await speaker(redis.url), await speaker(redis.url)];
  await greet(one, two, 'ready');
  // Small ones: of a large one the parser of the library keeps a timer for seconds.
  const taken = Array.from({ length: 1_100 }, (_, n) => one.talk.say(Buffer.from(`w${n}`)));
  expect(taken).toContain(false);
  expect(taken[0]).toBe(true);
  const arrived = (): number => two.heard.filter((word) => /^w\d+$/.test(word)).length;
  await until(() => arrived() === taken.filter(Boolean).length, 'what was taken');
  await greet(one, two, 'room again');
});
