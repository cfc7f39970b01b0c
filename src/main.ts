/**
 * The composition root: puts a server together from its parts, and takes it apart in order.
 *
 * Start: lock and open the log, open the store, replay, take the first entry, listen. Nobody is let in before the
 * state is whole. Stop: refuse new connections, let clients go, finish what was taken, release the files.
 */
import { hash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Params } from '../protocol/wire/types.ts';
import {
  AttemptGuard,
  authorise,
  createAuthenticator,
  createJwtAuthenticator,
  hashSecret,
  isJwt,
  KeyFeed,
  mintKey,
  parseKey,
  Rates,
  type RateSettings,
} from './access/index.ts';
import { Backups } from './backup/index.ts';
import { systemScheduler } from './base/system-scheduler.ts';
import { httpServices } from './http-services.ts';
import { ConfigError, resolveConfig, type Config, type ServeOptions } from './config.ts';
import { watchNode } from './figures.ts';
import { listenHttp, type HttpListener } from './http/index.ts';
import { RETENTION, startHousekeeping } from './housekeeping.ts';
import { LogFault, type LogDriver } from './log/port.ts';
import type { SqliteLog } from './log/sqlite/index.ts';
import type { Mismatch } from './node/audit.ts';
import { classOf } from './node/heard.ts';
import type { DocumentTexts } from './node/texts.ts';
import { DEFAULT_TENANT, Node, type Made } from './node/node.ts';
import type { Principal } from './node/port.ts';
import type { MintedKey } from './node/requests.ts';
import type { Applied, Serving } from './node/serving.ts';
import { compileRule } from './rules/index.ts';
import { createSessionManager, type SessionManager } from './session/manager.ts';
import type { JobQueue } from './jobs/index.ts';
import { openJobs } from './open-jobs.ts';
import { openLog, type OpenedLog } from './open-log.ts';
import { openTexts, type OpenedTexts } from './open-texts.ts';
import { giveStore, openStore } from './open-store.ts';
import type { SqliteStore } from './store/index.ts';
import type { Store } from './store/port.ts';
import { createLog, Metrics, openTraces, type LogLevel, type Traces } from './telemetry/index.ts';
import type { Log, LogFields } from './telemetry/port.ts';
import { memoryFuse } from './transport/fuse.ts';
import { Gate, type GateLimits } from './transport/gate.ts';
import { chooseTransport, listenOn, type Transport, type TransportListener } from './transport/choose.ts';

export type { ServeOptions } from './config.ts';

export interface RunningServer {
  /** Where agents connect: `ws://host:port/v1`. */
  readonly url: string;
  readonly httpUrl: string;
  /** The file that holds the administrator's key. */
  readonly keyFile: string;
  /** The key, if this start created it; shown once. */
  readonly firstKey?: string;
  readonly data: string;
  /** Tenants that are not served since their log was refused, and why. */
  readonly refused: ReadonlyMap<string, Error>;
  /** Resolves when everything taken is durable and the files are released. */
  stop(): Promise<void>;
}

export interface ServeHooks {
  /** The server cannot go on: what it holds in memory may not be what is on disk. Default: log and exit with 1. */
  readonly onFatal?: (error: Error) => void;
  /** Spans go here, whatever the environment says. */
  readonly traces?: Traces;
}

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
const entropy = entropyPool();

/** Random bytes from a pool: one call of the system for many small draws. */
function entropyPool(): (size: number) => Uint8Array {
  let pool = randomBytes(4_096);
  let at = 0;
  return (size) => {
    if (at + size > pool.length) {
      pool = randomBytes(4_096);
      at = 0;
    }
    at += size;
    return Uint8Array.prototype.slice.call(pool, at - size, at);
  };
}

/** Rejects with ConfigError for options, LogFault for the data directory, or the system's error for a port. */
export async function serve(options: ServeOptions, hooks: ServeHooks = {}): Promise<RunningServer> {
  const config = resolveConfig(options, process.env);
  const server = new Server(config, hooks);
  try {
    await server.start();
  } catch (error) {
    await server.abandon();
    throw error;
  }
  return server;
}

class Server implements RunningServer {
  readonly data: string;
  readonly keyFile: string;
  url = '';
  httpUrl = '';
  firstKey?: string;
  readonly #config: Config;
  readonly #chosen: Transport;
  readonly #hooks: ServeHooks;
  readonly #log: Log;
  readonly #metrics = new Metrics({ process: true });
  readonly #nodeId = `n_${randomBytes(6).toString('hex')}`;
  #keyFeed: KeyFeed | undefined;
  #traces: Traces | undefined;
  #driver: LogDriver | undefined;
  #redis: OpenedLog['redis'];
  #store: Store | undefined;
  #endGiving: (() => void) | undefined;
  #texts: OpenedTexts | undefined;
  #node: Node | undefined;
  #sessions: SessionManager | undefined;
  #jobs: JobQueue | undefined;
  #transport: TransportListener | undefined;
  #http: HttpListener | undefined;
  #stopped: Promise<void> | undefined;
  /** This process wrote where it listens; what is there otherwise is of a server that runs. */
  #addressWritten = false;

