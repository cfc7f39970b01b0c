/** How the bare servers that stand for the limit listen: on the transports that Muster has, with nothing around them. */
import { WebSocketServer } from 'ws';
import { assert } from '../../src/base/assert.ts';
import { loadUws } from '../../src/transport/uws-native.ts';
import type { UwsSocket } from '../../src/transport/uws-native.ts';
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

function listenUws(accept: Accept): Promise<number> {
  const found = loadUws(process);
  assert(found.ok, found.ok ? '' : found.why);
  const { native } = found;
  const sink = (socket: UwsSocket<Taker>): Sink => ({ send: (message) => void socket.send(message, true, false) });
  const app = native.App().ws<Taker>('/*', {
    maxPayloadLength: 1024 * 1024,
    maxBackpressure: 0,
    idleTimeout: 0,
    sendPingsAutomatically: false,
    compression: 0,
    upgrade: (response, request, context) => {
      let key = '';
      request.forEach((name, value) => (key = name === 'sec-websocket-key' ? value : key));
      response.upgrade({ take: () => undefined }, key, '', '', context);
    },
    open: (socket) => (socket.getUserData().take = accept(sink(socket))),
    message: (socket, message) => socket.getUserData().take(Buffer.from(new Uint8Array(message))),
    ping: () => undefined,
    drain: () => undefined,
    close: () => undefined,
  });
  return new Promise((resolve) => {
    app.listen('127.0.0.1', 0, 1, (token) => resolve(native.us_socket_local_port(token)));
  });
}
