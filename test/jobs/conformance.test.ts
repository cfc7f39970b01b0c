/** What every queue of background jobs does, in the process or in Redis; and what the one in Redis does beside. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { BullJobs } from '../../src/jobs/bullmq.ts';
import { EmbeddedJobs, type JobQueue, type JobRun } from '../../src/jobs/index.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

const PREFIX = 'muster:{jobs}';
const parts = { scheduler: systemScheduler, entropy: (size: number) => randomBytes(size) };

class Probe {
  readonly runs: JobRun[] = [];
  began = 0;
  open = 0;
  most = 0;
  /** Ends the runs that have begun; undefined: they end at once. */
  held: ((error?: Error) => void)[] | undefined;
  fail: Error | undefined;

  readonly handler = (done: (error?: Error) => void): void => {
    this.began += 1;
    this.open += 1;
    this.most = Math.max(this.most, this.open);
    const end = (error?: Error): void => {
      this.open -= 1;
      done(error);
    };
    if (this.held === undefined) end(this.fail);
    else this.held.push(end);
  };

  readonly onRun = (run: JobRun): void => void this.runs.push(run);
}

let redis: RedisServer;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  redis = await RedisServer.start();
});

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await redis.remove();
});

function started<Q extends JobQueue>(queue: Q, probe: Probe, everyMs?: number): Q {
  queue.handle('checkpoint', probe.handler);
  if (everyMs !== undefined) queue.repeat('checkpoint', everyMs);
  queue.start();
  stops.push(() => stopped(queue));
  return queue;
}

function stopped(queue: JobQueue): Promise<void> {
  return new Promise((done) => {
    queue.stop(done);
  });
}

function bull(probe: Probe, options: { readonly everyMs?: number; readonly reconcileMs?: number } = {}): BullJobs {
  const connect = (): Redis =>
    new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 50, disconnectTimeout: 100 });
  const { everyMs, reconcileMs = 200 } = options;
  const queue = new BullJobs({
    ...parts,
    connect,
    prefix: PREFIX,
    shared: ['checkpoint'],
    onRun: probe.onRun,
    reconcileMs,
  });
  return started(queue, probe, everyMs);
}

const kinds = {
  embedded: (probe: Probe, everyMs?: number): JobQueue =>
    started(new EmbeddedJobs({ ...parts, onRun: probe.onRun }), probe, everyMs),
  BullMQ: (probe: Probe, everyMs?: number): JobQueue => bull(probe, everyMs === undefined ? {} : { everyMs }),
};

describe.each(Object.entries(kinds))('a queue, %s', (_, make) => {
  it('runs a repeated job again and again, also after runs that failed', async () => {
    const probe = new Probe();
    probe.fail = new Error('this run failed');
    make(probe, 50);
    await until(() => probe.runs.length >= 3);
    expect(probe.runs.every(({ error }) => error?.message === 'this run failed')).toBe(true);
    probe.fail = undefined;
    await until(() => probe.runs.at(-1)?.error === undefined);
  });

  it('never runs a name twice at a time; asked during a run it makes one more', async () => {
    const probe = new Probe();
    const held: ((error?: Error) => void)[] = [];
    probe.held = held;
    const queue = make(probe);
    queue.trigger('checkpoint');
    await until(() => probe.began === 1);
    queue.trigger('checkpoint');
    queue.trigger('checkpoint');
    held.shift()?.();
    await until(() => probe.began === 2);
    held.shift()?.();
    await until(() => probe.runs.length === 2);
    expect(probe.most).toBe(1);
  });

  it('begins nothing after stop, which waits for the run that is on', async () => {
    const probe = new Probe();
    const held: ((error?: Error) => void)[] = [];
    probe.held = held;
    const queue = make(probe, 50);
    await until(() => probe.began === 1);
    let ended = false;
    const stopping = stopped(queue).then(() => (ended = true));
    queue.trigger('checkpoint');
    expect(ended).toBe(false);
    held.shift()?.();
    await stopping;
    expect([probe.began, probe.runs.length]).toEqual([1, 1]);
  });
});

