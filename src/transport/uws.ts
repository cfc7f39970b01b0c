/**
 * The fast transport: WebSockets by uWebSockets.js, a native server on a listener of its own.
 *
 * Owns: sockets, framing and HTTP before the upgrade as far as that library lets them be owned. Does not own: frames
 * of the protocol, who may connect (session), the connection cap (session manager), finding the library (uws-native.ts).
 *
 * X1 A native socket throws once it was closed, so `#socket` is undefined from that moment on, and everything is
 *    ignored that comes later.
 * X2 The library calls the close handler inside `end` and `close`; the handler is told in a later turn.
 * X3 A message is the library's memory until the callback returns: what is handed on is a copy.
 * X4 Nothing is dropped in silence. The library's own bound, at which it drops and goes on, is off: a session writes only
 *    while little is held back, and answers to pings have a bound here. If it drops all the same the connection ends.
 * X5 A text message is handed on like a binary one, as by `ws`; a binary one where text is due ends the connection.
 * X6 A port is always named: with 0 the library does not set SO_REUSEADDR, and the next server could not have that port
 *    again for a minute after clients were connected.
 * X7 A refusal is answered in a later turn: the library ends a connection on which a request comes while another waits, and
 *    else would take an upgrade that stands behind a refused request in the same bytes.
 */
import { SocketAddress, createServer } from 'node:net';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../base/assert.ts';
import { PerSecond } from '../base/per-second.ts';
import type { Accept, Connection, ConnectionHandler } from '../session/port.ts';
import type { Gate } from './gate.ts';
import type { Admission, ListenOptions, Listener } from './listener.ts';
import {
  WRONG_KIND,
  WS_PATH,
  checkPath,
  checkUpgrade,
  chooseSubprotocol,
  isText,
  statusLine,
  type Refusal,
  type RequestHead,
} from './upgrade.ts';
import type { UwsApp, UwsBehavior, UwsNative, UwsRequest, UwsResponse, UwsSocket } from './uws-native.ts';

/** The library breaks a connection on which nothing came or went for so long, give or take four seconds. A session notices
 * silence before; this ends peers that were closed and do not answer, of which nobody else knows any more. */
const IDLE_S = 24;
/** The library breaks a connection without a close frame; up to here it is closed with one. */
const PAYLOAD_FUSE_BYTES = 2 * LIMITS.messageBytes;
/** What a session may have written, and as much again for answers to pings that the peer does not read. */
const BACKLOG_FUSE_BYTES = 2 * (LIMITS.socketBytes + LIMITS.messageBytes);
/** 16 bytes in base64. The library looks at the first line of this name, and only at its length. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const NO_KEY: Refusal = { status: 400, message: 'Sec-WebSocket-Key is none.' };
const DROPPED = 2;
const TOO_BIG = 1009;
/** RFC 6455: it violates a policy. */
const TOO_MUCH = 1008;
/** Without it a second server on the same port would get a part of the connections. */
const EXCLUSIVE_PORT = 1;
/** Somebody else may take a free port before the library does. */
const FREE_PORT_TRIES = 8;

/** Resolves when it listens; rejects if it cannot. */
export async function listenUws(native: UwsNative, parts: UwsParts): Promise<Listener> {
  const listener = new UwsListener(native, parts);
  await listener.listen();
  return listener;
}

export interface UwsParts {
  readonly options: ListenOptions;
  readonly admission: Admission;
}

class UwsListener implements Listener {
  readonly #native: UwsNative;
  readonly #options: ListenOptions;
  readonly #admission: Admission;
  readonly #app: UwsApp;
  readonly #open = new Set<UwsConnection>();
  #token: unknown;
  #count = 0;

  constructor(native: UwsNative, { options, admission }: UwsParts) {
    this.#native = native;
    this.#options = options;
    this.#admission = admission;
    this.#app = native
      .App()
      .ws(WS_PATH, this.#behavior())
      .any('/*', (response, request) => this.#refuseRequest(response, request));
  }

  get port(): number {
    return this.#native.us_socket_local_port(must(this.#token, 'it listens'));
  }

  get connections(): number {
    return this.#open.size;
  }

  /** X6 */
  async listen(): Promise<void> {
    const { host, port } = this.#options;
    for (let tries = port === 0 ? FREE_PORT_TRIES : 1; tries > 0; tries -= 1) {
      const wanted = port === 0 ? await freePort(host) : port;
      if (this.#listenOn(host, wanted)) return;
      if (tries === 1) throw await whyNot(host, wanted);
    }
  }

  /** The library answers before it returns. */
  #listenOn(host: string, port: number): boolean {
    this.#app.listen(host, port, EXCLUSIVE_PORT, (token) => {
      this.#token = token === false || token === null ? undefined : token;
    });
    return this.#token !== undefined;
  }

