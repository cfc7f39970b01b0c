/**
 * One tenant's part of the read store, on the main thread.
 *
 * Owns: packing what is put into chunks. Does not own: when they are sent (sqlite.ts), what is done with them
 * (store-worker.ts).
 *
 * TS1 A chunk is packed when it is full, so that the work is spread over the puts and not piled up at the sending.
 * TS2 Before a read whose answer may be among what was not sent yet, that is sent: messages keep their order.
 * TS3 Dead letters fill chunks of their own, since they are kept longer and a chunk is dropped as a whole.
 */
import { decodeValue, encodeValue } from '../../../protocol/wire/codec.ts';
import type { Value } from '../../../protocol/wire/types.ts';
import { assert } from '../../base/assert.ts';
import { HistoryBuilder, HistoryReader, type HistoryChunk } from '../history-chunk.ts';
import { FactBuilder } from '../fact-chunk.ts';
import type {
  FinishedSearch,
  FinishedTask,
  FoundPushes,
  FoundTask,
  PackedPush,
  PatternQuery,
  SearchPlace,
  StatsQuery,
  StatsRow,
  StoredPiece,
  StoredPush,
  TaskFilter,
  TenantStore,
  WorkFact,
} from '../port.ts';
import { TaskBuilder, type TaskChunk } from '../task-chunk.ts';
import { TenantArchive } from './tenant-archive.ts';
import type { Batch, HistoryQuery, OutputQuery, OutputRow, StoreAskOf, StoreCallKind, StoreCalls } from './messages.ts';

/** What a tenant's part asks of the store. */
export interface StoreHost {
  ask<K extends StoreCallKind>(ask: StoreAskOf<K>, answered: (answer: StoreCalls[K]['answer']) => void): void;
  /** So many bytes more wait to be sent. */
  waiting(bytes: number): void;
  /** Sends all that waits. */
  send(): void;
  flush(done: () => void): void;
}

export class SqliteTenantStore implements TenantStore {
  readonly archive: TenantArchive;
  readonly #tenant: string;
  readonly #host: StoreHost;
  readonly #pushes = new HistoryBuilder();
  readonly #tasks = new TaskBuilder();
  /** TS3 */
  readonly #deadLetters = new TaskBuilder();
  readonly #facts = new FactBuilder();
  #history: HistoryChunk[] = [];
  #finished: TaskChunk[] = [];
  #output: OutputRow[] = [];
  /** Tasks that were not sent; a new map for each batch, since what was cleared may be kept alive (slot-map.ts). */
  #unsent = new Map<string, FinishedTask>();
  #applied: number | undefined;
  /** The oldest rev that was not sent. */
  #firstUnsent = Infinity;

  constructor(tenant: string, host: StoreHost) {
    this.#tenant = tenant;
    this.#host = host;
    this.archive = new TenantArchive(tenant, host);
  }

