/**
 * The portable transport: WebSockets by the `ws` package on a listener of its own, and for upgrade requests of
 * another HTTP server.
 *
 * Owns: sockets, WebSocket framing, HTTP limits before the upgrade. Does not own: frames of the protocol, who may
 * connect (session), the connection cap (session manager).
 *
 * W1 Every socket has an `error` listener from the moment that we hold it until it is closed.
 * W2 A text message is handed on like a binary one: valid UTF-8 never begins like a frame, so the session's scan
 *    refuses it, with the answer and the close code that every malformed message gets.
 * W3 A request that was refused is the last on its connection, whatever stands behind it in the same bytes.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { PerSecond } from '../base/per-second.ts';
import type { Connection, ConnectionHandler } from '../session/port.ts';
import type { Gate } from './gate.ts';
import type { AcceptOptions, Admission, ListenOptions, ListenTimeouts, Listener } from './listener.ts';
import {
  HEADERS_MAX,
  HEADER_BYTES_MAX,
  WRONG_KIND,
  chooseSubprotocol,
  isText,
  checkPath,
  checkUpgrade,
  headOf,
  pathOf,
  refuseUpgrade,
} from './upgrade.ts';

export interface WsListener extends Listener, WsUpgrader {}

/** Takes upgrade requests of an HTTP server, and has the connections that came of them. */
export interface WsUpgrader {
  readonly connections: number;
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Takes nothing any more and breaks what is still connected; resolves when every handler was told. */
  destroy(): Promise<void>;
}

const TIMEOUTS: ListenTimeouts = { headersMs: 5_000, requestMs: 10_000, closeMs: 3_000 };
const BACKLOG = 4_096;
/** TCP connections beside the WebSockets: requests that are not upgraded yet. */
const PENDING_MAX = 4_096;
/** A message may come in so many WebSocket fragments and in so many reads of the socket; more: close 1008. */
const FRAGMENTS_MAX = 64;
const CHUNKS_MAX = 4_096;
/** RFC 6455: it violates a policy. */
const TOO_MUCH = 1008;

/** Resolves when it listens; rejects if it cannot. */
export async function listenWs(options: ListenOptions, admission: Admission): Promise<WsListener> {
  const listener = new HttpListener(options, admission);
  await listener.listen();
  return listener;
}

/** Without a listener of its own. */
export function upgradeWs(options: AcceptOptions, admission: Admission): WsUpgrader {
  return new Upgrader(options, admission);
}

class Upgrader implements WsUpgrader {
  readonly #options: AcceptOptions;
  readonly #ws: WebSocketServer;
  readonly #admission: Admission;
  readonly #open = new Set<WsConnection>();
  readonly #last: LastWritten = { message: undefined, frame: undefined };
  #count = 0;
  #emptied: (() => void) | undefined;

