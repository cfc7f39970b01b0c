/** A server whose log is in Redis, as processes: work flows, and both are killed under it. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RedisServer } from '../support/redis-server.ts';
import { Place } from './processes.ts';

let redis: RedisServer;
let place: Place;

beforeEach(async () => {
  redis = await RedisServer.start();
  vi.stubEnv('MUSTER_REDIS', redis.url);
  place = new Place();
});

afterEach(async () => {
  await place.close();
  vi.unstubAllEnvs();
  await redis.remove();
});

describe('serve --redis', { timeout: 120_000 }, () => {
  it('loses nothing when the server and Redis are killed under work', async () => {
    const { httpUrl } = await place.serve();
    const worker = place.start('agent', '--name', 'worker', '--capability', 'work', '--json', '--', 'cat');
    await worker.event('online');
    const client = await place.client();
    const ids: string[] = [];
    const create = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at += 1) ids.push((await client.task.create({ type: 'work' })).task.id);
    };
    await create(10);
    await place.server.stop('SIGKILL');
    await redis.end('SIGKILL');
    await redis.restart();
    await place.serve();
    await create(10);
    await redis.end('SIGKILL');
    await redis.restart();
    await create(10);
    for (const id of ids) {
      const task = await client.task.wait(id, { timeoutMs: 60_000 });
      expect([task.status, task.attempt]).toEqual(['completed', expect.any(Number)]);
    }
    expect(new Set(ids).size).toBe(30);
    const health = await healthOnceOk(String(httpUrl));
    expect(health).toMatchObject({ status: 'ok', redis: { connected: true, unsafe: [] }, jobs: { connected: true } });
    const metrics = await (await fetch(`${String(httpUrl)}/metrics`)).text();
    expect(metrics).toMatch(/^muster_redis_connected 1$/m);
    expect(metrics).toMatch(/^muster_redis_unsafe 0$/m);
    expect(metrics).toMatch(/^muster_jobs_connected 1$/m);
    expect(metrics).toMatch(/^muster_jobs\{queue="checkpoint",state="failed"\} 0$/m);
    expect(await place.server.stop('SIGTERM')).toBe(0);
    await place.serve();
    expect((await client.task.get({ id: ids[0] ?? '' })).task.status).toBe('completed');
  });

  it('says what to set in a Redis that may lose what it acknowledged, and serves on it only when told to', async () => {
    await redis.client().config('SET', 'appendfsync', 'everysec');
    const serve = ['serve', '--port', '0', '--http-port', '0', '--log-level', 'silent', '--json'];
    const refused = await place.run(...serve);
    expect([refused.code, JSON.parse(refused.err)]).toMatchObject([1, { error: { code: 'UNSAFE_REDIS' } }]);
    expect(refused.err).toContain('Set appendfsync to always');
    vi.stubEnv('MUSTER_ALLOW_UNSAFE_REDIS', 'true');
    const { httpUrl } = await place.serve();
    const health: unknown = await (await fetch(`${String(httpUrl)}/healthz`)).json();
    expect(health).toMatchObject({ status: 'degraded', redis: { unsafe: [expect.stringContaining('appendfsync')] } });
  });

  it('refuses a data directory whose log is elsewhere', async () => {
    await place.serve();
    await place.server.stop('SIGTERM');
    vi.stubEnv('MUSTER_REDIS', undefined);
    const refused = await place.run('serve', '--port', '0', '--http-port', '0', '--log-level', 'silent', '--json');
    expect([refused.code, JSON.parse(refused.err)]).toMatchObject([2, { error: { code: 'CONFIG' } }]);
    expect(refused.err).toContain('--redis');
  });
});

/** Connections to a Redis that was killed come back one after the other. */
async function healthOnceOk(httpUrl: string): Promise<unknown> {
  let health: unknown;
  await vi.waitFor(async () => {
    health = await (await fetch(`${httpUrl}/healthz`)).json();
    expect(health).toMatchObject({ status: 'ok' });
  }, 20_000);
  return health;
}
