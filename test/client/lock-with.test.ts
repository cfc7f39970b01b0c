/** `client.lock.with` against a whole server in memory, whose clock the tests move. */
import { afterEach, describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import type { Client } from '../../src/client/client.ts';
import { MusterError } from '../../src/client/errors.ts';
import type { Lock } from '../../src/client/lock-methods.ts';
import { testServer, type Muster } from '../../src/testing/index.ts';
import { seeded } from './peer.ts';

const open: Muster[] = [];
afterEach(async () => {
  for (const muster of open.splice(0)) await muster.close();
});

async function started(): Promise<Muster> {
  const muster = await testServer({ seed: 7 });
  open.push(muster);
  return muster;
}

/** Work that goes on until the test ends it. */
class Work {
  readonly done: Promise<string>;
  lock: Lock | undefined;
  end: () => void = () => undefined;
  outcome = 'waits';

  constructor(begin: (work: (lock: Lock) => Promise<string>) => Promise<string>) {
    const ended = new Promise<void>((resolve) => {
      this.end = resolve;
    });
    this.done = begin(async (lock) => {
      this.lock = lock;
      this.outcome = 'works';
      await ended;
      return 'value';
    });
    this.done.then(
      (value) => (this.outcome = value),
      (error: unknown) => (this.outcome = error instanceof MusterError ? reasonOf(error) : String(error)),
    );
  }

  get held(): Lock {
    return must(this.lock, 'the work has begun');
  }
}

function reasonOf({ code, details }: MusterError): string {
  if (typeof details !== 'object' || details === null || !('reason' in details)) return code;
  return `${code} ${String(details['reason'])}`;
}

const under = (client: Client, path: string, options: Parameters<Client['lock']['with']>[1] = {}): Work =>
  new Work((work) => client.lock.with(path, typeof options === 'function' ? {} : options, work));

const isLocked = async (client: Client, path: string): Promise<boolean> => (await client.lock.get({ path })).locked;

describe('work under a lock', () => {
  it('has its token, and the lock is free when it is done', async () => {
    const muster = await started();
    const client = await muster.connect();
    const [token, valid] = await client.lock.with('deploy', async (lock) => {
      expect([lock.path, lock.mode, lock.held, lock.jeopardy, lock.signal.aborted]).toEqual([
        'deploy',
        'exclusive',
        true,
        false,
        false,
      ]);
      return [lock.token, (await client.lock.validate({ id: lock.id, token: lock.token })).valid] as const;
    });
    expect(Number(token)).toBeGreaterThan(0);
    expect(valid).toBe(true);
    expect(await isLocked(client, 'deploy')).toBe(false);
  });

  it('has it released when it throws, with what it threw', async () => {
    const muster = await started();
    const client = await muster.connect();
    const fault = new Error('broken');
    const thrown = client.lock.with('deploy', () => {
      throw fault;
    });
    await expect(thrown).rejects.toBe(fault);
    expect(await isLocked(client, 'deploy')).toBe(false);
  });

  it('runs for one client after the other, in the order in which they came, under rising tokens', async () => {
    const muster = await started();
    const clients = [await muster.connect(), await muster.connect(), await muster.connect()];
    const order: [number, string][] = [];
    const works = clients.map((client, n) =>
      client.lock.with('deploy', (lock) => {
        order.push([n, lock.token]);
      }),
    );
    await Promise.all(works);
    expect(order.map(([n]) => n)).toEqual([0, 1, 2]);
    const tokens = order.map(([, token]) => Number(token));
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(new Set(tokens).size).toBe(3);
  });

  it('is refused at once, with who has it, when it is not to wait', async () => {
    const muster = await started();
    const [one, two] = [await muster.connect(), await muster.connect()];
    const held = under(one, 'deploy');
    await muster.settle();
    await expect(two.lock.with('deploy', { waitMs: 0 }, () => 0)).rejects.toMatchObject({
      code: 'BUSY',
      details: { path: 'deploy', holder: { mode: 'exclusive' } },
    });
    held.end();
    expect(await held.done).toBe('value');
  });

  it('waits no longer than it wants to', async () => {
    const muster = await started();
    const [one, two] = [await muster.connect(), await muster.connect()];
    const held = under(one, 'deploy');
    await muster.settle();
    const waits = under(two, 'deploy', { waitMs: 5_000 });
    await muster.advance(5_000);
    expect(waits.outcome).toBe('WAIT_TIMEOUT');
    expect((await one.lock.get({ path: 'deploy' })).queueLength).toBe(0);
    held.end();
  });

  it('is shared by readers, and on several paths had at once or not at all', async () => {
    const muster = await started();
    const [one, two] = [await muster.connect(), await muster.connect()];
    const readers = [under(one, 'a', { mode: 'shared' }), under(two, 'a', { mode: 'shared' })];
    await muster.settle();
    expect(readers.map(({ outcome }) => outcome)).toEqual(['works', 'works']);
    const both = two.lock.with([{ path: 'a' }, { path: 'b', mode: 'shared' }], { waitMs: 0 }, () => 0);
    await expect(both).rejects.toMatchObject({ code: 'BUSY' });
    expect(await isLocked(one, 'b')).toBe(false);
    for (const reader of readers) reader.end();
    await muster.settle();
    const members = await two.lock.with([{ path: 'a' }, { path: 'b', mode: 'shared' }], (lock) => lock.members);
    expect(members).toEqual([
      { path: 'a', mode: 'exclusive' },
      { path: 'b', mode: 'shared' },
    ]);
    expect(await isLocked(one, 'b')).toBe(false);
  });

  it('is entered again by the same client, also in a stronger mode', async () => {
    const muster = await started();
    const [client, other] = [await muster.connect(), await muster.connect()];
    const tokens = await client.lock.with('a', { mode: 'shared' }, (outer) =>
      client.lock.with('a', { mode: 'shared' }, (again) =>
        client.lock.with('a', (inner) => [outer.token, again.token, inner.token, inner.mode]),
      ),
    );
    expect(tokens.slice(0, 3)).toEqual([tokens[2], tokens[2], tokens[2]]);
    expect(tokens[3]).toBe('exclusive');
    expect(await isLocked(other, 'a')).toBe(false);
  });

  it.each([
    ['', {}],
    ['waitMs', { waitMs: 700_000 }],
    ['graceMs', { graceMs: 0 }],
  ])('is refused with faulty options: %s', async (word, options) => {
    const muster = await started();
    const client = await muster.connect();
    const refused = client.lock.with(word === '' ? '' : 'a', options, () => 0);
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_OPTIONS', message: expect.stringContaining(word) });
    await expect(client.lock.with('no such path!', () => 0)).rejects.toMatchObject({ code: 'INVALID_PARAMS' });
  });
});

describe('giving up', () => {
  it('while it waits leaves nothing behind, also when it is granted in the same moment', async () => {
    const muster = await started();
    const [one, two] = [await muster.connect(), await muster.connect()];
    const held = under(one, 'deploy');
    await muster.settle();
    const stop = new AbortController();
    const waits = under(two, 'deploy', { signal: stop.signal });
    await muster.settle();
    held.end();
    stop.abort();
    await muster.settle();
    expect(waits.outcome).toBe('REQUEST_ABORTED');
    expect(await isLocked(one, 'deploy')).toBe(false);
    expect((await one.lock.get({ path: 'deploy' })).queueLength).toBe(0);
  });

  it('before it is answered leaves nothing behind', async () => {
    const muster = await started();
    const client = await muster.connect();
    const stop = new AbortController();
    const waits = under(client, 'deploy', { signal: stop.signal });
    stop.abort();
    await muster.settle();
    expect(waits.outcome).toBe('REQUEST_ABORTED');
    expect(await isLocked(client, 'deploy')).toBe(false);
    const late = under(client, 'deploy', { signal: stop.signal });
    await muster.settle();
    expect(late.outcome).toBe('REQUEST_ABORTED');
  });

  it('happens by closing: the lock is free at once', async () => {
    const muster = await started();
    const [one, two] = [await muster.connect(), await muster.connect()];
    const held = under(one, 'deploy');
    await muster.settle();
    const closing = one.close();
    expect(held.held.signal.aborted).toBe(true);
    held.end();
    await closing;
    expect(held.outcome).toBe('value');
    expect(await two.lock.with('deploy', { waitMs: 0 }, () => 'free')).toBe('free');
  });

  it('by closing does not wait for ever for work that does not end', async () => {
    const muster = await started();
    const [one, two] = [await muster.connect(), await muster.connect()];
    const held = under(one, 'deploy');
    await muster.settle();
    const closing = one.close();
    await muster.advance(5_000);
    await closing;
    expect(await two.lock.with('deploy', { waitMs: 0 }, () => 'free')).toBe('free');
    held.end();
    await muster.settle();
    expect(held.outcome).toBe('LOCK_LOST closed');
  });
});

describe('losing', () => {
  it('a connection is jeopardy, which ends when the session is resumed in time', async () => {
    const muster = await started();
    const client = await muster.connect();
    const work = under(client, 'deploy');
    await muster.settle();
    const heard: boolean[] = [];
    work.held.onJeopardy((is) => heard.push(is));
    const { token } = work.held;
    await muster.dropSockets();
    expect([work.held.jeopardy, work.held.held, work.held.signal.aborted]).toEqual([true, true, false]);
    await muster.advance(5_000);
    expect([work.held.jeopardy, work.held.held, work.held.token]).toEqual([false, true, token]);
    expect(heard).toEqual([true, false]);
    await muster.advance(60_000);
    work.end();
    await muster.settle();
    expect(work.outcome).toBe('value');
  });

  it('the server for a moment loses nothing', async () => {
    const muster = await started();
    const client = await muster.connect();
    const work = under(client, 'deploy');
    const leased = under(client, 'leased', { ttlMs: 20_000 });
    await muster.settle();
    await muster.restart();
    await muster.advance(5_000);
    expect([work.held.held, leased.held.held]).toEqual([true, true]);
    await muster.advance(120_000);
    work.end();
    leased.end();
    await muster.settle();
    expect([work.outcome, leased.outcome]).toEqual(['value', 'value']);
    expect(await isLocked(client, 'deploy')).toBe(false);
  });

  it('a release with its connection does not lose the release', async () => {
    const muster = await started();
    const [one, two] = [await muster.connect(), await muster.connect()];
    const work = under(one, 'deploy');
    await muster.settle();
    await muster.dropSockets(one);
    work.end();
    await muster.settle();
    expect(work.outcome).toBe('value');
    expect(await isLocked(two, 'deploy')).toBe(true);
    await muster.advance(5_000);
    expect(await isLocked(two, 'deploy')).toBe(false);
  });

  it('the lock by force aborts the work, and is told', async () => {
    const muster = await started();
    const [one, two] = [await muster.connect(), await muster.connect()];
    const work = under(one, 'deploy');
    await muster.settle();
    await two.lock.forceUnlock({ path: 'deploy', reason: 'stuck' });
    await muster.settle();
    const { signal } = work.held;
    expect(signal.reason).toMatchObject({ code: 'LOCK_LOST', details: { reason: 'forced', message: 'stuck' } });
    expect([work.held.held, work.held.validUntil]).toEqual([false, -Infinity]);
    work.end();
    await muster.settle();
    expect(work.outcome).toBe('LOCK_LOST forced');
  });

  it('the lock by an administrator who asks first is told before', async () => {
    const muster = await started();
    const [one, two] = [await muster.connect(), await muster.connect()];
    const work = under(one, 'deploy');
    await muster.settle();
    const asked: unknown[] = [];
    work.held.onRevoke((request) => asked.push(request));
    await two.lock.forceUnlock({ path: 'deploy', reason: 'please', graceMs: 3_000 });
    await muster.settle();
    expect(asked).toMatchObject([{ message: 'please', graceMs: 3_000 }]);
    await muster.advance(3_000);
    expect(work.held.signal.aborted).toBe(true);
    work.end();
    await muster.settle();
    expect(work.outcome).toBe('LOCK_LOST forced');
  });

  it('progress loses the lock; showing it does not', async () => {
    const muster = await started();
    const client = await muster.connect();
    const work = under(client, 'deploy', { progressTimeoutMs: 10_000 });
    await muster.settle();
    await muster.advance(8_000);
    await work.held.extend();
    await muster.advance(8_000);
    expect(work.held.held).toBe(true);
    await muster.advance(3_000);
    expect(work.held.held).toBe(false);
    work.end();
    await muster.settle();
    expect(work.outcome).toMatch(/^LOCK_LOST/);
    await muster.advance(5_000);
    expect(await isLocked(client, 'deploy')).toBe(false);
  });

  it('as an agent the lock is the agent’s', async () => {
    const muster = await started();
    const agent = await muster.connect({ agent: { name: 'a', capabilities: ['x'] } });
    const owner = await agent.lock.with('deploy', { scope: 'agent' }, async () => {
      const { holders } = await agent.lock.get({ path: 'deploy' });
      return holders[0]?.owner;
    });
    expect(owner).toBe(agent.agentId);
  });
});

/** Numbers below `max`, the same for the same seed. */
function dice(seed: number): (max: number) => number {
  const bytes = seeded(seed);
  return (max) => {
    const [a = 0, b = 0] = bytes(2);
    return ((a << 8) | b) % max;
  };
}

const PATHS = ['doc', 'doc/1', 'doc/2'];
const TERMS = [{}, { graceMs: 2_000 }, { ttlMs: 3_000 }, { ttlMs: 2_000, autoRefresh: true }];

it.each([1, 2, 3, 4])('never two clients believe that they hold it, whatever happens (seed %i)', async (seed) => {
  const muster = await started();
  const roll = dice(seed);
  const clients = await Promise.all(Array.from({ length: 5 }, () => muster.connect()));
  const inside = new Map<Lock, string>();
  let worked = 0;
  let rests: (() => void)[] = [];
  const rest = (): Promise<void> => new Promise((resolve) => rests.push(resolve));
  let going = true;
  const loop = async (client: Client): Promise<void> => {
    while (going) {
      const path = PATHS[roll(PATHS.length)] ?? 'doc';
      const stop = new AbortController();
      if (roll(4) === 0) void rest().then(() => stop.abort());
      const options = { ...TERMS[roll(TERMS.length)], waitMs: roll(3) * 5_000, signal: stop.signal };
      try {
        await client.lock.with(path, options, async (lock) => {
          inside.set(lock, path);
          worked += 1;
          for (let n = roll(6); n > 0 && !lock.signal.aborted; n -= 1) await rest();
          inside.delete(lock);
        });
      } catch (error) {
        expect(['BUSY', 'WAIT_TIMEOUT', 'REQUEST_ABORTED', 'LOCK_LOST', 'DEADLOCK']).toContain(
          error instanceof MusterError ? error.code : error,
        );
      }
      await rest();
    }
  };
  const loops = clients.map(loop);
  const overlaps = (a: string, b: string): boolean => a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
  const exiles = new Map<Client, number>();
  for (let step = 0; step < 400; step += 1) {
    const fault = roll(25);
    const client = clients[roll(clients.length)];
    // For a moment, or for so long that others get what it held.
    if (fault === 0) exiles.set(must(client, 'one of them'), roll(30));
    for (const [exile, left] of exiles) {
      await muster.dropSockets(exile);
      if (left === 0) exiles.delete(exile);
      else exiles.set(exile, left - 1);
    }
    if (fault === 1) await muster.restart();
    if (fault === 2) await muster.advance(10_000);
    await muster.advance(roll(400));
    const held = [...inside].filter(([lock]) => lock.held);
    for (const [i, [, path]] of held.entries())
      for (const [, other] of held.slice(i + 1)) expect(overlaps(path, other), `${path} and ${other}`).toBe(false);
    const due = rests;
    rests = [];
    for (const go of due)
      if (roll(2) === 0) go();
      else rests.push(go);
  }
  going = false;
  let ended = false;
  void Promise.all(loops).then(() => (ended = true));
  for (let step = 0; step < 300 && !ended; step += 1) {
    for (const go of rests.splice(0)) go();
    await muster.advance(500);
  }
  expect(ended).toBe(true);
  expect(worked).toBeGreaterThan(50);
  // Nothing is left behind, not even by those who gave up.
  await muster.advance(30_000);
  const [client] = clients;
  expect((await must(client, 'there are five').lock.list({})).locks).toEqual([]);
  expect((await must(client, 'there are five').lock.graph({})).waits).toEqual([]);
});
