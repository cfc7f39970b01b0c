/**
 * The log on Redis.
 *
 * Owns: which tenants are open, on which server each is, the file of local tails, the end. Does not own: connections
 * (home.ts), what a log does (tenant-log.ts).
 *
 * RL1 A data directory has one process: the file of local tails is locked (../sqlite/file.ts).
 * RL2 No callback runs inside the call that was given it, nor inside a promise.
 * RL4 A log that has ended is claimed for no connection any more: who waits for one, to read a snapshot, is told.
 * RL3 In a cluster a tenant goes where a server says that its slot is; when a server is gone, any other one is asked.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { assert, must } from '../../base/assert.ts';
import { byCodeUnits } from '../../base/order.ts';
import type { Entropy, Scheduler } from '../../base/scheduler.ts';
import { LogFault, type LogDriver, type SnapshotStore, type TenantLog } from '../port.ts';
import { openSqliteLog } from '../sqlite/driver.ts';
import { optionsFor, shown, type HostPort, type RedisAddress } from './address.ts';
import { UnsafeRedis } from './gate.ts';
import { Home, type Slot } from './home.ts';
import { keysOf, TENANTS } from './keys.ts';
import { Link, LinkLost, messageOf, ServerRefusal } from './link.ts';
import { LocalTail, type TailFile } from './local-tail.ts';
import { movedTo } from './refusal.ts';
import { integerOf, listOf, textOf } from './replies.ts';
import { fetchRelayed, serveRelay } from './relay.ts';
import { RedisSnapshots } from './snapshots.ts';
import { NO_TALK, RedisTalk, type TalkFigures } from './talk.ts';
import { tell } from './tell.ts';
import { RedisTenantLog, type Session } from './tenant-log.ts';
import { RedisTexts } from './texts.ts';
import { redisWire, type Wire } from './wire.ts';

export interface RedisLogOptions {
  readonly address: RedisAddress;
  /** Directory of the local tails; made if it is not there. */
  readonly dir: string;
  readonly scheduler: Scheduler;
  /** Serve although the settings of Redis may lose what was acknowledged. */
  readonly allowUnsafe?: boolean;
  /** The local tails cannot be written: the process must end. */
  readonly onFatal: (fault: LogFault) => void;
  /** Something that an operator should know; it goes on. */
  readonly onTrouble?: (what: string) => void;
  /** Name of this process among those that serve; default: drawn. */
  readonly node?: string;
  /** Others may serve the same tenants, if they share too. */
  readonly shared?: boolean;
  /** Up to which version of the engine this build can decide. */
  readonly engine: number;
  /** An answer of Redis that takes longer ends the connection; default 5 s. */
  readonly answerMs?: number;
}

/** How it stands with Redis, for health and metrics. */
export interface RedisStatus {
  readonly connected: boolean;
  /** Settings that may lose what was acknowledged. */
  readonly unsafe: readonly string[];
  readonly warnings: readonly string[];
  /** Entries that Redis had lost and that this node put back. */
  readonly repaired: number;
  /** Connections that there have been. */
  readonly connections: number;
  /** Messages between nodes that are not kept. */
  readonly talk: TalkFigures;
}

/** What outlives the process, and the world around it. */
export interface RedisLogParts {
  readonly file: TailFile;
  readonly dial: (host: HostPort) => Wire;
  readonly entropy: Entropy;
  /** Nodes that share the log say to each other what is not kept. */
  readonly talks: boolean;
}

/** How a node whose store ends before the log begins gets that of another one. */
export interface StoreRelay {
  /** Of each tenant, up to which entry its log was trimmed. */
  bases(): Promise<ReadonlyMap<string, number>>;
  /** Resolves when all pieces were taken, with their bytes; undefined: no node answered. Rejects when it broke off. */
  fetch(take: (piece: Uint8Array) => Promise<void>): Promise<number | undefined>;
  /** Gives pieces to nodes that ask, until it is ended. */
  serve(give: () => AsyncIterable<Uint8Array>): () => void;
}

