/** What ws does with a message that comes in very many pieces: a socket that a test feeds, since the system joins them. */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { listen } from '../support/listen.ts';
import { wsFrame } from '../support/raw-socket.ts';
import { until } from '../support/until.ts';

/** Remembers what is written, and can be fed. */
class FedSocket extends Duplex {
  readonly written: Buffer[] = [];

  override _read(): void {
    // Fed by `push`.
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.written.push(bytes);
    done();
  }

  setTimeout(): void {}
  setNoDelay(): void {}
}

test('a message in too many pieces ends its connection', async () => {
  const ends: number[] = [];
  const listener = await listen('ws', {
    accept: () => ({ message: () => undefined, drain: () => undefined, closed: (code) => ends.push(code) }),
  });
  const socket = new FedSocket();
  const request = new IncomingMessage(new Socket());
  Object.assign(request, { method: 'GET', url: '/v1', socket });
  Object.assign(request.headers, {
    host: 'x',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol': 'muster.v1.msgpack',
  });
  listener.handleUpgrade(request, socket, Buffer.alloc(0));
  await until(() => socket.written.length > 0, 'the answer to the upgrade');
  expect(socket.written[0]?.toString('latin1')).toContain(' 101 ');
  const message = wsFrame(Buffer.alloc(10_000));
  const closed = (): boolean => Buffer.concat(socket.written).includes(Buffer.from([0x88, 2, 1008 >> 8, 1008 & 0xff]));
  for (let at = 0; at < 4_200; at += 1) {
    socket.push(message.subarray(at, at + 1));
    if (at % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (at === 4_000) expect(closed(), 'so many are allowed').toBe(false);
  }
  await until(closed, 'close 1008');
  socket.destroy();
  await listener.close();
});
