/**
 * One tenant's log on the main thread.
 *
 * Owns: the numbering and the stamps of what was sent, the tail's switch from reading to live. Does not own: groups (groups.ts).
 *
 * TL1 Until the tail has caught up it reads pages; what is committed meanwhile is read too. Then entries are
 *    delivered as they are committed. Both happen in one order of messages from the worker, so that nothing is left
 *    out or doubled.
 * TL2 The next page is asked for before the one at hand is delivered.
 */
import { assert, must } from '../../base/assert.ts';
import type { AppendOutcome, LogEntry, LogFault, LogHead, TailSink, TenantLog } from '../port.ts';
import { Stamps, type Clocks } from '../stamps.ts';
import { startFault } from '../verify.ts';
import type { Asker } from './asker.ts';
import type { Opened, Page } from './messages.ts';
import { unpackEntries } from './page.ts';

const pageEntries = 1_024;

type Tail =
  | { readonly kind: 'none' }
  | { readonly kind: 'reading'; readonly sink: TailSink; readonly target: LogHead; caughtUp: boolean }
  | { readonly kind: 'live'; readonly sink: TailSink }
  | { readonly kind: 'ended' };

export interface TenantHost {
  readonly asker: Asker;
  /** The entry of which the tenant's newest snapshot is; 0 if there is none. */
  covered(tenant: string): number;
  /** A backup is being made: nothing is forgotten. Calls back later. */
  held(done: () => void): boolean;
  append(log: SqliteTenantLog, payloads: readonly Uint8Array[], done: (outcome: AppendOutcome) => void): void;
  clocks(): Clocks;
}

export class SqliteTenantLog implements TenantLog {
  readonly tenant: string;
  readonly no: number;
  readonly logId: string;
  readonly epoch: number;
  /** Which entries were there when it was opened: those after `baseSeq` up to `headSeq`. */
  readonly opened: { readonly baseSeq: number; readonly headSeq: number };
  readonly #host: TenantHost;
  /** The newest entry that is known to be durable. */
  #head: LogHead;
  /** The newest entry that was sent to the worker. */
  #sent: number;
  readonly #stamps: Stamps;
  #tail: Tail = { kind: 'none' };

  constructor(tenant: string, opened: Opened, host: TenantHost) {
    this.tenant = tenant;
    this.no = opened.no;
    this.logId = opened.logId;
    this.epoch = opened.epoch;
    this.opened = { baseSeq: opened.baseSeq, headSeq: opened.head.seq };
    this.#head = opened.head;
    this.#sent = opened.head.seq;
    this.#stamps = new Stamps({ wall: opened.head.ts, mono: host.clocks().mono });
    this.#host = host;
  }

  append(payloads: readonly Uint8Array[], done: (outcome: AppendOutcome) => void): void {
    assert(payloads.length > 0, 'an append has at least one entry');
    this.#host.append(this, payloads, done);
  }

  tail(from: { readonly seq: number; readonly chain?: Uint8Array }, sink: TailSink): void {
    assert(this.#tail.kind === 'none', 'a log has one tail');
    this.#tail = { kind: 'reading', sink, target: this.#head, caughtUp: false };
    this.#page(from.seq, (page) => {
      const fault = startFault(this.tenant, from, page);
      if (fault === undefined) this.#paged(page);
      else this.fail(fault);
    });
  }

  read(from: number, limit: number, done: (result: readonly LogEntry[] | LogFault) => void): void {
    const taken: LogEntry[] = [];
    const next = (): void => {
      const after = from + taken.length - 1;
      const upTo = Math.min(this.#head.seq, from + limit - 1);
      const countMax = Math.min(pageEntries, limit - taken.length);
      const ask = { kind: 'page', no: this.no, after, upTo, countMax } as const;
      this.#host.asker.ask<'page'>(ask, { answered, refused: done });
    };
    const answered = (page: Page): void => {
      const beyond = page.first > page.headSeq;
      const fault = beyond ? undefined : startFault(this.tenant, { seq: page.first - 1 }, page);
      if (fault !== undefined) {
        done(fault);
        return;
      }
      taken.push(...unpackEntries(page.bytes, page.first));
      if (page.count === 0 || taken.length >= limit) done(taken);
      else next();
    };
    next();
  }

  trim(seq: number, done: () => void): void {
    if (this.#host.held(done)) return;
    const ask = { kind: 'trim', no: this.no, seq, covered: this.#host.covered(this.tenant) } as const;
    this.#host.asker.ask<'trim'>(ask, { answered: () => done(), refused: (fault) => this.fail(fault) });
  }

  /** Proves every entry that is there. */
  verifyAll(done: (fault?: LogFault) => void): void {
    this.#host.asker.ask<'verify'>({ kind: 'verify', no: this.no }, { answered: () => done(), refused: done });
  }

  /** The newest entry that was delivered, or read when it was opened. */
  get head(): LogHead {
    return this.#head;
  }

  /** Numbers for entries that are about to be sent, the seq of the first, and their stamp. */
  take(count: number): { readonly first: number; readonly ts: number } {
    const first = this.#sent + 1;
    this.#sent += count;
    return { first, ts: this.#stamps.next(this.#host.clocks()) };
  }

  /** The entries are durable; they are the next ones. */
  committed(entries: readonly LogEntry[]): void {
    const last = must(entries.at(-1), 'a commit has entries');
    assert(entries[0]?.seq === this.#head.seq + 1, 'commits come in order');
    this.#head = { seq: last.seq, ts: last.ts, chain: last.chain };
    if (this.#tail.kind === 'live') this.#tail.sink.entries(entries);
  }

  fail(fault: LogFault): void {
    const tail = this.#tail;
    this.#tail = { kind: 'ended' };
    if (tail.kind === 'reading' || tail.kind === 'live') tail.sink.fault(fault);
  }

  #page(after: number, answered: (page: Page) => void): void {
    const ask = { kind: 'page', no: this.no, after, upTo: this.#head.seq, countMax: pageEntries } as const;
    this.#host.asker.ask<'page'>(ask, { answered, refused: (fault) => this.fail(fault) });
  }

  #paged(page: Page): void {
    const tail = this.#tail;
    if (tail.kind !== 'reading') return;
    const last = page.first + page.count - 1;
    if (last < this.#head.seq)
      this.#page(last, (next) => this.#paged(next)); // TL2
    else this.#tail = { kind: 'live', sink: tail.sink }; // TL1
    if (page.count > 0) tail.sink.entries(unpackEntries(page.bytes, page.first));
    if (tail.caughtUp || last < tail.target.seq) return;
    tail.caughtUp = true;
    tail.sink.caughtUp(tail.target);
  }
}
