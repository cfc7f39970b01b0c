/** What the transports with sockets promise beside `transport.ts`: frames as a peer may cut them, and its ends. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import type { TransportListener, TransportName } from '../../src/transport/choose.ts';
import { listen } from '../support/listen.ts';
import { RawSocket, upgradeRequest, wsFrame } from '../support/raw-socket.ts';
import { until } from '../support/until.ts';
import { slowReaders } from './slow.ts';
import { Recorder, transportConformance, type Peer, type TransportUnderTest } from './transport.ts';

export function socketConformance(name: TransportName): void {
  const transport: TransportUnderTest = {
    name,
    async open(accept) {
      const listener = await listen(name, { accept, timeouts: { closeMs: 100 } });
      const peers: WebSocket[] = [];
      return {
        scheduler: systemScheduler,
        async dial() {
          const ws = await connect(listener);
          peers.push(ws);
          return peerOf(ws);
        },
        until,
        async close() {
          for (const ws of peers) ws.terminate();
          await listener.close();
        },
      };
    },
  };
  transportConformance(transport);
  slowReaders(transport, { speed: 10 });
  describe(`frames by ${name}`, () => {
    framesOf(name);
  });
}

async function connect(listener: TransportListener): Promise<WebSocket> {
  const ws = new WebSocket(`ws://127.0.0.1:${listener.port}/v1`, ['muster.v1.msgpack'], { perMessageDeflate: false });
  await new Promise((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  return ws;
}

function peerOf(ws: WebSocket): Peer {
  const received: Uint8Array[] = [];
  const ends: number[] = [];
  ws.on('message', (data) => {
    if (Buffer.isBuffer(data)) received.push(data);
  });
  ws.on('close', (code) => ends.push(code));
  ws.on('error', () => undefined);
  return {
    received,
    ends,
    send: (bytes) => ws.send(bytes),
    close: (code) => ws.close(code),
    destroy: () => ws.terminate(),
    pause: () => ws.pause(),
    resume: () => ws.resume(),
  };
}

function framesOf(name: TransportName): void {
  let listener: TransportListener;
  let servers: Recorder[];
  let sockets: RawSocket[];

  beforeEach(async () => {
    servers = [];
    sockets = [];
    listener = await listen(name, {
      accept(connection) {
        const recorder = new Recorder(connection);
        servers.push(recorder);
        return recorder;
      },
      timeouts: { closeMs: 100 },
    });
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await listener.close();
    await until(() => servers.every(({ ends }) => ends.length === 1), 'every handler to be told of the end');
    expect(listener.connections).toBe(0);
    expect(servers.map(({ inside, afterEnd }) => inside + afterEnd)).toEqual(servers.map(() => 0));
  });

  async function pair(): Promise<{ socket: RawSocket; server: Recorder }> {
    const at = servers.length;
    const socket = await RawSocket.open(listener.port);
    sockets.push(socket);
    socket.send(upgradeRequest());
    expect(await socket.response()).toMatch(/^HTTP\/1\.1 101 /);
    await until(() => servers.length > at, 'the connection');
    return { socket, server: servers[at]! };
  }

  const closeFrame = (code: number): Buffer => wsFrame(Uint8Array.of(code >> 8, code & 0xff), { opcode: 8 });

  async function closedWith(socket: RawSocket): Promise<readonly number[]> {
    await until(() => socket.ended || socket.frames().some(({ opcode }) => opcode === 8), 'a close frame');
    const close = socket.frames().find(({ opcode }) => opcode === 8);
    return close === undefined ? [] : [...close.payload.subarray(0, 2)];
  }

  test('a message of the largest size arrives, one byte more closes with 1009 and does not', async () => {
    const { socket, server } = await pair();
    socket.send(wsFrame(new Uint8Array(LIMITS.messageBytes)));
    await until(() => server.messages.length === 1, 'the message');
    socket.send(wsFrame(new Uint8Array(LIMITS.messageBytes + 1)));
    expect(await closedWith(socket)).toEqual([1009 >> 8, 1009 & 0xff]);
    expect(server.messages.map(({ length }) => length)).toEqual([LIMITS.messageBytes]);
  });

  test('fragments that together are too large close with 1009', async () => {
    const { socket, server } = await pair();
    socket.send(wsFrame(new Uint8Array(LIMITS.messageBytes), { fin: false }));
    socket.send(wsFrame(new Uint8Array(1), { opcode: 0 }));
    expect(await closedWith(socket)).toEqual([1009 >> 8, 1009 & 0xff]);
    expect(server.messages).toEqual([]);
  });

  test('a declared length far above the limit ends the connection before it comes', async () => {
    const { socket, server } = await pair();
    socket.send(wsFrame(new Uint8Array(4 * LIMITS.messageBytes)).subarray(0, 20));
    await until(() => server.ends.length === 1, 'the end');
    expect(server.messages).toEqual([]);
  });

  test('a text message is handed on as its bytes', async () => {
    const { socket, server } = await pair();
    socket.send(wsFrame(Buffer.from('[1,0,{}] ü'), { opcode: 1 }));
    socket.send(wsFrame(Buffer.alloc(0), { opcode: 1 }));
    await until(() => server.messages.length === 2, 'the messages');
    expect(server.messages.map((bytes) => Buffer.from(bytes).toString())).toEqual(['[1,0,{}] ü', '']);
  });

  test('fragments are one message, whatever comes between them and however they are cut', async () => {
    const { socket, server } = await pair();
    socket.socket.setNoDelay(true);
    const bytes = Buffer.concat([
      wsFrame(Buffer.from('ab'), { fin: false }),
      wsFrame(Buffer.from('ping'), { opcode: 9 }),
      wsFrame(Buffer.alloc(0), { opcode: 0, fin: false }),
      wsFrame(Buffer.from('cd'), { opcode: 0 }),
      wsFrame(Buffer.from('next')),
    ]);
    for (const byte of bytes) {
      socket.send(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => server.messages.length === 2, 'the messages');
    expect(server.messages.map((message) => Buffer.from(message).toString())).toEqual(['abcd', 'next']);
    await until(() => socket.frames().length === 1, 'the answer to the ping');
    expect(socket.frames().map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([[10, 'ping']]);
  });

  test('a ping in the middle of much that waits is answered between messages', async () => {
    const { socket, server } = await pair();
    socket.socket.pause();
    const message = new Uint8Array(64 * 1024);
    let written = 0;
    while (written < 1_000 && server.connection.buffered() < 512 * 1024) {
      server.call((connection) => connection.write(message));
      written += 1;
      await until(() => true);
    }
    socket.send(wsFrame(Buffer.from('ping'), { opcode: 9 }));
    socket.socket.resume();
    await until(() => socket.frames().length === written + 1, 'all frames');
    expect(socket.frames().filter(({ opcode }) => opcode === 10)).toHaveLength(1);
    expect(socket.frames().filter(({ payload }) => payload.length === message.length)).toHaveLength(written);
  });

  test.each([1000, 1001, 4001, 4999])('a close with %i is answered with it and told', async (code) => {
    const { socket, server } = await pair();
    socket.send(closeFrame(code));
    expect(await closedWith(socket)).toEqual([code >> 8, code & 0xff]);
    await until(() => server.ends.length === 1, 'the end');
    expect(server.ends).toEqual([code]);
    await socket.end();
  });

  test('a code that only registered programs use is told as it is by ws, and is none for uws', async () => {
    const { socket, server } = await pair();
    socket.send(closeFrame(3000));
    expect(await closedWith(socket)).toEqual(name === 'ws' ? [3000 >> 8, 3000 & 0xff] : []);
    await until(() => server.ends.length === 1, 'the end');
    expect(server.ends).toEqual([name === 'ws' ? 3000 : 1006]);
  });

  test('a close without a code is told as 1005', async () => {
    const { socket, server } = await pair();
    socket.send(wsFrame(new Uint8Array(0), { opcode: 8 }));
    await until(() => server.ends.length === 1, 'the end');
    expect(server.ends).toEqual([1005]);
  });

  test('what comes behind a close frame is not told', async () => {
    const { socket, server } = await pair();
    socket.send(Buffer.concat([wsFrame(Uint8Array.of(1)), closeFrame(4001), wsFrame(Uint8Array.of(2))]));
    await until(() => server.ends.length === 1, 'the end');
    expect(server.messages.map(([byte]) => byte)).toEqual([1]);
  });

  test('a peer that ends its side without a close frame is told as 1006', async () => {
    const { socket, server } = await pair();
    socket.send(wsFrame(Uint8Array.of(1)));
    socket.socket.end();
    await until(() => server.ends.length === 1, 'the end');
    expect(server.messages.map(([byte]) => byte)).toEqual([1]);
    expect(server.ends).toEqual([1006]);
    await socket.end();
  });

  test('a peer that is killed in the middle of a message leaves nothing of it', async () => {
    const { socket, server } = await pair();
    socket.send(wsFrame(Uint8Array.of(1)));
    socket.send(wsFrame(new Uint8Array(100_000)).subarray(0, 50_000));
    await until(() => server.messages.length === 1, 'the whole message');
    socket.socket.resetAndDestroy();
    await until(() => server.ends.length === 1, 'the end');
    expect(server.messages).toHaveLength(1);
    expect(server.ends).toEqual([1006]);
  });

  test('a peer that is killed while much waits for it is told, and nothing is kept', async () => {
    const { socket, server } = await pair();
    socket.socket.pause();
    while (server.connection.buffered() < 512 * 1024) {
      server.call((connection) => connection.write(new Uint8Array(64 * 1024)));
      await until(() => true);
    }
    socket.socket.resetAndDestroy();
    await until(() => server.ends.length === 1, 'the end');
    await until(() => listener.connections === 0, 'the connection to be forgotten');
    expect(server.ends).toEqual([1006]);
  });
}
