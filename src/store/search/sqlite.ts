/**
 * The index on SQLite, seen from the main thread; and the same in memory, for servers without files.
 *
 * Owns: the worker thread. Does not own: rows (database.ts), commits (search-worker.ts), what belongs into the index (node/document-index.ts).
 */
import { mkdirSync } from 'node:fs';
import type { SearchTerm } from '../../../protocol/wire/document-search.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { workerUrl } from '../../base/worker-url.ts';
import { DatabaseThread } from '../thread.ts';
import { perform, type SearchAsk, type SearchAskOf, type SearchCallKind, type SearchCalls } from './asks.ts';
import { SearchDatabase } from './database.ts';
import type { Asked, FoundText, Indexed, IndexedText, SearchIndex, Stamped, Told } from './port.ts';

export interface SqliteSearchOptions {
  readonly dir: string;
  readonly scheduler: Scheduler;
  /** There can be no index here. */
  readonly onFatal: (error: Error) => void;
}

/** Opens the index of a data directory, which is made if it is not there. Only the holder of the log's lock may. */
export async function openSqliteSearch(options: SqliteSearchOptions): Promise<SearchIndex> {
  const { dir, scheduler, onFatal } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const thread = new DatabaseThread({
    url: workerUrl(import.meta.url, './search-worker.ts'),
    name: 'muster-search',
    what: 'the thread of the index of documents',
    workerData: dir,
    scheduler,
    onFatal,
    told: () => undefined,
  });
  await thread.ready();
  return new Index({
    ask: (ask, handler) => thread.ask(ask, handler),
    close: (done) => thread.close(() => thread.ask({ kind: 'close' }, { answered: () => undefined }), done),
  });
}

/** In memory, and in the thread that asks. */
export function searchInMemory(scheduler: Pick<Scheduler, 'defer'>): SearchIndex {
  let database: SearchDatabase | undefined;
  return new Index({
    ask: (ask, handler) =>
      scheduler.defer(() => {
        database ??= new SearchDatabase(undefined);
        handler.answered(perform(database, ask));
      }),
    close: (done) => {
      database?.close();
      scheduler.defer(done);
    },
  });
}

interface Host {
  ask(ask: SearchAsk, handler: { answered(answer: unknown): void }): void;
  close(done: () => void): void;
}

class Index implements SearchIndex {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  list(tenant: string, page: { readonly above: string; readonly limit: number }, done: Told<readonly Stamped[]>): void {
    this.#ask<'list'>({ kind: 'list', tenant, ...page }, done);
  }

  put(tenant: string, text: IndexedText, done: Told<null>): void {
    this.#ask<'put'>({ kind: 'put', tenant, text }, done);
  }

  remove(tenant: string, id: string, done: Told<null>): void {
    this.#ask<'remove'>({ kind: 'remove', tenant, id }, done);
  }

  find(tenant: string, terms: readonly SearchTerm[], done: Told<readonly string[]>): void {
    this.#ask<'find'>({ kind: 'find', tenant, terms }, done);
  }

  show(tenant: string, asked: Asked, done: Told<readonly FoundText[]>): void {
    this.#ask<'show'>({ kind: 'show', tenant, asked }, done);
  }

  close(done: () => void): void {
    this.#host.close(done);
  }

  #ask<K extends SearchCallKind>(ask: SearchAskOf<K> & SearchAsk, done: Told<SearchCalls[K]['answer']>): void {
    const handler: { answered(answer: Indexed<SearchCalls[K]['answer']>): void } = { answered: done };
    this.#host.ask(ask, handler);
  }
}
