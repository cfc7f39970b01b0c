/** The log on a cluster, behind sentinels, and over TLS with a password. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import type { AppendOutcome, TenantLog } from '../../src/log/port.ts';
import { openRedisLog, parseRedisUrl, type RedisLog } from '../../src/log/redis/index.ts';
import { append, closed, Collector, openTenant, texts } from '../conformance/log.ts';
import { RedisServer, type Settings } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function server(settings: Settings = {}): Promise<RedisServer> {
  const started = await RedisServer.start(settings);
  cleanups.push(() => started.remove());
  return started;
}

async function open(url: string): Promise<RedisLog> {
  const dir = mkdtempSync(join(tmpdir(), 'muster-tail-'));
  const driver = await openRedisLog({
    address: parseRedisUrl(url),
    dir,
    scheduler: systemScheduler,
    engine: 1,
    answerMs: 2_000,
    onFatal: (fault) => {
      throw fault;
    },
  });
  cleanups.push(async () => {
    await closed(driver);
    rmSync(dir, { recursive: true, force: true });
  });
  return driver;
}

async function tailed(driver: RedisLog, tenant: string): Promise<{ log: TenantLog; tail: Collector }> {
  const log = await openTenant(driver, tenant);
  const tail = new Collector();
  log.tail({ seq: 0 }, tail);
  await tail.until(({ head, stopped }) => head !== undefined || stopped !== undefined);
  return { log, tail };
}

/** Until it is taken. What was unknown before may be there too. */
async function insist(log: TenantLog, payload: string): Promise<Extract<AppendOutcome, { kind: 'appended' }>> {
  for (;;) {
    const outcome = await append(log, payload);
    if (outcome.kind === 'appended') return outcome;
  }
}

async function cluster(): Promise<readonly RedisServer[]> {
  const settings = { 'cluster-enabled': 'yes', 'cluster-node-timeout': '2000' };
  const nodes = [await server(settings), await server(settings)];
  const [one, two] = nodes.map((node) => node.client());
  const half = 8_192;
  const slots = (from: number): number[] => Array.from({ length: half }, (_, at) => from + at);
  await one?.cluster('ADDSLOTS', ...slots(0));
  await two?.cluster('ADDSLOTS', ...slots(half));
  // Two servers may not both begin with the same epoch.
  await two?.call('CLUSTER', 'SET-CONFIG-EPOCH', '2');
  await one?.cluster('MEET', '127.0.0.1', nodes[1]?.port ?? 0);
  for (const client of [one, two]) {
    let info = '';
    while (!info.includes('cluster_state:ok') || !info.includes('cluster_known_nodes:2')) {
      info = String(await client?.cluster('INFO'));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return nodes;
}

test('in a cluster each tenant is where its slot is, and goes on when that server was killed', async () => {
  const nodes = await cluster();
  const driver = await open(`redis-cluster://127.0.0.1:${nodes[0]?.port ?? 0}`);
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const logs = await Promise.all(names.map((name) => tailed(driver, name)));
  for (const { log } of logs) expect((await append(log, 'one', 'two')).kind).toBe('appended');
  for (const { tail } of logs) await tail.until(({ entriesSeen }) => entriesSeen.length === 2);
  const counts = await Promise.all(nodes.map((node) => node.client().dbsize()));
  for (const count of counts) expect(count).toBeGreaterThan(0);
  const { connections } = driver.status();
  await nodes[1]?.end('SIGKILL');
  await nodes[1]?.restart();
  await until(() => driver.status().connections > connections, 'another connection', 20_000);
  for (const { log, tail } of logs) {
    const { last } = await insist(log, 'after');
    await tail.until(({ entriesSeen }) => entriesSeen.length === last);
    expect(texts(tail.entriesSeen).slice(0, 2)).toEqual(['one', 'two']);
    expect(tail.stopped).toBeUndefined();
  }
  expect(await new Promise((resolve) => driver.tenants(resolve))).toEqual(names);
});

test('behind sentinels the log goes on at the replica that they promote', async () => {
  const primary = await server();
  const replica = await server({ replicaof: `127.0.0.1 ${primary.port}` });
  const looker = primary.client();
  let replication = '';
  while (!replication.includes('state=online')) {
    replication = await looker.info('replication');
    await new Promise((resolve) => setImmediate(resolve));
  }
  await looker.config('SET', 'min-replicas-to-write', '1');
  const sentinel = await RedisServer.sentinel(primary);
  cleanups.push(() => sentinel.remove());
  const asked = new Redis(sentinel.port, '127.0.0.1');
  cleanups.push(() => asked.disconnect());
  let known = 0;
  while (known === 0) known = ((await asked.call('SENTINEL', 'REPLICAS', 'main')) as unknown[]).length;
  const driver = await open(`redis-sentinel://127.0.0.1:${sentinel.port}/main`);
  const { log, tail } = await tailed(driver, 'acme');
  await insist(log, 'before');
  await tail.until(({ entriesSeen }) => entriesSeen.length === 1);
  await looker.call('WAIT', '1', '5000');
  await primary.end('SIGKILL');
  const { last } = await insist(log, 'after');
  await tail.until(({ entriesSeen }) => entriesSeen.length === last);
  expect(texts(tail.entriesSeen)[0]).toBe('before');
  expect(await replica.client().xlen('muster:{acme}:log')).toBe(last);
  expect(log.epoch).toBeGreaterThan(1);
});

test('over TLS, with a user and a password', async () => {
  const file = (name: string): string => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url));
  const secured = await server({
    port: '0',
    'tls-port': '$PORT',
    'tls-cert-file': file('cert.pem'),
    'tls-key-file': file('key.pem'),
    'tls-ca-cert-file': file('cert.pem'),
    'tls-auth-clients': 'no',
    requirepass: 'p@ss/word',
  });
  const at = `127.0.0.1:${secured.port}?ca=${encodeURIComponent(file('cert.pem'))}&servername=redis.test`;
  const driver = await open(`rediss://default:${encodeURIComponent('p@ss/word')}@${at}`);
  const { log, tail } = await tailed(driver, 'acme');
  await insist(log, 'secret');
  await tail.until(({ entriesSeen }) => entriesSeen.length === 1);
  await expect(open(`rediss://default:wrong@${at}`)).rejects.toThrow(/WRONGPASS|invalid/);
  const foreign = at.replace('redis.test', 'elsewhere.test');
  await expect(open(`rediss://default:${encodeURIComponent('p@ss/word')}@${foreign}`)).rejects.toThrow(/elsewhere/);
});
