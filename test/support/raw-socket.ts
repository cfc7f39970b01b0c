/** A TCP client that says exactly what a test wants it to. */
import { connect, type Socket } from 'node:net';
import { until } from './until.ts';

export class RawSocket {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => (this.received = Buffer.concat([this.received, bytes])));
    socket.on('close', () => (this.ended = true));
    socket.on('error', () => undefined);
  }

  static async open(port: number): Promise<RawSocket> {
    const socket = connect({ port, host: '127.0.0.1' });
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawSocket(socket);
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  send(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  async response(): Promise<string> {
    await until(() => this.ended || this.text.includes('\r\n\r\n'), 'an HTTP response');
    return this.text;
  }

  async end(): Promise<void> {
    await until(() => this.ended, 'the end of the socket');
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Takes what was received after the HTTP head. */
  frames(): WsFrame[] {
    const at = this.text.indexOf('\r\n\r\n');
    return parseFrames(this.received.subarray(at + 4));
  }
}

export interface WsFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** A WebSocket frame as a client sends it; `mask: false` breaks the rule. */
export function wsFrame(
  payload: Uint8Array,
  options: { readonly opcode?: number; readonly fin?: boolean; readonly mask?: boolean; readonly rsv?: number } = {},
): Buffer {
  const { opcode = 2, fin = true, mask = true, rsv = 0 } = options;
  const size = payload.length;
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const masked = mask ? 0x80 : 0;
  if (size < 126) head.push(masked | size);
  else if (size < 0x1_0000) head.push(masked | 126, size >> 8, size & 0xff);
  else
    head.push(masked | 127, 0, 0, 0, 0, (size >>> 24) & 0xff, (size >>> 16) & 0xff, (size >>> 8) & 0xff, size & 0xff);
  // A mask of zeros is a mask.
  if (mask) head.push(0, 0, 0, 0);
  return Buffer.concat([Buffer.from(head), payload]);
}

function parseFrames(bytes: Buffer): WsFrame[] {
  const frames: WsFrame[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const opcode = bytes[at]! & 0x0f;
    let size = bytes[at + 1]! & 0x7f;
    let start = at + 2;
    if (size === 126) {
      if (start + 2 > bytes.length) break;
      size = bytes.readUInt16BE(start);
      start += 2;
    } else if (size === 127) {
      if (start + 8 > bytes.length) break;
      size = bytes.readUInt32BE(start + 4);
      start += 8;
    }
    if (start + size > bytes.length) break;
    frames.push({ opcode, payload: bytes.subarray(start, start + size) });
    at = start + size;
  }
  return frames;
}

export interface UpgradeParts {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string | undefined };
}

export function upgradeRequest(parts: UpgradeParts = {}): string {
  const { path = '/v1', method = 'GET', headers = {} } = parts;
  const all: { readonly [name: string]: string | undefined } = {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol': 'muster.v1.msgpack',
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `${[`${method} ${path} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`;
}
