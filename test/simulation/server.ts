/**
 * The simulated server: node, sessions, log and store as the composition root puts them together, over disks that
 * outlive it. One object for all its incarnations.
 *
 * S1 What dies with a process dies here: everything but the disks is made anew by `start`.
 */
import type { Principal } from '../../src/node/port.ts';
import { authorise, createAuthenticator, mintKey, parseKey } from '../../src/access/index.ts';
import type { MintedKey } from '../../src/node/requests.ts';
import type { EngineOptions } from '../../src/engine/engine.ts';
import type { RingOptions } from '../../src/node/ring.ts';
import { memoryLog, type GroupFate, type MemoryLog } from '../../src/log/memory.ts';
import { LogFault, type LogDriver } from '../../src/log/port.ts';
import { DEFAULT_TENANT, Node } from '../../src/node/node.ts';
import type { Serving } from '../../src/node/serving.ts';
import { memoryStore, MemoryStoreDisk, type MemoryStore } from '../../src/store/memory.ts';
import { compileRule } from '../../src/rules/index.ts';
import { createSessionManager, type SessionManager } from '../../src/session/manager.ts';
import type { Accept, Connection, ConnectionHandler } from '../../src/session/port.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { hex, RecordingDisk } from './disk.ts';
import { DiskFaults } from './disk-faults.ts';
import { noticedMs, type Network } from './network.ts';
import type { DiskTrouble, ServerFault, Tuning } from './plan.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import type { Lane, VirtualTime, Wall } from './scheduler.ts';
import type { ServerView } from './server-view.ts';
import { sha256 } from './state-tracker.ts';
import { TextDisk } from './texts.ts';
import { sessionLog } from './session-log.ts';

export interface ServerOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly recorder: Recorder;
  readonly view: ServerView;
  readonly network: Network;
  readonly disk: RecordingDisk;
  readonly tuning: Tuning;
  readonly engine: EngineOptions;
  readonly ring: RingOptions;
  /** Whoever supervises the server starts it again after so many ms. */
  readonly restart: (ms: number) => void;
  /** Who a token without a secret says that it is. */
  readonly claims: (token: string) => Principal | undefined;
}

interface Running {
  readonly lane: Lane;
  readonly log: MemoryLog;
  readonly store: MemoryStore;
  readonly node: Node;
  readonly sessions: SessionManager;
  ready: boolean;
  alive: boolean;
  /** What the parts of each tenant had counted when it was looked at last. */
  readonly counted: Map<string, Counted>;
}

type Counted = Serving['hub']['counts'] & { readonly inTurns: number };

/** So long after a tenant was refused somebody has seen it, and starts the server again. */
const REFUSED_MS = 2_000;

type Trouble = Extract<ServerFault, { readonly do: 'trouble' }> & { readonly until: number };