  async close(): Promise<void> {
    this.#native.us_listen_socket_close(this.#token);
    for (const connection of this.#open) connection.destroy();
    this.#app.close?.();
    // X2: every handler is told in the next turn.
    await new Promise((resolve) => setImmediate(resolve));
  }

  #behavior(): UwsBehavior<Holder> {
    return {
      maxPayloadLength: PAYLOAD_FUSE_BYTES,
      maxBackpressure: 0,
      idleTimeout: IDLE_S,
      sendPingsAutomatically: false,
      compression: 0,
      upgrade: (response, request, context) => this.#upgrade(response, request, context),
      open: (socket) => this.#opened(socket),
      message: (socket, message, isBinary) => socket.getUserData().connection.received(message, isBinary),
      ping: (socket) => socket.getUserData().connection.pinged(),
      drain: (socket) => socket.getUserData().connection.drained(),
      close: (socket, code, reason) => this.#closed(socket.getUserData().connection, code, reason),
    };
  }

  #upgrade(response: UwsResponse, request: UwsRequest, context: unknown): void {
    const { head, key } = headOf(request);
    const { gate, rules, addressOf } = this.#admission;
    const address = addressOf(addressText(response.getRemoteAddress()), head.forwarded);
    const refusal = checkUpgrade(head, rules) ?? (KEY.test(key) ? undefined : NO_KEY) ?? gate.ask(address);
    if (refusal !== undefined) {
      refuse(response, refusal, head);
      return;
    }
    this.#count += 1;
    const subprotocol = must(chooseSubprotocol(head.subprotocols), 'an upgrade that was checked');
    const connection = new UwsConnection({ id: `uws-${this.#count}`, address, gate, text: isText(subprotocol) });
    response.upgrade({ connection }, key, subprotocol, '', context);
  }

  #opened(socket: UwsSocket<Holder>): void {
    const { connection } = socket.getUserData();
    this.#open.add(connection);
    connection.begin(socket, this.#options.accept);
  }

  #closed(connection: UwsConnection, code: number, reason: ArrayBuffer): void {
    this.#open.delete(connection);
    // With this code the reason is the library's own.
    if (code === 1006 && reason.byteLength > 0)
      this.#options.onFault?.(connection.id, new Error(Buffer.from(reason).toString('latin1')));
    connection.ended(code);
  }

  /** Whatever is not a WebSocket handshake at the right path. */
  #refuseRequest(response: UwsResponse, request: UwsRequest): void {
    const { head } = headOf(request);
    const asks = head.upgrade?.toLowerCase() === 'websocket';
    const refusal = asks ? (checkUpgrade(head, this.#admission.rules) ?? NO_KEY) : checkPath(head.path);
    refuse(response, refusal, head);
  }
}

/** What the library keeps with a socket: it copies members, so that a class of ours needs one to be whole. */
interface Holder {
  readonly connection: UwsConnection;
}

interface ConnectionParts {
  readonly id: string;
  readonly address: string;
  readonly gate: Gate;
  readonly text: boolean;
}

class UwsConnection implements Connection {
  readonly id: string;
  readonly remote: string;
  readonly #gate: Gate;
  readonly text: boolean;
  /** Bytes came where text is due. */
  #deaf = false;
  /** Undefined from its end on. */
  #socket: UwsSocket<Holder> | undefined;
  #handler: ConnectionHandler | undefined;
  /** From the first one on. */
  #pings: PerSecond | undefined;
  #stranger = true;

  constructor(parts: ConnectionParts) {
    this.id = parts.id;
    this.remote = parts.address;
    this.text = parts.text;
    this.#gate = parts.gate;
  }

