/**
 * A simulated node over all its processes: log, node and sessions as the composition root puts them together, over disks
 * that outlive them, and whoever supervises it.
 *
 * SN1 What dies with a process dies here: everything but the disks is made anew by `start`, under a name of its own.
 * SN2 As the composition root does: a process that was taken for dead ends, and one whose state is wrong.
 * SN3 A log that this node may not go on with (another history, a lost end) is for an operator, who sees it after a while,
 *    removes the data directory and starts the node anew.
 */
import { authorise, createAuthenticator, mintKey } from '../../../src/access/index.ts';
import { ENGINE_VERSION } from '../../../src/engine/port.ts';
import { RedisLog } from '../../../src/log/redis/driver.ts';
import { LogFault } from '../../../src/log/port.ts';
import { Node } from '../../../src/node/node.ts';
import type { Principal } from '../../../src/node/port.ts';
import type { Applied } from '../../../src/node/serving.ts';
import { compileRule } from '../../../src/rules/index.ts';
import { createSessionManager, type SessionManager } from '../../../src/session/manager.ts';
import type { Accept, Connection, ConnectionHandler } from '../../../src/session/port.ts';
import { memoryStore, MemoryStoreDisk, type MemoryStore } from '../../../src/store/memory.ts';
import { Network } from '../network.ts';
import type { Random } from '../random.ts';
import type { Recorder } from '../recorder.ts';
import type { Lane, VirtualTime, Wall } from '../scheduler.ts';
import { sha256 } from '../state-tracker.ts';
import { TAKEN_FOR_DEAD } from './history.ts';
import { Overheard } from './overheard.ts';
import { TailDisk } from './tail-disk.ts';
import type { RedisWorld } from './redis-world.ts';
import { sessionLog } from '../session-log.ts';

export interface SimNodeOptions {
  readonly name: string;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly recorder: Recorder;
  readonly redis: RedisWorld;
  readonly latencyMs: readonly [number, number];
  /** How long the file of tails takes to sync, ms at most. */
  readonly syncMs: number;
  readonly claims: (token: string) => Principal | undefined;
  readonly observer: SimNodeObserver;
}

export interface SimNodeObserver {
  started(process: string, lane: Lane): void;
  ready(process: string): void;
  ended(process: string, why: string): void;
  applied(process: string, applied: Applied): void;
  /** A connection speaks for the session from now on. `conn` is one of all. */
  welcomed(process: string, conn: string, session: string): void;
  sent(process: string, conn: string, push: { readonly session: string; readonly rev: number }): void;
  refused(process: string, tenant: string, fault: string): void;
  differs(process: string, message: string): void;
  repaired(process: string, message: string): void;
}

interface Process {
  readonly name: string;
  readonly lane: Lane;
  readonly log: RedisLog;
  readonly store: MemoryStore;
  readonly node: Node;
  readonly sessions: SessionManager;
  ready: boolean;
}

const SUPERVISED_MS = 1_000;
const OPERATOR_MS = 4_000;
const NOTICED_MS = 15_000;
/** A process that is gone for good needs another directory. */
const HOPELESS: ReadonlySet<string> = new Set(['FORK', 'TRUNCATED', 'WRONG_LOG', 'GAP']);

export class SimNode {
  readonly name: string;
  readonly network: Network;
  readonly wall: Wall = { offsetMs: 0 };
  readonly #options: SimNodeOptions;
  readonly #tails: TailDisk;
  #stores = new MemoryStoreDisk();
  #process: Process | undefined;
  #incarnation = 0;
  #away = false;
  stalled = false;
  #wokenAt = -Infinity;

  constructor(options: SimNodeOptions) {
    const { name, time, random, recorder, latencyMs } = options;
    this.name = name;
    this.#options = options;
    this.#tails = new TailDisk(random.fork('tails'));
    this.network = new Network({ time, random: random.fork('network'), recorder, latencyMs });
  }

  get node(): Node | undefined {
    return this.#process?.ready === true ? this.#process.node : undefined;
  }

  get process(): string | undefined {
    return this.#process?.name;
  }

