/** Nodes on one Redis, each with a store on its disk: the log is trimmed, and one that comes later has what was before all the same. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { valueHash } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Method, Value } from '../../protocol/wire/types.ts';
import { authorise, createAuthenticator, mintKey } from '../../src/access/index.ts';
import { must } from '../../src/base/assert.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { ENGINE_VERSION } from '../../src/engine/port.ts';
import { openRedisLog, parseRedisUrl } from '../../src/log/redis/index.ts';
import { RETENTION } from '../../src/housekeeping.ts';
import type { CheckpointDone } from '../../src/node/checkpoint.ts';
import { Node } from '../../src/node/node.ts';
import type { MintedKey } from '../../src/node/requests.ts';
import { giveStore, openStore } from '../../src/open-store.ts';
import { compileRule } from '../../src/rules/index.ts';
import { Client, keepNoFinished } from '../support/node-rig.ts';
import { RedisServer } from '../support/redis-server.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const entropy = (size: number): Uint8Array => new Uint8Array(randomBytes(size));
const fatal = (error: Error): never => {
  throw error;
};

let redis: RedisServer;
let restore: () => void = () => undefined;
const { auditMs } = LIMITS;
beforeAll(async () => {
  restore = keepNoFinished();
  Object.assign(LIMITS, { auditMs: 500 });
  redis = await RedisServer.start();
});
afterAll(async () => {
  restore();
  Object.assign(LIMITS, { auditMs });
  await redis.remove();
});

const key: MintedKey = mintKey('default', entropy);

/** A server without its door. */
class Place {
  readonly dir = mkdtempSync(join(tmpdir(), 'muster-place-'));
  readonly told: string[] = [];
  readonly begun: string[] = [];
  readonly client = new Client();
  #node: Node | undefined;
  #stop: () => Promise<void> = () => Promise.resolve();

  get node(): Node {
    return must(this.#node, 'a node that was started');
  }

  async start(name: string): Promise<this> {
    const { dir } = this;
    const scheduler = systemScheduler;
    const address = parseRedisUrl(redis.url);
    const log = await openRedisLog({
      address,
      dir: join(dir, 'tail'),
      scheduler,
      node: name,
      shared: true,
      engine: ENGINE_VERSION,
      onFatal: fatal,
    });
    const { relay } = log;
    const options = { dir, scheduler, ...RETENTION, onFatal: fatal };
    const store = await openStore({ store: options, relay, told: (what) => this.told.push(what) });
    const node: Node = new Node({
      nodeId: name,
      version: 'test',
      log,
      store,
      scheduler,
      entropy,
      sha256,
      access: { authorise, mintKey: (tenant) => mintKey(tenant, entropy), compileRule },
      authenticate: createAuthenticator({
        keys: { find: (tenant, keyId) => node.findKey(tenant, keyId) },
        now: () => scheduler.now(),
      }),
      events: { storeBegins: (tenant, seq) => this.begun.push(`${tenant} ${seq}`) },
    });
    this.#node = node;
    await new Promise<void>((resolve, reject) =>
      node.start(
        (system) => (system.tenant.engine.state.apiKeys.size > 0 ? undefined : key),
        (fault) => (fault === undefined ? resolve() : reject(fault)),
      ),
    );
    const endGiving = giveStore(dir, store, must(relay, 'nodes that share a log hand stores to each other'));
    this.#stop = async () => {
      endGiving();
      await new Promise<void>((resolve) => node.stop(resolve));
      await new Promise<void>((resolve) => store.close(resolve));
      await new Promise<void>((resolve) => log.close(resolve));
      rmSync(dir, { recursive: true, force: true });
    };
    await this.#hello();
    return this;
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  async #hello(): Promise<void> {
    const principal = this.node.authenticate(key.key);
    if (principal === undefined || principal === 'unavailable') throw new Error('the key is not known');
    const body = { v: [1, 0, 0], client: { name: 'test', version: '1' }, auth: { token: 'x' } } as const;
    await new Promise<void>((resolve) => {
      this.node.hello({ principal, body, delivery: this.client }, (outcome) => {
        this.client.outcome = outcome;
        resolve();
      });
    });
  }

  async ask(method: Method, params: Value): Promise<unknown> {
    const { client } = this;
    const hash = valueHash([method, params]);
    return await new Promise((resolve) => {
      client.attached.request({ id: client.id, method, params, hash }, (reply) =>
        resolve(reply.ok ? reply.result : reply.rejection),
      );
    });
  }

  /** Tasks that have ended; the id of the last. */
  async work(count: number): Promise<string> {
    let last = '';
    for (let at = 0; at < count; at += 1) {
      const { task } = (await this.ask('task.create', { type: 'work' })) as { readonly task: { readonly id: string } };
      last = task.id;
      await this.ask('task.cancel', { id: last });
    }
    return last;
  }

  checkpoint(): Promise<Parameters<CheckpointDone>[0]> {
    return new Promise((resolve) => must(this.node.serving('default'), 'a tenant').checkpoint(resolve));
  }
}

it(
  'the log is trimmed behind what all nodes have, and a node that comes later has all of it',
  { timeout: 500_000 },
  async () => {
    const meta = redis.client();
    const base = async (): Promise<number> => Number(await meta.hget('muster:{default}:meta', 'baseSeq'));
    const places: Place[] = [];
    const place = async (name: string): Promise<Place> => {
      const made = new Place();
      places.push(made);
      return await made.start(name);
    };
    try {
      const [first, second] = [await place('n_first'), await place('n_second')];
      const old = await first.work(10);
      // Made by one and confirmed by the other, which says with its beat what it has.
      while ((await base()) === 0) {
        await second.work(3);
        await first.checkpoint();
      }
      const trimmed = await base();
      expect(trimmed).toBeGreaterThan(20);
      expect(await meta.xlen('muster:{default}:log')).toBe(
        Number(await meta.hget('muster:{default}:meta', 'seq')) - trimmed,
      );

      const third = await place('n_third');
      expect(third.told).toEqual([
        expect.stringMatching(/default ends before the log begins: another node's store is asked for$/),
        expect.stringMatching(/^the store of another node was taken, \d+ bytes$/),
      ]);
      expect(third.begun).toEqual([]);
      expect(await third.ask('task.get', { id: old })).toMatchObject({ task: { id: old, status: 'cancelled' } });
      const newest = await third.work(1);
      // What it says itself comes later in the log.
      await first.work(1);
      expect(await first.ask('task.get', { id: newest })).toMatchObject({ task: { status: 'cancelled' } });
    } finally {
      for (const made of places) await made.stop();
    }
  },
);
