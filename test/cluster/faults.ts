/**
 * What happens to nodes, to Redis and on the way there while all of it is used. Each fault lasts for a while and is healed; load.ts judges what
 * came of it.
 *
 *     clients ──► proxies ──► nodes ──► way ──► one server   (primary)
 *                                                  ▲
 *                                                 link
 *                                                  │
 *                                                other server (replica)
 *
 * FA1 A failover leads the way to the other server, which was promoted, and starts the one before again as its replica. So the second
 *     failover is a failback.
 * FA2 Before a failover the link is cut while work goes on: the replica lacks the end. Nothing of that was told to anybody, since Redis
 *     demands a replica.
 * FA3 Whatever ends a node, its supervisor starts it again. A fault that ends one is over when it serves.
 * FA4 A connection that is half open stays so: who waits for an answer on it has to give it up by himself. What was said on it arrives
 *     when others have long gone on, and must have no effect.
 * FA5 Agents of a killed node that find no other one are away for longer than their grace: what they had accepted is given to others, and what they
 *     say of it when they are back is refused.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { RedisServer } from '../support/redis-server.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { untilAsked } from '../support/until.ts';
import type { ClusterNode, Fleet } from './fleet.ts';
import type { Fault } from './load.ts';
import type { Supervisor } from './supervisor.ts';

/** How long a fault lasts, and one in which Redis stands still: longer than its answer is waited for. */
const LASTS_MS = 3_000;
const HANGS_MS = 6_000;
const DELAY_MS = 300;
/** FA4. Longer than nodes may take to be back. */
const LATE_MS = 12_000;
/** FA5. The next process in the directory loses the sessions of the one before at once, with the next beat of a node; then their grace runs. */
const STRANDED_MS = 25_000;
/** A client that was refused for so long tries again after 15 s at most, and has 15 s to be back like any other. */
const STRANDED_AGENTS_MS = 30_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => void systemScheduler.after(ms, resolve));

interface Side {
  readonly server: RedisServer;
  readonly client: Redis;
}

export class FaultBed {
  /** What nodes are told of. */
  readonly redis: RedisServer;
  readonly way: TcpProxy;
  readonly #link: TcpProxy;
  #primary: Side;
  #replica: Side;
  #arriving: Promise<void> = Promise.resolve();
  readonly #backup = mkdtempSync(join(tmpdir(), 'muster-redis-backup-'));

  private constructor(of: { primary: Side; replica: Side; way: TcpProxy; link: TcpProxy }) {
    this.redis = of.primary.server;
    this.way = of.way;
    this.#link = of.link;
    this.#primary = of.primary;
    this.#replica = of.replica;
  }

  static async start(): Promise<FaultBed> {
    const settings = { 'min-replicas-to-write': '1', 'repl-timeout': '5' };
    const servers = [await RedisServer.start(settings), await RedisServer.start(settings)];
    const [primary, replica] = servers.map((server): Side => ({ server, client: server.client() }));
    if (primary === undefined || replica === undefined) throw new Error('two servers were started');
    const way = await TcpProxy.start(primary.server.port);
    const link = await TcpProxy.start(primary.server.port);
    const bed = new FaultBed({ primary, replica, way, link });
    await bed.#follow();
    return bed;
  }

