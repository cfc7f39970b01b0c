/**
 * Groups on the main thread: which appends wait, which are on their way to the worker or committed here, what they became.
 *
 * G1 One group is on its way at a time. What is appended meanwhile, or by those who hear that the last one is durable,
 *    forms the next, so groups grow with the load. The next is sent before the last one is delivered: the worker
 *    commits while the main thread applies.
 * G2 Appends made in one callback share a group: it is sent in a microtask.
 * G3 Appenders hear of a group before its entries are delivered, and head records are written before.
 * G4 With nothing on its way, a small group is committed here instead (here.ts).
 */
import { assert, must } from '../../base/assert.ts';
import { chainBytes, headerBytes, trailerBytes } from '../envelope.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import type { AppendOutcome, LogEntry } from '../port.ts';
import type { Here } from './here.ts';
import type { HeadRecord } from './head-file.ts';
import { appendBytes, areaCount, GroupWriter, type LaneControl, type PlacedAppend } from './lane.ts';
import type { AreaMessage } from './messages.ts';
import type { SqliteTenantLog } from './tenant-log.ts';

/** A group holds no more than this, unless a single append does. */
const areaBytes = 1024 * 1024;

interface Append {
  readonly log: SqliteTenantLog;
  readonly payloads: readonly Uint8Array[];
  readonly done: (outcome: AppendOutcome) => void;
}

interface Sent {
  readonly log: SqliteTenantLog;
  readonly placed: PlacedAppend;
  readonly done: (outcome: AppendOutcome) => void;
}

interface Group {
  readonly area: Uint8Array;
  readonly appends: readonly Sent[];
}

export interface GroupsHost {
  readonly control: LaneControl;
  readonly scheduler: Scheduler;
  post(message: AreaMessage): void;
  /** These entries are durable. */
  wroteHead(no: number, head: HeadRecord): void;
  /** Undefined: all commits are the worker's. */
  here(): Here | undefined;
  /** Durability is in doubt: `stop` follows. */
  failed(error: unknown): void;
}

export class Groups {
  readonly #host: GroupsHost;
  readonly #areas: Uint8Array[] = [];
  #waiting: Append[] = [];
  #onTheWay: Group | undefined;
  #sentCount = 0;
  #hereCount = 0;
  #flushing = false;
  #stopped = false;

  constructor(host: GroupsHost) {
    this.#host = host;
    for (let index = 0; index < areaCount; index += 1) this.#newArea(index, areaBytes);
  }

  get idle(): boolean {
    return this.#waiting.length === 0 && this.#onTheWay === undefined;
  }

