/**
 * What strangers may do to the listening port. After each, a well-behaved neighbour that was connected before asks
 * and gets its answer, and a new one gets in.
 */
import { IncomingMessage, createServer, type Server } from 'node:http';
import { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { CLOSE } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type Frame } from '../../protocol/wire/types.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { createSessionManager, type SessionManager } from '../../src/session/manager.ts';
import type { TransportListener, TransportName } from '../../src/transport/choose.ts';
import { Gate } from '../../src/transport/gate.ts';
import { listen } from '../support/listen.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { EagerNode } from '../support/session-rig.ts';
import { speaking, type Form } from './forms.ts';
import { until } from '../support/until.ts';

const HEADERS_MS = 300;

interface Neighbour {
  readonly ws: WebSocket;
  readonly frames: Frame[];
  next: number;
}

export function abuse(name: TransportName, form: Form): void {
  const { anyRequest, frameOf, framesOf, hello, opcode, subprotocol, upgradeRequest, wsFrame } = speaking(form);
  const { faulty, garbage } = speaking(form);
  const only = (those: TransportName): readonly TransportName[] => (name === those ? [name] : []);
  let manager: SessionManager;
  let listener: TransportListener;
  let neighbour: Neighbour;
  let open: { destroy(): void }[];

  beforeEach(async () => {
    manager = createSessionManager({ node: new EagerNode(systemScheduler), scheduler: systemScheduler });
    const timeouts = { headersMs: HEADERS_MS, requestMs: 10_000, closeMs: 200 };
    listener = await listen(name, {
      accept: manager.accept,
      origins: ['https://dashboard.example'],
      timeouts,
    });
    open = [];
    neighbour = await neighbourly();
  });

  afterEach(async () => {
    await expectServed(neighbour);
    await expectServed(await neighbourly());
    for (const one of open) one.destroy();
    await listener.close();
    await until(() => manager.connections === 0, 'every session to be told of the end');
  });

  async function neighbourly(): Promise<Neighbour> {
    const ws = new WebSocket(`ws://127.0.0.1:${listener.port}/v1`, [subprotocol]);
    open.push({ destroy: () => ws.terminate() });
    const made: Neighbour = { ws, frames: [], next: 1 };
    ws.on('message', (data) => Buffer.isBuffer(data) && made.frames.push(...framesOf(data)));
    await new Promise((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
    });
    ws.send(hello(), { binary: opcode === 2 });
    await until(() => made.frames.some((one) => one.op === Op.WELCOME), 'WELCOME');
    return made;
  }

  async function expectServed(one: Neighbour): Promise<void> {
    const id = one.next;
    one.next += 1;
    one.ws.send(anyRequest(id), { binary: opcode === 2 });
    await until(
      () => one.frames.some((frame) => frame.op === Op.RESULT && frame.id === id),
      'the neighbour to be served',
    );
  }

  async function raw(): Promise<RawSocket> {
    const socket = await RawSocket.open(listener.port);
    open.push(socket);
    return socket;
  }

  /** A WebSocket by hand. */
  async function upgraded(): Promise<RawSocket> {
    const socket = await raw();
    socket.send(upgradeRequest());
    const response = await socket.response();
    expect(response).toMatch(/^HTTP\/1\.1 101 /);
    expect(response.toLowerCase()).toContain(`sec-websocket-protocol: ${subprotocol}`);
    return socket;
  }

  /** What is in the close frame that the server sent; undefined: it sent none. */
  async function closePayload(socket: RawSocket): Promise<Buffer | undefined> {
    await until(() => socket.ended || socket.frames().some((one) => one.opcode === 8), 'a close frame');
    return socket.frames().find((one) => one.opcode === 8)?.payload;
  }

  async function closeCode(socket: RawSocket): Promise<number | undefined> {
    return (await closePayload(socket))?.readUInt16BE(0);
  }

  function protocolFrames(socket: RawSocket): Frame[] {
    return socket
      .frames()
      .filter((one) => one.opcode === opcode)
      .flatMap((one) => [...framesOf(one.payload)]);
  }

  const big = 'x'.repeat(9_000);
  const many = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`X-${i}`, '1']));
  const refused: readonly {
    readonly name: string;
    readonly request: string;
    readonly status: number;
    readonly says?: string;
    /** The library answers nothing; it only ends the connection, at once or after its seconds for headers. */
    readonly uws?: 'ends' | 'lets it time out';
  }[] = [
    {
      name: 'no subprotocol',
      request: upgradeRequest({ headers: { 'Sec-WebSocket-Protocol': undefined } }),
      status: 400,
      says: 'muster.v1.msgpack',
    },
    {
      name: 'an unknown subprotocol',
      request: upgradeRequest({ headers: { 'Sec-WebSocket-Protocol': 'chat, muster.v2.msgpack' } }),
      status: 400,
      says: 'muster.v1.msgpack',
    },
    {
      name: 'a subprotocol list that is none',
      request: upgradeRequest({ headers: { 'Sec-WebSocket-Protocol': 'muster.v1.msgpack,,' } }),
      status: 400,
    },
    { name: 'another path', request: upgradeRequest({ path: '/' }), status: 404, says: '/v1' },
    { name: 'a path below', request: upgradeRequest({ path: '/v1/x' }), status: 404 },
    { name: 'a path that climbs', request: upgradeRequest({ path: '/x/../v1' }), status: 404 },
    { name: 'POST', request: upgradeRequest({ method: 'POST' }), status: 405, says: 'GET' },
    {
      name: 'an old version',
      request: upgradeRequest({ headers: { 'Sec-WebSocket-Version': '8' } }),
      status: 426,
      says: 'Sec-WebSocket-Version: 13',
    },
    { name: 'no version', request: upgradeRequest({ headers: { 'Sec-WebSocket-Version': undefined } }), status: 426 },
    { name: 'another upgrade', request: upgradeRequest({ headers: { Upgrade: 'h2c' } }), status: 426 },
    { name: 'no key', request: upgradeRequest({ headers: { 'Sec-WebSocket-Key': undefined } }), status: 400 },
    {
      name: 'a key that is none',
      request: upgradeRequest({ headers: { 'Sec-WebSocket-Key': 'short' } }),
      status: 400,
    },
    { name: 'no host', request: upgradeRequest({ headers: { Host: undefined } }), status: 400, uws: 'ends' },
    {
      name: 'a page of another origin',
      request: upgradeRequest({ headers: { Origin: 'https://evil.example' } }),
      status: 403,
    },
    { name: 'a page without an origin', request: upgradeRequest({ headers: { Origin: 'null' } }), status: 403 },
    {
      name: 'a page of the same name at another port',
      request: upgradeRequest({ headers: { Origin: 'http://127.0.0.1:9999' } }),
      status: 403,
    },
    { name: 'large headers', request: upgradeRequest({ headers: { Cookie: big } }), status: 431 },
    { name: 'many headers', request: upgradeRequest({ headers: many }), status: 431, uws: 'lets it time out' },
    { name: 'no upgrade', request: 'GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n', status: 426, says: 'WebSocket' },
    { name: 'a page of ours that is not there', request: 'GET /admin HTTP/1.1\r\nHost: x\r\n\r\n', status: 404 },
    { name: 'no HTTP at all', request: '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', status: 400, uws: 'lets it time out' },
  ];
  describe('upgrade requests that are refused', () => {
    const answered = refused.filter(({ uws }) => name === 'ws' || uws !== 'lets it time out');
    test.each(answered)('$name: $status', async ({ request, status, says, uws }) => {
      const before = manager.connections;
      const socket = await raw();
      socket.send(request);
      const response = await socket.response();
      if (name === 'uws' && uws === 'ends') expect(response).toBe('');
      else expect(response).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      await socket.end();
      expect(socket.text).toContain(says ?? '');
      expect(manager.connections).toBe(before);
    });

    const taken: readonly { readonly name: string; readonly headers: { readonly [name: string]: string } }[] = [
      { name: 'a page of the allow-list', headers: { Origin: 'https://dashboard.example' } },
      { name: 'a page of the same host', headers: { Origin: 'http://127.0.0.1' } },
      { name: 'ours among other subprotocols', headers: { 'Sec-WebSocket-Protocol': `chat, ${subprotocol}` } },
      {
        name: 'an offer of compression, which is declined',
        headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
      },
    ];
    test.each(taken)('taken: $name', async ({ headers }) => {
      const socket = await raw();
      socket.send(upgradeRequest({ headers }));
      const response = await socket.response();
      expect(response).toMatch(/^HTTP\/1\.1 101 /);
      expect(response.toLowerCase()).not.toContain('permessage-deflate');
    });
  });

  describe('slow and half requests', () => {
    test.each(only('uws'))('silence, and what is no request, ends after the library’s seconds', async () => {
      const begins = ['', ...refused.filter(({ uws }) => uws === 'lets it time out').map(({ request }) => request)];
      const sockets = await Promise.all([...begins, ''].map(() => raw()));
      for (const [i, begin] of begins.entries()) if (begin !== '') sockets[i]?.send(begin);
      const request = upgradeRequest();
      let at = 0;
      const drip = setInterval(() => sockets.at(-1)?.send(request[at++ % (request.length - 4)]!), 100);
      await until(() => sockets.every(({ ended }) => ended), 'the ends', 20_000);
      clearInterval(drip);
      expect(sockets.map(({ text }) => text)).toEqual(sockets.map(() => ''));
    });

    test.each(only('ws'))('a socket that says nothing is closed', async () => {
      const socket = await raw();
      await socket.end();
    });

    test.each(only('ws'))('headers that trickle are cut off', async () => {
      const socket = await raw();
      const request = upgradeRequest();
      let at = 0;
      const drip = setInterval(() => socket.send(request[at++ % (request.length - 4)]!), 10);
      await socket.end();
      clearInterval(drip);
      expect(socket.text).not.toContain('101');
    });

    test('a reset in the middle of a request: no session begins, and the next client is taken', async () => {
      const before = manager.connections;
      const socket = await raw();
      socket.send(upgradeRequest().slice(0, 40));
      socket.socket.resetAndDestroy();
      await socket.end();
      expect(manager.connections).toBe(before);
      await upgraded();
      await until(() => manager.connections === before + 1, 'the next client to be taken');
    });

    test('a reset right after the upgrade', async () => {
      const before = manager.connections;
      const socket = await upgraded();
      socket.socket.resetAndDestroy();
      await until(() => manager.connections === before, 'the session to end');
    });
  });

  describe('WebSocket frames that break the rules', () => {
    const broken: readonly {
      readonly name: string;
      readonly bytes: Buffer;
      readonly code: number;
      /** Other than a connection that is broken without a close frame. */
      readonly uws?: number | 'no close code' | 'not noticed';
    }[] = [
      { name: 'unmasked', bytes: wsFrame(hello(), { mask: false }), code: 1002, uws: 'not noticed' },
      { name: 'a reserved bit', bytes: wsFrame(hello(), { rsv: 4 }), code: 1002 },
      { name: 'a reserved opcode', bytes: wsFrame(hello(), { opcode: 3 }), code: 1002 },
      { name: 'a continuation of nothing', bytes: wsFrame(hello(), { opcode: 0 }), code: 1002 },
      { name: 'a fragmented ping', bytes: wsFrame(Buffer.alloc(3), { opcode: 9, fin: false }), code: 1002 },
      { name: 'a large ping', bytes: wsFrame(Buffer.alloc(126), { opcode: 9 }), code: 1002 },
      {
        name: 'a close with half a code',
        bytes: wsFrame(Buffer.alloc(1), { opcode: 8 }),
        code: 1002,
        uws: 'no close code',
      },
      { name: 'text that is no UTF-8', bytes: wsFrame(Buffer.from([0xc3, 0x28]), { opcode: 1 }), code: 1007 },
      {
        name: 'a declared length above the limit',
        bytes: wsFrame(Buffer.alloc(2 * LIMITS.messageBytes + 1)).subarray(0, 20),
        code: 1009,
      },
      {
        name: 'fragments without end',
        bytes: Buffer.concat([
          wsFrame(Buffer.alloc(1), { fin: false }),
          ...Array.from({ length: 100 }, () => wsFrame(Buffer.alloc(1), { opcode: 0, fin: false })),
        ]),
        code: 1008,
        uws: 'not noticed',
      },
      {
        name: 'fragments that together are too large',
        bytes: Buffer.concat([
          wsFrame(Buffer.alloc(LIMITS.messageBytes / 2), { fin: false }),
          wsFrame(Buffer.alloc(LIMITS.messageBytes / 2 + 1), { opcode: 0 }),
        ]),
        code: 1009,
        uws: 1009,
      },
    ];
    const noticed = broken.filter(({ uws }) => name === 'ws' || uws !== 'not noticed');
    test.each(noticed)('$name: $code', async ({ bytes, code, uws }) => {
      const before = manager.connections;
      const socket = await upgraded();
      socket.send(bytes);
      if (name === 'ws') expect(await closeCode(socket)).toBe(code);
      else if (uws === 'no close code') expect(await closePayload(socket)).toHaveLength(0);
      else expect(await closeCode(socket)).toBe(uws);
      await socket.end();
      await until(() => manager.connections === before, 'the session to end');
    });

    test('a message in fragments is one message', async () => {
      const socket = await upgraded();
      const bytes = hello();
      socket.send(wsFrame(bytes.subarray(0, 5), { fin: false }));
      socket.send(wsFrame(new Uint8Array(0), { opcode: 9 }));
      socket.send(wsFrame(bytes.subarray(5), { opcode: 0 }));
      await until(() => protocolFrames(socket).length > 0, 'WELCOME');
      expect(protocolFrames(socket)[0]?.op).toBe(Op.WELCOME);
    });

    test('a frame that comes byte by byte is a frame', async () => {
      const socket = await upgraded();
      socket.socket.setNoDelay(true);
      for (const byte of wsFrame(hello())) {
        socket.send(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => protocolFrames(socket).length > 0, 'WELCOME');
    });

    test('text is refused that is no message of the protocol', async () => {
      for (const text of faulty) {
        const socket = await upgraded();
        socket.send(wsFrame(hello()));
        await until(() => protocolFrames(socket).length > 0, 'WELCOME');
        socket.send(wsFrame(Buffer.from(text), { opcode: 1 }));
        expect(await closeCode(socket)).toBe(CLOSE.PROTOCOL_ERROR.code);
        const said = protocolFrames(socket).slice(1);
        expect(said.map((one) => one.op)).toEqual([Op.ERROR, Op.GOAWAY]);
        expect(said[0]?.body['code']).toBe('INVALID_FRAME');
      }
    });

    test.each(form === 'json' ? [form] : [])('bytes where text is due end the connection, unread', async () => {
      const socket = await upgraded();
      socket.send(wsFrame(hello(), { opcode: 2 }));
      socket.send(wsFrame(hello()));
      expect(await closeCode(socket)).toBe(1003);
      expect(protocolFrames(socket)).toEqual([]);
    });

    test('a client that answers no close frame is cut off', async () => {
      const socket = await upgraded();
      socket.send(wsFrame(garbage));
      expect(await closeCode(socket)).toBe(CLOSE.PROTOCOL_ERROR.code);
      await socket.end();
    });

    test('fragments without content and without end harm nobody', async () => {
      const socket = await upgraded();
      socket.send(wsFrame(new Uint8Array(0), { fin: false }));
      socket.send(
        Buffer.concat(Array.from({ length: 10_000 }, () => wsFrame(new Uint8Array(0), { opcode: 0, fin: false }))),
      );
      await expectServed(neighbour);
    });

    test('a flood of pings from a client that does not read is cut off', async () => {
      const before = manager.connections;
      const socket = await upgraded();
      socket.socket.pause();
      const flood = Buffer.concat(Array.from({ length: 5_000 }, () => wsFrame(Buffer.alloc(125), { opcode: 9 })));
      const sender = setInterval(() => socket.socket.writableLength < flood.length && socket.send(flood), 1);
      await until(() => manager.connections === before, 'the flooder to be cut off');
      clearInterval(sender);
    });
  });

  describe('through the protocol', () => {
    test('a connection that never says HELLO stays alone with its silence', async () => {
      const socket = await upgraded();
      socket.send(wsFrame(frameOf(Op.PING, 0, { now: 1 })));
      expect(await closeCode(socket)).toBe(CLOSE.HELLO_EXPECTED.code);
    });

    test('many connections at once are all served', async () => {
      const many = await Promise.all(Array.from({ length: 100 }, () => neighbourly()));
      await Promise.all(many.map((one) => expectServed(one)));
      expect(listener.connections).toBe(101);
    });
  });

  test.each(only('uws'))('what comes with the upgrade, before its answer, is lost', async () => {
    const socket = await raw();
    socket.send(Buffer.concat([Buffer.from(upgradeRequest()), wsFrame(hello())]));
    expect(await socket.response()).toMatch(/^HTTP\/1\.1 101 /);
    socket.send(wsFrame(hello()));
    await until(() => protocolFrames(socket).length > 0, 'WELCOME');
    socket.send(wsFrame(anyRequest(1)));
    await until(() => protocolFrames(socket).length > 1, 'the answer');
    expect(protocolFrames(socket).map(({ op }) => op)).toEqual([Op.WELCOME, Op.RESULT]);
  });

  describe('the second port', () => {
    let http: Server;

    beforeEach(async () => {
      http = createServer((_request, response) => response.end('page'));
      http.on('upgrade', (request, socket, head: Buffer) => listener.handleUpgrade(request, socket, head));
      await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', () => resolve()));
    });

    afterEach(async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    });

    function port(): number {
      const address = http.address();
      return typeof address === 'object' && address !== null ? address.port : 0;
    }

    test('takes the same requests by the same rules', async () => {
      const good = await RawSocket.open(port());
      open.push(good);
      good.send(Buffer.concat([Buffer.from(upgradeRequest()), wsFrame(hello())]));
      expect(await good.response()).toMatch(/^HTTP\/1\.1 101 /);
      await until(() => protocolFrames(good).length > 0, 'WELCOME to a HELLO that came with the upgrade');
      const bad = await RawSocket.open(port());
      open.push(bad);
      bad.send(upgradeRequest({ headers: { Origin: 'https://evil.example' } }));
      expect(await bad.response()).toMatch(/^HTTP\/1\.1 403 /);
      await bad.end();
      good.destroy();
      await good.end();
    });
  });

  test('a socket that fails while it is being refused harms nobody', async () => {
    const socket = new PassThrough();
    const request = new IncomingMessage(new Socket());
    request.url = '/nowhere';
    request.method = 'GET';
    listener.handleUpgrade(request, socket, Buffer.alloc(0));
    socket.destroy(new Error('reset by the peer'));
    await until(() => socket.closed, 'the socket to close');
  });

  test('after a close frame nothing is written', async () => {
    const closing = await listen(name, {
      timeouts: { closeMs: 50 },
      accept(connection) {
        connection.write(Uint8Array.of(1));
        connection.close(4001, 'shutdown');
        connection.write(Uint8Array.of(2));
        return { message: () => undefined, drain: () => undefined, closed: () => undefined };
      },
    });
    const socket = await RawSocket.open(closing.port);
    socket.send(upgradeRequest());
    await socket.end();
    expect(socket.frames().map((one) => [one.opcode, one.payload[0]])).toEqual([
      [opcode, 1],
      [8, 4001 >> 8],
    ]);
    await closing.close();
  });

  test('above the cap of sockets the answer is 503, and it passes', async () => {
    const small = await listen(name, { accept: manager.accept, gate: new Gate({ limits: { sockets: 1 } }) });
    const ask = async (): Promise<RawSocket> => {
      const socket = await RawSocket.open(small.port);
      socket.send(upgradeRequest());
      await socket.response();
      return socket;
    };
    const first = await ask();
    expect(first.text).toMatch(/^HTTP\/1\.1 101 /);
    const second = await ask();
    expect(second.text).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: \d/);
    first.destroy();
    await until(() => small.connections === 0, 'the first to leave');
    const third = await ask();
    expect(third.text).toMatch(/^HTTP\/1\.1 101 /);
    for (const socket of [second, third]) socket.destroy();
    await small.close();
  });

  test('a port is taken again although a client of the server before is not quite gone', async () => {
    const before = await listen(name, { accept: manager.accept });
    const { port } = before;
    const socket = await RawSocket.open(port);
    open.push(socket);
    socket.send(upgradeRequest());
    expect(await socket.response()).toMatch(/^HTTP\/1\.1 101 /);
    await before.close();
    const again = await listen(name, { accept: manager.accept, port });
    expect(again.port).toBe(port);
    await again.close();
  });

  test('a port that is taken is told to the caller', async () => {
    const { port } = listener;
    await expect(listen(name, { accept: manager.accept, port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
}
