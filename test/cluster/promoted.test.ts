/**
 * A replica is promoted after its link was cut, of a Redis that waits for none (which nodes serve when they are told to): what it lacks is put
 * back from a node's copy, and where no node has one, whoever was told of it learns so. What was held by it is void, and its tokens are never given again.
 */
import { rmSync } from 'node:fs';
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Client, Lock, TaskView } from '../../src/client/node.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { untilAsked } from '../support/until.ts';
import { Fleet } from './fleet.ts';

const TYPE = 'work';
const PATH = 'the/lock';

let replica: RedisServer;
let looker: Redis;
/** From the replica to the primary, and from nodes to the one that is served. */
let link: TcpProxy;
let way: TcpProxy;
let fleet: Fleet;

beforeEach(async () => {
  const primary = await RedisServer.start();
  replica = await RedisServer.start();
  link = await TcpProxy.start(primary.port);
  way = await TcpProxy.start(primary.port);
  looker = primary.client();
  await replica.client().replicaof('127.0.0.1', String(link.port));
  await untilAsked(async () => (await looker.info('replication')).includes('state=online'), 'the replica to follow');
  fleet = await Fleet.start(1, { redis: primary, way, env: { MUSTER_ALLOW_UNSAFE_REDIS: 'true' } });
}, 180_000);
afterEach(async () => {
  await fleet.close();
  await way.close();
  await link.close();
  await replica.remove();
});

/** What the primary takes from here on the replica never has. */
async function cutLink(): Promise<void> {
  // On a connection of its own a WAIT waits for nothing: something has to be written behind what shall be there.
  await looker.set('muster-test:mark', '1');
  expect(await looker.call('WAIT', '1', '10000')).toBe(1);
  link.refuse = true;
  link.cut();
}

async function promote(): Promise<void> {
  await fleet.redis.end('SIGKILL');
  await replica.client().replicaof('NO', 'ONE');
  way.lead(replica.port);
  way.cut();
}

interface Run {
  readonly task: string;
  readonly token: string;
  readonly signal: AbortSignal;
}

/** An agent that begins, and ends when it is told to. */
class Worker {
  readonly runs: Run[] = [];
  readonly #ends: (() => void)[] = [];

  async start(): Promise<Client> {
    return await fleet.client(fleet.node(0).port, {
      name: 'worker',
      agent: { name: 'worker', capabilities: [TYPE], capacity: 4 },
      handlers: {
        [TYPE]: async ({ id: task }, { token, signal }) => {
          this.runs.push({ task, token, signal });
          await new Promise<void>((resolve) => this.#ends.push(resolve));
          return { token };
        },
      },
    });
  }

  async begun(task: TaskView): Promise<Run> {
    const run = (): Run | undefined => this.runs.find((one) => one.task === task.id);
    await untilAsked(() => Promise.resolve(run() !== undefined), 'the task to be begun');
    const found = run();
    if (found === undefined) throw new Error('it was found before');
    return found;
  }

  end(): void {
    for (const end of this.#ends.splice(0)) end();
  }
}

/** A lock that is held until it is lost or let go. */
class Holding {
  lock: Lock | undefined;
  readonly ended: Promise<string>;
  letGo: () => void = () => undefined;

  constructor(client: Client) {
    const rest = new Promise<void>((resolve) => (this.letGo = resolve));
    const work = async (lock: Lock): Promise<string> => {
      this.lock = lock;
      const lost = new Promise<string>((resolve) => {
        lock.signal.addEventListener('abort', () => resolve('lost'));
      });
      return await Promise.race([lost, rest.then(() => 'kept')]);
    };
    this.ended = client.lock.with(PATH, work).catch(() => 'lost');
  }

  async held(): Promise<Lock> {
    await untilAsked(() => Promise.resolve(this.lock !== undefined), 'the lock');
    if (this.lock === undefined) throw new Error('it was held before');
    return this.lock;
  }
}

const made = async (client: Client): Promise<TaskView> =>
  (await client.task.create({ type: TYPE, requirements: [TYPE] })).task;

describe('a replica is promoted after its link was cut', { timeout: 180_000 }, () => {
  it('and what no node has a copy of is lost: told exactly, its leases void, its tokens never given again', async () => {
    const { port, place } = fleet.node(0);
    const worker = new Worker();
    await worker.start();
    const client = await fleet.client(port);
    const told = new Promise<{ readonly reason: string; readonly kept: number | undefined }>((resolve) =>
      client.on('gap', (reason, kept) => resolve({ reason, kept })),
    );
    const kept = await made(client);
    const before = await worker.begun(kept);

    await cutLink();
    const lost = await made(client);
    const doomed = await worker.begun(lost);
    const holding = new Holding(client);
    const held = await holding.held();

    await place.server.stop('SIGKILL');
    rmSync(place.data, { recursive: true });
    await promote();
    await place.serve();

    const { reason, kept: upTo } = await told;
    expect(reason).toBe('epoch');
    expect(upTo).toBeGreaterThanOrEqual(kept.rev);
    expect(upTo).toBeLessThan(lost.rev);
    const { messages } = await client.topic.history({ topic: 'tenant.log' });
    expect(messages.map(({ d }) => d)).toMatchObject([{ after: upTo }]);
    await expect(client.task.get({ id: lost.id })).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
    expect(await holding.ended).toBe('lost');
    expect(held.held).toBe(false);
    await untilAsked(() => Promise.resolve(doomed.signal.aborted), 'the lost work to be stopped');

    const after = await made(client);
    const next = await worker.begun(after);
    const again = new Holding(client);
    const newer = await again.held();
    const tokens = [...worker.runs.map(({ token }) => token), held.token, newer.token];
    expect(new Set(tokens).size).toBe(tokens.length);
    const newest = [before.token, doomed.token, held.token].map(BigInt).reduce((a, b) => (a > b ? a : b));
    expect(BigInt(next.token)).toBeGreaterThan(newest);
    expect(BigInt(newer.token)).toBeGreaterThan(newest);

    again.letGo();
    expect(await again.ended).toBe('kept');
    const ends = setInterval(() => worker.end(), 50);
    for (const { id } of [kept, after])
      expect(await client.task.wait(id, { timeoutMs: 60_000 })).toMatchObject({ status: 'completed' });
    clearInterval(ends);
    const all = (await client.task.list({})).tasks.map(({ id }) => id).toSorted();
    expect(all).toEqual([kept.id, after.id].toSorted());
  });

  it('and what a node has a copy of is put back: nobody notices, and what was held still is', async () => {
    const node = fleet.node(0);
    const worker = new Worker();
    await worker.start();
    const client = await fleet.client(node.port);
    const gaps: string[] = [];
    client.on('gap', (reason) => gaps.push(reason));

    await cutLink();
    const task = await made(client);
    const { signal } = await worker.begun(task);
    const holding = new Holding(client);
    const { token } = await holding.held();
    await promote();

    expect((await made(client)).rev).toBeGreaterThan(task.rev);
    expect(await node.figure('muster_redis_repaired_entries_total')).toBeGreaterThan(0);
    expect([holding.lock?.held, holding.lock?.token, signal.aborted]).toEqual([true, token, false]);
    holding.letGo();
    expect(await holding.ended).toBe('kept');
    worker.end();
    expect(await client.task.wait(task.id, { timeoutMs: 60_000 })).toMatchObject({ status: 'completed', attempt: 1 });
    expect(gaps).toEqual([]);
  });
});