  putFinished(tasks: readonly FinishedTask[]): void {
    let bytes = 0;
    for (const task of tasks) {
      if (this.#unsent.has(task.id)) continue;
      this.#unsent.set(task.id, task);
      const builder = task.dead ? this.#deadLetters : this.#tasks;
      builder.add(task);
      bytes += task.view.length;
      if (builder.full) this.#finished.push(builder.build()); // TS1
    }
    this.#host.waiting(bytes);
  }

  getFinished(id: string, done: (task: FinishedTask | 'damaged' | undefined) => void): void {
    const unsent = this.#unsent.get(id);
    const ask = { kind: 'get', tenant: this.#tenant, task: id } as const;
    this.#host.ask<'get'>(ask, (task) => done(task ?? unsent));
  }

  listFinished(filter: TaskFilter, done: (tasks: readonly FinishedTask[]) => void): void {
    if (this.#unsent.size > 0) this.#host.send(); // TS2
    this.#host.ask<'list'>({ kind: 'list', tenant: this.#tenant, filter }, done);
  }

  searchFinished(
    search: FinishedSearch,
    done: (found: readonly FoundTask[], next: SearchPlace | undefined) => void,
  ): void {
    if (this.#unsent.size > 0) this.#host.send(); // TS2
    const ask = { kind: 'search', tenant: this.#tenant, search } as const;
    this.#host.ask<'search'>(ask, ({ found, next }) => done(found, next));
  }

  putFacts(rev: number, at: number, facts: readonly WorkFact[]): void {
    let bytes = 0;
    for (const fact of facts) bytes += this.#facts.add(rev, at, fact);
    // All of an entry go together: what comes later under the same rev is passed over.
    this.#host.waiting(bytes);
  }

  readStats(query: StatsQuery, done: (rows: readonly StatsRow[], more: boolean) => void): void {
    this.#host.send(); // TS2
    this.#host.ask<'stats'>({ kind: 'stats', tenant: this.#tenant, query }, ({ rows, more }) => done(rows, more));
  }

  putOutput(pieces: readonly StoredPiece[]): void {
    let bytes = 0;
    for (const { task, offset, attempt, data } of pieces) {
      // A copy: what is encoded is part of a larger block, which would be sent with it.
      const record = encodeValue([attempt, data]).slice();
      this.#output.push({ task, offset, record });
      bytes += record.length;
    }
    this.#host.waiting(bytes);
  }

  readOutput(query: OutputQuery, done: (pieces: readonly StoredPiece[]) => void): void {
    if (this.#output.length > 0) this.#host.send(); // TS2
    this.#host.ask<'output'>({ kind: 'output', tenant: this.#tenant, query }, (rows) => done(rows.map(pieceOf)));
  }

  putHistory(pushes: readonly PackedPush[]): void {
    const before = this.#pushes.bytes;
    let packed = 0;
    for (const push of pushes) {
      this.#firstUnsent = Math.min(this.#firstUnsent, push.rev);
      this.#pushes.add(push.rev, push.record);
      if (!this.#pushes.full) continue;
      packed += this.#pushes.bytes;
      this.#history.push(this.#pushes.build()); // TS1
    }
    this.#host.waiting(packed + this.#pushes.bytes - before);
  }

  readHistory(query: HistoryQuery, done: (pushes: readonly StoredPush[], more: boolean) => void): void {
    if (query.upTo >= this.#firstUnsent) this.#host.send(); // TS2
    this.#host.ask<'history'>({ kind: 'history', tenant: this.#tenant, query }, ({ count, payload, more }) => {
      const reader = new HistoryReader(payload, count);
      done(
        Array.from({ length: count }, (_, index) => reader.push(index)),
        more,
      );
    });
  }

  searchHistory(query: PatternQuery, done: (found: FoundPushes) => void): void {
    if (query.upTo >= this.#firstUnsent) this.#host.send(); // TS2
    const ask = { kind: 'searchHistory', tenant: this.#tenant, query } as const;
    this.#host.ask<'searchHistory'>(ask, ({ count, payload, until, dropped }) => {
      const reader = new HistoryReader(payload, count);
      done({ pushes: Array.from({ length: count }, (_, index) => reader.push(index)), until, dropped });
    });
  }

  floor(audiences: readonly string[], done: (rev: number, keptFrom: number) => void): void {
    const ask = { kind: 'floor', tenant: this.#tenant, audiences } as const;
    this.#host.ask<'floor'>(ask, ({ rev, keptFrom }) => done(rev, keptFrom));
  }

  newest(done: (rev: number) => void): void {
    this.#host.send(); // TS2
    this.#host.ask<'newest'>({ kind: 'newest', tenant: this.#tenant }, done);
  }

  putApplied(seq: number): void {
    this.#applied = seq;
  }

  applied(done: (seq: number) => void): void {
    this.#host.send(); // TS2
    this.#host.ask<'applied'>({ kind: 'applied', tenant: this.#tenant }, done);
  }

  begin({ seq, rev }: { readonly seq: number; readonly rev: number }): void {
    this.#host.send(); // TS2
    this.#host.ask<'begin'>({ kind: 'begin', tenant: this.#tenant, seq, rev }, () => undefined);
  }

  flush(done: () => void): void {
    this.#host.flush(done);
  }

  /** What waits to be sent, if anything does; it is the caller's now. */
  take(): Batch | undefined {
    for (const builder of [this.#tasks, this.#deadLetters]) {
      if (!builder.empty) this.#finished.push(builder.build());
    }
    if (this.#pushes.count > 0) this.#history.push(this.#pushes.build());
    const facts = this.#facts.build();
    const { versions, gone } = this.archive.take();
    const batch = {
      tenant: this.#tenant,
      finished: this.#finished,
      history: this.#history,
      output: this.#output,
      versions,
      gone,
      facts,
      applied: this.#applied,
    };
    this.#applied = undefined;
    this.#output = [];
    this.#finished = [];
    this.#history = [];
    this.#unsent = new Map();
    this.#firstUnsent = Infinity;
    const chunks = batch.finished.length + batch.history.length + batch.output.length + versions.length + gone.length;
    return chunks === 0 && facts === undefined && batch.applied === undefined ? undefined : batch;
  }
}

function pieceOf({ task, offset, record }: OutputRow): StoredPiece {
  const value = decodeValue(record);
  assert(Array.isArray(value) && value.length === 2, 'a piece that was not written here');
  const [attempt, data]: readonly Value[] = value;
  assert(typeof attempt === 'number', 'a piece says in which attempt it was made');
  assert(typeof data === 'string' || data instanceof Uint8Array, 'a piece is a text or bytes');
  return { task, offset, attempt, data };
}