export class SimServer {
  readonly #options: ServerOptions;
  readonly #stores = new MemoryStoreDisk();
  readonly #texts: TextDisk;
  readonly #wall: Wall = { offsetMs: 0 };
  readonly #fates: Random;
  readonly #damaged = new WeakSet<object>();
  #troubles: Trouble[] = [];
  #running: Running | undefined;
  readonly disk: DiskFaults;
  /** The running process has refused a tenant. */
  #ailing = false;
  #healed = false;
  incarnation = 0;
  /** The administrator's key, as it stands beside the data. */
  adminKey: string | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#fates = options.random.fork('fates');
    const { time, random, recorder } = options;
    this.disk = new DiskFaults({ time, random: random.fork('disk'), marks: recorder.marks });
    this.#texts = new TextDisk(recorder);
  }

  get up(): boolean {
    return this.#running?.ready === true;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  get node(): Node | undefined {
    return this.#running?.node;
  }

  get wallNow(): number {
    return this.#options.time.start + this.#options.time.now + this.#wall.offsetMs;
  }

  start(): void {
    if (this.#running !== undefined) return;
    const { time, recorder, random } = this.#options;
    this.incarnation += 1;
    this.disk.refusing = false;
    this.#ailing = false;
    const lane = time.lane(`server ${this.incarnation}`, this.#wall);
    recorder.add({ kind: 'server.start' });
    const running = this.#build(lane, random.fork(`incarnation ${this.incarnation}`));
    this.#running = running;
    running.node.start(
      () => this.#firstKey(running, random),
      (fault) => this.#started(running, fault),
    );
  }

  /** The process or its machine dies here. */
  crash(how: { readonly keep: boolean; readonly machine: boolean }): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#look();
    const before = this.#options.recorder.events.length;
    running.log.crash(how.keep);
    running.store.crash(this.#fates.below(running.store.pending + 1));
    this.#texts.crash(this.#options.random.fork(`texts ${this.incarnation}`));
    if (this.#options.recorder.events.length > before)
      this.#options.recorder.marks.count('durable group that nobody was told of');
    this.#gone(running);
    this.#options.recorder.add({ kind: 'server.crash' });
    for (const link of this.#options.network.unlisten()) {
      if (how.machine) {
        link.silence('client');
        link.silence('server');
      } else link.cut();
    }
  }

  /** As on SIGTERM. */
  stop(done: () => void): void {
    const running = this.#running;
    if (running === undefined || !running.ready) return done();
    running.ready = false;
    this.#options.recorder.add({ kind: 'server.stop' });
    this.#options.recorder.marks.count('orderly stop');
    running.sessions.stop(() => {
      for (const link of this.#options.network.unlisten()) link.cut();
      running.node.stop(() => running.store.close(() => running.log.close(() => this.#stopped(running, done))));
    });
  }

  checkpoint(): void {
    const running = this.#running;
    if (running?.ready !== true) return;
    running.node.checkpoint(
      () => true,
      () => this.#look(),
    );
  }

  rebalance(): void {
    const running = this.#running;
    if (running?.ready === true) running.node.rebalance(() => undefined);
  }

  retain(): void {
    const running = this.#running;
    if (running?.ready !== true) return;
    const dropped = (): number => [...this.#stores.rows.values()].reduce((sum, rows) => sum + rows.dropped, 0);
    const before = dropped();
    running.store.retain(running.lane.now(), () => {
      if (dropped() > before) this.#options.recorder.marks.count('history dropped');
    });
  }

  sweep(): void {
    const running = this.#running;
    if (running?.ready === true) running.node.sweepTexts(() => undefined);
  }

  goaway(): void {
    this.#running?.sessions.goawayAll({ reason: 'rebalance', action: 'resume', delayMs: [0, 2_000] });
  }

  jump(ms: number): void {
    this.#wall.offsetMs += ms;
    this.#options.recorder.marks.count(ms < 0 ? 'clock set back' : 'clock set forward');
  }

  pause(): void {
    this.#running?.lane.pause();
  }

  resume(): void {
    this.#running?.lane.resume();
  }

  trouble(trouble: Extract<ServerFault, { readonly do: 'trouble' }>): void {
    this.#troubles.push({ ...trouble, until: this.#options.time.now + trouble.ms });
  }

  /** The newest snapshot of a tenant is damaged, unless the only other one is. */
  damage(how: 'bit' | 'torn' | 'short' | 'empty'): void {
    this.#options.disk.look();
    for (const tenant of this.#options.disk.tenants.values()) {
      const [snapshot, older] = tenant.snapshots;
      if (snapshot === undefined || older === undefined || snapshot.chunks.length === 0) continue;
      if (tenant.snapshots.some((one) => this.#damaged.has(one))) continue;
      this.#damaged.add(snapshot);
      const at = this.#fates.below(snapshot.chunks.length);
      const chunk = snapshot.chunks[at] ?? new Uint8Array(0);
      if (how === 'empty') snapshot.chunks.length = 0;
      else if (how === 'short') snapshot.chunks.length = at;
      else snapshot.chunks[at] = how === 'bit' ? this.#flipped(chunk) : chunk.slice(0, this.#fates.below(chunk.length));
    }
  }

  #flipped(chunk: Uint8Array): Uint8Array {
    const damaged = chunk.slice();
    const at = this.#fates.below(damaged.length);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << this.#fates.below(8));
    return damaged;
  }

  heal(): void {
    this.#troubles = [];
    this.disk.heal();
    this.#healed = true;
    this.resume();
    // Whoever could not read what it has to serve is started again by its operator.
    if (this.#ailing && this.up) this.crash({ keep: false, machine: false });
  }

  /** Counts what only the running parts know. */
  look(): void {
    this.#look();
  }

  #build(lane: Lane, random: Random): Running {
    const { disk, tuning, recorder, engine, ring, claims } = this.#options;
    const log = memoryLog({
      scheduler: lane,
      disk,
      fate: () => this.#fate(),
      tailBatchMax: tuning.tailBatch,
      free: () => this.disk.free(),
    });
    const store = memoryStore({
      scheduler: lane,
      disk: this.#stores,
      historyMs: LIMITS.historyMs,
      lazyMs: tuning.storeMs,
      flushMs: () => (tuning.storeMs === 0 ? 0 : this.#fates.between(0, tuning.storeMs)),
    });
    const entropy = (size: number): Uint8Array => random.bytes(size);
    const real = createAuthenticator({
      keys: { find: (tenant, keyId) => node.findKey(tenant, keyId) },
      now: () => lane.now(),
    });
    const node: Node = new Node({
      nodeId: `n_${this.incarnation}`,
      version: 'simulated',
      log: this.#recorded(log, (fn) => lane.defer(fn)),
      store,
      scheduler: lane,
      entropy,
      sha256,
      access: { authorise, mintKey: (tenant) => mintKey(tenant, entropy), compileRule },
      authenticate: (token) => claims(token) ?? real(token),
      texts: this.#texts.open(lane, random.fork('texts')),
      engine,
      ring,
      ...(tuning.chunkBytes === undefined ? {} : { chunkBytes: tuning.chunkBytes }),
      events: {
        applied: (done) => this.#options.view.applied(done.tenant, done),
        halted: (tenant, error) => this.#refused(tenant, error),
        snapshotDamaged: () => recorder.marks.count('damaged snapshot passed over'),
        checkpointed: (_tenant, outcome) => {
          if ('error' in outcome) recorder.marks.count('checkpoint failed');
          if ('reused' in outcome) recorder.marks.count('chunk of a snapshot taken again', outcome.reused);
        },
      },
    });
    const sessions = createSessionManager({ node, scheduler: lane, log: sessionLog(this.#options.recorder) });
    return { lane, log, store, node, sessions, ready: false, alive: true, counted: new Map() };
  }

  /** Says in the history what is opened, and from where it is followed. */
  #recorded(log: MemoryLog, later: (fn: () => void) => void): LogDriver {
    const { recorder, disk } = this.#options;
    return {
      name: log.name,
      snapshots: this.disk.snapshots(log.snapshots, later),
      tenants: (done) => log.tenants(done),
      open: (tenant, done) => {
        const found = disk.tenant(tenant);
        const { seq, chain } = found.head();
        const { logId, epoch } = found;
        recorder.add({ kind: 'log.open', tenant, logId, epoch, seq, ...(seq === 0 ? {} : { chain: hex(chain) }) });
        log.open(tenant, (opened) => done(opened instanceof LogFault ? opened : this.disk.log(opened)));
      },
      disk: () => log.disk(),
      close: (done) => log.close(done),
    };
  }

  #firstKey(running: Running, random: Random): MintedKey | undefined {
    const system = running.node.serving('system');
    if (system !== undefined && system.tenant.engine.state.apiKeys.size > 0) return undefined;
    const parsed = this.adminKey === undefined ? undefined : parseKey(this.adminKey);
    const minted = mintKey(DEFAULT_TENANT, (size) => random.fork(`first key ${parsed?.keyId}`).bytes(size));
    this.adminKey = minted.key;
    return minted;
  }

  #started(running: Running, fault: Error | undefined): void {
    if (running !== this.#running) return;
    if (fault === undefined) {
      running.ready = true;
      for (const { tenant } of running.node.servings) {
        if ((this.#options.disk.tenants.get(tenant.id)?.base.seq ?? 0) > 0)
          this.#options.recorder.marks.count('snapshot restored');
      }
      this.#options.network.listen(this.#accept(running));
      return;
    }
    if (!this.disk.refusing) this.#options.recorder.trouble('start', fault.message);
    this.crash({ keep: false, machine: false });
    if (this.disk.refusing) this.#restart();
  }

  /** A log that could not be read is refused; that of any other is a violation. */
  #refused(tenant: string, error: Error): void {
    const { recorder } = this.#options;
    const lane = this.#running?.lane;
    if (!this.disk.refusing || !(error instanceof LogFault))
      return recorder.trouble('halted', `${tenant}: ${error.message}`);
    this.#ailing = true;
    recorder.marks.count('tenant refused after an error of the disk');
    recorder.fault('tenant refused after an error of the disk', { severs: true });
    // The others are served for a while.
    lane?.after(REFUSED_MS, () => {
      if (this.#running?.lane !== lane) return;
      this.crash({ keep: false, machine: false });
      this.#restart();
    });
  }

  #restart(): void {
    this.#options.restart(REFUSED_MS);
  }

  /** Everything that reaches the server's process takes its turn there, and reaches nobody when it is gone. */
  #accept(running: Running): Accept {
    return (connection: Connection): ConnectionHandler => {
      let handler: ConnectionHandler | undefined;
      const { lane } = running;
      const guarded = (fn: (handler: ConnectionHandler) => void): void => {
        lane.defer(() => {
          if (handler !== undefined) fn(handler);
        });
      };
      lane.defer(() => {
        handler = running.sessions.accept(connection);
      });
      return {
        message: (bytes) => guarded((to) => to.message(bytes)),
        drain: () => guarded((to) => to.drain()),
        closed: (code) => guarded((to) => to.closed(code)),
      };
    };
  }

  #stopped(running: Running, done: () => void): void {
    this.#look();
    this.#gone(running);
    this.#options.recorder.add({ kind: 'server.crash' });
    done();
  }

  #gone(running: Running): void {
    running.lane.kill();
    running.alive = false;
    running.ready = false;
    this.#running = undefined;
  }

  /** An error of the log's sync is never tried again: the process ends, and the next one finds out what is durable. */
  #syncFails({ keep }: DiskTrouble, commitMs: number): void {
    const { recorder, restart } = this.#options;
    const running = this.#running;
    const end = (): void => {
      if (running === undefined || running !== this.#running || this.#healed) return;
      recorder.fault('error of the disk in the log', { severs: true });
      recorder.restless(noticedMs());
      this.crash({ keep, machine: false });
      restart(500);
    };
    if (commitMs > 0) running?.lane.after(commitMs, end);
    else running?.lane.defer(end);
  }

  #look(): void {
    const running = this.#running;
    this.#options.disk.look();
    if (running === undefined) return;
    const { marks } = this.#options.recorder;
    for (const { id, hub, tenant } of running.node.servings) {
      const before = running.counted.get(id) ?? { behind: 0, fromHistory: 0, gaps: 0, inTurns: 0 };
      const inTurns = tenant.takenInTurns;
      marks.count('connection fell behind', hub.counts.behind - before.behind);
      marks.count('read from history', hub.counts.fromHistory - before.fromHistory);
      marks.count('sessions took turns at the log', inTurns - before.inTurns);
      running.counted.set(id, { ...hub.counts, inTurns });
    }
  }

  #fate(): GroupFate {
    const { tuning, time, recorder } = this.#options;
    const random = this.#fates;
    const ms = (max: number): number => (max === 0 ? 0 : random.between(0, max));
    const fate = { commitMs: ms(tuning.commitMs), replyMs: ms(tuning.replyMs), tailMs: ms(tuning.tailMs) };
    const broken = this.disk.strikes('sync');
    if (broken !== undefined) this.#syncFails(broken, fate.commitMs);
    this.#troubles = this.#troubles.filter(({ until }) => until > time.now);
    const trouble = this.#troubles.find(({ percent }) => random.below(100) < percent);
    if (trouble === undefined) return { ...fate, outcome: 'appended' };
    if (trouble.what === 'slow') return { ...fate, commitMs: random.spread(10, 3_000), outcome: 'appended' };
    const marks = {
      unknown: 'append of unknown outcome was durable',
      lost: 'append of unknown outcome was lost',
      full: 'log full',
    } as const;
    recorder.marks.count(marks[trouble.what]);
    return { ...fate, outcome: trouble.what };
  }
}
