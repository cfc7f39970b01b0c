/**
 * A dial whose sockets live in a worker thread, so that a client whose own thread stands still stays connected.
 *
 * Owns: the thread. Does not own: what it does (thread-sockets.ts).
 *
 * D1 The thread is started by the first dial, serves all later ones, and ends after `end`, when its socket has gone.
 * D2 A thread that dies has closed its socket; the next dial starts another one.
 */
import { Worker } from 'node:worker_threads';
import { workerUrl } from '../../base/worker-url.ts';
import type { CloseInfo, Dial, SocketHandler } from '../ports.ts';
import type { FromThread, ToThread } from './thread-messages.ts';

/** No close frame was seen. */
const GONE = 1006;

export class SocketThread {
  #worker: Worker | undefined;
  #count = 0;
  /** The connection that the client has, by its number. */
  #current: { readonly socket: number; readonly handler: SocketHandler } | undefined;

  dial(url: string): Dial {
    return (handler) => {
      this.#count += 1;
      const socket = this.#count;
      this.#current = { socket, handler };
      this.#post({ kind: 'dial', socket, url });
      return {
        send: (message) => {
          // A message is a view into a block that the codec goes on with.
          const bytes = new Uint8Array(message);
          if (this.#current?.socket === socket) this.#post({ kind: 'send', socket, bytes }, [bytes.buffer]);
        },
        close: (code, reason) => this.#post({ kind: 'close', socket, code, reason }),
      };
    };
  }

  /** The client is closed: the socket ends in its own time. */
  end(): void {
    this.#worker?.postMessage({ kind: 'end' } satisfies ToThread);
  }

  /** D1, D2 */
  #post(message: ToThread, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#worker === undefined && message.kind !== 'dial') return;
    this.#worker ??= this.#start();
    this.#worker.postMessage(message, transfer);
  }

  #start(): Worker {
    const worker = new Worker(workerUrl(import.meta.url, './socket-worker.ts'), {
      name: 'muster-socket',
      execArgv: [],
    });
    let why = 'the thread of the socket ended';
    worker.on('message', (message: FromThread) => this.#receive(message));
    worker.on('error', (error) => {
      why = `the thread of the socket failed: ${error.message}`;
    });
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#closed({ code: GONE, message: why });
    });
    return worker;
  }

  #receive(message: FromThread): void {
    const current = this.#current;
    if (current === undefined || current.socket !== message.socket) return;
    if (message.kind === 'open') current.handler.open();
    else if (message.kind === 'closed') this.#closed(message.info);
    else {
      current.handler.message(message.bytes);
      this.#post({ kind: 'taken', socket: message.socket, bytes: message.bytes.length });
    }
  }

  #closed(info: CloseInfo): void {
    const current = this.#current;
    this.#current = undefined;
    current?.handler.closed(info);
  }
}
