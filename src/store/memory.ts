/**
 * The read store in memory: for the simulator and for tests.
 *
 * Owns: what was put and is not durable yet. Does not own: clock and randomness.
 *
 * M1 Puts become durable in their order, after `lazyMs` or at a flush. `crash` leaves on the disk what was durable,
 *    and of the rest as many puts as the caller says, from the front.
 * M2 After `crash` nothing that was under way calls back.
 * M3 Values are encoded and decoded once, so that what could not be stored fails here too, and nothing is shared.
 */
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import { pieceBytes } from '../../protocol/wire/control.ts';
import { assert } from '../base/assert.ts';
import { byCodePoints, byCodeUnits } from '../base/order.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { hashOf } from './audience.ts';
import { Floors } from './floors.ts';
import { ArchiveRows, MemoryArchive } from './memory-archive.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { meansTopic } from '../../protocol/wire/topics.ts';
import { matcherOf } from '../../protocol/wire/task-query.ts';
import type {
  ArchivedVersion,
  FinishedSearch,
  FinishedTask,
  FoundPushes,
  FoundTask,
  PackedPush,
  PatternQuery,
  Retention,
  SearchPlace,
  StatsQuery,
  StatsRow,
  Store,
  StoredPiece,
  StoredPush,
  TaskFilter,
  TenantStore,
  WorkFact,
} from './port.ts';
import { placeId, rowOf, STEPS, summed, Tallies, Tally, type Place } from './tally.ts';
import { unpackPush } from './push-record.ts';
import { matches, queriedOf } from './task-chunk.ts';

export interface MemoryStoreOptions {
  readonly scheduler: Scheduler;
  /** Default: a new one. */
  readonly disk?: MemoryStoreDisk;
  /** Default: for ever. */
  readonly historyMs?: number;
  readonly historyBytes?: number;
  readonly finishedMs?: number;
  readonly finishedBytes?: number;
  readonly deadLetterMs?: number;
  readonly deadLetterBytes?: number;
  readonly outputMs?: number;
  readonly outputBytes?: number;
  readonly documentArchiveBytes?: number;
  /** Default 150. */
  readonly lazyMs?: number;
  /** How long a flush takes; asked each time. Default: it is done in the next turn. */
  readonly flushMs?: () => number;
}

interface KeptPush extends StoredPush {
  readonly putAt: number;
  readonly bytes: number;
}

interface KeptPiece extends StoredPiece {
  readonly at: number;
  readonly bytes: number;
}

type Put =
  | { readonly kind: 'tasks'; readonly tenant: string; readonly tasks: readonly FinishedTask[] }
  | { readonly kind: 'pushes'; readonly tenant: string; readonly pushes: readonly KeptPush[] }
  | {
      readonly kind: 'facts';
      readonly tenant: string;
      readonly rev: number;
      readonly at: number;
      readonly facts: readonly WorkFact[];
    }
  | { readonly kind: 'pieces'; readonly tenant: string; readonly pieces: readonly KeptPiece[] }
  | { readonly kind: 'versions'; readonly tenant: string; readonly versions: readonly ArchivedVersion[] }
  | { readonly kind: 'gone'; readonly tenant: string; readonly document: string }
  | { readonly kind: 'applied'; readonly tenant: string; readonly seq: number }
  | { readonly kind: 'begin'; readonly tenant: string; readonly seq: number; readonly rev: number };

/** What a task takes beside its view, roughly. */
const taskBytes = 100;

/** One tenant's rows, as they are or as they are on the disk. */
class Rows {
  readonly finished = new Map<string, FinishedTask>();
  /** Finished tasks by the order in which they were put. */
  readonly order = new Map<string, number>();
  readonly stats = new MemoryStats();
  archive = new ArchiveRows();
  history: KeptPush[] = [];
  /** In the order in which they were put. */
  output: KeptPiece[] = [];
  dropped = 0;
  applied = 0;
  floors: Floors;

  #lastPlace = 0;

  constructor(floorsMax: number) {
    this.floors = new Floors(floorsMax);
  }

