/**
 * The sockets of a client, in a thread of their own: they answer the server's PINGs whatever the client's thread does.
 *
 * Owns: keeping the connection alive, how much is read ahead of the client. Does not own: the protocol, which is the client's.
 *
 * T1 A PING is answered here at once, without a position, and handed on: the client answers it again, with its own, when it can.
 * T2 What the client has not taken is bounded: at `AHEAD_BYTES` the socket is not read until half of it is taken. A client that stands
 *    still for so long is slow to the server, as it is without this thread.
 * T3 Bytes are handed over, not shared: each message is a buffer of its own.
 */
import { encodeFrameParts } from '../../../protocol/wire/codec.ts';
import { scanMessage, SERVER_FRAME_LIMITS } from '../../../protocol/wire/scan.ts';
import { Op } from '../../../protocol/wire/types.ts';
import type { SocketHandler } from '../ports.ts';
import type { PausableSocket } from './socket.ts';
import type { FromThread, ToThread } from './thread-messages.ts';

/** Several of the largest messages of a server. */
export const AHEAD_BYTES = 16 * 1024 * 1024;

export interface ThreadSocketsOptions {
  readonly dial: (url: string) => (handler: SocketHandler) => PausableSocket;
  readonly post: (message: FromThread, transfer: readonly ArrayBuffer[]) => void;
  /** The last socket has gone after `end`. */
  readonly ended: () => void;
}

interface Line {
  readonly socket: PausableSocket;
  ahead: number;
  paused: boolean;
}

export class ThreadSockets {
  readonly #options: ThreadSocketsOptions;
  readonly #lines = new Map<number, Line>();
  readonly #pong = encodeFrameParts(Op.PONG, 0, {});
  #ending = false;

  constructor(options: ThreadSocketsOptions) {
    this.#options = options;
  }

  receive(message: ToThread): void {
    if (message.kind === 'end') {
      this.#ending = true;
      this.#finish();
      return;
    }
    if (message.kind === 'dial') {
      this.#dial(message.socket, message.url);
      return;
    }
    const line = this.#lines.get(message.socket);
    if (line === undefined) return;
    if (message.kind === 'send') line.socket.send(message.bytes);
    else if (message.kind === 'close') line.socket.close(message.code, message.reason);
    else this.#taken(line, message.bytes);
  }

  #dial(id: number, url: string): void {
    const { post } = this.#options;
    const socket = this.#options.dial(url)({
      open: () => post({ kind: 'open', socket: id }, []),
      message: (bytes) => this.#message(id, bytes),
      closed: (info) => {
        this.#lines.delete(id);
        post({ kind: 'closed', socket: id, info }, []);
        this.#finish();
      },
    });
    this.#lines.set(id, { socket, ahead: 0, paused: false });
  }

  #message(id: number, bytes: Uint8Array): void {
    const line = this.#lines.get(id);
    if (line === undefined) return;
    if (hasPing(bytes)) line.socket.send(this.#pong); // T1
    line.ahead += bytes.length;
    if (line.ahead >= AHEAD_BYTES && !line.paused) {
      line.paused = true;
      line.socket.pause(); // T2
    }
    const own = new Uint8Array(bytes); // T3
    this.#options.post({ kind: 'message', socket: id, bytes: own }, [own.buffer]);
  }

  /** T2 */
  #taken(line: Line, bytes: number): void {
    line.ahead -= bytes;
    if (!line.paused || line.ahead > AHEAD_BYTES / 2) return;
    line.paused = false;
    line.socket.resume();
  }

  #finish(): void {
    if (this.#ending && this.#lines.size === 0) this.#options.ended();
  }
}

/** What is no message is for the client to refuse. */
function hasPing(bytes: Uint8Array): boolean {
  const spans = scanMessage(bytes, SERVER_FRAME_LIMITS);
  return spans.ok && spans.value.some(({ op }) => op === Op.PING);
}
