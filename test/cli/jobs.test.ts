/** Background jobs of a real server: what is told of them, and that nothing depends on them. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JobsView } from '../../protocol/wire/jobs.ts';
import { RedisServer } from '../support/redis-server.ts';
import { Place } from './processes.ts';

let place: Place;
let redis: RedisServer;
let logs: RedisServer | undefined;

beforeEach(async () => {
  place = new Place();
  redis = await RedisServer.start();
  vi.stubEnv('MUSTER_JOBS_REDIS', redis.url);
});

afterEach(async () => {
  await place.close();
  vi.unstubAllEnvs();
  await redis.remove();
  await logs?.remove();
  logs = undefined;
});

describe('background jobs', { timeout: 90_000 }, () => {
  it('are told by muster jobs and by /admin/jobs', async () => {
    vi.stubEnv('MUSTER_JOBS_REDIS', undefined);
    const { httpUrl } = await place.serve();
    const told = await place.json<JobsView>('jobs');
    expect(told).toMatchObject({ scheduler: 'embedded', connected: true });
    expect(told.jobs).toContainEqual(
      expect.objectContaining({ name: 'checkpoint', everyMs: 5_000, shared: false, failures: [] }),
    );
    const headers = { authorization: `Bearer ${place.read('data/admin.key').trim()}` };
    const page: unknown = await (await fetch(`${String(httpUrl)}/admin/jobs`, { headers })).json();
    expect(page).toMatchObject({ scheduler: 'embedded', jobs: told.jobs.map(({ name }) => ({ name })) });
    const { code, out } = await place.runQuickly('jobs');
    expect([code, out]).toEqual([0, expect.stringMatching(/^NAME +EVERY +WHERE[^\n]*\ncheckpoint +5 s +this node/)]);
  });

  it('can be deleted, all of them, again and again: work is done as it would be, and they are made again', async () => {
    logs = await RedisServer.start();
    vi.stubEnv('MUSTER_REDIS', logs.url);
    await place.serve();
    const worker = place.start('agent', '--name', 'worker', '--capability', 'work', '--json', '--', 'cat');
    await worker.event('online');
    const client = await place.client();
    const ids: string[] = [];
    for (let at = 0; at < 12; at += 1) {
      // At once, after a while, and what is there when the server is killed.
      ids.push((await client.task.create({ type: 'work', delayMs: at % 3 === 0 ? 300 : 0 })).task.id);
      await redis.client().flushall();
      if (at === 8) {
        await place.server.stop('SIGKILL');
        await place.serve();
      }
    }
    for (const id of ids) {
      const task = await client.task.wait(id, { timeoutMs: 60_000 });
      expect([task.status, task.error]).toEqual(['completed', undefined]);
    }
    await redis.client().flushall();
    await vi.waitFor(async () => {
      expect(await redis.client().exists('muster:{jobs}:checkpoint:repeat:checkpoint')).toBe(1);
    }, 60_000);
    const told = await client.job.list();
    expect(told).toMatchObject({ scheduler: 'bullmq', connected: true });
    expect(told.jobs.map(({ name, shared }) => [name, shared])).toContainEqual(['checkpoint', true]);
  });
});
