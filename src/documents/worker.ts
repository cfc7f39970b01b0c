/** The documents' thread: does one piece of work after another, in the order in which they were sent. */
import { parentPort, type MessagePort } from 'node:worker_threads';
import { must } from '../base/assert.ts';
import { Performer, type InputOf, type ResultOf, type WorkName } from './jobs.ts';

export interface Order<N extends WorkName = WorkName> {
  readonly id: number;
  readonly name: N;
  readonly input: InputOf<N>;
}

export type FromWorker =
  { readonly kind: 'ready' } | { readonly kind: 'done'; readonly id: number; readonly result: ResultOf<WorkName> };

function serve(port: MessagePort): void {
  const performer = new Performer();
  const answer = (message: FromWorker): void => port.postMessage(message);
  port.on('message', ({ id, name, input }: Order) => {
    answer({ kind: 'done', id, result: performer.perform(name, input) });
  });
  answer({ kind: 'ready' });
}

serve(must(parentPort, 'worker.ts runs as a worker thread'));
