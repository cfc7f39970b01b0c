/** How the bare servers that stand for the limit listen: on the transports that Muster has, with nothing around them. */
import { WebSocketServer } from 'ws';
import { assert } from '../../src/base/assert.ts';
import { loadUws } from '../../src/transport/uws-native.ts';
import type { UwsApp, UwsSocket } from '../../src/transport/uws-native.ts';
import type { TransportName } from '../../src/transport/choose.ts';
import type { Sink } from './limit-wire.ts';
import { asBuffer } from './limit-wire.ts';

/** Takes a connection; the result takes its messages. */
export type Accept = (sink: Sink) => (message: Buffer) => void;

/** On a free loopback port. */
export function listenBare(transport: TransportName, accept: Accept): Promise<number> {
  return transport === 'uws' ? listenUws(accept) : listenWs(accept);
}

function listenWs(accept: Accept): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    listener.on('connection', (socket) => {
      const take = accept(socket);
      socket.on('message', (data) => take(asBuffer(data)));
    });
    listener.once('error', reject);
    listener.once('listening', () => {
      const address = listener.address();
      assert(typeof address === 'object' && address !== null, 'listens on a port');
      resolve(address.port);
    });
  });
}

interface Taker {
  take: (message: Buffer) => void;
}

/** What a bare server of uWebSockets.js does with its sockets; all else of it is off. */
export interface BareUws<T> {
  /** What a new socket begins with. */
  readonly begin: () => T;
  readonly open: (socket: UwsSocket<T>) => void;
  /** The bytes are the library's, and gone when it returns. */
  readonly message: (socket: UwsSocket<T>, message: ArrayBuffer) => void;
}

/** Listens on a free loopback port, with what `make` does with the app's sockets. */
export function listenBareUws<T>(make: (app: UwsApp) => BareUws<T>): Promise<number> {
  const found = loadUws(process);
  assert(found.ok, found.ok ? '' : found.why);
  const { native } = found;
  const app = native.App();
  const { begin, open, message } = make(app);
  app.ws<T>('/*', {
    maxPayloadLength: 1024 * 1024,
    maxBackpressure: 0,
    idleTimeout: 0,
    sendPingsAutomatically: false,
    compression: 0,
    upgrade: (response, request, context) => {
      let key = '';
      request.forEach((name, value) => (key = name === 'sec-websocket-key' ? value : key));
      response.upgrade(begin(), key, '', '', context);
    },
    open,
    message,
    ping: () => undefined,
    drain: () => undefined,
    close: () => undefined,
  });
  return new Promise((resolve) => {
    app.listen('127.0.0.1', 0, 1, (token) => resolve(native.us_socket_local_port(token)));
  });
}

function listenUws(accept: Accept): Promise<number> {
  const sink = (socket: UwsSocket<Taker>): Sink => ({ send: (message) => void socket.send(message, true, false) });
  return listenBareUws<Taker>(() => ({
    begin: () => ({ take: () => undefined }),
    open: (socket) => void (socket.getUserData().take = accept(sink(socket))),
    message: (socket, message) => socket.getUserData().take(Buffer.from(new Uint8Array(message))),
  }));
}
