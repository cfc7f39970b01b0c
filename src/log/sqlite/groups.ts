/**
 * Group commits on the main thread: which appends wait, which are on their way, what they became.
 *
 * G1 One group is on its way at a time. What is appended meanwhile, or by those who hear that the last one is durable,
 *    forms the next, so groups grow with the load. The next is sent before the last one is delivered: the worker
 *    commits while the main thread applies.
 * G2 Appends made in one callback share a group: it is sent in a microtask.
 * G3 Appenders hear of a group before its entries are delivered.
 */
import { assert, must } from '../../base/assert.ts';
import { chainBytes, headerBytes, trailerBytes } from '../envelope.ts';
import type { AppendOutcome, LogEntry } from '../port.ts';
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

export class Groups {
  readonly #control: LaneControl;
  readonly #post: (message: AreaMessage) => void;
  readonly #areas: Uint8Array[] = [];
  #waiting: Append[] = [];
  #onTheWay: Group | undefined;
  #sentCount = 0;
  #flushing = false;
  #stopped = false;

  constructor(control: LaneControl, post: (message: AreaMessage) => void) {
    this.#control = control;
    this.#post = post;
    for (let index = 0; index < areaCount; index += 1) this.#newArea(index, areaBytes);
  }

  get idle(): boolean {
    return this.#waiting.length === 0 && this.#onTheWay === undefined;
  }

  append(append: Append): void {
    this.#waiting.push(append);
    if (this.#flushing || this.#onTheWay !== undefined) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    }); // G2
  }

  /** So many groups are durable. */
  durable(count: number): void {
    const group = must(this.#onTheWay, 'only a group that was sent becomes durable');
    assert(count === this.#sentCount, 'groups become durable in order');
    this.#onTheWay = undefined;
    for (const { placed, done } of group.appends) {
      done({ kind: 'appended', first: placed.first, last: placed.first + placed.entries.length - 1 });
    }
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
    for (const { log, payloads, done } of this.#waiting) {
      if (appendBytes(payloads) > writer.left) break;
      const placed = writer.add(log.no, log.take(payloads.length), payloads);
      appends.push({ log, placed, done });
    }
    this.#waiting = this.#waiting.slice(appends.length);
    this.#onTheWay = { area, appends };
    this.#sentCount += 1;
    this.#control.send();
  }

  #area(index: number, bytes: number): Uint8Array {
    const area = must(this.#areas[index], 'every area is made at the start');
    return GroupWriter.room(area) >= bytes ? area : this.#newArea(index, 2 * bytes);
  }

  #newArea(index: number, bytes: number): Uint8Array {
    const shared = new SharedArrayBuffer(bytes);
    const area = new Uint8Array(shared);
    this.#areas[index] = area;
    this.#post({ kind: 'area', index, shared });
    return area;
  }
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
