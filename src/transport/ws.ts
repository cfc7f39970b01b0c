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
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Accept, Connection, ConnectionHandler } from '../session/port.ts';
import {
  HEADERS_MAX,
  HEADER_BYTES_MAX,
  SUBPROTOCOLS,
  WS_PATH,
  checkUpgrade,
  pathOf,
  refuseUpgrade,
  upgradeRequired,
  type Refusal,
} from './upgrade.ts';

export interface WsOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly accept: Accept;
  /** Origins of pages that may connect, beside those of the same host. */
  readonly origins?: readonly string[];
  /** WebSockets at once; one more gets HTTP 503 before anything is allocated for it. */
  readonly socketsMax?: number;
  /** A connection that was broken by the peer's bytes or by the network. */
  readonly onFault?: (connection: string, fault: Error) => void;
  /** Shorter in tests. */
  readonly timeouts?: Partial<WsTimeouts>;
}

export interface WsTimeouts {
  /** The headers of a request must be there. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** The peer must have answered a close frame. */
  readonly closeMs: number;
}

export interface WsListener {
  readonly port: number;
  readonly connections: number;
  /** Takes an upgrade request of another HTTP server. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Stops listening and breaks what is still connected. */
  close(): Promise<void>;
}

const TIMEOUTS: WsTimeouts = { headersMs: 5_000, requestMs: 10_000, closeMs: 3_000 };
const BACKLOG = 4_096;
/** Above the cap of the sessions, which refuse more politely. */
const SOCKETS_MAX = LIMITS.connectionsMax + 1_000;
/** TCP connections beside the WebSockets: requests that are not upgraded yet. */
const PENDING_MAX = 4_096;
const FULL: Refusal = { status: 503, message: 'Too many connections.', headers: { 'Retry-After': '5' } };
/** A message may come in so many WebSocket fragments and in so many reads of the socket; more: close 1008. */
const FRAGMENTS_MAX = 64;
const CHUNKS_MAX = 4_096;

/** Resolves when it listens; rejects if it cannot. */
export async function listenWs(options: WsOptions): Promise<WsListener> {
  const listener = new Listener(options);
  await listener.listen();
  return listener;
}

class Listener implements WsListener {
  readonly #options: WsOptions;
  readonly #http: Server;
  readonly #ws: WebSocketServer;
  readonly #open = new Set<WsConnection>();
  readonly #socketsMax: number;
  #count = 0;

  constructor(options: WsOptions) {
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
    this.#socketsMax = options.socketsMax ?? SOCKETS_MAX;
    this.#http.maxConnections = this.#socketsMax + PENDING_MAX;
    this.#http.on('request', refuseRequest);
    this.#http.on('upgrade', (request, socket, head) => this.handleUpgrade(request, socket, head));
    this.#http.on('clientError', refuseBadRequest);
    // The installed types do not know `closeTimeout`.
    const wsOptions = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: LIMITS.messageBytes,
      maxFragments: FRAGMENTS_MAX,
      maxBufferedChunks: CHUNKS_MAX,
      closeTimeout: timeouts.closeMs,
      handleProtocols: () => SUBPROTOCOLS[0],
    };
    this.#ws = new WebSocketServer(wsOptions);
  }

  get port(): number {
    const address = this.#http.address();
    return address !== null && typeof address === 'object' ? address.port : this.#options.port;
  }

  get connections(): number {
    return this.#open.size;
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

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', ignore);
    const { origins = [] } = this.#options;
    const refusal = this.#open.size >= this.#socketsMax ? FULL : checkUpgrade(request, { origins });
    if (refusal !== undefined) {
      refuseUpgrade(socket, refusal);
      return;
    }
    this.#ws.handleUpgrade(request, socket, head, (ws) => this.#opened(ws, request));
  }

  async close(): Promise<void> {
    this.#ws.close();
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const connection of this.#open) connection.destroy();
    this.#http.closeAllConnections();
    await closed;
  }

  #opened(ws: WebSocket, request: IncomingMessage): void {
    this.#count += 1;
    const connection = new WsConnection({ id: `ws-${this.#count}`, ws, socket: request.socket });
    this.#open.add(connection);
    ws.on('error', (fault) => this.#options.onFault?.(connection.id, fault));
    ws.on('close', () => this.#open.delete(connection));
    connection.begin(this.#options.accept(connection));
  }
}

/** Up to so many bytes the header is put before a copy of the message: one buffer, one write. Measured on
 * loopback at 200 bytes: 2.5 µs against 3.1 µs of `ws.send`; at 2,000 bytes copying costs more than it saves. */
const COPY_BYTES = 1_024;
const BINARY_FINAL = 0x82;
const OPEN = 1;

class WsConnection implements Connection {
  readonly id: string;
  readonly remote: string;
  readonly #ws: WebSocket;
  readonly #socket: Socket;

  constructor(parts: { readonly id: string; readonly ws: WebSocket; readonly socket: Socket }) {
    this.id = parts.id;
    this.#ws = parts.ws;
    this.#socket = parts.socket;
    this.remote = parts.socket.remoteAddress ?? 'unknown';
  }

  begin(handler: ConnectionHandler): void {
    this.#ws.on('message', (data: RawData) => {
      // With the default binary type a message is one Buffer.
      if (Buffer.isBuffer(data)) handler.message(data);
    });
    this.#socket.on('drain', () => handler.drain());
    this.#ws.on('close', (code) => handler.closed(code));
  }

  /** Writes frames itself: without compression ws never holds one back, so ours and its own (pong, close) stay whole. */
  write(message: Uint8Array): void {
    if (this.#ws.readyState !== OPEN) return;
    const size = message.length;
    if (size > COPY_BYTES) {
      this.#socket.cork();
      this.#socket.write(frameHeader(size, 0));
      this.#socket.write(message);
      this.#socket.uncork();
      return;
    }
    const frame = frameHeader(size, size);
    frame.set(message, frame.length - size);
    this.#socket.write(frame);
  }

  buffered(): number {
    return this.#socket.writableLength;
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }

  destroy(): void {
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
  const refusal: Refusal =
    pathOf(request) === WS_PATH ? upgradeRequired() : { status: 404, message: `WebSockets are served at ${WS_PATH}.` };
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
