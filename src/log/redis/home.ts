/**
 * One Redis server and the logs that are there: the connection to it, for as long as it takes.
 *
 * Owns: connecting, coming back, the look at its settings, who is told of the connection. Does not own: what a log does
 * with it (tenant-log.ts), whether it may have the log (recovery.ts), which server a tenant is on (driver.ts).
 *
 *     connecting ──► looked at ──► every log attached ──► serving ──► the connection ends ──► connecting …
 *         ▲               │ not usable, or an error
 *         └── a pause ◄───┘
 *
 * HM1 Every connection draws a pass with which it claims the logs; nothing is appended before its log was claimed.
 * HM2 Commands and the blocking read have connections of their own, to the same process: its run id is compared.
 * HM3 When either ends, both do, and all is begun anew: nobody goes on upon half of a connection.
 * HM4 Settings that are not safe end a start; later they stop appends until they are right again.
 */
import type { Entropy, Scheduler } from '../../base/scheduler.ts';
import { LogFault } from '../port.ts';
import { judge, readServer, UnsafeRedis, type Findings } from './gate.ts';
import type { Keys } from './keys.ts';
import { LinkLost, messageOf, ServerRefusal, type Link } from './link.ts';
import type { LocalTail } from './local-tail.ts';
import { Pause } from './pause.ts';
import { Reader } from './reader.ts';
import { attach, type Attached } from './recovery.ts';
import { Replication } from './replication.ts';
import { movedTo, refusalOf } from './refusal.ts';
import type { RedisTenantLog, Session } from './tenant-log.ts';

const lookMs = 60_000;
const beatMs = 5_000;
const pauseMs = { first: 50, most: 1_000 } as const;

/** A tenant whose log is open, or is being opened. */
export interface Slot {
  readonly tenant: string;
  readonly keys: Keys;
  readonly local: LocalTail;
  /** Undefined until it was attached for the first time. */
  log: RedisTenantLog | undefined;
  /** The first time. */
  opened(session: Session, attached: Attached): RedisTenantLog;
  /** It cannot be opened, or went wrong later. */
  failed(fault: LogFault): void;
  /** The server is another one than before, or had lost entries: before anything is appended there. Rejects when the connection ends. */
  replaced(session: Session): Promise<void>;
  /** There is a connection. */
  connected(session: Session): void;
}

export interface HomeParts {
  readonly connect: () => Promise<Link>;
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  readonly node: string;
  readonly home: string;
  readonly shared: boolean;
  readonly engine: number;
  readonly allowUnsafe: boolean;
  /** In a cluster one read may not name the keys of two tenants. */
  readonly readerForEach: boolean;
  readonly trouble: (what: string) => void;
  readonly repaired: (tenant: string, from: number, to: number) => void;
  /** The server does not have these tenants, or cannot be reached: find them elsewhere. Undefined: there is no elsewhere. */
  readonly reroute:
    ((slots: readonly Slot[], to?: { readonly host: string; readonly port: number }) => void) | undefined;
}

interface Connection {
  readonly link: Link;
  readonly pass: string;
  readonly readers: Map<string, Promise<Reader>>;
  readonly replication: Replication;
  readonly ended: Promise<string>;
}

export class Home {
  readonly #parts: HomeParts;
  readonly #slots = new Map<string, Slot>();
  readonly #attaching = new Set<Slot>();
  #connection: Connection | undefined;
  #findings: Findings = { unsafe: [], warnings: [], replicas: 0 };
  #closed = false;
  #connections = 0;
  #serving: Promise<void> = Promise.resolve();
  readonly #pause: Pause;
  #cancelLook: (() => void) | undefined;
  #cancelBeat: (() => void) | undefined;

  constructor(parts: HomeParts) {
    this.#parts = parts;
    this.#pause = new Pause(parts.scheduler);
  }

  /** Rejects when the server cannot be used: a start ends then. */
  async start(): Promise<void> {
    const connection = await this.#connect();
    const { unsafe } = this.#findings;
    if (unsafe.length > 0 && !this.#parts.allowUnsafe) {
      connection.link.close('it is not set up safely');
      throw new UnsafeRedis(`${unsafe.join(' ')} Or start with --allow-unsafe-redis.`); // HM4
    }
    this.#serving = this.#serve(connection);
  }