  constructor(config: Config, hooks: ServeHooks) {
    this.#config = config;
    this.#chosen = transportOf(config);
    this.#hooks = hooks;
    this.data = resolve(config.data);
    this.keyFile = join(this.data, 'admin.key');
    const level: LogLevel = config.logLevel;
    this.#log = createLog({ level, to: 'stderr', base: { node: this.#nodeId, version: packageVersion() } });
  }

  async start(): Promise<void> {
    const began = systemScheduler.mono();
    mkdirSync(this.data, { recursive: true, mode: 0o700 });
    const { jwtKeys } = this.#config;
    if (jwtKeys !== undefined) await this.#readKeys(jwtKeys);
    this.#traces = this.#hooks.traces ?? (await tracesOf(process.env));
    const onFatal = (error: Error): void => this.#fatal(error);
    const { driver, redis, files, texts: place, relay } = await this.#openLog(onFatal);
    if (files !== undefined) this.#metrics.watchCommits(() => files.commits());
    this.#driver = driver;
    this.#redis = redis;
    const store = await this.#openStore(relay, onFatal);
    this.#store = store;
    const texts = await openTexts({ dir: this.data, place, log: this.#log, onFatal });
    this.#texts = texts;
    const copied = files === undefined ? undefined : { log: files, store, texts };
    const backups = copied === undefined ? undefined : this.#backups(copied);
    const node = this.#makeNode({ log: driver, store, backups, texts });
    this.#node = node;
    const rates = new Rates({ settings: rateSettings(this.#config), mono: () => systemScheduler.mono() });
    this.#sessions = this.#makeSessions(node, rates);
    await new Promise<void>((done, failed) => {
      node.start(
        (system) => this.#firstKey(system),
        (fault) => (fault === undefined ? done() : failed(fault)),
      );
    });
    if (relay !== undefined) this.#endGiving = giveStore(this.data, store, relay);
    const jobs = await this.#startJobs(node, this.#store);
    await this.#listen({ node, sessions: this.#sessions, rates, jobs });
    // It may have been taken for dead while it began.
    for (const error of node.refused.values()) this.#endIfFenced(error);
    this.#log.info('serving', {
      ...transportFields(this.#chosen),
      url: this.url,
      http: this.httpUrl,
      startMs: Math.round(systemScheduler.mono() - began),
    });
  }

  get refused(): ReadonlyMap<string, Error> {
    return this.#node?.refused ?? new Map<string, Error>();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Releases what a start that failed had taken. */
  abandon(): Promise<void> {
    return this.stop();
  }

  #openLog(onFatal: (error: Error) => void): Promise<OpenedLog> {
    const { redis, allowUnsafeRedis, shared } = this.#config;
    return openLog({
      data: this.data,
      redis,
      allowUnsafeRedis,
      nodeId: this.#nodeId,
      shared,
      scheduler: systemScheduler,
      onFatal,
      onSnapshotTrouble: (file, why) => this.#snapshotTrouble({ file, why }),
      onRedisTrouble: (what) => this.#log.warn('redis', { what }),
    });
  }

  #openStore(relay: OpenedLog['relay'], onFatal: (error: Error) => void): Promise<SqliteStore> {
    const onDamaged = (what: string): void => {
      this.#metrics.node.storeDamaged();
      this.#log.error('the store is damaged', { what });
    };
    const store = { dir: this.data, scheduler: systemScheduler, ...RETENTION, onFatal, onDamaged };
    return openStore({ store, relay, told: (what) => this.#log.warn('store', { what }) });
  }

  #makeNode(parts: {
    readonly log: LogDriver;
    readonly store: Store;
    readonly backups: Backups | undefined;
    readonly texts: DocumentTexts | undefined;
  }): Node {
    const { log, store, backups, texts } = parts;
    const node: Node = new Node({
      nodeId: this.#nodeId,
      version: packageVersion(),
      log,
      store,
      scheduler: systemScheduler,
      entropy,
      sha256,
      access: { authorise, mintKey: (tenant) => mintKey(tenant, entropy), compileRule },
      ...(backups === undefined ? {} : { backup: (asked, done) => void this.#backup(backups, asked, done) }),
      jobs: () => this.#jobs?.status(),
      tracing: this.#traces?.tracing,
      texts,
      authenticate: this.#authenticator(() => node),
      events: {
        applied: (applied) => this.#applied(applied),
        halted: (tenant, error) => this.#halted(tenant, error),
        differs: (tenant, mismatch) => this.#differs(tenant, mismatch),
        storeBegins: (tenant, seq) => {
          this.#metrics.node.storeDamaged();
          this.#log.error('no node had what was kept of a tenant before an entry: it is not listed here', {
            tenant,
            seq,
          });
        },
        snapshotDamaged: (tenant, seq, why) => this.#snapshotTrouble({ tenant, seq, why }),
        moved: (made) => this.#metrics.node.moved(made),
        checkpointed: (tenant, outcome) => {
          if ('seq' in outcome) this.#metrics.node.checkpoint(outcome);
          else if ('error' in outcome) this.#log.error('checkpoint failed', { tenant, error: outcome.error });
        },
      },
    });
    return node;
  }

  #halted(tenant: string, error: Error): void {
    this.#log.error('tenant not served', { tenant, error });
    // Others took this node for dead, and go on without it: it comes back as another one, by whoever supervises it.
    // So it is when the log was trimmed while this one stood still: the next one begins from a snapshot.
    const overtaken = error instanceof LogFault && error.fault === 'GAP';
    if (this.#addressWritten) this.#endIfFenced(error);
    if (overtaken && this.#config.shared && this.#addressWritten) this.#fatal(error);
  }

  #endIfFenced(error: Error): void {
    const fenced = error instanceof LogFault && error.fault === 'LOCKED';
    if (fenced && this.#config.shared) this.#fatal(error);
  }

  /** A process whose memory was found wrong is not trusted with anything: the next one builds its state from the log. */
  #differs(tenant: string, mismatch: Mismatch): void {
    this.#metrics.node.stateDiffered();
    this.#log.error('the state of a tenant is not the same on all nodes', { tenant, ...mismatch });
    if (mismatch.verdict === 'this node is wrong')
      this.#fatal(new Error(`the state of tenant ${tenant} is wrong here`));
  }

  async #backup(backups: Backups, asked: Params['backup.create'], done: (made: Made) => void): Promise<void> {
    done(await this.#made(backups, asked));
  }

  async #made(backups: Backups, asked: Params['backup.create']): Promise<Made> {
    try {
      const made = await backups.make(asked);
      if (made !== undefined) this.#log.info('backup made', { folder: made.folder, bytes: made.bytes });
      return made;
    } catch (error) {
      const fault = error instanceof Error ? error : new Error(String(error));
      this.#log.error('backup failed', { error: fault });
      return fault;
    }
  }

  #backups(copied: { readonly log: SqliteLog; readonly store: SqliteStore; readonly texts: OpenedTexts }): Backups {
    const { log, store } = copied;
    const { files: blobs } = copied.texts;
    return new Backups({
      data: this.data,
      folder: resolve(this.#config.backups ?? join(this.data, 'backups')),
      log,
      store,
      blobs: { hold: (done) => blobs.freeze(done), release: () => blobs.thaw() },
      version: packageVersion(),
      now: () => systemScheduler.now(),
    });
  }

  /** By API key, and where there is a key set by token. */
  #authenticator(node: () => Node): (token: string) => Principal | 'unavailable' | undefined {
    const now = (): number => systemScheduler.now();
    const byKey = createAuthenticator({ keys: { find: (tenant, keyId) => node().findKey(tenant, keyId) }, now });
    const source = this.#keyFeed;
    if (source === undefined) return byKey;
    const { jwtIssuer: issuer, jwtAudience: audience } = this.#config;
    const byToken = createJwtAuthenticator({ source, issuer, audience, now, tenant: (id) => node().findTenant(id) });
    return (token) => (isJwt(token) ? byToken(token) : byKey(token));
  }

  /** A file must be right when the server starts; a provider may be away for a while. */
  async #readKeys(from: string): Promise<void> {
    let fault = '';
    const feed = new KeyFeed({
      from,
      scheduler: systemScheduler,
      onKeys: (count) => this.#log.info('the keys of tokens were read', { from, count }),
      onFault: (why) => {
        fault = why;
        this.#log.warn('the keys of tokens cannot be read', { from, why });
      },
    });
    this.#keyFeed = feed;
    await feed.start();
    if (feed.keys === undefined && !feed.remote) throw new ConfigError(`The key set of tokens: ${fault}`);
  }