  /** Serving everything that there is. */
  get whole(): boolean {
    const process = this.#process;
    return process?.ready === true && process.node.refused.size === 0 && !this.stalled;
  }

  start(): void {
    if (this.#process !== undefined || this.#away) return;
    this.#incarnation += 1;
    const { time, random, observer } = this.#options;
    const name = `${this.name}.${this.#incarnation}`;
    const lane = time.lane(name, this.wall);
    this.stalled = false;
    observer.started(name, lane);
    const process = this.#build(name, lane, random.fork(`process ${this.#incarnation}`));
    this.#process = process;
    lane.defer(() => void this.#open(process));
  }

  /** The process, or with `machine` all that was not synced too, is gone. */
  crash(downMs: number): void {
    if (this.#process === undefined) return;
    this.#end(this.#process, 'crash');
    this.#restart(downMs);
  }

  /** As on SIGTERM, and then started again. */
  stop(downMs: number): void {
    const process = this.#process;
    if (process?.ready !== true) return;
    process.ready = false;
    process.sessions.stop(() => {
      for (const link of this.network.unlisten()) link.cut();
      process.node.stop(() =>
        process.store.close(() =>
          process.log.close(() => {
            if (this.#process !== process) return;
            this.#end(process, 'stop');
            this.#restart(downMs);
          }),
        ),
      );
    });
  }

  /** As the job does. What comes of it is in Redis. */
  checkpoint(): void {
    this.node?.serving('default')?.checkpoint(() => undefined);
  }

  stall(ms: number): void {
    const process = this.#process;
    if (process === undefined || this.stalled) return;
    this.stalled = true;
    process.lane.pause();
    this.#later(ms, () => {
      if (this.#process === process) this.wake();
    });
  }

  /** It stands still, or has just woken up and had no time to notice. */
  get wasStalled(): boolean {
    return this.stalled || this.#options.time.now - this.#wokenAt < NOTICED_MS;
  }

  wake(): void {
    if (this.stalled) this.#wokenAt = this.#options.time.now;
    this.stalled = false;
    this.#process?.lane.resume();
  }

  /** The faults are over: whoever is away comes back. */
  heal(): void {
    this.#away = false;
    this.wake();
    this.network.heal();
    this.start();
  }

  #build(name: string, lane: Lane, random: Random): Process {
    const { redis, syncMs, claims, observer } = this.#options;
    const entropy = (size: number): Uint8Array => random.bytes(size);
    const syncs = random.fork('sync');
    const log = new RedisLog(
      {
        address: { kind: 'server', hosts: [{ host: 'redis', port: 6379 }], options: {} },
        scheduler: lane,
        node: name,
        shared: true,
        engine: ENGINE_VERSION,
        onTrouble: (what) => {
          if (what.includes('they were put back')) observer.repaired(name, what);
        },
      },
      {
        file: this.#tails.open(lane, () => 1 + syncs.below(syncMs + 1)),
        dial: () => redis.wire(this.name, lane),
        entropy,
        talks: false,
      },
    );
    const store = memoryStore({ scheduler: lane, disk: this.#stores, lazyMs: 20 });
    const real = createAuthenticator({
      keys: { find: (tenant, keyId) => node.findKey(tenant, keyId) },
      now: () => lane.now(),
    });
    const node: Node = new Node({
      nodeId: name,
      version: 'simulated',
      log,
      store,
      scheduler: lane,
      entropy,
      sha256,
      access: { authorise, mintKey: (tenant) => mintKey(tenant, entropy), compileRule },
      authenticate: (token) => claims(token) ?? real(token),
      events: {
        applied: (applied) => observer.applied(name, applied),
        halted: (tenant, error) => this.#halted(name, tenant, error),
        differs: (tenant, mismatch) => {
          observer.differs(name, `${tenant}: ${mismatch.verdict}, by ${mismatch.by}, at ${mismatch.seq}`);
          const process = this.#process;
          if (mismatch.verdict !== 'this node is wrong' || process?.name !== name) return;
          this.#end(process, 'its state is wrong'); // SN2
          this.#restart(SUPERVISED_MS);
        },
      },
    });
    const sessions = createSessionManager({ node, scheduler: lane, log: sessionLog(this.#options.recorder) });
    return { name, lane, log, store, node, sessions, ready: false };
  }

  async #open(process: Process): Promise<void> {
    try {
      await process.log.start();
    } catch (error) {
      this.#failed(process, error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (this.#process !== process) return;
    const { random } = this.#options;
    process.node.start(
      () => mintKey('default', (size) => random.fork(`key ${process.name}`).bytes(size)),
      (fault) => {
        if (this.#process !== process) return;
        if (fault !== undefined) return this.#failed(process, fault);
        process.ready = true;
        for (const [tenant, error] of process.node.refused)
          if (this.#process === process && nameOf(error) === 'LOCKED') return this.#halted(process.name, tenant, error);
        this.#options.observer.ready(process.name);
        this.network.listen(this.#accept(process));
      },
    );
  }

  #failed(process: Process, error: Error): void {
    if (this.#process !== process) return;
    const fault = nameOf(error);
    this.#options.observer.refused(process.name, '', fault);
    this.#end(process, `it could not start: ${fault}: ${error.message}`);
    if (HOPELESS.has(fault)) this.#wiped();
    else this.#restart(SUPERVISED_MS);
  }

  #halted(name: string, tenant: string, error: Error): void {
    const process = this.#process;
    if (process?.name !== name) return;
    const fault = nameOf(error);
    this.#options.observer.refused(name, tenant, fault);
    // The log was trimmed under it: as the composition root does, it ends, and the next one begins from a snapshot.
    if ((fault === 'LOCKED' || fault === 'GAP') && process.ready) {
      this.#end(process, fault === 'GAP' ? 'the log was trimmed under it' : TAKEN_FOR_DEAD); // SN2
      this.#restart(SUPERVISED_MS);
    } else if (HOPELESS.has(fault)) {
      process.lane.after(OPERATOR_MS, () => {
        if (this.#process !== process) return;
        this.#end(process, 'its operator gives it another directory'); // SN3
        this.#wiped();
      });
    } else if (fault !== 'LOCKED') {
      this.#options.recorder.trouble('halted', `${name}, tenant ${tenant}: ${error.message}`);
    }
  }

  #wiped(): void {
    this.#tails.wipe();
    this.#stores = new MemoryStoreDisk();
    this.#restart(SUPERVISED_MS);
  }

  #end(process: Process, why: string): void {
    const links = this.network.unlisten();
    process.lane.kill();
    process.store.crash(this.#options.random.fork(`store ${process.name}`).below(process.store.pending + 1));
    this.#tails.crash();
    this.#options.redis.died(this.name);
    this.#process = undefined;
    this.#options.observer.ended(process.name, why);
    for (const link of links) link.cut();
  }

  #restart(ms: number): void {
    this.#away = true;
    this.#later(ms, () => {
      this.#away = false;
      this.start();
    });
  }

  #later(ms: number, fn: () => void): void {
    this.#options.time.lane(`supervisor of ${this.name}`).after(ms, fn);
  }

  /** Everything that reaches the process takes its turn there, and reaches nobody when it is gone. */
  #accept(process: Process): Accept {
    return (connection: Connection): ConnectionHandler => {
      let handler: ConnectionHandler | undefined;
      const conn = `${process.name} ${connection.id}`;
      const { observer } = this.#options;
      const overheard = new Overheard(connection, {
        welcomed: (session) => observer.welcomed(process.name, conn, session),
        sent: (session, rev) => observer.sent(process.name, conn, { session, rev }),
      });
      const guarded = (fn: (handler: ConnectionHandler) => void): void => {
        process.lane.defer(() => {
          if (handler !== undefined) fn(handler);
        });
      };
      process.lane.defer(() => {
        handler = process.sessions.accept(overheard);
      });
      return {
        message: (bytes) => guarded((to) => to.message(bytes)),
        drain: () => guarded((to) => to.drain()),
        closed: (code) => guarded((to) => to.closed(code)),
      };
    };
  }
}

function nameOf(error: Error): string {
  return error instanceof LogFault ? error.fault : 'HALTED';
}
