/**
 * The log in memory: for the simulator and for tests. It keeps the same stored bytes as the drivers on disk and
 * believes them in the same way.
 *
 * Owns: the order of append, durability, reply and tail, each a step of its own on the scheduler.
 * Does not own: what survives a crash (memory-disk.ts); clock and randomness: faults are decided by the caller.
 *
 * M1 One group commit at a time; it takes every append that waits when it starts and is durable as a whole.
 * M2 What is not durable when `crash` is called is gone, unless the caller keeps the running group: then it is
 *    durable and nobody was told.
 * M3 After `crash` nothing that was under way calls back.
 * M4 Outcomes are told in the order of the appends.
 */
import { assert } from '../base/assert.ts';
import { byCodeUnits } from '../base/order.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { MemoryDisk, type DiskTenant } from './memory-disk.ts';
import { MemorySnapshots } from './memory-snapshots.ts';
import { MemoryTenantLog, type MemoryHost } from './memory-tenant.ts';
import { LogFault, type AppendOutcome, type LogDriver, type SnapshotStore, type TenantLog } from './port.ts';
import { Stamps } from './stamps.ts';

/** What happens to one group commit. Times in ms; 0 is the next turn. */
export interface GroupFate {
  /** From its start until it is durable. */
  readonly commitMs: number;
  /** From then until the appenders hear of it. */
  readonly replyMs: number;
  /** From then until the tails may deliver it. */
  readonly tailMs: number;
  /**
   * `unknown`: durable, and the reply is lost. `lost`: not durable, and the reply is lost.
   * `full`: not durable, and the appenders are told so.
   */
  readonly outcome: 'appended' | 'unknown' | 'lost' | 'full';
}

export interface MemoryLogOptions {
  readonly scheduler: Scheduler;
  /** Default: a new one. */
  readonly disk?: MemoryDisk;
  /** Asked once for each group commit; default: every group is durable and known at once. */
  readonly fate?: () => GroupFate;
  /** Entries that a tail delivers in one turn at most. */
  readonly tailBatchMax?: number;
  readonly free?: () => { readonly freeBytes: number; readonly freePercent: number } | undefined;
}

interface Append {
  readonly tenant: string;
  readonly disk: DiskTenant;
  readonly stamps: Stamps;
  readonly payloads: readonly Uint8Array[];
  readonly done: (outcome: AppendOutcome) => void;
}

const prompt: GroupFate = { commitMs: 0, replyMs: 0, tailMs: 0, outcome: 'appended' };

export function memoryLog(options: MemoryLogOptions): MemoryLog {
  return new MemoryLog(options);
}

export class MemoryLog implements LogDriver {
  readonly name = 'memory';
  readonly snapshots: SnapshotStore;
  readonly #options: MemoryLogOptions;
  readonly #disk: MemoryDisk;
  readonly #logs = new Map<string, MemoryTenantLog>();
  #waiting: Append[] = [];
  #running: readonly Append[] | undefined;
  /** Replies that are on their way, in the order of the appends. */
  readonly #replies: { due: boolean; readonly tell: () => void }[] = [];
  #closed: (() => void) | undefined;
  #dead = false;