  /** How many commits there were on the main thread, and how many were sent to the worker. */
  get counts(): { readonly here: number; readonly sent: number } {
    return { here: this.#hereCount, sent: this.#sentCount };
  }

  append(append: Append): void {
    this.#waiting.push(append);
    if (this.#flushing || this.#onTheWay !== undefined) return;
    this.#flushing = true;
    const flush = (): void => {
      this.#flushing = false;
      if (!this.#commitHere()) this.#flush();
    };
    if (this.#host.here()?.had === true) this.#host.scheduler.defer(flush);
    else queueMicrotask(flush); // G2
  }

  /** So many groups are durable. */
  durable(count: number): void {
    const group = must(this.#onTheWay, 'only a group that was sent becomes durable');
    assert(count === this.#sentCount, 'groups become durable in order');
    this.#onTheWay = undefined;
    if (!this.#tell(group)) return;
    this.#flush(); // G1
    deliver(group); // G3
  }

  /** Nothing more is sent; what has no outcome is returned, to be told. */
  stop(): readonly ((outcome: AppendOutcome) => void)[] {
    this.#stopped = true;
    const open = [...(this.#onTheWay?.appends ?? []), ...this.#waiting].map(({ done }) => done);
    this.#onTheWay = undefined;
    this.#waiting = [];
    return open;
  }

  #flush(): void {
    const first = this.#waiting[0];
    if (first === undefined || this.#onTheWay !== undefined || this.#stopped) return;
    const area = this.#area(this.#sentCount % areaCount, appendBytes(first.payloads));
    const writer = new GroupWriter(area);
    const appends: Sent[] = [];
    for (const append of this.#waiting) {
      if (appendBytes(append.payloads) > writer.left) break;
      appends.push(placedBy(writer, append));
    }
    this.#waiting = this.#waiting.slice(appends.length);
    this.#onTheWay = { area, appends };
    this.#sentCount += 1;
    this.#host.control.send();
  }

  /** G4. True if it was done, or failed: then everything is over. */
  #commitHere(): boolean {
    const here = this.#host.here();
    if (here === undefined || this.#waiting.length === 0 || this.#onTheWay !== undefined || this.#stopped) return false;
    let entries = 0;
    let bytes = 0;
    for (const { payloads } of this.#waiting) {
      entries += payloads.length;
      bytes += appendBytes(payloads);
    }
    try {
      if (!here.takes(entries, bytes)) return false;
    } catch (error) {
      this.#host.failed(error);
      return true;
    }
    const writer = here.writer();
    const appends = this.#waiting.map((append) => placedBy(writer, append));
    this.#waiting = [];
    // As if it was on its way: who appends meanwhile waits, and `stop` knows of it.
    const group = { area: here.area, appends };
    this.#onTheWay = group;
    try {
      here.commit();
    } catch (error) {
      this.#host.failed(error);
      return true;
    }
    this.#hereCount += 1;
    this.#onTheWay = undefined;
    if (!this.#tell(group)) return true;
    deliver(group); // G3
    return true;
  }

  /** G3 */
  #tell(group: Group): boolean {
    try {
      for (const [log, placed] of newest(group)) this.#host.wroteHead(log.no, headIn(group.area, placed));
    } catch (error) {
      this.#onTheWay = group;
      this.#host.failed(error);
      return false;
    }
    for (const { placed, done } of group.appends) {
      done({ kind: 'appended', first: placed.first, last: placed.first + placed.entries.length - 1 });
    }
    return true;
  }

  #area(index: number, bytes: number): Uint8Array {
    const area = must(this.#areas[index], 'every area is made at the start');
    return GroupWriter.room(area) >= bytes ? area : this.#newArea(index, 2 * bytes);
  }

  #newArea(index: number, bytes: number): Uint8Array {
    const shared = new SharedArrayBuffer(bytes);
    const area = new Uint8Array(shared);
    this.#areas[index] = area;
    this.#host.post({ kind: 'area', index, shared });
    return area;
  }
}

function placedBy(writer: GroupWriter, { log, payloads, done }: Append): Sent {
  const placed = writer.add({ tenantNo: log.no, ...log.take(payloads.length) }, payloads);
  return { log, placed, done };
}

/** The last append of each tenant. */
function newest(group: Group): ReadonlyMap<SqliteTenantLog, PlacedAppend> {
  return new Map(group.appends.map(({ log, placed }) => [log, placed]));
}

/** Where a tenant ends after this append. */
function headIn(area: Uint8Array, { first, end, entries }: PlacedAppend): HeadRecord {
  return { seq: first + entries.length - 1, chain: area.slice(end - chainBytes, end) };
}

function deliver(group: Group): void {
  const entries = new Map<SqliteTenantLog, LogEntry[]>();
  for (const { log, placed } of group.appends) {
    const of = entries.get(log) ?? [];
    entries.set(log, of);
    of.push(...entriesOf(group.area, placed, log.epoch));
  }
  for (const [log, batch] of entries) log.committed(batch);
}

/** The entries of an append as the worker left them in the area: copied once, since the area is filled again. */
function entriesOf(area: Uint8Array, placed: PlacedAppend, epoch: number): LogEntry[] {
  const { first, offset, end, entries } = placed;
  const copy = new Uint8Array(end - offset);
  copy.set(area.subarray(offset, end));
  const view = new DataView(copy.buffer);
  return entries.map(({ offset: at, payloadBytes }, index) => {
    const header = at - offset;
    const payload = header + headerBytes;
    const chain = payload + payloadBytes + trailerBytes;
    return {
      seq: first + index,
      epoch,
      ts: view.getUint32(header + 8) * 2 ** 32 + view.getUint32(header + 12),
      payload: copy.subarray(payload, payload + payloadBytes),
      chain: copy.subarray(chain, chain + chainBytes),
    };
  });
}
