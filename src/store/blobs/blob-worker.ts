/**
 * The thread of the blobs: it alone touches blobs.db.
 *
 * BW1 Asks are done in the order in which they came. All that wait share a transaction, and are answered when it is durable: what comes while
 *     the disk is written shares the next.
 * BW2 A full disk refuses what writes, and nothing of it is stored; reads are answered.
 * BW3 After another error nothing more is written: the thread says so and ends.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../../base/assert.ts';
import { codeOf } from '../database.ts';
import { BlobDatabase } from './database.ts';
import type { BlobAnswer, BlobAsk, BlobAskMessage, FromBlobWorker } from './messages.ts';

const port = must(parentPort, 'this file is a worker thread');

interface Answered {
  readonly id: number;
  readonly answer: BlobAnswer;
}

const writes = ({ kind }: BlobAsk): boolean => kind === 'put' || kind === 'hold' || kind === 'settle';

class BlobWorker {
  readonly #database: BlobDatabase;

  constructor(dir: string) {
    this.#database = new BlobDatabase(dir);
  }

  /** BW1 */
  take(group: readonly BlobAskMessage[]): void {
    post({ kind: 'answers', answers: this.#answers(group) });
    if (group.at(-1)?.ask.kind !== 'close') return;
    this.#database.close();
    port.close();
  }

  #answers(group: readonly BlobAskMessage[]): readonly Answered[] {
    // A checkpoint of the write-ahead log cannot be made within a transaction.
    if (group.some(({ ask }) => ask.kind === 'freeze')) return group.flatMap((message) => this.#alone(message));
    if (!group.some(({ ask }) => writes(ask))) return group.map((message) => this.#served(message));
    try {
      return this.#database.transact(() => group.map((message) => this.#served(message)));
    } catch (error) {
      if (codeOf(error) !== 'SQLITE_FULL') throw error;
      return group.map((message) => (writes(message.ask) ? { id: message.id, answer: 'full' } : this.#served(message))); // BW2
    }
  }

  #alone(message: BlobAskMessage): readonly Answered[] {
    return message.ask.kind === 'freeze' ? [this.#served(message)] : this.#answers([message]);
  }

  #served({ id, ask }: BlobAskMessage): Answered {
    return { id, answer: this.#serve(ask) };
  }

  #serve(ask: BlobAsk): BlobAnswer {
    switch (ask.kind) {
      case 'put':
        return this.#database.put(ask.tenant, ask.data);
      case 'hold':
        return this.#database.hold(ask.tenant, ask.hashes);
      case 'has':
        return this.#database.missing(ask.tenant, ask.hashes);
      case 'get':
        return this.#database.get(ask.tenant, ask.hash);
      case 'list':
        return this.#database.list(ask.tenant, ask.above, ask.limit);
      case 'settle':
        return this.#database.settle(ask.tenant, ask.settling);
      case 'usage':
        return this.#database.usage(ask.tenant);
      case 'freeze':
        this.#database.freeze();
        return null;
      case 'thaw':
        this.#database.thaw();
        return null;
      case 'close':
        return null;
    }
  }
}

function post(message: FromBlobWorker): void {
  port.postMessage(message);
}

function main(dir: string): void {
  let failed = false;
  let group: BlobAskMessage[] = [];
  const guarded = (fn: () => void): void => {
    if (failed) return; // BW3
    try {
      fn();
    } catch (error) {
      failed = true;
      post({ kind: 'fatal', message: `blobs.db: ${error instanceof Error ? error.message : String(error)}` });
      port.close();
    }
  };
  guarded(() => {
    const worker = new BlobWorker(dir);
    const take = (): void => {
      const taken = group;
      group = [];
      worker.take(taken);
    };
    port.on('message', (message: BlobAskMessage) => {
      group.push(message);
      if (group.length === 1) setImmediate(() => guarded(take));
    });
    post({ kind: 'ready' });
  });
}

main(workerData);
