/**
 * The node: the tenants that it serves, who may come in, the keys that open them.
 *
 * Owns: opening tenants from their logs, the system tenant's say over the others, readiness, stopping.
 * O1 Tenant `system` holds tenants and operators; it is opened first. A tenant that stands there is opened here
 *    with the key that was drawn for it, again and again until that is so.
 * O2 One tenant's halt is not another's.
 * O3 Beside other nodes: what is kept outside of the engine's state is built from the log alone. So a node begins from a snapshot
 *    that its store has got as far as; one whose store ends before the log begins has a hole there, which is told.
 * O4 A tenant that another node creates is opened here too.
 */
import type { Rejection } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { BackupView } from '../../protocol/wire/backup.ts';
import type { NodeView } from '../../protocol/wire/nodes.ts';
import type { JobsView } from '../../protocol/wire/jobs.ts';
import type { Params } from '../../protocol/wire/types.ts';
import { Calendar } from '../calendar/index.ts';
import type { Entropy, Scheduler } from '../base/scheduler.ts';
import { Engine, type EngineOptions } from '../engine/engine.ts';
import type { Sha256 } from '../engine/kernel/image.ts';
import { keysBeside, listTenants } from '../engine/queries.ts';
import { LogFault, type LogDriver, type TenantLog } from '../log/port.ts';
import type { Store } from '../store/port.ts';
import type { Tracing } from '../telemetry/port.ts';
import type { Mismatch } from './audit.ts';
import { loadNewest, type CheckpointDone, type Loaded, type LoadParts } from './checkpoint.ts';
import { Texts, type DocumentTexts } from './texts.ts';
import { Inspections } from './inspections.ts';
import type { HelloOutcome, NodePort, Principal, Reply } from './port.ts';
import { moveWork, type MovesMade } from './moves.ts';
import { listNodes } from './nodes.ts';
import { withCursor } from './read-parts.ts';
import { toReply, unavailable, type Access, type Answer, type MintedKey, type SystemPort } from './requests.ts';
import type { RingOptions } from './ring.ts';
import { Serving, type Applied } from './serving.ts';

export const SYSTEM = 'system';
export const DEFAULT_TENANT = 'default';

const NOT_SERVED: Rejection = {
  code: 'UNAVAILABLE',
  message: 'The tenant is not served now.',
  retryAfterMs: 1_000,
};

/** What happens in a node that somebody outside may want to know. */
export interface NodeEvents {
  readonly applied?: (applied: Applied) => void;
  readonly halted?: (tenant: string, error: Error) => void;
  /** The state of a tenant is not the same on all nodes. */
  readonly differs?: (tenant: string, mismatch: Mismatch) => void;
  /** O3: the store of a tenant has nothing of what was before the entry `seq`. */
  readonly storeBegins?: (tenant: string, seq: number) => void;
  readonly snapshotDamaged?: (tenant: string, seq: number, why: string) => void;
  /** Work that nobody had begun was to go to other agents. */
  readonly moved?: (made: MovesMade) => void;
  readonly checkpointed?: (tenant: string, outcome: Parameters<CheckpointDone>[0]) => void;
}

export interface NodeOptions {
  readonly nodeId: string;
  readonly version: string;
  readonly log: LogDriver;
  readonly store: Store;
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  readonly sha256: Sha256;
  readonly access: Access;
  /** Who holds a token; asks `findKey` of this node. */
  readonly authenticate: NodePort['authenticate'];
  readonly events?: NodeEvents;
  readonly engine?: EngineOptions;
  readonly ring?: RingOptions;
  /** What the chunks of a snapshot hold at most, if not the usual 64 KiB. */
  readonly chunkBytes?: number;
  /** How long a request for a lock that has to wait may wait for an append of others, if not the usual 2 ms. */
  readonly patienceMs?: number;
  /** The newest behaviour that tenants go over to, if not the newest that the engine knows. */
  readonly engineVersion?: number;
  /** Makes a backup of the whole server; calls back later. Undefined: it has nothing to be copied. */
  readonly backup?: (asked: Params['backup.create'], done: (made: Made) => void) => void;
  /** What the background jobs of the process do; undefined: they have not begun. */
  readonly jobs?: () => JobsView | undefined;
  /** Where texts of documents are kept and worked upon. Undefined: there are no documents. */
  readonly texts?: DocumentTexts | undefined;
  /** Undefined: nothing is traced. */
  readonly tracing?: Tracing | undefined;
}