const answerMs = 5_000;
const registerAgainMs = 250;

/** Rejects with a LogFault (the directory is in use, Redis cannot be reached) or UnsafeRedis. */
export async function openRedisLog(options: RedisLogOptions): Promise<RedisLog> {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  const { dir, scheduler, onFatal } = options;
  const covered = (): number => Number.MAX_SAFE_INTEGER;
  const file = await openSqliteLog({ dir, scheduler, onFatal, covered }); // RL1
  const { address } = options;
  const dial = (host: HostPort): Wire => {
    const redis = optionsFor(address, host);
    return redisWire({ ...redis, connectionName: 'muster', connectTimeout: options.answerMs ?? answerMs });
  };
  const log = new RedisLog(options, { file, dial, entropy: randomBytes, talks: options.shared === true });
  try {
    await log.start();
  } catch (error) {
    await new Promise<void>((resolve) => log.close(resolve));
    if (error instanceof LogFault || error instanceof UnsafeRedis) throw error;
    throw new LogFault('IO', `Redis at ${shown(options.address)} cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return log;
}

export class RedisLog implements LogDriver {
  readonly name = 'redis';
  readonly snapshots: SnapshotStore;
  /** Texts of documents, beside the logs that name them. */
  readonly texts: RedisTexts;
  readonly #options: Omit<RedisLogOptions, 'dir' | 'onFatal'>;
  readonly #parts: RedisLogParts;
  readonly #node: string;
  readonly #file: TailFile;
  readonly #talk: RedisTalk | undefined;
  readonly #snapshots: RedisSnapshots;
  /** By address; one, unless it is a cluster. */
  readonly #homes = new Map<string, Home>();
  readonly #homeOf = new Map<string, Home>();
  readonly #logs = new Map<string, RedisTenantLog | undefined>();
  readonly #locals = new Map<string, Promise<LocalTail>>();
  readonly #abort = new AbortController();
  /** Of each tenant, who waits for a connection; undefined: there will be none any more (RL4). */
  readonly #awaited = new Map<string, Set<(session: Session | undefined) => void>>();
  #relayLink: Link | undefined;
  #seed = 0;
  #repaired = 0;
  #closing: (() => void) | undefined;
  #released = false;

  constructor(options: Omit<RedisLogOptions, 'dir' | 'onFatal'>, parts: RedisLogParts) {
    const { file, entropy } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#node = options.node ?? `n_${Buffer.from(entropy(6)).toString('hex')}`;
    this.#file = file;
    this.#snapshots = new RedisSnapshots({
      link: (tenant) => this.#linkOf(tenant),
      entropy,
      trouble: (tenant, what) => this.#trouble(`tenant ${tenant}: ${what}`),
    });
    this.snapshots = this.#snapshots;
    if (parts.talks) {
      this.#talk = new RedisTalk({
        connect: () => this.#connectAny(),
        scheduler: options.scheduler,
        node: this.#node,
        trouble: (what) => this.#trouble(what),
      });
    }
    this.texts = new RedisTexts({
      scheduler: options.scheduler,
      node: this.#node,
      session: (tenant, withinMs) => this.#sessionWithin(tenant, withinMs),
      trouble: (tenant, what) => this.#trouble(`tenant ${tenant}: ${what}`),
    });
  }

  async start(): Promise<void> {
    let fault: unknown;
    for (const host of this.#options.address.hosts) {
      try {
        await this.#home(host, 'start').start();
        return;
      } catch (error) {
        this.#homes.delete(nameOf(host));
        fault = error;
        if (error instanceof UnsafeRedis) break;
        if (this.#options.address.kind === 'sentinel') break; // ioredis has asked all of them
      }
    }
    throw fault;
  }

  status(): RedisStatus {
    const homes = [...this.#homes.values()];
    return {
      connected: homes.some(({ connected }) => connected),
      unsafe: [...new Set(homes.flatMap(({ findings }) => findings.unsafe))],
      warnings: [...new Set(homes.flatMap(({ findings }) => findings.warnings))],
      repaired: this.#repaired,
      connections: homes.reduce((sum, home) => sum + home.connections, 0),
      talk: this.#talk?.figures ?? NO_TALK,
    };
  }

  tenants(done: (ids: readonly string[]) => void): void {
    void tell(this.#tenants(), done);
  }

  open(tenant: string, done: (result: TenantLog | LogFault) => void): void {
    assert(!this.#logs.has(tenant), `the log of tenant ${tenant} is open already`);
    this.#logs.set(tenant, undefined);
    void tell(this.#opened(tenant), done); // RL2
  }

  /** Undefined: no other node serves the same tenants. */
  get relay(): StoreRelay | undefined {
    if (this.#options.shared !== true) return undefined;
    const { scheduler } = this.#options;
    const ask: Parameters<typeof fetchRelayed>[0]['ask'] = (asked) => this.#onRelay(asked);
    const trouble = (what: string): void => this.#trouble(what);
    return {
      bases: () => this.#bases(),
      fetch: (take) => fetchRelayed({ ask, scheduler }, take),
      serve: (give) => serveRelay({ ask, scheduler, give, trouble }),
    };
  }

  /** In a cluster on the server that has the keys, by a connection that is kept. */
  async #onRelay(ask: (link: Link) => Promise<unknown>): Promise<unknown> {
    const link = this.#relayLink?.open === true ? this.#relayLink : this.#anyHome().link;
    if (link === undefined) throw new LinkLost('there is no connection to Redis now');
    try {
      return await ask(link);
    } catch (error) {
      const to = error instanceof ServerRefusal ? movedTo(error.message) : undefined;
      if (to === undefined || this.#closing !== undefined) throw error;
      this.#relayLink?.close('the keys are elsewhere');
      this.#relayLink = await this.#connect(to);
      return await ask(this.#relayLink);
    }
  }

  async #bases(): Promise<ReadonlyMap<string, number>> {
    const bases = new Map<string, number>();
    for (const tenant of await this.#registered()) {
      const base = await this.#registry((link) => link.call('HGET', keysOf(tenant).meta, 'baseSeq'));
      bases.set(tenant, base === null ? 0 : integerOf(base));
    }
    return bases;
  }

  disk(): { readonly freeBytes: number; readonly freePercent: number } | undefined {
    return this.#file.disk();
  }

  close(done: () => void): void {
    assert(this.#closing === undefined, 'a log is closed once');
    this.#closing = done;
    for (const log of this.#logs.values()) if (log?.session === undefined) log?.giveUp();
    this.#closeWhenIdle();
  }

  async #registered(): Promise<readonly string[]> {
    const ids = listOf(await this.#registry((link) => link.call('SMEMBERS', TENANTS)));
    return ids.map(textOf).toSorted(byCodeUnits);
  }

  async #tenants(): Promise<readonly string[]> {
    try {
      return await this.#registered();
    } catch (error) {
      this.#trouble(`the tenants in Redis cannot be listed: ${messageOf(error)}`);
      return [];
    }
  }

  async #opened(tenant: string): Promise<TenantLog | LogFault> {
    try {
      return await this.#open(tenant);
    } catch (error) {
      this.#logs.delete(tenant);
      return error instanceof LogFault ? error : new LogFault('IO', messageOf(error), { cause: error });
    }
  }

  async #open(tenant: string): Promise<TenantLog> {
    const keys = keysOf(tenant);
    const local = await this.#local(tenant);
    await this.#register(tenant);
    return await new Promise<TenantLog>((resolve, reject) => {
      const slot: Slot = {
        tenant,
        keys,
        local,
        log: undefined,
        opened: (_, attached) => {
          const log = this.#make({ tenant, keys, attached }, local);
          resolve(log);
          return log;
        },
        failed: (fault) => {
          if (slot.log === undefined) reject(fault);
          else queueMicrotask(() => slot.log?.fail(fault));
        },
        replaced: (session) => this.texts.replaced(tenant, session),
        connected: (session) => {
          const awaited = this.#awaited.get(tenant) ?? [];
          this.#awaited.delete(tenant);
          for (const tell of awaited) tell(session);
        },
      };
      this.#place(slot, this.#anyHome());
    });
  }

  /** Like everything about a log that is opened, it waits for a Redis that takes it. */
  async #register(tenant: string): Promise<void> {
    for (;;) {
      try {
        await this.#registry((link) => link.call('SADD', TENANTS, tenant));
        return;
      } catch (error) {
        if (this.#closing !== undefined) throw error;
        this.#trouble(`tenant ${tenant} cannot be opened now: ${messageOf(error)}`);
        await new Promise<void>((resolve) => {
          this.#options.scheduler.after(registerAgainMs, resolve);
        });
      }
    }
  }

  /** The file is opened once; a log that was refused may be asked for again. */
  #local(tenant: string): Promise<LocalTail> {
    const opened = this.#locals.get(tenant) ?? LocalTail.open(this.#file, tenant);
    this.#locals.set(tenant, opened);
    return opened;
  }

  #make(of: ConstructorParameters<typeof RedisTenantLog>[0], local: LocalTail): RedisTenantLog {
    const { tenant } = of;
    const log = new RedisTenantLog(of, {
      scheduler: this.#options.scheduler,
      node: this.#node,
      shared: this.#options.shared === true,
      local,
      talk: this.#talk?.of(tenant),
      refuses: () => this.#homeOf.get(tenant)?.refuses === true,
      trouble: (what) => this.#trouble(`tenant ${tenant}: ${what}`),
      follow: (followed) => this.#homeOf.get(tenant)?.follow(followed),
      proven: (seq) => this.#snapshots.proven(tenant, seq),
      idle: () => this.#closeWhenIdle(),
      ended: () => this.#refuseWaiting(tenant),
    });
    this.#logs.set(tenant, log);
    return log;
  }

  #home(host: HostPort, how: 'start' | 'begin'): Home {
    const known = this.#homes.get(nameOf(host));
    if (known !== undefined) return known;
    const { address, scheduler } = this.#options;
    const cluster = address.kind === 'cluster';
    const home = new Home({
      connect: () => this.#connect(host),
      scheduler,
      entropy: this.#parts.entropy,
      node: this.#node,
      home: Buffer.from(this.#file.fileId).toString('hex').slice(0, 16),
      shared: this.#options.shared === true,
      engine: this.#options.engine,
      allowUnsafe: this.#options.allowUnsafe === true,
      readerForEach: cluster,
      trouble: (what) => this.#trouble(what),
      repaired: (tenant, from, to) => {
        this.#repaired += to - from + 1;
        this.#trouble(`tenant ${tenant}: Redis had lost the entries ${from} to ${to}; they were put back`);
      },
      reroute: cluster ? (slots, to) => this.#reroute(slots, to) : undefined,
    });
    this.#homes.set(nameOf(host), home);
    if (how === 'begin') home.begin();
    return home;
  }

  #connect(host: HostPort): Promise<Link> {
    const { scheduler } = this.#options;
    const { signal } = this.#abort;
    const wire = this.#parts.dial(host);
    return Link.connect({ wire, scheduler, signal, answerMs: this.#options.answerMs ?? answerMs });
  }

  /** In a cluster every server tells all others. */
  async #connectAny(): Promise<Link> {
    let fault: unknown;
    for (const host of this.#options.address.hosts) {
      try {
        return await this.#connect(host);
      } catch (error) {
        fault = error;
      }
    }
    throw fault;
  }

  #place(slot: Slot, home: Home): void {
    this.#homeOf.set(slot.tenant, home);
    home.add(slot);
  }

  /** RL3 */
  #reroute(slots: readonly Slot[], to: HostPort | undefined): void {
    if (this.#closing !== undefined) return;
    for (const slot of slots) this.#place(slot, to === undefined ? this.#nextSeed() : this.#home(to, 'begin'));
  }

  #nextSeed(): Home {
    const { hosts } = this.#options.address;
    this.#seed += 1;
    return this.#home(must(hosts[this.#seed % hosts.length], 'an address has a host'), 'begin');
  }

  #anyHome(): Home {
    const homes = [...this.#homes.values()];
    return homes.find(({ connected }) => connected) ?? must(homes[0], 'a log that was started has a server');
  }

  /** The keys of no tenant may be on another server of a cluster. */
  async #registry(ask: (link: Link) => Promise<unknown>): Promise<unknown> {
    const { link } = this.#anyHome();
    if (link === undefined) throw new LinkLost('there is no connection to Redis now');
    try {
      return await ask(link);
    } catch (error) {
      const to = error instanceof ServerRefusal ? movedTo(error.message) : undefined;
      if (to === undefined) throw error;
      const there = await this.#connect(to);
      try {
        return await ask(there);
      } finally {
        there.close('it was for one command');
      }
    }
  }

  async #linkOf(tenant: string): Promise<Link> {
    const session = this.#sessionNow(tenant);
    if (session !== undefined) return session.link;
    if (this.#closing !== undefined) throw new LogFault('IO', 'the log is closed');
    const found = await new Promise<Session | undefined>((resolve) => this.#await(tenant, resolve));
    if (found === undefined) throw new LogFault('IO', `the log of tenant ${tenant} has ended`);
    return found.link;
  }

  #sessionNow(tenant: string): Session | undefined {
    const session = this.#logs.get(tenant)?.session;
    return session?.link.open === true ? session : undefined;
  }

  async #sessionWithin(tenant: string, ms: number): Promise<Session | undefined> {
    const session = this.#sessionNow(tenant);
    if (session !== undefined || this.#closing !== undefined || ms === 0) return session;
    return await new Promise<Session | undefined>((resolve) => {
      const told = (found: Session | undefined): void => {
        cancel();
        resolve(found);
      };
      const cancel = this.#options.scheduler.after(ms, () => {
        this.#awaited.get(tenant)?.delete(told);
        resolve(undefined);
      });
      this.#await(tenant, told);
    });
  }

  /** RL4 */
  #await(tenant: string, told: (session: Session | undefined) => void): void {
    if (this.#logs.get(tenant)?.ended === true) return told(undefined);
    const awaited = this.#awaited.get(tenant) ?? new Set();
    awaited.add(told);
    this.#awaited.set(tenant, awaited);
  }

  /** RL4 */
  #refuseWaiting(tenant: string): void {
    const awaited = this.#awaited.get(tenant) ?? [];
    this.#awaited.delete(tenant);
    for (const told of awaited) told(undefined);
  }

  #closeWhenIdle(): void {
    const done = this.#closing;
    if (done === undefined || this.#released) return;
    if ([...this.#logs.values()].some((log) => log !== undefined && !log.idle)) return;
    this.#released = true;
    void tell(this.#release(), () => this.#file.close(done));
  }

  /** Never rejects. */
  async #release(): Promise<void> {
    const logs = [...this.#logs.values()].flatMap((log) => (log === undefined ? [] : [log.beat(false)]));
    await Promise.allSettled(logs);
    for (const log of this.#logs.values()) {
      log?.members?.end();
      log?.detached();
    }
    this.#talk?.close();
    for (const tenant of [...this.#awaited.keys()]) this.#refuseWaiting(tenant);
    this.#relayLink?.close('it is closed');
    this.#abort.abort();
    await Promise.allSettled([...this.#homes.values()].map((home) => home.close()));
  }

  #trouble(what: string): void {
    if (this.#closing === undefined) this.#options.onTrouble?.(what);
  }
}

function nameOf({ host, port }: HostPort): string {
  return `${host}:${port}`;
}