  apply(put: Put): void {
    if (put.kind === 'applied') {
      this.applied = Math.max(this.applied, put.seq);
      return;
    }
    if (put.kind === 'begin') {
      Object.assign(this, { applied: put.seq, dropped: put.rev, history: [] });
      return this.floors.raiseAll(put.rev);
    }
    if (put.kind === 'tasks') {
      for (const task of put.tasks) {
        if (this.finished.has(task.id)) continue;
        this.finished.set(task.id, task);
        this.#lastPlace += 1;
        this.order.set(task.id, this.#lastPlace);
      }
      return;
    }
    if (put.kind === 'versions') return this.archive.put(put.versions);
    if (put.kind === 'gone') return this.archive.drop(put.document);
    if (put.kind === 'facts') return this.stats.tallies.add(put.rev, put.at, put.facts);
    if (put.kind === 'pieces') {
      for (const piece of put.pieces) {
        const known = this.output.some((one) => one.task === piece.task && one.offset === piece.offset);
        if (!known) this.output.push(piece);
      }
      return;
    }
    for (const push of put.pushes) {
      const newest = this.history.at(-1)?.rev ?? this.dropped;
      if (push.rev > newest) this.history.push(push);
    }
  }

  retain(now: number, retention: Retention): void {
    const { historyMs, historyBytes, finishedMs, finishedBytes, deadLetterMs, deadLetterBytes } = retention;
    this.#retainOutput(now - retention.outputMs, retention.outputBytes);
    this.#retainHistory(now - historyMs, historyBytes);
    this.#retainTasks(false, now - finishedMs, finishedBytes);
    this.#retainTasks(true, now - deadLetterMs, deadLetterBytes);
    this.stats.drop(now);
    this.archive.retain(retention.documentArchiveBytes);
  }

  /** S4: in the order in which they were put. */
  #retainTasks(dead: boolean, before: number, bytesMax: number): void {
    const tasks = [...this.finished.values()].filter((task) => task.dead === dead);
    let bytes = tasks.reduce((sum, task) => sum + taskBytes + task.view.length, 0);
    for (const task of tasks) {
      if (task.finishedAt >= before && bytes <= bytesMax) return;
      bytes -= taskBytes + task.view.length;
      this.finished.delete(task.id);
      this.order.delete(task.id);
    }
  }

  /** S6 */
  #retainOutput(before: number, bytesMax: number): void {
    let bytes = this.output.reduce((sum, piece) => sum + piece.bytes, 0);
    const kept = this.output.findIndex((piece) => {
      if (piece.at >= before && bytes <= bytesMax) return true;
      bytes -= piece.bytes;
      return false;
    });
    this.output = kept < 0 ? [] : this.output.slice(kept);
  }

  #retainHistory(before: number, bytesMax: number): void {
    let bytes = this.history.reduce((sum, push) => sum + push.bytes, 0);
    let kept = 0;
    for (const push of this.history) {
      if (push.putAt >= before && bytes <= bytesMax) break;
      bytes -= push.bytes;
      kept += 1;
      this.dropped = push.rev;
      for (const audience of push.to) this.floors.raise(hashOf(audience), push.rev);
    }
    this.history = this.history.slice(kept);
  }

  copy(floorsMax: number): Rows {
    const copy = new Rows(floorsMax);
    for (const [id, task] of this.finished) copy.finished.set(id, task);
    for (const [id, place] of this.order) copy.order.set(id, place);
    copy.#lastPlace = this.#lastPlace;
    copy.stats.take(this.stats);
    copy.archive = this.archive.copy();
    copy.history = [...this.history];
    copy.output = [...this.output];
    copy.dropped = this.dropped;
    copy.applied = this.applied;
    copy.floors = Floors.unpack(floorsMax, this.floors.common, this.floors.pack());
    return copy;
  }
}

/** Counts of work, all in memory. */
class MemoryStats {
  readonly rows = new Map<string, { readonly place: Place; readonly tally: Tally }>();
  readonly tallies = new Tallies(
    {
      load: (place) => this.rows.get(placeId(place))?.tally,
      keys: (scope, hour) =>
        [...this.rows.values()].filter(
          ({ place }) => place.scope === scope && place.level === 'hour' && place.slot === hour,
        ).length,
    },
    0,
  );

