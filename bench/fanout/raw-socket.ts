/**
 * A WebSocket's client side that does as little as it can: thousands of them in one process must cost less than the server
 * that they measure.
 *
 * R1 All sockets are read into one buffer; only what a read leaves unfinished is copied.
 * R2 Frames are sent masked with zeros, which RFC 6455 allows and which changes nothing in the bytes.
 */
import { connect, type Socket } from 'node:net';
import { assert } from '../../src/base/assert.ts';

const READ_BYTES = 256 * 1024;
const shared = Buffer.allocUnsafe(READ_BYTES);
const HEAD_END = '\r\n\r\n';
const CLOSE = 8;
const PING = 9;
const PONG = 10;
export const TEXT = 1;
export const BINARY = 2;

export interface RawHandler {
  /** The bytes lie in `bytes` from `from` up to `to`, and are overwritten by the next read. */
  message(socket: RawSocket, bytes: Buffer, from: number, to: number): void;
  failed(fault: Error): void;
}

export class RawSocket {
  readonly #socket: Socket;
  #handler: RawHandler;
  #head = '';
  #open = false;
  #rest: Buffer | undefined;
  #opened: (() => void) | undefined;
  #closing = false;

  private constructor(port: number, request: string, handler: RawHandler) {
    this.#handler = handler;
    this.#socket = connect({
      host: '127.0.0.1',
      port,
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (count: number) => {
          this.#read(count);
          return true;
        },
      },
    });
    this.#socket.on('error', (fault) => this.#fail(fault));
    this.#socket.on('close', () => this.#fail(new Error('A connection was closed.')));
    this.#socket.write(request);
  }

  /** Resolves once the server has switched protocols. */
  static async open(port: number, path: string, subprotocol: string, handler: RawHandler): Promise<RawSocket> {
    const lines = [
      `GET ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
      ...(subprotocol === '' ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
    ];
    const socket = new RawSocket(port, lines.join('\r\n') + HEAD_END, handler);
    await new Promise<void>((resolve) => (socket.#opened = resolve));
    return socket;
  }

  /** Frames that `frame` made. */
  write(frames: Buffer): void {
    this.#socket.write(frames);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #fail(fault: Error): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#handler.failed(fault);
  }

  #read(count: number): void {
    if (!this.#open) {
      this.#readHead(count);
      return;
    }
    const rest = this.#rest;
    if (rest === undefined) this.#frames(shared, 0, count);
    else {
      const whole = Buffer.concat([rest, shared.subarray(0, count)]);
      this.#rest = undefined;
      this.#frames(whole, 0, whole.length);
    }
  }

  #readHead(count: number): void {
    this.#head += shared.toString('latin1', 0, count);
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return;
    if (!this.#head.startsWith('HTTP/1.1 101 ')) {
      this.#fail(new Error(`No WebSocket: ${this.#head.slice(0, 200)}`));
      return;
    }
    const behind = Buffer.from(this.#head.slice(end + HEAD_END.length), 'latin1');
    this.#open = true;
    this.#head = '';
    this.#opened?.();
    this.#opened = undefined;
    this.#frames(behind, 0, behind.length);
  }

  #frames(bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (to - at >= 2) {
      let length = (bytes[at + 1] ?? 0) & 127;
      let body = at + 2;
      if (length === 126) {
        if (to - at < 4) break;
        length = bytes.readUInt16BE(at + 2);
        body = at + 4;
      } else if (length === 127) {
        if (to - at < 10) break;
        length = bytes.readUInt32BE(at + 6);
        body = at + 10;
      }
      if (to - body < length) break;
      this.#frame(bytes, at, body, body + length);
      at = body + length;
    }
    if (at < to) this.#rest = Buffer.from(bytes.subarray(at, to));
  }

  #frame(bytes: Buffer, at: number, from: number, to: number): void {
    const first = bytes[at] ?? 0;
    const opcode = first & 15;
    assert((first & 0x80) !== 0, 'servers here send messages in one frame');
    if (opcode === TEXT || opcode === BINARY) this.#handler.message(this, bytes, from, to);
    else if (opcode === PING) this.write(frame(PONG, bytes.subarray(from, to)));
    else if (opcode === CLOSE) this.#fail(new Error(`The server closed: ${bytes.toString('latin1', from, to)}`));
  }
}

/** R2 */
export function frame(opcode: number, payload: Uint8Array): Buffer {
  const size = payload.length;
  const head = size < 126 ? 2 : size < 0x1_0000 ? 4 : 10;
  const bytes = Buffer.alloc(head + 4 + size);
  bytes[0] = 0x80 | opcode;
  if (head === 2) bytes[1] = 0x80 | size;
  else if (head === 4) {
    bytes[1] = 0x80 | 126;
    bytes.writeUInt16BE(size, 2);
  } else {
    bytes[1] = 0x80 | 127;
    bytes.writeUInt32BE(size, 6);
  }
  bytes.set(payload, head + 4);
  return bytes;
}