  faults(fleet: Fleet, supervisor: Supervisor): readonly Fault[] {
    const fault = (name: string, harm: () => Promise<void>): Fault => ({ name, harm });
    return [
      fault('a node is killed', () => this.#killNode(fleet, supervisor)),
      {
        name: 'a node is killed, and its clients find no other until their work is given up',
        harm: () => this.#strand(fleet, supervisor),
        agentsMs: STRANDED_AGENTS_MS,
        losesAttempts: true,
      },
      fault('clients lose their connections', async () => fleet.nodes.forEach(({ proxy }) => proxy.cut())),
      fault('nodes lose their connections to Redis', async () => this.way.cut()),
      fault('Redis is killed', () => this.#killRedis()),
      fault('Redis stands still', () => this.#stall()),
      fault('the memory of Redis is full', () => this.#full()),
      fault('Redis only lets read', () => this.#readOnly()),
      fault('scripts and functions are flushed', () => this.#flushScripts()),
      fault('answers of Redis are lost', () => this.#loseAnswers()),
      fault('answers of Redis come late', () => this.#late()),
      fault('connections to Redis are half open, and what was said arrives late', async () => this.#halfOpen()),
      fault('a replica is promoted that lacks the end', () => this.#failover()),
      fault('the former primary is promoted again', () => this.#failover()),
      fault('FLUSHALL; then Redis gets an older copy back', () => this.#empty(fleet, supervisor)),
    ];
  }

  async close(): Promise<void> {
    await this.#arriving;
    await this.way.close();
    await this.#link.close();
    for (const { server } of [this.#primary, this.#replica]) await server.remove();
    rmSync(this.#backup, { recursive: true, force: true });
  }

  /** Its clients are led to the next one until it serves again. */
  async #killNode(fleet: Fleet, supervisor: Supervisor): Promise<void> {
    const [killed, next] = [fleet.node(0), fleet.node(1)];
    killed.proxy.lead(next.port);
    await restarted([killed], supervisor, async () => {
      await killed.place.server.stop('SIGKILL');
      killed.proxy.cut();
    });
    killed.proxy.lead(killed.port);
  }

  /** FA5 */
  async #strand(fleet: Fleet, supervisor: Supervisor): Promise<void> {
    const killed = fleet.node(1);
    killed.proxy.refuse = true;
    await restarted([killed], supervisor, async () => {
      await killed.place.server.stop('SIGKILL');
      killed.proxy.cut();
    });
    await pause(STRANDED_MS);
    killed.proxy.refuse = false;
  }

  async #killRedis(): Promise<void> {
    const { server } = this.#primary;
    await server.end('SIGKILL');
    await server.restart();
    await this.#online();
  }

  async #stall(): Promise<void> {
    const { server } = this.#primary;
    server.stall();
    await pause(HANGS_MS);
    server.goOn();
    await this.#online();
  }

  async #full(): Promise<void> {
    await this.#primary.client.config('SET', 'maxmemory', '1');
    await pause(LASTS_MS);
    await this.#primary.client.config('SET', 'maxmemory', '0');
  }

  async #readOnly(): Promise<void> {
    await this.#primary.client.replicaof('127.0.0.1', '1');
    await pause(LASTS_MS);
    await this.#primary.client.replicaof('NO', 'ONE');
    await this.#online();
  }

  async #flushScripts(): Promise<void> {
    await this.#primary.client.script('FLUSH');
    // Redis before 7 knows none.
    await this.#primary.client.call('FUNCTION', 'FLUSH').catch(() => undefined);
  }

  async #loseAnswers(): Promise<void> {
    this.way.dropReplies = true;
    await pause(LASTS_MS);
    this.way.dropReplies = false;
    this.way.cut();
  }

  async #late(): Promise<void> {
    this.way.delayMs = DELAY_MS;
    await pause(LASTS_MS);
    this.way.delayMs = 0;
  }

  /** FA4 */
  #halfOpen(): void {
    const held = this.way.hold();
    this.#arriving = pause(LATE_MS).then(() => held.release());
  }

  /** FA1, FA2 */
  async #failover(): Promise<void> {
    await this.#arriving;
    const [before, next] = [this.#primary, this.#replica];
    this.#link.refuse = true;
    this.#link.cut();
    await pause(LASTS_MS);
    await before.server.end('SIGKILL');
    await next.client.replicaof('NO', 'ONE');
    this.way.lead(next.server.port);
    this.way.cut();
    [this.#primary, this.#replica] = [next, before];
    this.#link.lead(next.server.port);
    this.#link.refuse = false;
    // Alone it would take nothing: a replica is demanded.
    await before.server.restart();
    await this.#follow();
  }

  /** Nobody serves a Redis that is empty. With a copy from before, nodes put back what that lacks. */
  async #empty(fleet: Fleet, supervisor: Supervisor): Promise<void> {
    const { server, client } = this.#primary;
    cpSync(server.dir, this.#backup, { recursive: true, force: true });
    await pause(LASTS_MS);
    await client.flushall();
    await untilAsked(async () => (await Promise.all(fleet.nodes.map(isHalted))).every(Boolean), 'all nodes to halt');
    await this.#replica.server.end('SIGKILL');
    await server.end('SIGKILL');
    for (const name of ['appendonlydir', 'appendonly.aof'])
      rmSync(join(server.dir, name), { recursive: true, force: true });
    cpSync(this.#backup, server.dir, { recursive: true, force: true });
    await server.restart();
    await this.#replica.server.restart();
    await this.#follow();
    await restarted(fleet.nodes, supervisor, async () => {
      for (const node of fleet.nodes) await node.place.server.stop('SIGKILL');
    });
  }

  async #follow(): Promise<void> {
    // One that was started anew is connected to anew.
    const told = async (): Promise<boolean> =>
      await this.#replica.client.replicaof('127.0.0.1', String(this.#link.port)).then(
        () => true,
        () => false,
      );
    await untilAsked(told, 'the replica to take an order');
    await this.#online();
  }

  async #online(): Promise<void> {
    const { client } = this.#primary;
    const online = async (): Promise<boolean> => (await client.info('replication')).includes('state=online');
    await untilAsked(() => online().catch(() => false), 'the replica to be there');
  }
}

/** FA3 */
async function restarted(
  nodes: readonly ClusterNode[],
  supervisor: Supervisor,
  end: () => Promise<void>,
): Promise<void> {
  const before = new Map(nodes.map((node) => [node, supervisor.startsOf(node)]));
  await end();
  const serves = (node: ClusterNode): boolean => supervisor.startsOf(node) > (before.get(node) ?? 0);
  await untilAsked(() => Promise.resolve(nodes.every(serves)), 'the nodes to serve again');
}

/** A node of which all tenants halted may also have ended. */
async function isHalted(node: ClusterNode): Promise<boolean> {
  try {
    return (await node.figure('muster_tenants_halted')) > 0;
  } catch {
    return true;
  }
}
