/**
 * What this node has read of a tenant's log, on its own disk: the copy from which a Redis that lost its end is repaired,
 * and by which that is noticed.
 *
 * Owns: the layout of a record, which stretch of the log is there. Does not own: the file, which is a SQLite log of its
 * own (../sqlite, so damage of it has a name too), nor what is done with the copy (recovery.ts).
 *
 *     record   8 bytes of SHA-256 of the log's id · u32 epoch · f64 seq · f64 ts · 20 bytes link · packed payload
 *
 * LT1 Entries are given to the file in the order of the log before the node applies them; they are synced behind that,
 *    since Redis has synced them already. `flushed` waits for it.
 * LT2 It holds one stretch without holes: after a hole (a node that was away for longer than Redis keeps) it begins anew.
 * LT3 The newest entry is never forgotten, even when a snapshot covers it: it says where the log was.
 */
import { createHash } from 'node:crypto';
import { assert, must } from '../../base/assert.ts';
import { LogFault, type LogDriver, type LogEntry, type TenantLog } from '../port.ts';
import type { Element } from './element.ts';

const originBytes = 8;
const linkBytes = 20;
const headBytes = originBytes + 4 + 8 + 8 + linkBytes;

/** One tenant's part of the file. */
export interface TailLog extends Pick<TenantLog, 'append' | 'read' | 'trim'> {
  /** Which entries were there when it was opened: those after `baseSeq` up to `headSeq`. */
  readonly opened: { readonly baseSeq: number; readonly headSeq: number };
}

/** The file of all tails: a SQLite log, or the simulator's. */
export interface TailFile extends Pick<LogDriver, 'disk' | 'close'> {
  /** The same after a restart. */
  readonly fileId: Uint8Array;
  open(tenant: string, done: (opened: TailLog | LogFault) => void): void;
}

export interface Kept extends Element {
  /** Which log it is of. */
  readonly origin: string;
}

export function originOf(logId: string): string {
  return createHash('sha256')
    .update(logId)
    .digest('hex')
    .slice(0, 2 * originBytes);
}

export class LocalTail {
  readonly #log: TailLog;
  /** The newest entry. */
  #head: Kept | undefined;
  /** Seq of the oldest entry of the stretch. */
  #first: number;
  /** What a record's place in the file is less than its entry's seq, within the stretch. */
  #offset: number;
  #fileHead: number;
  #fileBase: number;
  #unsynced = 0;
  readonly #waiting: (() => void)[] = [];

  private constructor(log: TailLog, found: { first: number; offset: number; head: Kept | undefined }) {
    this.#log = log;
    this.#head = found.head;
    this.#first = found.first;
    this.#offset = found.offset;
    this.#fileHead = log.opened.headSeq;
    this.#fileBase = log.opened.baseSeq;
  }

  static async open(file: TailFile, tenant: string): Promise<LocalTail> {
    const log = await new Promise<TailLog>((resolve, reject) => {
      file.open(tenant, (opened) => (opened instanceof LogFault ? reject(opened) : resolve(opened)));
    });
    const { baseSeq, headSeq } = log.opened;
    if (headSeq === baseSeq) return new LocalTail(log, { first: 1, offset: -headSeq, head: undefined });
    const head = await recordAt(log, headSeq);
    const offset = head.seq - headSeq;
    const first = offset + (await stretchBegin(log, { from: baseSeq + 1, to: headSeq, offset }));
    return new LocalTail(log, { first, offset, head });
  }

  get head(): Kept | undefined {
    return this.#head;
  }

  get first(): number {
    return this.#first;
  }

  /** LT1. What is there already is left out. */
  add(logId: string, elements: readonly Element[]): void {
    const fresh = elements.filter(({ seq }) => seq > (this.#head?.seq ?? 0));
    const [next] = fresh;
    if (next === undefined) return;
    const origin = originOf(logId);
    if (this.#head === undefined || next.seq !== this.#head.seq + 1) this.#beginAnew(next.seq); // LT2
    this.#head = { ...must(fresh.at(-1), 'some are fresh'), origin };
    this.#fileHead += fresh.length;
    this.#unsynced += 1;
    this.#log.append(
      fresh.map((element) => recordOf(origin, element)),
      () => this.#synced(),
    );
  }

  /** Resolves when everything that was added is on the disk, or the file has failed. */
  async flushed(): Promise<void> {
    if (this.#unsynced === 0) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** The entry `seq`, if it is here. */
  async at(seq: number): Promise<Kept | undefined> {
    const [kept] = await this.range(seq, 1);
    return kept;
  }

  /** Entries of the stretch from `seq` on, at most `count`. */
  async range(seq: number, count: number): Promise<readonly Kept[]> {
    await this.flushed();
    if (this.#head === undefined || seq < this.#first || seq > this.#head.seq) return [];
    return (await read(this.#log, seq - this.#offset, count)).map((entry) => recordIn(entry.payload));
  }

  /** Forgets entries up to `seq`, which a snapshot covers. */
  trim(seq: number): void {
    if (this.#head === undefined) return;
    const upTo = Math.min(seq, this.#head.seq - 1); // LT3
    if (upTo < this.#first) return;
    this.#first = upTo + 1;
    this.#trimFile(upTo - this.#offset);
  }

  #beginAnew(seq: number): void {
    this.#offset = seq - (this.#fileHead + 1);
    this.#first = seq;
    this.#trimFile(this.#fileHead);
  }

  #trimFile(upTo: number): void {
    if (upTo <= this.#fileBase) return;
    this.#fileBase = upTo;
    // Behind what is still on its way: the file knows only what it has.
    void this.flushed().then(() => this.#log.trim(upTo, () => undefined));
  }

  #synced(): void {
    this.#unsynced -= 1;
    if (this.#unsynced > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function recordOf(origin: string, element: Element): Uint8Array {
  const record = Buffer.alloc(headBytes + element.packed.length);
  record.write(origin, 0, 'hex');
  record.writeUInt32BE(element.epoch, originBytes);
  record.writeDoubleBE(element.seq, originBytes + 4);
  record.writeDoubleBE(element.ts, originBytes + 12);
  record.write(element.link, originBytes + 20, 'hex');
  record.set(element.packed, headBytes);
  return record;
}

function recordIn(bytes: Uint8Array): Kept {
  const record = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  assert(record.length > headBytes, 'a record of the local tail has its fields');
  return {
    origin: record.toString('hex', 0, originBytes),
    epoch: record.readUInt32BE(originBytes),
    seq: record.readDoubleBE(originBytes + 4),
    ts: record.readDoubleBE(originBytes + 12),
    link: record.toString('hex', originBytes + 20, headBytes),
    packed: record.subarray(headBytes),
  };
}

async function read(log: TailLog, from: number, count: number): Promise<readonly LogEntry[]> {
  return await new Promise((resolve, reject) => {
    log.read(from, count, (result) => (result instanceof LogFault ? reject(result) : resolve(result)));
  });
}

async function recordAt(log: TailLog, place: number): Promise<Kept> {
  const [entry] = await read(log, place, 1);
  return recordIn(must(entry, 'a record that the file has').payload);
}

/** The oldest place from which on seq and place differ by `offset`: before it there is a hole (LT2). */
async function stretchBegin(log: TailLog, of: { from: number; to: number; offset: number }): Promise<number> {
  let { from, to } = of;
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if ((await recordAt(log, middle)).seq - middle === of.offset) to = middle;
    else from = middle + 1;
  }
  return to;
}
