/**
 * The servers of a simulated Redis, who follows whom, what is done to them.
 *
 * Owns: servers, replication, which server a node reaches, traps for single commands. Does not own: what a command does
 * (redis-server.ts), when a fault is made (the plan).
 *
 * RWO1 A replica gets writes in order, each after a while; what it does not have when its primary is lost, it never gets.
 * RWO2 A server that was a primary comes back as a replica of the new one, and forgets what that does not have.
 */
import type { Random } from '../random.ts';
import type { Lane, VirtualTime } from '../scheduler.ts';
import { RedisServer, ScriptShelf, type Replica, type Write } from './redis-server.ts';
import { RedisWire, type WireFate, type WireWorld } from './redis-wire.ts';

export interface RedisTuning {
  readonly replicas: number;
  /** How long a write takes to a replica, ms at most. */
  readonly lagMs: number;
  /** One way between nodes and Redis, ms at most. */
  readonly latencyMs: number;
}

export type TrapOn = 'append' | 'claim' | 'beat' | 'join' | 'opened' | 'create' | 'repair' | 'XREAD' | 'XRANGE';

export interface WorldOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly tuning: RedisTuning;
  readonly wrote: (server: RedisServer, writes: readonly Write[]) => void;
}

/** Longer than anybody is silent before others take it for dead. */
const JUMPED_MS = 25_000;

interface Trap {
  readonly node: string;
  readonly on: TrapOn;
  readonly fate: Exclude<WireFate, 'deliver'>;
  left: number;
}

class Follower implements Replica {
  readonly primary: RedisServer;
  readonly server: RedisServer;
  readonly #lane: Lane;
  readonly #lagMs: () => number;
  acknowledgedOffset: number;
  #at = 0;
  #offset: number;
  #cut = false;
  /** Nothing passes until then. */
  stuckUntil = 0;

  constructor(primary: RedisServer, server: RedisServer, of: { readonly lane: Lane; readonly lagMs: () => number }) {
    this.primary = primary;
    this.server = server;
    this.#lane = of.lane;
    this.#lagMs = of.lagMs;
    server.role = 'replica';
    server.data = primary.data.copy();
    server.offset = this.#offset = this.acknowledgedOffset = primary.offset;
    primary.follow(this);
  }

  send(writes: readonly Write[]): void {
    if (this.#cut) return;
    this.#offset += 1;
    const upTo = this.#offset;
    const now = this.#lane.mono();
    this.#at = Math.max(this.#at, this.stuckUntil, now + this.#lagMs());
    this.#lane.after(this.#at - now, () => {
      if (this.#cut) return; // RWO1
      this.server.apply(writes);
      this.acknowledgedOffset = upTo;
      this.primary.acknowledged();
    });
  }

  cut(): void {
    this.#cut = true;
    this.primary.unfollow(this);
  }
}

export class RedisWorld implements WireWorld {
  readonly servers: readonly RedisServer[];
  readonly #options: WorldOptions;
  readonly #random: Random;
  readonly #lanes = new Map<RedisServer, Lane>();
  readonly #wires = new Set<RedisWire>();
  readonly #traps: Trap[] = [];
  /** Nodes that reach no server, or only this one, until then. */
  readonly #held = new Map<string, { readonly until: number; readonly server: RedisServer | undefined }>();
  readonly #slow = new Map<string, { readonly until: number; readonly ms: number }>();
  #followers: Follower[] = [];
  #primary: RedisServer;
  /** How often each server was promoted: what it knew before may be gone. */
  readonly #terms = new Map<RedisServer, number>();
  #dialled = 0;
  #jumpedAt = -Infinity;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = options.random;
    const shelf = new ScriptShelf();
    const { time, tuning, wrote } = options;
    const minReplicas = tuning.replicas > 0 ? 1 : 0;
    this.servers = Array.from({ length: 1 + tuning.replicas }, (_, i) => {
      const name = `redis ${i + 1}`;
      const lane = time.lane(name, { offsetMs: 0 });
      const runId = (): string => Buffer.from(this.#random.bytes(20)).toString('hex');
      const server = new RedisServer({ name, lane, shelf, runId, minReplicas, wrote });
      this.#lanes.set(server, lane);
      return server;
    });
    const [first] = this.servers;
    if (first === undefined) throw new Error('there is a server');
    this.#primary = first;
    this.#followAll();
  }

