/**
 * The store's thread: it alone touches store.db.
 *
 * W1 Asks are taken up in the order in which they came; a put is done before the next ask is looked at, so that a
 *    read sees everything put before it.
 * W2 Long reads go on in slices between later asks.
 * W3 After an error nothing more is written: the thread says so and ends.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../../base/assert.ts';
import { AppliedSeqs } from './applied.ts';
import { Archive } from './archive.ts';
import { openDatabase, type StoreDatabase } from './database.ts';
import { Finished } from './finished.ts';
import { History } from './history.ts';
import type { FromStoreWorker, StoreAnswer, StoreAsk, StoreAskMessage, StoreAskOf, StoreStart } from './messages.ts';
import { Output } from './output.ts';
import { Slices, type Sliced } from './slices.ts';
import { Statistics } from './statistics.ts';
import { StoreTenants } from './tenants.ts';

const port = must(parentPort, 'this file is a worker thread');

class StoreWorker {
  readonly #start: StoreStart;
  readonly #database: StoreDatabase;
  readonly #tenants: StoreTenants;
  readonly #history: History;
  readonly #finished: Finished;
  readonly #statistics: Statistics;
  readonly #output: Output;
  readonly #archive: Archive;
  readonly #applied: AppliedSeqs;
  readonly #slices: Slices;
  /** When something was put last. */
  #now = 0;

  constructor(start: StoreStart, guarded: (fn: () => void) => void) {
    this.#start = start;
    this.#slices = new Slices(
      () => performance.now(),
      (fn) => setImmediate(() => guarded(fn)),
    );
    this.#database = openDatabase(start.dir);
    const damaged = (what: string): void => post({ kind: 'damaged', what });
    this.#tenants = new StoreTenants(this.#database.db);
    this.#history = new History(this.#database, this.#tenants.all(), damaged);
    this.#finished = new Finished(this.#database, damaged);
    this.#statistics = new Statistics(this.#database, damaged);
    this.#output = new Output(this.#database, damaged);
    this.#archive = new Archive(this.#database, damaged);
    this.#applied = new AppliedSeqs(this.#database.db);
  }

  take({ id, ask }: StoreAskMessage): void {
    this.#slices.run(this.#serve(ask), (answer) => {
      post({ kind: 'answers', answers: [{ id, answer }] });
      if (ask.kind === 'close') port.close();
    });
  }

  *#serve(ask: StoreAsk): Sliced<StoreAnswer> {
    switch (ask.kind) {
      case 'put':
        this.#put(ask);
        return null;
      case 'get': {
        const tenant = this.#tenants.find(ask.tenant);
        return tenant === undefined ? null : (this.#finished.get(tenant, ask.task) ?? null);
      }
      case 'list': {
        const tenant = this.#tenants.find(ask.tenant);
        return tenant === undefined ? [] : yield* this.#finished.list(tenant, ask.filter);
      }
      case 'search': {
        const tenant = this.#tenants.find(ask.tenant);
        return tenant === undefined ? { found: [], next: undefined } : yield* this.#finished.search(tenant, ask.search);
      }
      case 'stats': {
        const tenant = this.#tenants.find(ask.tenant);
        return tenant === undefined ? { rows: [], more: false } : yield* this.#statistics.read(tenant, ask.query);
      }
      case 'history': {
        const tenant = this.#tenants.find(ask.tenant);
        if (tenant === undefined) return { count: 0, payload: new Uint8Array(0), more: false };
        const { found, more } = yield* this.#history.read(tenant, ask.query);
        const { count, payload } = found.build();
        return { count, payload, more };
      }
      case 'searchHistory': {
        const tenant = this.#tenants.find(ask.tenant);
        if (tenant === undefined) return { count: 0, payload: new Uint8Array(0), until: undefined, dropped: 0 };
        const { found, until, dropped } = yield* this.#history.search(tenant, ask.query);
        const { count, payload } = found.build();
        return { count, payload, until, dropped };
      }
      case 'output': {
        const tenant = this.#tenants.find(ask.tenant);
        return tenant === undefined ? [] : this.#output.read(tenant, ask.query);
      }
      case 'versions':
      case 'wayBack':
      case 'namedTexts':
      case 'archivedTexts':
        return yield* this.#archived(ask);
      case 'floor':
      case 'newest':
      case 'applied':
        return this.#mark(ask);
      case 'begin':
        this.#begin(ask);
        return null;
      case 'flush':
        this.#flush();
        return null;
      case 'retain':
        yield* this.#retain(ask.now);
        return null;
      case 'hold':
      case 'release':
      case 'close':
        this.#files(ask.kind);
        return null;
    }
  }

  #mark(ask: StoreAskOf<'floor' | 'newest' | 'applied'>): StoreAnswer {
    const tenant = this.#tenants.find(ask.tenant);
    if (ask.kind === 'floor') {
      return tenant === undefined ? { rev: 0, keptFrom: 0 } : this.#history.floor(tenant, ask.audiences);
    }
    if (tenant === undefined) return 0;
    return ask.kind === 'newest' ? this.#history.newest(tenant) : this.#applied.of(tenant);
  }

  *#archived(ask: StoreAskOf<'versions' | 'wayBack' | 'namedTexts' | 'archivedTexts'>): Sliced<StoreAnswer> {
    const tenant = this.#tenants.find(ask.tenant);
    switch (ask.kind) {
      case 'versions':
        return tenant === undefined ? { versions: [], next: undefined } : this.#archive.list(tenant, ask.query);
      case 'wayBack':
        return tenant === undefined ? null : (this.#archive.wayBack(tenant, ask.query) ?? null);
      case 'namedTexts':
        return tenant === undefined ? [] : yield* this.#archive.named(tenant, ask.query);
      case 'archivedTexts':
        return tenant === undefined ? [] : this.#archive.texts(tenant, ask.query);
    }
  }

  *#retain(now: number): Sliced<void> {
    const { retention } = this.#start;
    yield* this.#history.retain(now, retention);
    this.#statistics.retain(now);
    for (const { no } of this.#tenants.all()) {
      yield* this.#finished.retain(no, now, retention);
      yield* this.#output.retain(no, now, retention);
      yield* this.#archive.retain(no, retention);
    }
  }

  #files(what: 'hold' | 'release' | 'close'): void {
    if (what === 'release') return this.#database.release();
    this.#flush();
    if (what === 'hold') this.#database.hold();
    else this.#database.db.close();
  }

  /** The counts that are in memory too: what they count need not be in the log any more. */
  #flush(): void {
    this.#database.transact(() => this.#statistics.keep(this.#now));
    this.#database.flush();
  }

  #begin({ tenant: id, seq, rev }: StoreAsk & { readonly kind: 'begin' }): void {
    this.#database.transact(() => {
      const tenant = this.#tenants.make(id);
      this.#history.begin(tenant, rev);
      this.#applied.put(tenant, seq);
    });
  }

  /** Everything of one message in one transaction. */
  #put({ at, batches }: StoreAsk & { readonly kind: 'put' }): void {
    this.#now = at;
    this.#database.transact(() => {
      for (const { tenant: id, finished, history, facts, output, versions, gone, applied } of batches) {
        const tenant = this.#tenants.make(id);
        for (const chunk of finished) this.#finished.put(tenant, chunk);
        this.#output.put(tenant, at, output);
        this.#archive.put(tenant, versions, gone);
        for (const chunk of history) this.#history.put(tenant, at, chunk);
        if (facts !== undefined) this.#statistics.put(tenant, facts);
        if (applied !== undefined) this.#applied.put(tenant, applied);
      }
      this.#statistics.keepDue(at);
    });
  }
}

function post(message: FromStoreWorker): void {
  port.postMessage(message);
}

function main(start: StoreStart): void {
  let failed = false;
  const guarded = (fn: () => void): void => {
    if (failed) return; // W3
    try {
      fn();
    } catch (error) {
      failed = true;
      post({ kind: 'fatal', message: `store.db: ${error instanceof Error ? error.message : String(error)}` });
      port.close();
    }
  };
  guarded(() => {
    const worker = new StoreWorker(start, guarded);
    port.on('message', (message: StoreAskMessage) => guarded(() => worker.take(message)));
    post({ kind: 'ready' });
  });
}

main(workerData);
