/** The thread of a client that has its sockets: see thread-sockets.ts. */
import { parentPort, type MessagePort } from 'node:worker_threads';
import { must } from '../../base/assert.ts';
import { nodeDial } from './socket.ts';
import type { ToThread } from './thread-messages.ts';
import { ThreadSockets } from './thread-sockets.ts';

function run(port: MessagePort): void {
  const sockets = new ThreadSockets({
    dial: nodeDial,
    post: (message, transfer) => port.postMessage(message, transfer),
    ended: () => port.close(),
  });
  port.on('message', (message: ToThread) => sockets.receive(message));
}

run(must(parentPort, 'this file is a worker thread'));