  /** Goes on trying, whatever happens. */
  begin(): void {
    this.#serving = this.#serve(undefined);
  }

  get link(): Link | undefined {
    return this.#connection?.link;
  }

  get connected(): boolean {
    return this.#connection?.link.open === true;
  }

  /** How many connections there have been. */
  get connections(): number {
    return this.#connections;
  }

  get findings(): Findings {
    return this.#findings;
  }

  /** HM4 */
  get refuses(): boolean {
    return this.#findings.unsafe.length > 0 && !this.#parts.allowUnsafe;
  }

  add(slot: Slot): void {
    this.#slots.set(slot.tenant, slot);
    if (this.#connection !== undefined) void this.#attach(this.#connection, slot);
  }

  follow(log: RedisTenantLog): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const name = this.#parts.readerForEach ? log.tenant : '';
    let reader = connection.readers.get(name);
    if (reader === undefined) {
      reader = this.#reader(connection);
      connection.readers.set(name, reader);
    }
    void reader.then(
      (ready) => ready.follow(log),
      (error: unknown) => connection.link.close(messageOf(error)), // HM3
    );
  }

  /** What is being connected must be ended by its maker. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#pause.end();
    const connection = this.#connection;
    connection?.link.close('it is closed');
    await this.#serving;
    await Promise.allSettled([...(connection?.readers.values() ?? [])]);
  }

  /** Until it is closed. Never rejects. */
  async #serve(first: Connection | undefined): Promise<void> {
    let connection = first;
    let pause: number = pauseMs.first;
    while (!this.#closed) {
      try {
        connection ??= await this.#connect();
        pause = pauseMs.first;
        this.#connection = connection;
        this.#connections += 1;
        this.#watch(connection);
        for (const slot of this.#slots.values()) void this.#attach(connection, slot);
        const why = await connection.ended;
        if (!this.#closed) this.#parts.trouble(`the connection to Redis ended: ${why}`);
      } catch (error) {
        this.#parts.trouble(`Redis cannot be used now: ${messageOf(error)}`);
        this.#reroute([...this.#slots.values()]);
      }
      this.#leave();
      connection = undefined;
      if (!this.#closed) await this.#pause.wait(pause);
      pause = Math.min(2 * pause, pauseMs.most);
    }
  }

  async #connect(): Promise<Connection> {
    const link = await this.#parts.connect();
    try {
      const findings = judge(await readServer(link));
      if (findings.unusable !== undefined) throw new LogFault('IO', findings.unusable);
      this.#judged(findings);
    } catch (error) {
      link.close(messageOf(error));
      throw error;
    }
    const ended = new Promise<string>((resolve) => link.onEnd(resolve));
    const { scheduler, entropy } = this.#parts;
    const pass = Buffer.from(entropy(12)).toString('hex'); // HM1
    const connect = (): Promise<Link> => this.#beside(link);
    const replication = new Replication({ connect, scheduler, replicas: () => this.#findings.replicas });
    return { link, pass, readers: new Map(), replication, ended };
  }

  async #reader(connection: Connection): Promise<Reader> {
    const { scheduler } = this.#parts;
    const { link: beside, replication } = connection;
    const link = await this.#beside(beside);
    const onBroken = (why: string): void => beside.close(why);
    return new Reader({ link, beside, scheduler, onBroken, replicated: (mark) => replication.behind(mark) });
  }

  /** Another connection to the same process; they end together. */
  async #beside(first: Link): Promise<Link> {
    const link = await this.#parts.connect();
    first.onEnd((why) => link.close(why)); // HM3
    link.onEnd((why) => first.close(why));
    if (link.runId === first.runId) return link;
    first.close('two connections reached two servers'); // HM2
    throw new LinkLost('two connections reached two servers');
  }

  #leave(): void {
    this.#connection = undefined;
    this.#cancelLook?.();
    this.#cancelBeat?.();
    for (const { log } of this.#slots.values()) log?.detached();
  }

  /** Every log is claimed by one attempt at a time. */
  async #attach(connection: Connection, slot: Slot): Promise<void> {
    if (this.#attaching.has(slot) || slot.log?.ended === true) return;
    this.#attaching.add(slot);
    try {
      const attached = await this.#claimed(connection, slot);
      if (attached !== undefined) await this.#attached(connection, slot, attached);
    } finally {
      this.#attaching.delete(slot);
    }
    // The connection was another one in between: this attempt belonged to the one before.
    const now = this.#connection;
    if (now !== undefined && now !== connection && this.#slots.has(slot.tenant)) void this.#attach(now, slot);
  }

  async #claimed(connection: Connection, slot: Slot): Promise<Attached | undefined> {
    const { link, pass } = connection;
    const { tenant, keys, local } = slot;
    const { node, home, shared, engine, repaired, entropy } = this.#parts;
    const onRepaired = (from: number, to: number): void => repaired(tenant, from, to);
    try {
      const { logId: known, epoch } = slot.log ?? {};
      const pause = (ms: number): Promise<void> =>
        new Promise((resolve) => void this.#parts.scheduler.after(ms, resolve));
      const copy = { local, known, epoch, pause, onRepaired, entropy };
      return await attach({ link, tenant, keys, node, home, shared, engine, pass, ...copy });
    } catch (error) {
      if (error instanceof LogFault) {
        this.#slots.delete(tenant);
        slot.log?.detached();
        slot.failed(error);
      } else if (error instanceof ServerRefusal && movedTo(error.message) !== undefined) {
        this.#reroute([slot], movedTo(error.message));
      } else {
        if (error instanceof ServerRefusal && refusalOf(error.message) !== 'elsewhere') {
          this.#parts.trouble(`the log of tenant ${tenant} cannot be opened now: ${error.message}`);
        }
        link.close(messageOf(error));
      }
      return undefined;
    }
  }

  /** Never rejects. */
  async #attached(connection: Connection, slot: Slot, attached: Attached): Promise<void> {
    const { link, pass, replication } = connection;
    const session: Session = {
      link,
      pass,
      renew: (why) => link.close(why),
      replicated: () => replication.behind(slot.keys.mark),
    };
    try {
      if (slot.log !== undefined && slot.log.epoch !== attached.epoch) await slot.replaced(session);
    } catch (error) {
      link.close(messageOf(error));
    }
    if (!link.open || this.#connection !== connection) return;
    slot.log ??= slot.opened(session, attached);
    slot.log.attached(session, attached);
    slot.connected(session);
  }

  #reroute(slots: readonly Slot[], to?: { readonly host: string; readonly port: number }): void {
    const { reroute } = this.#parts;
    if (reroute === undefined || slots.length === 0) return;
    for (const slot of slots) {
      this.#slots.delete(slot.tenant);
      slot.log?.detached();
    }
    reroute(slots, to);
  }

  #watch(connection: Connection): void {
    const { scheduler } = this.#parts;
    // What is under way when the connection ends does not begin again.
    const look = (): void => {
      if (this.#connection !== connection) return;
      this.#cancelLook = scheduler.after(lookMs, () => void this.#look(connection).then(look));
    };
    const beat = (): void => {
      if (this.#connection !== connection) return;
      this.#cancelBeat = scheduler.after(beatMs, () => void this.#beat(connection).then(beat));
    };
    look();
    beat();
  }

  /** Never rejects. */
  async #look(connection: Connection): Promise<void> {
    try {
      const findings = judge(await readServer(connection.link));
      this.#judged(findings);
      if (findings.unusable !== undefined) connection.link.close(findings.unusable);
    } catch (error) {
      connection.link.close(messageOf(error));
    }
  }

  /** Never rejects. */
  async #beat(connection: Connection): Promise<void> {
    const logs = [...this.#slots.values()].flatMap(({ log }) => (log === undefined ? [] : [log.beat(true)]));
    for (const beaten of await Promise.allSettled(logs)) {
      if (beaten.status === 'rejected') connection.link.close(messageOf(beaten.reason));
    }
  }

  #judged(findings: Findings): void {
    const known = new Set([...this.#findings.unsafe, ...this.#findings.warnings]);
    this.#findings = findings;
    for (const what of [...findings.unsafe, ...findings.warnings]) if (!known.has(what)) this.#parts.trouble(what);
  }
}