  get primary(): RedisServer {
    return this.#primary;
  }

  /** A server from one promotion to the next. */
  nameOf(server: RedisServer): string {
    return `${server.name}, ${this.#terms.get(server) ?? 0} times promoted`;
  }

  wire(node: string, lane: Lane): RedisWire {
    this.#dialled += 1;
    return new RedisWire(this, { node, lane, id: String(this.#dialled) });
  }

  reach(node: string): RedisServer | undefined {
    const held = this.#held.get(node);
    if (held === undefined || held.until <= this.#options.time.now) return this.#primary;
    return held.server;
  }

  laneOf(server: RedisServer): Lane {
    const lane = this.#lanes.get(server);
    if (lane === undefined) throw new Error('a server has a lane');
    return lane;
  }

  latencyMs(node: string): number {
    const slow = this.#slow.get(node);
    const more = slow !== undefined && slow.until > this.#options.time.now ? slow.ms : 0;
    return 1 + more + this.#random.below(this.#options.tuning.latencyMs + 1);
  }

  fate(node: string, what: string): WireFate {
    const trap = this.#traps.find((one) => one.node === node && one.on === what);
    if (trap === undefined) return 'deliver';
    trap.left -= 1;
    if (trap.left >= 0) return 'deliver';
    this.#traps.splice(this.#traps.indexOf(trap), 1);
    return trap.fate;
  }

  opened(wire: RedisWire): void {
    this.#wires.add(wire);
  }

  closed(wire: RedisWire): void {
    this.#wires.delete(wire);
  }

  trap(trap: Omit<Trap, 'left'> & { readonly skip: number }): void {
    this.#traps.push({ ...trap, left: trap.skip });
  }

  /** The node is cut off from Redis; without a word, or by the end of its connections. */
  isolate(node: string, of: { readonly ms: number; readonly silently: boolean }): void {
    this.#held.set(node, { until: this.#options.time.now + of.ms, server: undefined });
    for (const wire of this.#of(node)) {
      if (of.silently) wire.silence();
      else wire.cut();
    }
  }

  slow(node: string, of: { readonly ms: number; readonly forMs: number }): void {
    this.#slow.set(node, { until: this.#options.time.now + of.forMs, ms: of.ms });
  }

  /** A process of a node is gone. */
  died(node: string): void {
    for (const wire of this.#of(node)) wire.silence();
  }

  stall(ms: number): void {
    const lane = this.laneOf(this.#primary);
    lane.pause();
    this.#options.time.lane('signal').after(ms, () => lane.resume());
  }

  flushScripts(): void {
    this.#primary.flushScripts();
  }

  refuse(what: 'full' | 'misconfigured', ms: number): void {
    const server = this.#primary;
    server[what] = true;
    this.#options.time.lane('relief').after(ms, () => {
      server[what] = false;
    });
  }

  jump(ms: number): void {
    this.#primary.wallOffsetMs += ms;
    this.#jumpedAt = this.#options.time.now;
  }

  /** What silence was is not what its clock says. */
  get wasSetForward(): boolean {
    return this.#options.time.now - this.#jumpedAt < JUMPED_MS;
  }

  /** A replica gets nothing for a while. */
  stick(which: number, ms: number): void {
    const follower = this.#followers[which % Math.max(1, this.#followers.length)];
    if (follower !== undefined) follower.stuckUntil = this.#options.time.now + ms;
  }

  /** The server's process ends and comes back with what was on its disk. */
  restart(downMs: number): void {
    const server = this.#primary;
    if (!server.up) return;
    this.#down(server);
    this.laneOf(server).after(downMs, () => {
      if (server !== this.#primary || server.up) return;
      server.restarted();
      this.#followAll();
    });
  }

  /** The server's process ends and comes back with what was on its disk some time before. */
  rewind(of: { readonly ms: number; readonly downMs: number }, lost: () => void): void {
    const server = this.#primary;
    const data = server.data.copy();
    this.laneOf(server).after(of.ms, () => {
      if (server !== this.#primary || !server.up) return;
      lost();
      this.restart(of.downMs);
      server.data = data;
    });
  }

  /** The primary is lost; the replica that has the most of it, or with `lossy` the least, takes its place. False: there is none. */
  failover(of: { readonly lossy: boolean; readonly downMs: number }): boolean {
    const next = this.#successor(of.lossy);
    if (next === undefined) return false;
    const former = this.#primary;
    this.#down(former);
    this.#promote(next);
    this.laneOf(former).after(of.downMs, () => this.#demoted(former));
    return true;
  }

  /** The primary loses its replicas, one of which takes its place, and goes on for the nodes on its side. */
  split(of: { readonly nodes: readonly string[]; readonly ms: number }): boolean {
    const next = this.#successor(false);
    if (next === undefined) return false;
    const former = this.#primary;
    const until = this.#options.time.now + of.ms;
    for (const wire of [...this.#wires]) if (!of.nodes.includes(wire.node)) wire.cut();
    for (const node of of.nodes) this.#held.set(node, { until, server: former });
    former.lonelySince = this.#options.time.now;
    this.#promote(next);
    this.laneOf(former).after(of.ms, () => this.#demoted(former));
    return true;
  }

  heal(): void {
    this.#traps.length = 0;
    this.#held.clear();
    this.#slow.clear();
    for (const server of this.servers) {
      server.full = server.misconfigured = false;
      this.laneOf(server).resume();
      if (server === this.#primary && !server.up) server.restarted();
      else if (server !== this.#primary) this.#demoted(server);
    }
    if (this.#followers.length < this.servers.length - 1) this.#followAll();
  }

  #of(node: string): readonly RedisWire[] {
    return [...this.#wires].filter((wire) => wire.node === node);
  }

  #successor(lossy: boolean): RedisServer | undefined {
    const able = this.#followers.map(({ server }) => server).filter(({ up }) => up);
    const [first, ...others] = able.toSorted((a, b) => (lossy ? a.offset - b.offset : b.offset - a.offset));
    return first ?? others[0];
  }

  #down(server: RedisServer): void {
    server.up = false;
    server.forget();
    for (const wire of [...this.#wires]) if (wire.server === server) wire.cut();
    this.#cutFollowers();
  }

  #promote(next: RedisServer): void {
    this.#cutFollowers();
    next.role = 'primary';
    this.#terms.set(next, (this.#terms.get(next) ?? 0) + 1);
    this.#primary = next;
    this.#followAll();
  }

  /** RWO2 */
  #demoted(former: RedisServer): void {
    if (former === this.#primary) return;
    if (this.#followers.some(({ server, primary }) => server === former && primary === this.#primary)) return;
    former.lonelySince = undefined;
    // It is told by whoever oversees it, which ends its clients.
    for (const wire of [...this.#wires]) if (wire.server === former) wire.cut();
    if (!former.up) former.restarted();
    this.#follow(former);
  }

  #cutFollowers(): void {
    for (const follower of this.#followers) follower.cut();
    this.#followers = [];
  }

  #followAll(): void {
    this.#cutFollowers();
    for (const server of this.servers)
      if (server !== this.#primary && server.up && server.lonelySince === undefined) this.#follow(server);
    this.#looked();
  }

  #follow(server: RedisServer): void {
    const { lagMs } = this.#options.tuning;
    const lag = (): number => 1 + this.#random.below(lagMs + 1);
    this.#followers.push(new Follower(this.#primary, server, { lane: this.laneOf(server), lagMs: lag }));
    this.#looked();
  }

  #looked(): void {
    const alone = this.#followers.length === 0;
    this.#primary.lonelySince = alone ? (this.#primary.lonelySince ?? this.#options.time.now) : undefined;
  }
}