describe('the queue in Redis', () => {
  it('is worked on by several processes, one run at a time, and goes on when one of them stops', async () => {
    const probe = new Probe();
    const first = bull(probe, { everyMs: 50 });
    const second = bull(probe, { everyMs: 50 });
    await until(() => first.status().connected && second.status().connected);
    await until(() => probe.runs.length >= 6);
    await stopped(first);
    const runs = probe.runs.length;
    await until(() => probe.runs.length >= runs + 3);
    expect(second.status().connected).toBe(true);
  });

  it('tells what is in Redis, and which runs failed there, whichever process made them', async () => {
    const probe = new Probe();
    probe.fail = new Error('this run failed');
    const first = bull(probe, { everyMs: 50 });
    const second = bull(probe, { everyMs: 50 });
    const of = (queue: BullJobs) => queue.status().jobs[0];
    await until(() => (of(first)?.failures.length ?? 0) > 1 && (of(second)?.failures.length ?? 0) > 1);
    for (const queue of [first, second]) {
      expect(queue.status()).toMatchObject({ scheduler: 'bullmq' });
      expect(of(queue)).toMatchObject({ name: 'checkpoint', everyMs: 50, shared: true });
      const failures = of(queue)?.failures ?? [];
      expect(failures.every(({ message }) => message === 'this run failed')).toBe(true);
      expect(failures.map(({ at }) => at)).toEqual(failures.map(({ at }) => at).toSorted((a, b) => b - a));
      expect(of(queue)?.queue?.failed).toBeGreaterThan(1);
    }
  });

  it('is made again after every key was deleted', async () => {
    const probe = new Probe();
    bull(probe, { everyMs: 50 });
    await until(() => probe.runs.length >= 2);
    const client = redis.client();
    for (let times = 0; times < 3; times += 1) {
      await client.flushdb();
      const runs = probe.runs.length;
      await until(() => probe.runs.length >= runs + 2);
    }
    expect((await client.keys('*')).filter((key) => !key.startsWith(`${PREFIX}:`))).toEqual([]);
  });

  it('runs by the clock of the process while Redis is away, says so, and takes it up again', async () => {
    const probe = new Probe();
    const queue = bull(probe, { everyMs: 50 });
    await until(() => queue.status().connected);
    await redis.end('SIGKILL');
    await until(() => !queue.status().connected);
    const runs = probe.runs.length;
    await until(() => probe.runs.length >= runs + 3);
    queue.trigger('checkpoint');
    await redis.restart();
    await until(() => queue.status().connected);
    const after = probe.runs.length;
    await until(() => probe.runs.length >= after + 3);
  });

  it.each(['bears the lock of this process', 'has no lock', 'has no data'])(
    'puts a run back that nobody makes and that %s',
    async (how) => {
      const probe = new Probe();
      const bullJobs = bull(probe, { everyMs: 50 });
      await until(() => bullJobs.status().connected);
      const held: ((error?: Error) => void)[] = [];
      probe.held = held;
      const client = redis.client();
      const queue = `${PREFIX}:checkpoint`;
      const active = (): Promise<string[]> => client.lrange(`${queue}:active`, 0, -1);
      await vi.waitFor(async () => expect([probe.open, await active()]).toEqual([1, [expect.any(String)]]), 10_000);
      const [id = ''] = await active();
      const token = (await client.get(`${queue}:${id}:lock`)) ?? '';
      const worker = token.slice(0, token.indexOf(':'));
      expect(worker).not.toBe('');
      // As a script leaves it whose reply was lost. Its lock lives longer than this test.
      const left = client.multi().lpush(`${queue}:active`, 'left');
      if (how !== 'has no data')
        left.hset(`${queue}:left`, { name: 'checkpoint', data: '{}', opts: '{}', timestamp: '1' });
      if (how !== 'has no lock') left.set(`${queue}:left:lock`, `${worker}:99`, 'PX', 3_600_000);
      await left.exec();
      probe.held = undefined;
      for (const end of held.splice(0)) end();
      await vi.waitFor(async () => expect(await active()).not.toContain('left'), 20_000);
      const runs = probe.runs.length;
      await until(() => probe.runs.length >= runs + 2);
      expect(probe.most).toBe(1);
    },
  );

  it('stops although Redis is away', async () => {
    const probe = new Probe();
    const queue = bull(probe, { everyMs: 50 });
    await until(() => queue.status().connected);
    await redis.end('SIGKILL');
    await until(() => !queue.status().connected);
    await stopped(queue);
    const { began } = probe;
    queue.trigger('checkpoint');
    expect(probe.began).toBe(began);
  });
});