  read({ by, level, from, key, after, limit }: StatsQuery): {
    readonly rows: readonly StatsRow[];
    readonly more: boolean;
  } {
    this.#keep(0);
    const found = [...this.rows.values()]
      .filter(({ place }) => place.scope === by && place.level === level && place.slot >= from)
      .filter(
        ({ place }) =>
          (key === undefined || place.key === key) && (after === undefined || byCodePoints(place.key, after) > 0),
      )
      .map(({ place, tally }) => ({ key: place.key, tally }))
      .toSorted((a, b) => byCodePoints(a.key, b.key));
    const { sums, more } = summed(found, limit);
    return { rows: sums.map(({ key: one, tally }) => rowOf(one, tally)), more };
  }

  drop(now: number): void {
    this.#keep(now);
    const kept = { minute: LIMITS.statsMinutesMs, hour: LIMITS.statsHoursMs };
    for (const [id, { place }] of this.rows) {
      if (place.slot < now - kept[place.level] - STEPS[place.level]) this.rows.delete(id);
    }
  }

  take(other: MemoryStats): void {
    other.#keep(0);
    for (const [id, { place, tally }] of other.rows) this.rows.set(id, { place, tally: Tally.unpack(tally.pack()) });
    this.tallies.counted = other.tallies.counted;
  }

  #keep(now: number): void {
    for (const { place, tally } of this.tallies.dirty()) this.rows.set(placeId(place), { place, tally });
    this.tallies.kept(now);
  }
}

/** What survives a crash. */
export class MemoryStoreDisk {
  readonly #floorsMax: number;
  readonly rows = new Map<string, Rows>();

  /** `floorsMax`: audiences with a floor of their own. */
  constructor(floorsMax = 200_000) {
    this.#floorsMax = floorsMax;
  }

  copy(tenant: string): Rows {
    return this.rows.get(tenant)?.copy(this.#floorsMax) ?? new Rows(this.#floorsMax);
  }

  apply(put: Put): void {
    let rows = this.rows.get(put.tenant);
    if (rows === undefined) {
      rows = new Rows(this.#floorsMax);
      this.rows.set(put.tenant, rows);
    }
    rows.apply(put);
  }
}

export function memoryStore(options: MemoryStoreOptions): MemoryStore {
  return new MemoryStore(options);
}

export class MemoryStore implements Store {
  readonly #options: MemoryStoreOptions;
  readonly #disk: MemoryStoreDisk;
  readonly #tenants = new Map<string, MemoryTenantStore>();
  #pending: Put[] = [];
  #cancelLazy: (() => void) | undefined;
  #dead = false;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#disk = options.disk ?? new MemoryStoreDisk();
  }

  /** Puts that are not durable. */
  get pending(): number {
    return this.#pending.length;
  }

  tenant(id: string): MemoryTenantStore {
    const known = this.#tenants.get(id);
    if (known !== undefined) return known;
    const made = new MemoryTenantStore(id, this.#disk.copy(id), {
      put: (put) => this.#put(put),
      step: (fn) => this.#later(0, fn),
      flush: (done) => this.#flush(done),
      now: () => this.#options.scheduler.now(),
    });
    this.#tenants.set(id, made);
    return made;
  }