  constructor(options: MemoryLogOptions) {
    this.#options = options;
    this.#disk = options.disk ?? new MemoryDisk();
    if (this.#disk.holder !== undefined) throw new LogFault('LOCKED', 'another driver has this disk open');
    this.#disk.holder = this;
    this.snapshots = new MemorySnapshots(this.#disk, (fn) => this.#later(0, fn));
  }

  tenants(done: (ids: readonly string[]) => void): void {
    this.#later(0, () => done([...this.#disk.tenants.keys()].toSorted(byCodeUnits)));
  }

  open(tenant: string, done: (result: TenantLog | LogFault) => void): void {
    assert(!this.#logs.has(tenant), `the log of tenant ${tenant} is open already`);
    const disk = this.#disk.tenant(tenant);
    const stamps = new Stamps({ wall: disk.head().ts, mono: this.#options.scheduler.mono() });
    const host: MemoryHost = {
      append: (payloads, outcome) => this.#append({ tenant, disk, stamps, payloads, done: outcome }),
      step: (fn) => this.#later(0, fn),
      tailBatchMax: this.#options.tailBatchMax ?? 256,
    };
    const log = new MemoryTenantLog(tenant, disk, host);
    this.#logs.set(tenant, log);
    this.#later(0, () => done(log));
  }

  disk(): { readonly freeBytes: number; readonly freePercent: number } | undefined {
    return this.#options.free?.();
  }

  close(done: () => void): void {
    assert(this.#closed === undefined, 'a log is closed once');
    this.#closed = done;
    this.#maybeClosed();
  }

  /** The process dies here. With `keep`, the running group commit had just become durable. */
  crash(keep: boolean): void {
    if (keep && this.#running !== undefined) this.#write(this.#running); // M2
    this.#dead = true;
    this.#disk.holder = undefined;
  }

  /** The disk fails under the running process: tails stop, appenders never learn. */
  fail(fault: LogFault): void {
    const pending = [...(this.#running ?? []), ...this.#waiting];
    this.crash(false);
    this.#options.scheduler.defer(() => {
      for (const append of pending) append.done({ kind: 'UNKNOWN' });
      for (const log of this.#logs.values()) log.fail(fault);
    });
  }

  #append(append: Append): void {
    assert(this.#closed === undefined, 'a log that is closing takes no append');
    this.#waiting.push(append);
    if (this.#waiting.length === 1 && this.#running === undefined) this.#later(0, () => this.#start());
  }

  #start(): void {
    const group = this.#waiting;
    this.#waiting = [];
    this.#running = group;
    const fate = this.#options.fate?.() ?? prompt;
    this.#later(fate.commitMs, () => this.#end(group, fate));
  }

  #end(group: readonly Append[], fate: GroupFate): void {
    this.#running = undefined;
    const durable = fate.outcome === 'appended' || fate.outcome === 'unknown';
    const outcomes = durable ? this.#write(group) : [];
    this.#reply(fate, () => {
      for (const [index, append] of group.entries()) {
        if (!this.#dead) append.done(told(fate.outcome, outcomes[index])); // M3: a callback may crash the driver
      }
    });
    if (durable) {
      const heads = new Map(group.map((append) => [append.tenant, append.disk.head().seq]));
      this.#later(fate.tailMs, () => {
        for (const [tenant, seq] of heads) this.#logs.get(tenant)?.reveal(seq);
      });
    }
    if (this.#waiting.length > 0) this.#later(0, () => this.#start());
  }

  #write(group: readonly Append[]): readonly AppendOutcome[] {
    const { scheduler } = this.#options;
    return group.map(({ disk, stamps, payloads }) => {
      const first = disk.head().seq + 1;
      const stamp = stamps.next({ wall: scheduler.now(), mono: scheduler.mono() });
      for (const payload of payloads) disk.add(payload, stamp);
      return { kind: 'appended', first, last: first + payloads.length - 1 };
    });
  }

  #reply(fate: GroupFate, tell: () => void): void {
    const reply = { due: false, tell };
    this.#replies.push(reply);
    this.#later(fate.replyMs, () => {
      reply.due = true;
      while (!this.#dead && this.#replies[0]?.due === true) this.#replies.shift()?.tell(); // M4
      this.#maybeClosed();
    });
  }

  #maybeClosed(): void {
    const done = this.#closed;
    if (done === undefined || this.#dead) return;
    if (this.#waiting.length > 0 || this.#running !== undefined || this.#replies.length > 0) return;
    this.#later(0, () => {
      this.#dead = true;
      this.#disk.holder = undefined;
      this.#options.scheduler.defer(done);
    });
  }

  #later(ms: number, fn: () => void): void {
    const guarded = (): void => {
      if (!this.#dead) fn(); // M3
    };
    if (ms > 0) this.#options.scheduler.after(ms, guarded);
    else this.#options.scheduler.defer(guarded);
  }
}

function told(outcome: GroupFate['outcome'], appended: AppendOutcome | undefined): AppendOutcome {
  if (outcome === 'full') return { kind: 'FULL' };
  return outcome === 'appended' && appended !== undefined ? appended : { kind: 'UNKNOWN' };
}
