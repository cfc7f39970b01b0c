/**
 * One tenant's log in the memory driver.
 *
 * MT1 The tail is a cursor over the disk: what it delivers was stored, durable, and verified on the way out.
 * MT2 It never delivers beyond `visible`, which the driver raises when a group commit may be seen.
 */
import { assert } from '../base/assert.ts';
import type { DiskTenant } from './memory-disk.ts';
import { LogFault, type AppendOutcome, type LogEntry, type LogHead, type TailSink, type TenantLog } from './port.ts';
import { startFault, VerifyingCursor } from './verify.ts';

/** What a tenant's log asks of its driver. */
export interface MemoryHost {
  append(payloads: readonly Uint8Array[], done: (outcome: AppendOutcome) => void): void;
  /** Runs a step later, unless the driver died meanwhile. */
  step(fn: () => void): void;
  readonly tailBatchMax: number;
}

interface Tail {
  readonly sink: TailSink;
  readonly cursor: VerifyingCursor;
  /** Where the log ended when the tail was opened; undefined once that was reached. */
  target: LogHead | undefined;
}

export class MemoryTenantLog implements TenantLog {
  readonly tenant: string;
  readonly #disk: DiskTenant;
  readonly #host: MemoryHost;
  #visible: number;
  #tail: Tail | undefined;
  #tailed = false;
  #pumping = false;

  constructor(tenant: string, disk: DiskTenant, host: MemoryHost) {
    this.tenant = tenant;
    this.#disk = disk;
    this.#host = host;
    this.#visible = disk.head().seq;
  }

  get logId(): string {
    return this.#disk.logId;
  }

  get epoch(): number {
    return this.#disk.epoch;
  }

  append(payloads: readonly Uint8Array[], done: (outcome: AppendOutcome) => void): void {
    assert(payloads.length > 0, 'an append has at least one entry');
    this.#host.append(payloads, done);
  }

  tail(from: { readonly seq: number; readonly chain?: Uint8Array }, sink: TailSink): void {
    assert(!this.#tailed, 'a log has one tail');
    this.#tailed = true;
    const target = this.#disk.head();
    this.#host.step(() => {
      const chain = this.#disk.chainAt(from.seq);
      const span = { baseSeq: this.#disk.base.seq, headSeq: this.#disk.head().seq, chain };
      const fault = startFault(this.tenant, from, span);
      if (fault !== undefined || chain === undefined) {
        sink.fault(fault ?? new LogFault('GAP', `log of tenant ${this.tenant}: entry ${from.seq} is missing`));
        return;
      }
      const cursor = new VerifyingCursor(this.tenant, { seq: from.seq, chain, ts: 0, epoch: 0 });
      this.#tail = { sink, cursor, target };
      this.#pump();
    });
  }

  read(from: number, limit: number, done: (result: readonly LogEntry[] | LogFault) => void): void {
    this.#host.step(() => {
      const chain = this.#disk.chainAt(from - 1);
      if (from <= this.#disk.base.seq || chain === undefined) {
        const first = this.#disk.base.seq + 1;
        const past = from > this.#disk.head().seq;
        done(past ? [] : new LogFault('GAP', `log of tenant ${this.tenant}: the first entry there is ${first}`));
        return;
      }
      const cursor = new VerifyingCursor(this.tenant, { seq: from - 1, chain, ts: 0, epoch: 0 });
      done(this.#take(cursor, this.#disk.head().seq, limit));
    });
  }

  trim(seq: number, done: () => void): void {
    this.#disk.trim(seq);
    this.#host.step(done);
  }

  /** Entries up to `seq` are durable and may be delivered. */
  reveal(seq: number): void {
    this.#visible = Math.max(this.#visible, seq);
    this.#pump();
  }

  fail(fault: LogFault): void {
    const tail = this.#tail;
    this.#tail = undefined;
    tail?.sink.fault(fault);
  }

  #take(cursor: VerifyingCursor, upTo: number, limit: number): readonly LogEntry[] | LogFault {
    const taken: LogEntry[] = [];
    while (taken.length < limit && cursor.at.seq < upTo) {
      const stored = this.#disk.entries[cursor.at.seq - this.#disk.base.seq];
      if (stored === undefined) {
        return new LogFault('GAP', `log of tenant ${this.tenant}: entry ${cursor.at.seq + 1} is missing`);
      }
      const entry = cursor.next(stored);
      if (entry instanceof LogFault) return entry;
      taken.push(entry);
    }
    return taken;
  }

  /** One batch per turn. */
  #pump(): void {
    const tail = this.#tail;
    if (tail === undefined || this.#pumping) return;
    const batch = this.#take(tail.cursor, this.#visible, this.#host.tailBatchMax);
    if (batch instanceof LogFault) {
      this.fail(batch);
      return;
    }
    this.#pumping = true;
    this.#host.step(() => {
      this.#pumping = false;
      if (this.#tail !== tail) return;
      if (batch.length > 0) tail.sink.entries(batch);
      const { seq } = tail.cursor.at;
      const { target } = tail;
      if (target !== undefined && seq >= target.seq) {
        tail.target = undefined;
        tail.sink.caughtUp(target);
      }
      if (seq < this.#visible) this.#pump();
    });
  }
}