  /** A snapshot cannot be used or removed. Serving goes on, by an older one; somebody should look at the disk. */
  #snapshotTrouble(which: LogFields): void {
    this.#metrics.node.snapshotTrouble();
    this.#log.error('trouble with a snapshot', which);
  }

  /** The administrator's key is drawn when nobody has one: written first, then installed, so that it is never lost. */
  #firstKey(system: Serving): MintedKey | undefined {
    if (system.tenant.engine.state.apiKeys.size > 0) return undefined;
    const known = existsSync(this.keyFile) ? parseKey(readFileSync(this.keyFile, 'utf8').trim()) : undefined;
    if (known?.tenant === DEFAULT_TENANT) {
      return { keyId: known.keyId, key: '', hash: hashSecret(known.secret) };
    }
    const minted = mintKey(DEFAULT_TENANT, entropy);
    writeDurably(this.keyFile, `${minted.key}\n`, 0o600);
    this.firstKey = minted.key;
    return minted;
  }

  #makeSessions(node: Node, rates: Rates): SessionManager {
    const { limits } = this.#config;
    return createSessionManager({
      node,
      scheduler: systemScheduler,
      guard: new AttemptGuard(() => systemScheduler.mono()),
      metrics: this.#metrics.edge,
      tracing: this.#traces?.tracing,
      log: this.#log,
      connectionsMax: limits.connections,
      limits: { tenant: limits.connectionsPerTenant, principal: limits.connectionsPerPrincipal },
      ratesOf: (principal) => rates.ofPrincipal(principal),
    });
  }

  async #listen(parts: { node: Node; sessions: SessionManager; rates: Rates; jobs: JobQueue }): Promise<void> {
    const { node, sessions, rates, jobs } = parts;
    const { host, port, httpPort, origins, hosts, proxies } = this.#config;
    const transport = this.#chosen;
    const gate = new Gate({
      limits: gateLimits(this.#config),
      rate: (address) => rates.accept(address),
      short: memoryFuse({
        residentBytesMax: this.#config.limits.memoryMiB * 1024 * 1024,
        residentBytes: () => process.memoryUsage.rss(),
        mono: () => systemScheduler.mono(),
      }),
      onTurned: (why) => this.#metrics.edge.turnedAway(why),
    });
    const onFault = (connection: string, fault: Error): void =>
      this.#log.debug('connection fault', { connection, error: fault });
    const { accept } = sessions;
    const listener = await listenOn(transport, { host, port, accept, origins, hosts, proxies, gate, onFault });
    this.#transport = listener;
    this.#http = await listenHttp({
      host,
      port: httpPort,
      node: { nodeId: node.nodeId, version: node.version, ready: () => node.takesClients && this.#reachesLog },
      transport: transport.name,
      tenantsHalted: () => node.refused.size,
      redis: this.#redis,
      jobs: () => jobs.status(),
      nodes: () => node.nodes(),
      metrics: this.#metrics,
      ...httpServices({ node, rates, metrics: this.#metrics.edge }),
      mono: () => systemScheduler.mono(),
      log: this.#log,
      hosts,
      onUpgrade: (request, socket, head) => listener.handleUpgrade(request, socket, head),
    });
    this.#metrics.transport(transport.name);
    watchNode(this.#metrics, { node, scheduler: systemScheduler });
    if (this.#redis !== undefined) this.#metrics.watchRedis(this.#redis);
    if (jobs.status().scheduler === 'bullmq') this.#metrics.watchJobs(() => jobs.status());
    const shown = host.includes(':') ? `[${host}]` : host;
    this.url = `ws://${shown}:${listener.port}/v1`;
    this.httpUrl = `http://${shown}:${this.#http.port}`;
    this.#addressWritten = true;
    writeDurably(
      this.#addressFile(),
      `${JSON.stringify({ url: this.url, httpUrl: this.httpUrl, pid: process.pid })}\n`,
      0o644,
    );
  }

  /** Else HELLO is refused, and a load balancer leads elsewhere. */
  get #reachesLog(): boolean {
    return this.#redis?.().connected ?? true;
  }

  #addressFile(): string {
    return join(this.data, 'address.json');
  }

  async #startJobs(node: Node, store: Store): Promise<JobQueue> {
    const { redis, jobsRedis } = this.#config;
    const jobs = await openJobs({
      redis: jobsRedis ?? redis,
      scheduler: systemScheduler,
      entropy,
      onRun: ({ name, ms, error }) => this.#metrics.jobRan(name, { ok: error === undefined, ms }),
      onTrouble: (what) => this.#log.warn('the Redis of the jobs', { what }),
    });
    this.#jobs = jobs;
    const { rebalance } = this.#config;
    startHousekeeping({ node, store, scheduler: systemScheduler, jobs, rebalance });
    return jobs;
  }

  #applied(applied: Applied): void {
    if (!applied.live) return;
    const { node } = this.#metrics;
    const { appendMs: ms } = applied;
    // Undefined: another node appended it.
    if (ms !== undefined) {
      node.appended({ commands: applied.output.commands.length, bytes: applied.entry.payload.length, ms });
    }
    node.applied(applied.applyMs);
    for (const { kind, waitedMs } of applied.output.locks ?? []) node.lock(kind, waitedMs);
    for (const { kind } of applied.output.notifications ?? []) node.notification(kind);
    const { tasks } = applied.engine.state;
    for (const push of applied.output.pushes) {
      node.pushed(classOf(push), 1);
      const task = push.order?.task === undefined ? undefined : tasks.get(push.order.task);
      // Of later attempts it is not kept since when they could have been assigned.
      const first = task !== undefined && task.attempt === 1 && task.losses === 0;
      if (first && task.token === push.order?.token) node.dispatched(Math.max(0, applied.output.now - task.createdAt));
    }
  }

  #fatal(error: Error): void {
    this.#log.error('the server cannot go on', { error });
    if (this.#hooks.onFatal !== undefined) this.#hooks.onFatal(error);
    else process.exit(1);
  }

  async #stop(): Promise<void> {
    this.#log.info('stopping');
    this.#keyFeed?.stop();
    this.#endGiving?.();
    const { sessions, node, jobs } = { sessions: this.#sessions, node: this.#node, jobs: this.#jobs };
    // First: a run of a job that waits for other nodes is given up.
    node?.drain();
    await new Promise<void>((done) => (jobs === undefined ? done() : jobs.stop(done)));
    await new Promise<void>((done) => (sessions === undefined ? done() : sessions.stop(done)));
    await this.#transport?.close();
    await new Promise<void>((done) => (node === undefined ? done() : node.stop(done)));
    await ended(this.#texts);
    await this.#http?.close();
    await ended(this.#store);
    await ended(this.#driver);
    await this.#traces?.stop();
    if (this.#addressWritten) rmSync(this.#addressFile(), { force: true });
    this.#log.info('stopped');
  }
}

/** Before anything is opened: variables that ask for what there is not end the start. */
async function tracesOf(env: NodeJS.ProcessEnv): Promise<Traces | undefined> {
  try {
    return await openTraces(env, packageVersion());
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : String(error));
  }
}

/** Before anything is opened: a wish that cannot be met ends the start. */
function transportOf({ transport }: Config): Transport {
  const choice = chooseTransport(transport, { runtime: process });
  if (choice.ok) return choice.transport;
  throw new ConfigError(`The transport uws cannot serve here; use --transport ws or auto. ${choice.why}`);
}

/** Sockets beside those of the sessions, which refuse more politely. */
const SOCKETS_BESIDE = 1_000;

function gateLimits({ limits }: Config): GateLimits {
  return {
    sockets: limits.connections === 0 ? 0 : limits.connections + SOCKETS_BESIDE,
    ofAddress: limits.connectionsPerAddress,
    strangers: limits.strangers,
    strangersOfAddress: limits.strangersPerAddress,
  };
}

function rateSettings({ limits }: Config): RateSettings {
  return {
    classes: {
      session: limits.sessionPerSecond,
      work: limits.workPerSecond,
      hold: limits.holdPerSecond,
      control: limits.controlPerSecond,
      query: limits.queryPerSecond,
      admin: limits.adminPerSecond,
    },
    bytes: limits.bytesPerSecond,
    sessions: limits.sessionsPerMinute,
    accepts: limits.acceptsPerSecond,
    acceptsOfAddress: limits.acceptsPerSecondPerAddress,
  };
}

function transportFields(transport: Transport): LogFields {
  if (transport.name === 'uws') return { transport: transport.name, transportVersion: transport.version };
  return { transport: transport.name };
}

function ended(part: { close(done: () => void): void } | undefined): Promise<void> {
  return new Promise((done) => (part === undefined ? done() : part.close(done)));
}

/** The bytes are on disk when it returns. */
function writeDurably(path: string, text: string, mode: number): void {
  const file = openSync(path, 'w', mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  chmodSync(path, mode);
  // The name too: a file that a power cut takes out of its directory is lost as well.
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function packageVersion(): string {
  // Beside src in the sources, two levels above in the built package.
  for (const relative of ['../package.json', '../../package.json']) {
    const file = new URL(relative, import.meta.url);
    if (!existsSync(file)) continue;
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string };
    return version;
  }
  return 'unknown';
}
