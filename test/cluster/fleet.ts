/** Several nodes on one Redis, as processes, each with a proxy before it that can lead its clients elsewhere. */
import type { Redis } from 'ioredis';
import { connect, type Client, type NodeClientOptions } from '../../src/client/node.ts';
import { Place } from '../cli/processes.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

export class ClusterNode {
  readonly place: Place;
  /** The name of the process that serves now. */
  id = '';
  httpUrl = '';
  #proxy: TcpProxy | undefined;

  constructor(redis: { readonly url: string }, more: Readonly<Record<string, string>> = {}) {
    this.place = new Place({ MUSTER_REDIS: redis.url, MUSTER_SHARED: 'true', ...more });
  }

  async serve(): Promise<void> {
    this.httpUrl = String((await this.place.serve())['httpUrl']);
    const health = (await (await fetch(`${this.httpUrl}/healthz`)).json()) as { readonly node: string };
    this.id = health.node;
    this.#proxy ??= await TcpProxy.start(this.port);
  }

  get port(): number {
    return Number(new URL(this.place.url).port);
  }

  /** Where clients connect that shall find another node when this one is gone. */
  get proxy(): TcpProxy {
    if (this.#proxy === undefined) throw new Error('the node was not started');
    return this.#proxy;
  }

  async figure(name: string, label = ''): Promise<number> {
    const text = await (await fetch(`${this.httpUrl}/metrics`)).text();
    return Number(new RegExp(`^${name}${label === '' ? '' : `\\{${label}\\}`} (.+)$`, 'm').exec(text)?.[1]);
  }

  async close(): Promise<void> {
    await this.#proxy?.close();
    await this.place.close();
  }
}

/** A Redis, how nodes reach it, and variables of their environment. */
interface GivenRedis {
  readonly redis: RedisServer;
  readonly way: { readonly url: string };
  readonly env?: Readonly<Record<string, string>>;
}

export class Fleet {
  readonly redis: RedisServer;
  readonly nodes: readonly ClusterNode[];
  readonly #clients: Client[] = [];
  readonly #meta: Redis;
  key = '';

  private constructor(redis: RedisServer, nodes: readonly ClusterNode[]) {
    this.redis = redis;
    this.nodes = nodes;
    this.#meta = redis.client();
  }

  /** The first node makes the administrator's key; the others find it in the log. */
  static async start(count: number, given?: GivenRedis): Promise<Fleet> {
    const redis = given?.redis ?? (await RedisServer.start());
    const nodes = Array.from({ length: count }, () => new ClusterNode(given?.way ?? redis, given?.env));
    const fleet = new Fleet(redis, nodes);
    try {
      await fleet.#serve();
    } catch (error) {
      await fleet.close();
      throw error;
    }
    return fleet;
  }

  async #serve(): Promise<void> {
    const [first, ...others] = this.nodes;
    await first?.serve();
    this.key = first?.place.read('data/admin.key').trim() ?? '';
    await Promise.all(others.map((node) => node.serve()));
  }

  node(at: number): ClusterNode {
    const node = this.nodes[at];
    if (node === undefined) throw new Error(`there is no node ${at}`);
    return node;
  }

  async client(port: number, options: NodeClientOptions = {}): Promise<Client> {
    const client = await connect({ url: `ws://127.0.0.1:${port}/v1`, key: this.key, ...options });
    this.#clients.push(client);
    return client;
  }

  /** An agent that works on tasks of a type of its own name. */
  agent(port: number, name: string, work: () => Promise<string>): Promise<Client> {
    return this.client(port, {
      name,
      agent: { name, capabilities: [name] },
      handlers: { [name]: async () => ({ by: await work() }) },
    });
  }

  /** Names of the processes that Redis knows as nodes of a tenant. */
  async members(tenant = 'default'): Promise<readonly string[]> {
    const fields = await this.#meta.hkeys(`muster:{${tenant}}:meta`);
    return fields.filter((name) => name.startsWith('pass:')).map((name) => name.slice(5));
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close({ timeoutMs: 0 })));
    for (const node of this.nodes) await node.close();
    await this.redis.remove();
  }
}
