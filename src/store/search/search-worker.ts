/**
 * The thread of the index: it alone touches search.db.
 *
 * SW1 Asks are done in the order in which they came; all that wait share a transaction.
 * SW2 A full disk refuses what waits, and nothing of it is stored.
 * SW3 After another error the file is thrown away and begun anew (SI2 of port.ts); if that fails too, the thread says so and ends.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../../base/assert.ts';
import { perform, type FromSearchWorker, type SearchAsk, type SearchAskMessage, type SearchValue } from './asks.ts';
import { codeOf } from '../database.ts';
import { SearchDatabase, throwAway } from './database.ts';
import type { Indexed } from './port.ts';

const port = must(parentPort, 'this file is a worker thread');

class SearchWorker {
  readonly #dir: string;
  #database: SearchDatabase;

  constructor(dir: string) {
    this.#dir = dir;
    this.#database = new SearchDatabase(dir);
  }

  /** SW1 */
  take(group: readonly SearchAskMessage[]): void {
    const asks = group.flatMap(({ id, ask }) => (ask.kind === 'close' ? [] : [{ id, ask }]));
    const answers = this.#answers(asks.map(({ ask }) => ask));
    post({ kind: 'answers', answers: asks.map(({ id }, place) => ({ id, answer: answers[place] ?? null })) });
    if (asks.length === group.length) return;
    this.#database.close();
    port.close();
  }

  #answers(asks: readonly SearchAsk[]): readonly Indexed<SearchValue>[] {
    try {
      return this.#database.transact(() => asks.map((ask) => perform(this.#database, ask)));
    } catch (error) {
      if (codeOf(error) === 'SQLITE_FULL') return asks.map(() => ({ kind: 'full' })); // SW2
      this.#database.close();
      throwAway(this.#dir); // SW3
      this.#database = new SearchDatabase(this.#dir);
      return asks.map(() => ({ kind: 'lost' }));
    }
  }
}

function post(message: FromSearchWorker): void {
  port.postMessage(message);
}

function main(dir: string): void {
  let failed = false;
  let group: SearchAskMessage[] = [];
  const guarded = (fn: () => void): void => {
    if (failed) return;
    try {
      fn();
    } catch (error) {
      failed = true;
      post({ kind: 'fatal', message: `search.db: ${error instanceof Error ? error.message : String(error)}` });
      port.close();
    }
  };
  guarded(() => {
    const worker = new SearchWorker(dir);
    const take = (): void => {
      const taken = group;
      group = [];
      worker.take(taken);
    };
    port.on('message', (message: SearchAskMessage) => {
      group.push(message);
      if (group.length === 1) setImmediate(() => guarded(take));
    });
    post({ kind: 'ready' });
  });
}

main(workerData);