  begin(socket: UwsSocket<Holder>, accept: Accept): void {
    this.#socket = socket;
    this.#gate.enter(this.remote);
    this.#handler = accept(this);
  }

  write(message: Uint8Array): void {
    if (this.#socket?.send(message, !this.text, false) === DROPPED) this.destroy(); // X4
  }

  corked(write: () => void): void {
    if (this.#socket === undefined) write();
    else this.#socket.cork(write);
  }

  buffered(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  greeted(): void {
    if (this.#socket === undefined || !this.#stranger) return;
    this.#stranger = false;
    this.#gate.greeted(this.remote);
  }

  close(code: number, reason: string): void {
    this.#socket?.end(code, reason);
  }

  destroy(): void {
    this.#socket?.close();
  }

  // From the library.

  received(message: ArrayBuffer, isBinary: boolean): void {
    if (this.#deaf) return;
    if (this.text && isBinary) {
      this.#deaf = true;
      this.close(WRONG_KIND.code, WRONG_KIND.reason);
      return;
    }
    if (message.byteLength > LIMITS.messageBytes) {
      this.close(TOO_BIG, '');
      return;
    }
    const copy = Buffer.allocUnsafe(message.byteLength); // X3
    copy.set(new Uint8Array(message));
    this.#handler?.message(copy);
  }

  pinged(): void {
    if (this.buffered() > BACKLOG_FUSE_BYTES) this.destroy();
    else if ((this.#pings ??= new PerSecond()).count(performance.now()) > LIMITS.pingsPerSecond)
      this.close(TOO_MUCH, '');
  }

  drained(): void {
    this.#handler?.drain();
  }

  ended(code: number): void {
    this.#socket = undefined;
    this.#gate.leave(this.remote, this.#stranger);
    setImmediate(() => this.#handler?.closed(code)); // X2
  }
}

/** X7 */
function refuse(response: UwsResponse, refusal: Refusal, head: RequestHead): void {
  let gone = false;
  response.onAborted(() => (gone = true));
  const answer = (): void => {
    response.writeStatus(statusLine(refusal.status));
    for (const [name, value] of Object.entries(refusal.headers ?? {})) response.writeHeader(name, value);
    response.writeHeader('Connection', 'close');
    response.writeHeader('Content-Type', 'text/plain; charset=utf-8');
    response.end(head.method === 'HEAD' ? '' : `${refusal.message}\n`, true);
  };
  setImmediate(() => !gone && response.cork(answer));
}

/** Lines of one name are one list, as with Node's parser; but of hosts the first counts, and how many there are. */
function headOf(request: UwsRequest): { readonly head: RequestHead; readonly key: string } {
  const found = new Map<string, string>();
  let headers = 0;
  let headerBytes = 0;
  let hosts = 0;
  request.forEach((name, value) => {
    headers += 1;
    headerBytes += name.length + value.length + 4;
    if (name === 'host') hosts += 1;
    const before = found.get(name);
    if (before === undefined) found.set(name, value);
    else if (name !== 'host') found.set(name, `${before}, ${value}`);
  });
  const head: RequestHead = {
    method: request.getMethod().toUpperCase(),
    path: request.getUrl(),
    headers,
    headerBytes,
    host: found.get('host'),
    hosts,
    origin: found.get('origin'),
    upgrade: found.get('upgrade'),
    version: found.get('sec-websocket-version'),
    subprotocols: found.get('sec-websocket-protocol'),
    forwarded: found.get('x-forwarded-for'),
  };
  return { head, key: found.get('sec-websocket-key') ?? '' };
}

/** As Node writes it. */
function addressText(address: ArrayBuffer): string {
  const bytes = Buffer.from(address);
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return 'unknown';
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** A port that nobody has now. */
function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = createServer();
    asked.once('error', reject);
    asked.listen({ host, port: 0, exclusive: true }, () => {
      const address = asked.address();
      asked.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** The library does not say why it cannot listen; the system does, to whoever asks in the same way. */
function whyNot(host: string, port: number): Promise<Error> {
  return new Promise((resolve) => {
    const asked = createServer();
    asked.once('error', resolve);
    asked.listen({ host, port, exclusive: true }, () => {
      asked.close(() => resolve(new Error(`uWebSockets.js cannot listen on ${host}, port ${port}.`)));
    });
  });
}