/** A backup, or why there is none; undefined while another one is being made. */
export type Made = BackupView | Error | undefined;

/** A key as whoever authenticates needs it. */
export interface KnownKey {
  readonly hash: string;
  readonly role: Principal['role'];
  readonly agent?: string;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
  readonly scopes?: readonly string[];
}

type Opened = (fault: Error | undefined) => void;

export class Node implements NodePort {
  readonly nodeId: string;
  readonly version: string;
  readonly #options: NodeOptions;
  readonly #calendar = new Calendar();
  readonly #inspections: Inspections;
  readonly #servings = new Map<string, Serving>();
  /** Tenants that are being opened, and who waits for that. */
  readonly #waiting = new Map<string, Opened[]>();
  readonly #refused = new Map<string, Error>();
  readonly #startedAt: number;
  /** Undefined: there are no documents. */
  readonly texts: Texts | undefined;
  #phase: 'starting' | 'ready' | 'stopping' = 'starting';

  constructor(options: NodeOptions) {
    this.nodeId = options.nodeId;
    this.version = options.version;
    this.#startedAt = options.scheduler.now();
    this.#inspections = new Inspections(options.scheduler);
    this.#options = options;
    this.texts = options.texts === undefined ? undefined : new Texts(options.texts, options.sha256);
  }

  ready(): boolean {
    return this.#phase === 'ready';
  }

  authenticate(token: string): Principal | 'unavailable' | undefined {
    return this.#options.authenticate(token);
  }

  /** Whether there is such a tenant. */
  findTenant(tenant: string): 'served' | 'unavailable' | undefined {
    if (this.#servings.get(tenant)?.tenant.serving === true) return 'served';
    return this.#exists(tenant) ? 'unavailable' : undefined;
  }

  /** Unavailable: the tenant is one of this server's and is not served, so its keys are not known. */
  findKey(tenant: string, keyId: string): KnownKey | 'unavailable' | undefined {
    const serving = this.#servings.get(tenant);
    if (serving?.tenant.serving !== true) return this.#exists(tenant) ? 'unavailable' : undefined;
    const key = serving.tenant.engine.state.apiKeys.get(keyId);
    if (key === undefined) return undefined;
    return {
      hash: key.secretHash,
      role: key.role,
      ...(key.agent === undefined ? undefined : { agent: key.agent }),
      ...(key.expiresAt === undefined ? undefined : { expiresAt: key.expiresAt }),
      ...(key.revokedAt === undefined ? undefined : { revokedAt: key.revokedAt }),
      ...(key.scopes === undefined ? undefined : { scopes: key.scopes }),
    };
  }

  #exists(tenant: string): boolean {
    if (tenant === SYSTEM || tenant === DEFAULT_TENANT) return true;
    return this.#servings.get(SYSTEM)?.tenant.engine.state.tenants.get(tenant) !== undefined;
  }

