/** Raw uWebSockets.js: what one connection sends is published to all others by the library itself. */
import { assert } from '../../src/base/assert.ts';
import { loadUws, type UwsSocket } from '../../src/transport/uws-native.ts';
import { playRole } from '../harness/role.ts';
import type { PlainCalls } from './roles.ts';

const TOPIC = 'fan';

interface PublishingApp {
  publish(topic: string, message: Uint8Array, isBinary: boolean, compress: boolean): boolean;
}

interface SubscribingSocket {
  subscribe(topic: string): unknown;
}

interface Speaker {
  speaks: boolean | undefined;
}

playRole<PlainCalls>(() => ({
  listen: () => {
    const found = loadUws(process);
    assert(found.ok, found.ok ? '' : found.why);
    const { native } = found;
    const made = native.App();
    // What the library can do beside what the server uses of it.
    const app = made as unknown as typeof made & PublishingApp;
    app.ws<Speaker>('/*', {
      maxPayloadLength: 1024 * 1024,
      maxBackpressure: 0,
      idleTimeout: 0,
      sendPingsAutomatically: false,
      compression: 0,
      upgrade: (response, request, context) => {
        let key = '';
        request.forEach((name, value) => (key = name === 'sec-websocket-key' ? value : key));
        response.upgrade({ speaks: undefined }, key, '', '', context);
      },
      open: () => undefined,
      message: (socket: UwsSocket<Speaker>, message) => {
        const speaker = socket.getUserData();
        const bytes = new Uint8Array(message);
        if (speaker.speaks === true) app.publish(TOPIC, bytes, true, false);
        else {
          speaker.speaks = Buffer.from(bytes).toString() === 'speak';
          if (!speaker.speaks) (socket as unknown as SubscribingSocket).subscribe(TOPIC);
          socket.send(Buffer.from('welcome'), true, false);
        }
      },
      ping: () => undefined,
      drain: () => undefined,
      close: () => undefined,
    });
    return new Promise((resolve) => {
      app.listen('127.0.0.1', 0, 1, (token) => resolve({ port: native.us_socket_local_port(token) }));
    });
  },
}));