  constructor(options: AcceptOptions, admission: Admission) {
    this.#options = options;
    this.#admission = admission;
    // The installed types do not know `closeTimeout`.
    const wsOptions = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: LIMITS.messageBytes,
      maxFragments: FRAGMENTS_MAX,
      maxBufferedChunks: CHUNKS_MAX,
      closeTimeout: options.timeouts?.closeMs ?? TIMEOUTS.closeMs,
      handleProtocols: (_offered: Set<string>, request: IncomingMessage) =>
        chooseSubprotocol(request.headers['sec-websocket-protocol']) ?? false,
    };
    this.#ws = new WebSocketServer(wsOptions);
  }

  get connections(): number {
    return this.#open.size;
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', ignore);
    const asked = headOf(request);
    const address = this.#admission.addressOf(request.socket.remoteAddress ?? 'unknown', asked.forwarded);
    const refusal = checkUpgrade(asked, this.#admission.rules) ?? this.#admission.gate.ask(address);
    if (refusal !== undefined) {
      refuseUpgrade(socket, refusal);
      return;
    }
    this.#ws.handleUpgrade(request, socket, head, (ws) => this.#opened(ws, { socket: request.socket, address }));
  }

  async destroy(): Promise<void> {
    this.#ws.close();
    const emptied = new Promise<void>((resolve) => (this.#emptied = resolve));
    for (const connection of this.#open) connection.destroy();
    if (this.#open.size > 0) await emptied;
  }

  #opened(ws: WebSocket, by: { readonly socket: Socket; readonly address: string }): void {
    this.#count += 1;
    const { gate } = this.#admission;
    const connection = new WsConnection({ id: `ws-${this.#count}`, ws, ...by, gate, last: this.#last });
    this.#open.add(connection);
    gate.enter(by.address);
    ws.on('error', (fault) => this.#options.onFault?.(connection.id, fault));
    ws.on('ping', () => connection.pinged());
    ws.on('close', (code) => {
      this.#open.delete(connection);
      connection.ended(code);
      if (this.#open.size === 0) this.#emptied?.();
    });
    connection.begin(this.#options.accept(connection));
  }
}

class HttpListener extends Upgrader implements WsListener {
  readonly #options: ListenOptions;
  readonly #http: Server;
  /** Of requests that were answered, and are the last of their connections. */
  readonly #refused = new WeakSet<Duplex>();

  constructor(options: ListenOptions, admission: Admission) {
    super(options, admission);
    this.#options = options;
    const timeouts = { ...TIMEOUTS, ...options.timeouts };
    this.#http = createServer({
      headersTimeout: timeouts.headersMs,
      requestTimeout: timeouts.requestMs,
      connectionsCheckingInterval: Math.min(2_000, timeouts.headersMs / 2),
      maxHeaderSize: HEADER_BYTES_MAX,
      noDelay: true,
    });
    // One more than is allowed, so that the check sees that there are too many.
    this.#http.maxHeadersCount = HEADERS_MAX + 1;
    // Upgraded ones count too, and have been let in by the gate.
    this.#http.maxConnections = admission.gate.most + (options.pendingMax ?? PENDING_MAX);

    this.#http.on('request', (request, response) => {
      this.#refused.add(request.socket);
      refuseRequest(request, response);
    });
    this.#http.on('upgrade', (request, socket, head) => {
      if (this.#refused.has(request.socket))
        socket.destroy(); // W3
      else this.handleUpgrade(request, socket, head);
    });
    this.#http.on('clientError', refuseBadRequest);
  }

  get port(): number {
    const address = this.#http.address();
    return address !== null && typeof address === 'object' ? address.port : this.#options.port;
  }

  listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen({ host, port, backlog: BACKLOG }, () => {
        this.#http.off('error', reject);
        this.#http.on('error', (fault) => this.#options.onFault?.('listener', fault));
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    const told = this.destroy();
    this.#http.closeAllConnections();
    await Promise.all([closed, told]);
  }
}

/** Up to so many bytes the header is put before a copy of the message: one buffer, one write. Measured on
 * loopback at 200 bytes: 2.5 µs against 3.1 µs of `ws.send`; at 2,000 bytes copying costs more than it saves. */
const COPY_BYTES = 1_024;
/** A message for many is framed once: a copy of up to so many bytes costs less than a second buffer in every write. */
const SHARED_BYTES = LIMITS.socketBytes;
const BINARY_FINAL = 0x82;
const TEXT_FINAL = 0x81;
const OPEN = 1;

/** The message that was written last, on any connection of a listener, and its binary frame if it was copied: one that
 * many get is written to them one after the other. */
interface LastWritten {
  message: Uint8Array | undefined;
  frame: Buffer | undefined;
}

interface WsParts {
  readonly id: string;
  readonly ws: WebSocket;
  readonly socket: Socket;
  /** Of the client. */
  readonly address: string;
  readonly gate: Gate;
  readonly last: LastWritten;
}

class WsConnection implements Connection {
  readonly id: string;
  readonly remote: string;
  readonly text: boolean;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #gate: Gate;
  readonly #last: LastWritten;
  /** From the first one on. */
  #pings: PerSecond | undefined;
  #handler: ConnectionHandler | undefined;
  #stranger = true;
  #destroyed = false;

  constructor(parts: WsParts) {
    this.id = parts.id;
    this.#ws = parts.ws;
    this.#socket = parts.socket;
    this.#gate = parts.gate;
    this.#last = parts.last;
    this.text = isText(parts.ws.protocol);
    this.remote = parts.address;
  }

  begin(handler: ConnectionHandler): void {
    this.#handler = handler;
    this.#ws.on('message', (data: RawData, isBinary: boolean) => {
      if (this.text && isBinary) this.#refuseKind();
      // With the default binary type a message is one Buffer. What came in the same read as the one that made the
      // handler destroy the connection is still parsed.
      if (Buffer.isBuffer(data) && !this.#destroyed) handler.message(data);
    });
    this.#socket.on('drain', () => handler.drain());
  }

  ended(code: number): void {
    this.#destroyed = true;
    this.#gate.leave(this.remote, this.#stranger);
    this.#handler?.closed(code);
  }

  pinged(): void {
    if ((this.#pings ??= new PerSecond()).count(performance.now()) > LIMITS.pingsPerSecond) this.close(TOO_MUCH, '');
  }

  greeted(): void {
    if (this.#destroyed || !this.#stranger) return;
    this.#stranger = false;
    this.#gate.greeted(this.remote);
  }

  /** Writes frames itself: without compression ws never holds one back, so ours and its own (pong, close) stay whole. */
  write(message: Uint8Array): void {
    if (this.#ws.readyState !== OPEN) return;
    const last = this.#last;
    const again = message === last.message;
    if (again && last.frame !== undefined && !this.text) {
      this.#socket.write(last.frame);
      return;
    }
    last.message = message;
    last.frame = undefined;
    const size = message.length;
    if (size > (again ? SHARED_BYTES : COPY_BYTES)) {
      this.#socket.cork();
      this.#socket.write(this.#header(size, 0));
      this.#socket.write(message);
      this.#socket.uncork();
      return;
    }
    const frame = this.#header(size, size);
    frame.set(message, frame.length - size);
    if (!this.text) last.frame = frame;
    this.#socket.write(frame);
  }

  #header(size: number, room: number): Buffer {
    const header = frameHeader(size, room);
    if (this.text) header[0] = TEXT_FINAL;
    return header;
  }

  /** Nothing of it is handed on, nor what follows. */
  #refuseKind(): void {
    this.#destroyed = true;
    this.#ws.close(WRONG_KIND.code, WRONG_KIND.reason);
  }

  corked(write: () => void): void {
    this.#socket.cork();
    write();
    this.#socket.uncork();
  }

  buffered(): number {
    return this.#socket.writableLength;
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }

  destroy(): void {
    this.#destroyed = true;
    this.#ws.terminate();
  }
}

/** Header of one unmasked, final binary frame of `size` bytes, with `room` bytes behind it. */
function frameHeader(size: number, room: number): Buffer {
  const length = size < 126 ? 2 : size < 0x1_0000 ? 4 : 10;
  const header = Buffer.allocUnsafe(length + room);
  header[0] = BINARY_FINAL;
  if (length === 2) header[1] = size;
  else if (length === 4) {
    header[1] = 126;
    header.writeUInt16BE(size, 2);
  } else {
    header[1] = 127;
    header.writeUInt32BE(0, 2);
    header.writeUInt32BE(size, 6);
  }
  return header;
}

function refuseRequest(request: IncomingMessage, response: ServerResponse): void {
  const refusal = checkPath(pathOf(request));
  response.writeHead(refusal.status, {
    ...refusal.headers,
    'Content-Type': 'text/plain; charset=utf-8',
    Connection: 'close',
  });
  response.end(`${refusal.message}\n`);
}

/** Bytes that are not HTTP, headers that are too large or too slow. */
function refuseBadRequest(fault: NodeJS.ErrnoException, socket: Duplex): void {
  socket.on('error', ignore);
  if (socket.destroyed || !socket.writable) return;
  if (fault.code === 'HPE_HEADER_OVERFLOW') refuseUpgrade(socket, { status: 431, message: 'Too large headers.' });
  else if (fault.code === 'ERR_HTTP_REQUEST_TIMEOUT') refuseUpgrade(socket, { status: 408, message: 'Too slow.' });
  else refuseUpgrade(socket, { status: 400, message: 'Not a request.' });
}

/** What ends a socket is told by its `close`. */
function ignore(): void {}