  retain(now: number, done: () => void): void {
    const { historyMs = Infinity, historyBytes = Infinity } = this.#options;
    const { finishedMs = Infinity, finishedBytes = Infinity } = this.#options;
    const { deadLetterMs = Infinity, deadLetterBytes = Infinity } = this.#options;
    const { outputMs = Infinity, outputBytes = Infinity, documentArchiveBytes = Infinity } = this.#options;
    const finished = { finishedMs, finishedBytes, deadLetterMs, deadLetterBytes };
    const retention = { historyMs, historyBytes, ...finished, outputMs, outputBytes, documentArchiveBytes };
    this.#flush(() => {
      for (const id of this.#disk.rows.keys()) {
        this.tenant(id).rows.retain(now, retention);
        this.#disk.rows.get(id)?.retain(now, retention);
      }
      done();
    });
  }

  close(done: () => void): void {
    this.#flush(() => {
      this.crash(0);
      this.#options.scheduler.defer(done);
    });
  }

  /** M1 */
  crash(kept: number): void {
    this.#harden(kept);
    this.#dead = true;
    this.#cancelLazy?.();
  }

  #put(put: Put): void {
    assert(!this.#dead, 'a store that is closed takes nothing');
    this.#pending.push(put);
    this.#cancelLazy ??= this.#options.scheduler.after(this.#options.lazyMs ?? 150, () => this.#harden(Infinity));
  }

  #flush(done: () => void): void {
    const puts = this.#pending.length;
    this.#later(this.#options.flushMs?.() ?? 0, () => {
      this.#harden(puts);
      done();
    });
  }

  /** The first so many puts are durable; fewer may be left, since others hardened them. */
  #harden(puts: number): void {
    if (this.#dead) return;
    for (const put of this.#pending.splice(0, puts)) this.#disk.apply(put);
    if (this.#pending.length > 0) return;
    this.#cancelLazy?.();
    this.#cancelLazy = undefined;
  }

  #later(ms: number, fn: () => void): void {
    const guarded = (): void => {
      if (!this.#dead) fn(); // M2
    };
    if (ms > 0) this.#options.scheduler.after(ms, guarded);
    else this.#options.scheduler.defer(guarded);
  }
}

interface MemoryStoreHost {
  put(put: Put): void;
  step(fn: () => void): void;
  flush(done: () => void): void;
  now(): number;
}

export class MemoryTenantStore implements TenantStore {
  readonly #tenant: string;
  readonly #host: MemoryStoreHost;
  /** As a reader sees them: durable or not. */
  readonly rows: Rows;
  readonly archive: MemoryArchive;

  constructor(tenant: string, rows: Rows, host: MemoryStoreHost) {
    this.#tenant = tenant;
    this.rows = rows;
    this.#host = host;
    this.archive = new MemoryArchive({
      rows: rows.archive,
      put: (versions) => this.#put({ kind: 'versions', tenant, versions }),
      drop: (document) => this.#put({ kind: 'gone', tenant, document }),
      step: (fn) => host.step(fn),
    });
  }

  putFinished(tasks: readonly FinishedTask[]): void {
    const copies = tasks.map((task) => ({ ...task, view: new Uint8Array(task.view) }));
    this.#put({ kind: 'tasks', tenant: this.#tenant, tasks: copies });
  }

  getFinished(id: string, done: (task: FinishedTask | 'damaged' | undefined) => void): void {
    const task = this.rows.finished.get(id);
    this.#host.step(() => done(task));
  }

  listFinished(filter: TaskFilter, done: (tasks: readonly FinishedTask[]) => void): void {
    const found = [...this.rows.finished.values()]
      .filter((task) => matches(filter, task))
      .toSorted((a, b) => byCodeUnits(b.id, a.id))
      .slice(0, filter.limit);
    this.#host.step(() => done(found));
  }

  searchFinished(
    { query, after, limit, bytesMax }: FinishedSearch,
    done: (found: readonly FoundTask[], next: SearchPlace | undefined) => void,
  ): void {
    const meant = matcherOf(query);
    const found: FoundTask[] = [];
    let next: SearchPlace | undefined;
    let bytes = 0;
    for (const task of [...this.rows.finished.values()].toReversed()) {
      const chunk = this.rows.order.get(task.id) ?? 0;
      if (chunk >= (after?.chunk ?? Infinity)) continue;
      if (!meant(queriedOf(task.view))) continue;
      bytes += task.view.length;
      if (found.length === limit || (found.length > 0 && bytes > bytesMax)) {
        next = found.at(-1)?.place;
        break;
      }
      found.push({ task, place: { chunk, index: 0 } });
    }
    this.#host.step(() => done(found, next));
  }

  putFacts(rev: number, at: number, facts: readonly WorkFact[]): void {
    this.#put({ kind: 'facts', tenant: this.#tenant, rev, at, facts });
  }

  readStats(query: StatsQuery, done: (rows: readonly StatsRow[], more: boolean) => void): void {
    const { rows, more } = this.rows.stats.read(query);
    this.#host.step(() => done(rows, more));
  }

  putOutput(pieces: readonly StoredPiece[]): void {
    const at = this.#host.now();
    const kept = pieces.map((piece) => {
      const record = encodeValue(piece.data);
      const data = decodeValue(record); // M3
      assert(typeof data === 'string' || data instanceof Uint8Array, 'a piece is a text or bytes');
      return { ...piece, data, at, bytes: record.length };
    });
    this.#put({ kind: 'pieces', tenant: this.#tenant, pieces: kept });
  }

  readOutput(
    { task, from, limit }: { readonly task: string; readonly from: number; readonly limit: number },
    done: (pieces: readonly StoredPiece[]) => void,
  ): void {
    const found = this.rows.output
      .filter((piece) => piece.task === task && piece.offset + pieceBytes(piece.data) > from)
      .toSorted((a, b) => a.offset - b.offset)
      .slice(0, limit)
      .map(({ at: _at, bytes: _bytes, ...piece }) => piece);
    this.#host.step(() => done(found));
  }

  putHistory(pushes: readonly PackedPush[]): void {
    const at = this.#host.now();
    const kept = pushes.map(({ rev, record }) => ({ ...unpackPush(rev, record), putAt: at, bytes: record.length })); // M3
    this.#put({ kind: 'pushes', tenant: this.#tenant, pushes: kept });
  }

  readHistory(
    query: {
      readonly after: number;
      readonly upTo: number;
      readonly audiences: readonly string[];
      readonly limit: number;
      readonly since?: number;
    },
    done: (pushes: readonly StoredPush[], more: boolean) => void,
  ): void {
    const { after, upTo, limit } = query;
    const wanted = new Set(query.audiences);
    const found: StoredPush[] = [];
    for (let index = firstAfter(this.rows.history, after); found.length <= limit; index += 1) {
      const push = this.rows.history[index];
      if (push === undefined || push.rev > upTo) break;
      if (push.to.some((audience) => wanted.has(audience))) found.push(bare(push));
    }
    this.#host.step(() => done(found.slice(0, limit), found.length > limit));
  }

  searchHistory({ after, upTo, pattern, limit }: PatternQuery, done: (found: FoundPushes) => void): void {
    const { history, dropped, floors } = this.rows;
    const found: StoredPush[] = [];
    const first = firstAfter(history, after);
    let until: number | undefined;
    for (let index = first; until === undefined; index += 1) {
      const push = history[index];
      if (push === undefined || push.rev > upTo) break;
      if (index - first === LIMITS.historySearchMax || found.length === limit) until = history[index - 1]?.rev ?? after;
      else if (push.topic !== undefined && meansTopic(pattern, push.topic)) found.push(bare(push));
    }
    this.#host.step(() => done({ pushes: found, until, dropped: Math.max(dropped, floors.common) }));
  }

  floor(audiences: readonly string[], done: (rev: number, keptFrom: number) => void): void {
    const floor = this.rows.floors.of(audiences.map(hashOf));
    const kept = this.rows.history[firstAfter(this.rows.history, floor)]?.putAt ?? Infinity;
    this.#host.step(() => done(floor, floor === 0 ? 0 : kept));
  }

  newest(done: (rev: number) => void): void {
    const rev = this.rows.history.at(-1)?.rev ?? this.rows.dropped;
    this.#host.step(() => done(rev));
  }

  putApplied(seq: number): void {
    this.#put({ kind: 'applied', tenant: this.#tenant, seq });
  }

  applied(done: (seq: number) => void): void {
    const { applied } = this.rows;
    this.#host.step(() => done(applied));
  }

  begin({ seq, rev }: { readonly seq: number; readonly rev: number }): void {
    this.#put({ kind: 'begin', tenant: this.#tenant, seq, rev });
  }

  flush(done: () => void): void {
    this.#host.flush(done);
  }

  #put(put: Put): void {
    this.rows.apply(put);
    this.#host.put(put);
  }
}

function bare({ putAt: _putAt, bytes: _bytes, ...push }: KeptPush): StoredPush {
  return push;
}

/** The index of the first push after a rev. */
function firstAfter(history: readonly KeptPush[], rev: number): number {
  let low = 0;
  let high = history.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((history[middle]?.rev ?? 0) <= rev) low = middle + 1;
    else high = middle;
  }
  return low;
}
