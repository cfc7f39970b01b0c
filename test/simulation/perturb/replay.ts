/**
 * Applies a log in another way than the server did: restored from a snapshot again and again, its tables loaded in another order,
 * with reads in between, in a place without a clock, zone or language. Nothing of it may show.
 *
 * Owns: the ways. Does not own: what the outcome is compared with (oracle.ts here, and the processes of main.ts).
 */
import { decodeValue, encodeValue } from '../../../protocol/wire/codec.ts';
import { Engine, type EngineOptions } from '../../../src/engine/engine.ts';
import { holdImage, loadRecord, TABLES, type LoadedRecord } from '../../../src/engine/kernel/image.ts';
import type { Entry, EntryOutput } from '../../../src/engine/port.ts';
import { backlog, explain, inspect, inbox, listTasks, searchTasks, workload } from '../../../src/engine/queries.ts';
import { archive } from '../../../src/node/kept.ts';
import type { ArchivedVersion } from '../../../src/store/port.ts';
import type { Random } from '../random.ts';
import { StateTracker, UNFOLLOWED } from '../state-tracker.ts';

export interface Way {
  /** After so many entries, one in this number, the state is taken down and loaded anew; 0: never. */
  readonly restoredEvery: number;
  /** Within each table, in another order. */
  readonly shuffled: boolean;
  /** One in so many entries is followed by reads; 0: none. */
  readonly readEvery: number;
  /** Without a clock and so on (hostile.ts); to be arranged by the caller, once for the whole replay. */
  readonly elsewhere: boolean;
}

/** While work is left over, the state is taken down so much more often: what is under way is easily forgotten. */
const MORE_OFTEN = 8;
/** Records that one replay loads: a state as large as this is loaded only now and then. */
const RECORDS_MAX = 8_000;

export class OtherReplay {
  readonly #options: EngineOptions;
  readonly #way: Way;
  readonly #random: Random;
  #tracker: StateTracker;
  #loaded = 0;
  restored = 0;
  /** Restored while work was left over. */
  restoredAmid = 0;

  constructor(options: EngineOptions, way: Way, random: Random) {
    this.#options = options;
    this.#way = way;
    this.#random = random;
    this.#tracker = new StateTracker(new Engine(options), UNFOLLOWED);
  }

  /** `share`: how far in the log it is. */
  step(entry: Entry, share: number): EntryOutput {
    const output = this.#tracker.engine.apply(entry);
    const { restoredEvery, readEvery } = this.#way;
    if (readEvery > 0 && this.#random.below(readEvery) === 0) this.#read();
    if (restoredEvery > 0) {
      const every = output.more ? Math.ceil(restoredEvery / MORE_OFTEN) : restoredEvery;
      const meant = this.#random.below(every) === 0;
      if (meant && (restoredEvery === 1 || this.#loaded <= RECORDS_MAX * share)) {
        this.restored += 1;
        if (output.more) this.restoredAmid += 1;
        this.#restore();
      }
    }
    return output;
  }

  /** As the server's was, at this entry. */
  hash(): string {
    return this.#tracker.hash();
  }

  wholeHash(): string {
    return this.#tracker.wholeHash();
  }

  #restore(): void {
    const engine = new Engine(this.#options);
    for (const record of this.#image()) loadRecord(engine.state, record);
    this.#tracker = new StateTracker(engine, UNFOLLOWED);
  }

  #image(): LoadedRecord[] {
    const records: LoadedRecord[] = [];
    const tables = new Map<string, LoadedRecord[]>(TABLES.map((name) => [name, []]));
    for (const record of holdImage(this.#tracker.engine.state).records()) {
      const read = decodeValue(record.bytes()) as unknown as LoadedRecord;
      (tables.get(read[0]) ?? records).push(read);
      this.#loaded += 1;
    }
    const loaded = [...tables.values()].flatMap((rows) => (this.#way.shuffled ? this.#shuffled(rows) : rows));
    return [...loaded, ...records];
  }

  #shuffled<T>(rows: T[]): T[] {
    for (let i = rows.length - 1; i > 0; i -= 1) {
      const j = this.#random.below(i + 1);
      const [a, b] = [rows[i], rows[j]];
      if (a !== undefined && b !== undefined) [rows[i], rows[j]] = [b, a];
    }
    return rows;
  }

  /** What is asked changes nothing. */
  #read(): void {
    const { engine } = this.#tracker;
    const { state } = engine;
    const tasks = state.tasks.hold();
    const task = tasks.length === 0 ? undefined : this.#random.pick(tasks);
    if (task !== undefined) explain(engine, { id: task.id, limit: 3 });
    if (task?.agentId !== undefined) inbox(state, { agent: task.agentId, after: 0, limit: 3, tokens: true });
    listTasks(state, { limit: 3 });
    searchTasks(state, { query: { text: 'a' }, cursor: undefined, limit: 3 });
    workload(engine, undefined);
    backlog(engine, { scanMax: 50 });
    for (const _ of inspect(engine));
  }
}

/** What an entry gave. Tasks that ended, and versions, stand in the state, where their members have an order: of versions, what the store is given. */
export function outputBytes({ finished, archived = [], ...output }: EntryOutput): Uint8Array {
  const ended = finished.map(({ id, status, rev }) => [id, status, rev]);
  const put: (ArchivedVersion | string)[] = [];
  archive(archived, { put: (versions) => put.push(...versions), drop: (document) => put.push(document) });
  return encodeValue([output, ended, put]);
}