  get servings(): readonly Serving[] {
    return [...this.#servings.values()];
  }

  /** Tenants that are not served, and why: their log was refused, or they were halted. */
  get refused(): ReadonlyMap<string, Error> {
    return this.#refused;
  }

  /** Somebody's HELLO is taken; false also when each tenant but `system` is refused. */
  get serves(): boolean {
    return this.#phase === 'ready' && this.servings.some(({ id, tenant }) => id !== SYSTEM && tenant.serving);
  }

  /** It serves, and no tenant so late that a client had better ask another node. */
  get takesClients(): boolean {
    return this.serves && !this.servings.some(({ tenant }) => tenant.isLate);
  }

  /** This one and those that serve beside it. */
  nodes(): readonly NodeView[] {
    const { nodeId, version } = this;
    return listNodes({ nodeId, version, startedAt: this.#startedAt }, this.servings);
  }

  serving(tenant: string): Serving | undefined {
    return this.#servings.get(tenant);
  }

  /** Opens `system`, `default` and every tenant that stands in `system`, then takes HELLO. */
  start(firstKey: (system: Serving) => MintedKey | undefined, done: Opened): void {
    this.#open(SYSTEM, (fault) => {
      const system = this.#servings.get(SYSTEM);
      if (fault !== undefined || system === undefined) return done(fault ?? new Error('the system tenant is not open'));
      // Halted or damaged, it was reported and is left; the other tenants are served.
      this.#open(DEFAULT_TENANT, () => {
        this.#installFirst(firstKey(system), () => {
          const rest = [...system.tenant.engine.state.tenantsById].map((tenant) => tenant.id);
          this.#openAll(rest, (last) => {
            if (last === undefined && this.#phase === 'starting') this.#phase = 'ready';
            done(last);
          });
        });
      });
    });
  }

  hello(hello: Parameters<NodePort['hello']>[0], done: (outcome: HelloOutcome) => void): void {
    const serving = this.#servings.get(hello.principal.tenant);
    if (this.#phase !== 'ready' || serving === undefined || !serving.tenant.serving) {
      return this.#options.scheduler.defer(() =>
        done({ kind: 'refused', close: 'UNAVAILABLE', rejection: NOT_SERVED }),
      );
    }
    serving.hello(hello, done);
  }

  /** Makes a checkpoint of every tenant that has moved enough, one after the other. */
  checkpoint(wanted: (serving: Serving) => boolean, done: () => void): void {
    const due = this.servings.filter((serving) => wanted(serving));
    const make = (serving: Serving, made: () => void): void => {
      if (this.#phase === 'stopping') return made();
      serving.checkpoint((outcome) => {
        this.#options.events?.checkpointed?.(serving.id, outcome);
        made();
      });
    };
    oneByOne(due, make, done);
  }

  /** Proposes moves of work that has not begun, in every tenant; `done` when what was proposed has been decided. */
  rebalance(done: () => void): void {
    let open = 1;
    const settle = (): void => {
      open -= 1;
      if (open === 0) done();
    };
    for (const { tenant } of this.servings) {
      if (!tenant.serving) continue;
      open += 1;
      moveWork(tenant, this.#options.scheduler.now(), (made) => {
        if (made.proposed > 0) this.#options.events?.moved?.(made);
        settle();
      });
    }
    settle();
  }

  /** Removes uploads that were left alone, and texts that nobody names, of one tenant after the other. */
  sweepTexts(done: () => void): void {
    const { texts, scheduler } = this.#options;
    const each = (): void => oneByOne(this.servings, (serving, swept) => serving.sweepTexts(swept), done);
    if (texts?.uploads === undefined) each();
    else texts.uploads.sweep(scheduler.now(), each);
  }

  /** Says that it is not ready any more, and takes no HELLO. */
  drain(): void {
    this.#phase = 'stopping';
    for (const serving of this.servings) serving.drain();
  }

  /** Takes nothing more; `done` when everything taken is durable and told. */
  stop(done: () => void): void {
    this.#phase = 'stopping';
    oneByOne(this.servings, (serving, stopped) => serving.stop(stopped), done);
  }

  #installFirst(key: MintedKey | undefined, done: () => void): void {
    if (key === undefined) return done();
    const install = (tenant: string, role: 'operator' | 'admin', then: () => void): void => {
      const command = { kind: 'key.install', id: key.keyId, secretHash: key.hash, role } as const;
      const serving = this.#servings.get(tenant);
      // Where it cannot be installed the next start does so: the system tenant, which comes last, has no key until then.
      if (serving === undefined) return done();
      serving.tenant.submit(command, ({ reply }) => (reply.ok ? then() : done()));
    };
    install(DEFAULT_TENANT, 'admin', () => install(SYSTEM, 'operator', done));
  }

  #openAll(ids: readonly string[], done: Opened): void {
    const rest = ids.slice();
    const next = (): void => {
      const id = rest.shift();
      if (id === undefined) return done(undefined);
      // A tenant that cannot be opened is reported and left; the others are served.
      this.#openWithKey(id, () => next());
    };
    next();
  }

  #openWithKey(id: string, done: Opened): void {
    const record = this.#servings.get(SYSTEM)?.tenant.engine.state.tenants.get(id);
    const opened: Opened = (fault) => {
      const serving = this.#servings.get(id);
      if (fault !== undefined || serving === undefined || record === undefined) return done(fault);
      if (serving.tenant.engine.state.apiKeys.get(record.keyId) !== undefined) return done(undefined);
      const { keyId, secretHash } = record;
      const command = { kind: 'key.install', id: keyId, secretHash, role: 'admin', first: true } as const;
      serving.tenant.submit(command, (output) => {
        done(output.reply.ok ? undefined : new Error('the key of the tenant could not be installed'));
      });
    };
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) waiting.push(opened);
    else if (this.#servings.has(id)) opened(undefined);
    else this.#open(id, opened);
  }

  #open(id: string, done: Opened): void {
    const { log, store, sha256, events } = this.#options;
    this.#waiting.set(id, [done]);
    log.open(id, (opened) => {
      if (opened instanceof LogFault) return this.#halted(id, opened);
      const fresh = (): Engine => new Engine(this.#options.engine);
      const damaged = (seq: number, why: string): void => events?.snapshotDamaged?.(id, seq, why);
      const serve = (loaded: Loaded, storedSeq = 0): void =>
        store.tenant(id).newest((storedRev) => this.#serve({ log: opened, loaded, storedRev, storedSeq }));
      const parts = { tenant: id, snapshots: log.snapshots, sha256, fresh, damaged };
      if (opened.members === undefined) loadNewest(parts, serve);
      else this.#beginBeside({ parts, base: opened.members.base }, serve);
    });
  }

  /** O3 */
  #beginBeside(
    of: { readonly parts: LoadParts; readonly base: number },
    serve: (loaded: Loaded, storedSeq: number) => void,
  ): void {
    const { parts, base } = of;
    const { tenant: id } = parts;
    const { store, events } = this.#options;
    store.tenant(id).applied((applied) => {
      loadNewest({ ...parts, upTo: applied }, (loaded) => {
        if (loaded.seq >= base) return serve(loaded, applied);
        loadNewest(parts, (newest) => {
          const { seq, engine } = newest;
          // The log says why there is none: it was trimmed, or others took this node for dead while it read them.
          if (seq < base) return serve(newest, seq);
          store.tenant(id).begin({ seq, rev: engine.state.rev });
          events?.storeBegins?.(id, seq);
          serve(newest, seq);
        });
      });
    });
  }

  #serve(of: {
    readonly log: TenantLog;
    readonly loaded: Loaded;
    readonly storedRev: number;
    readonly storedSeq: number;
  }): void {
    const { log, loaded, storedRev, storedSeq } = of;
    const { log: driver, store, scheduler, entropy, sha256, access, events, nodeId } = this.#options;
    const { ring, chunkBytes, patienceMs, engineVersion, tracing } = this.#options;
    const id = log.tenant;
    const serving = new Serving({
      id,
      nodeId,
      version: this.version,
      startedAt: this.#startedAt,
      log,
      driver,
      store: store.tenant(id),
      scheduler,
      entropy,
      sha256,
      access,
      system: this.#system,
      calendar: this.#calendar,
      inspections: this.#inspections,
      engine: loaded.engine,
      fresh: () => new Engine(this.#options.engine),
      differs: (mismatch) => events?.differs?.(id, mismatch),
      snapshotDamaged: (seq, why) => events?.snapshotDamaged?.(id, seq, why),
      storedRev,
      storedSeq,
      ring,
      chunkBytes,
      patienceMs,
      engineVersion,
      tracing,
      texts: this.texts,
      applied: (applied) => {
        events?.applied?.(applied);
        this.#seeTenants(applied);
      },
      halted: (tenant, error) => this.#halted(tenant, error),
      ready: (tenant) => this.#settle(tenant, undefined),
    });
    this.#refused.delete(id);
    this.#servings.set(id, serving);
    serving.tenant.start(loaded.chain === undefined ? { seq: loaded.seq } : { seq: loaded.seq, chain: loaded.chain });
  }

  /** O4 */
  #seeTenants({ tenant, decoded, live, engine }: Applied): void {
    if (tenant !== SYSTEM || !live || decoded.node === this.nodeId) return;
    if (!decoded.commands.some(({ kind }) => kind === 'tenant.create')) return;
    for (const { id } of engine.state.tenantsById) {
      // One that could not be opened was reported.
      if (!this.#servings.has(id) && !this.#refused.has(id)) this.#openWithKey(id, () => undefined);
    }
  }

  #settle(tenant: string, fault: Error | undefined): void {
    const waiting = this.#waiting.get(tenant) ?? [];
    this.#waiting.delete(tenant);
    for (const done of waiting) done(fault);
  }

  #refuse(tenant: string, error: Error): void {
    this.#refused.set(tenant, error);
    this.#options.events?.halted?.(tenant, error);
  }

  #halted(tenant: string, error: Error): void {
    this.#refuse(tenant, error);
    this.#settle(tenant, error);
  }

  readonly #system: SystemPort = {
    createTenant: (asked, done) => this.#createTenant(asked, done),
    refuseKey: (tenant) => this.#refuseKey(tenant),
    installKey: (tenant, key, done) => {
      const serving = this.#servings.get(tenant);
      if (serving === undefined) return done(NOT_SERVED);
      const command = { kind: 'key.install', id: key.keyId, secretHash: key.hash, role: 'admin' } as const;
      serving.tenant.submit(command, ({ reply }) => done(reply.ok ? undefined : reply.rejection));
    },
    listTenants: (asked) => this.#listTenants(asked),
    backup: (asked, done) => this.#backup(asked, done),
    listJobs: () => this.#listJobs(),
    listNodes: () => {
      const rev = this.#servings.get(SYSTEM)?.tenant.engine.state.rev ?? 0;
      return { ok: true, rev, result: { nodes: this.nodes() } };
    },
    isOperator: (key) => {
      if (key === undefined) return false;
      const known = this.#servings.get(SYSTEM)?.tenant.engine.state.apiKeys.get(key.id);
      return known?.role === 'operator' && known.secretHash === key.secretHash;
    },
  };

  #refuseKey(tenant: string): Rejection | undefined {
    if (tenant === SYSTEM || !this.#exists(tenant)) return { code: 'NOT_FOUND', message: 'No such tenant.' };
    const serving = this.#servings.get(tenant);
    if (serving?.tenant.serving !== true) return NOT_SERVED;
    const { state } = serving.tenant.engine;
    if (keysBeside(state, state.counters.now) < LIMITS.apiKeysMax) return undefined;
    return { code: 'LIMIT_EXCEEDED', message: `The tenant has ${state.apiKeys.size} api keys, which is its limit.` };
  }

  #listTenants(asked: Params['tenant.list']): Reply {
    const system = this.#servings.get(SYSTEM);
    if (system === undefined || !system.tenant.serving) return unavailable('The system tenant is not served now.');
    const { state } = system.tenant.engine;
    const page = listTenants(state, asked);
    return { ok: true, rev: state.rev, result: withCursor({ tenants: page.items }, page.next) };
  }

  #listJobs(): Reply {
    const jobs = this.#options.jobs?.();
    if (jobs === undefined) return unavailable('The background jobs have not begun.');
    return { ok: true, rev: this.#servings.get(SYSTEM)?.tenant.engine.state.rev ?? 0, result: jobs };
  }

  #backup(asked: Params['backup.create'], done: Answer): void {
    const { backup, scheduler } = this.#options;
    const rev = this.#servings.get(SYSTEM)?.tenant.engine.state.rev ?? 0;
    if (backup === undefined) {
      scheduler.defer(() => done(unavailable('This server has no files of its own to be copied.')));
      return;
    }
    backup(asked, (made) => {
      if (made === undefined) done(unavailable('Another backup is being made.'));
      else if (made instanceof Error) done(unavailable(`The backup could not be made: ${made.message}`));
      else done({ ok: true, rev, result: { backup: made } });
    });
  }

  #createTenant(asked: Parameters<SystemPort['createTenant']>[0], done: Answer): void {
    const system = this.#servings.get(SYSTEM);
    if (system === undefined) return done(unavailable('The system tenant is not served now.'));
    const minted = this.#options.access.mintKey(asked.id);
    const command = { kind: 'tenant.create', ...asked, keyId: minted.keyId, secretHash: minted.hash } as const;
    system.tenant.submit(command, (output) => {
      const reply = toReply(output);
      const record = system.tenant.engine.state.tenants.get(asked.id);
      if (!reply.ok || record === undefined) return done(reply);
      this.#openWithKey(asked.id, (fault) => {
        if (fault !== undefined) return done(unavailable('The tenant was created and cannot be opened now.'));
        const shown = record.keyId === minted.keyId ? { id: minted.keyId, key: minted.key } : { id: record.keyId };
        done({ ...reply, result: { ...(reply.result as object), ...shown } });
      });
    });
  }
}

/** Those that are there now, each when the one before is done. */
function oneByOne(
  servings: readonly Serving[],
  each: (serving: Serving, done: () => void) => void,
  done: () => void,
): void {
  const rest = servings.slice();
  const next = (): void => {
    const serving = rest.shift();
    if (serving === undefined) done();
    else each(serving, next);
  };
  next();
}
