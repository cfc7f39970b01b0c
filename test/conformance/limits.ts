/** Whom the listening ports let in, and how far a stranger gets with each of them. */
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { CLOSE } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type Frame } from '../../protocol/wire/types.ts';
import { Rates } from '../../src/access/index.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { createSessionManager, type SessionManager } from '../../src/session/manager.ts';
import type { TransportListener, TransportName } from '../../src/transport/choose.ts';
import { Gate, type GateOptions } from '../../src/transport/gate.ts';
import { listen } from '../support/listen.ts';
import { RawSocket, upgradeRequest, wsFrame } from '../support/raw-socket.ts';
import { EagerNode, framesOf, frameOf, hello } from '../support/session-rig.ts';
import { until } from '../support/until.ts';

const FROM = 'X-Forwarded-For';

export function limits(name: TransportName): void {
  let manager: SessionManager;
  let listener: TransportListener;
  let http: Server;
  let open: RawSocket[];

  beforeEach(() => {
    manager = createSessionManager({ node: new EagerNode(systemScheduler), scheduler: systemScheduler });
    open = [];
  });

  afterEach(async () => {
    for (const socket of open) socket.destroy();
    await listener.close();
    await new Promise((resolve) => http.close(resolve));
    await until(() => manager.connections === 0, 'every session to be told of the end');
  });

  async function begin(more: Partial<Parameters<typeof listen>[1]> = {}, gate: GateOptions = {}): Promise<void> {
    const timeouts = { headersMs: 5_000, requestMs: 10_000, closeMs: 200 };
    listener = await listen(name, { accept: manager.accept, timeouts, gate: new Gate(gate), ...more });
    http = createServer((_request, response) => response.end('page'));
    http.on('upgrade', (request, socket, head: Buffer) => listener.handleUpgrade(request, socket, head));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', () => resolve()));
  }

  function secondPort(): number {
    const address = http.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async function raw(port = listener.port): Promise<RawSocket> {
    const socket = await RawSocket.open(port);
    open.push(socket);
    return socket;
  }

  /** The answer to an upgrade request with these headers. */
  async function ask(headers: { readonly [name: string]: string | undefined } = {}, port = listener.port) {
    const socket = await raw(port);
    socket.send(upgradeRequest({ headers }));
    await socket.response();
    return socket;
  }

  const status = (socket: RawSocket): string => socket.text.slice(9, 12);

  async function greet(socket: RawSocket): Promise<void> {
    socket.send(wsFrame(hello()));
    await until(() => opsOf(socket).includes(Op.WELCOME), 'WELCOME');
  }

  function said(socket: RawSocket): Frame[] {
    return socket
      .frames()
      .filter((one) => one.opcode === 2)
      .flatMap((one) => [...framesOf(one.payload)]);
  }

  const opsOf = (socket: RawSocket): number[] => said(socket).map(({ op }) => op);

  async function closeCode(socket: RawSocket, patienceMs?: number): Promise<number | undefined> {
    const closed = (): boolean => socket.ended || socket.frames().some((one) => one.opcode === 8);
    await until(closed, 'a close frame', patienceMs);
    return socket
      .frames()
      .find((one) => one.opcode === 8)
      ?.payload.readUInt16BE(0);
  }

  describe('requests', () => {
    test('two origins are no origin that may connect, wherever the good one stands', async () => {
      await begin({ origins: ['https://dashboard.example'] });
      for (const port of [listener.port, secondPort()]) {
        for (const lines of [
          'Origin: https://dashboard.example\r\nOrigin: https://evil.example',
          'Origin: https://evil.example\r\nOrigin: https://dashboard.example',
        ]) {
          const socket = await raw(port);
          socket.send(upgradeRequest().replace('\r\n', `\r\n${lines}\r\n`));
          expect(await socket.response()).toMatch(/^HTTP\/1\.1 403 /);
        }
      }
    });

    test.each(['Host', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version', 'Upgrade'])(
      'two of %s are refused',
      async (line) => {
        await begin();
        const again = upgradeRequest()
          .split('\r\n')
          .find((one) => one.startsWith(`${line}:`));
        for (const port of [listener.port, secondPort()]) {
          const socket = await raw(port);
          socket.send(upgradeRequest().replace('\r\n', `\r\n${again}\r\n`));
          expect(await socket.response()).toMatch(/^HTTP\/1\.1 4\d\d /);
        }
      },
    );

    test('another host is refused where hosts are named', async () => {
      await begin({ hosts: ['muster.example'] });
      for (const port of [listener.port, secondPort()]) {
        expect(status(await ask({ Host: 'muster.example:7420' }, port))).toBe('101');
        expect(status(await ask({ Host: 'evil.example' }, port))).toBe('421');
        expect(status(await ask({ Host: 'evil.example', Origin: 'http://evil.example' }, port))).toBe('421');
      }
    });

    test('HEAD is answered without a body', async () => {
      await begin();
      for (const [path, code] of [
        ['/nowhere', 404],
        ['/v1', 426],
      ] as const) {
        const socket = await raw();
        socket.send(`HEAD ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        await socket.end();
        expect(socket.text).toMatch(new RegExp(`^HTTP/1\\.1 ${code} `));
        expect(socket.text.split('\r\n\r\n')).toEqual([expect.any(String), '']);
      }
    });

    test.each([
      ['a page that is not there', 'GET /admin HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['an upgrade that is refused', upgradeRequest({ headers: { Origin: 'https://evil.example' } })],
    ])('an upgrade that stands behind %s in the same bytes is not taken', async (_name, first) => {
      await begin();
      const socket = await raw();
      socket.send(first + upgradeRequest());
      await socket.end();
      expect(socket.text).not.toContain(' 101 ');
      expect(manager.connections).toBe(0);
    });
  });

  describe('sockets', () => {
    test('that are reset while they are refused harm nobody', async () => {
      await begin();
      const requests = [upgradeRequest({ path: '/' }), 'GET /admin HTTP/1.1\r\nHost: x\r\n\r\n', upgradeRequest()];
      const sockets = await Promise.all(Array.from({ length: 60 }, () => raw()));
      for (const [i, socket] of sockets.entries()) {
        socket.send(requests[i % 3] ?? '');
        if (i % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
        socket.socket.resetAndDestroy();
      }
      await until(() => sockets.every(({ ended }) => ended) && listener.connections === 0, 'all to be gone');
      const after = await ask();
      await greet(after);
    });

    test('of all ports are one number', async () => {
      await begin({}, { limits: { sockets: 2 } });
      const first = await ask();
      const second = await ask({}, secondPort());
      expect([status(first), status(second)]).toEqual(['101', '101']);
      expect(listener.connections).toBe(2);
      for (const port of [listener.port, secondPort()]) {
        const third = await ask({}, port);
        expect(third.text).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: \d/);
      }
      second.destroy();
      await until(() => listener.connections === 1, 'the second to leave');
      expect(status(await ask())).toBe('101');
    });

    test('of one address are bounded; a proxy that is trusted says whose they are', async () => {
      await begin({ proxies: ['127.0.0.0/8'] }, { limits: { ofAddress: 2 } });
      const from = async (address: string): Promise<string> => status(await ask({ [FROM]: address }));
      expect([await from('192.0.2.1'), await from('192.0.2.1'), await from('192.0.2.1')]).toEqual([
        '101',
        '101',
        '503',
      ]);
      expect([await from('192.0.2.2'), await from('10.0.0.1, 192.0.2.1')]).toEqual(['101', '503']);
      expect(
        manager
          .list()
          .map(({ remote }) => remote)
          .toSorted(),
      ).toEqual(['192.0.2.1', '192.0.2.1', '192.0.2.2']);
    });

    test('the header of anybody else is not believed', async () => {
      await begin({}, { limits: { ofAddress: 1 } });
      expect([status(await ask({ [FROM]: '192.0.2.1' })), status(await ask({ [FROM]: '192.0.2.2' }))]).toEqual([
        '101',
        '503',
      ]);
      expect(manager.list().map(({ remote }) => remote)).toEqual(['127.0.0.1']);
    });

    test('that never said who they are keep out no more than each other', async () => {
      await begin({}, { limits: { strangers: 2 } });
      const [first, second] = [await ask(), await ask({}, secondPort())];
      expect([status(first), status(second), status(await ask())]).toEqual(['101', '101', '503']);
      await greet(first);
      const third = await ask();
      expect([status(third), status(await ask())]).toEqual(['101', '503']);
      second.destroy();
      await until(() => listener.connections === 2, 'a stranger to leave');
      expect(status(await ask())).toBe('101');
    });

    test('a wrong credential does not make a stranger known', async () => {
      await begin({}, { limits: { strangers: 1 } });
      const first = await ask();
      first.send(wsFrame(hello('nobody')));
      expect(await closeCode(first)).toBe(CLOSE.BAD_AUTH.code);
      expect(said(first)[0]?.body).toMatchObject({ code: 'UNAUTHENTICATED' });
    });

    test('that come too fast are told when to come again, and are taken then', async () => {
      const classes = { session: 0, work: 0, hold: 0, control: 0, query: 0, admin: 0 };
      const rates = new Rates({
        settings: { classes, bytes: 0, sessions: 0, accepts: 0, acceptsOfAddress: 3 },
        mono: () => systemScheduler.mono(),
      });
      await begin({}, { rate: (address) => rates.accept(address) });
      // On a machine that does other work a second may end meanwhile.
      const answers: RawSocket[] = [];
      while (!answers.some((one) => status(one) === '503')) {
        expect(answers.length).toBeLessThan(1_000);
        answers.push(...(await Promise.all([ask(), ask(), ask(), ask()])));
      }
      const refused = answers.find((one) => status(one) === '503');
      expect(refused?.text).toMatch(/Retry-After: 1\r\n/);
      await until(() => rates.accept('127.0.0.1') === 0, 'the next second');
      expect(status(await ask())).toBe('101');
    });

    test('are refused while memory is short, and those that are there are served', async () => {
      let short = false;
      await begin({}, { short: () => short });
      const first = await ask();
      short = true;
      expect(status(await ask())).toBe('503');
      await greet(first);
      short = false;
      expect(status(await ask())).toBe('101');
    });

    test('that flood with pings are closed although they read', async () => {
      await begin();
      const socket = await ask();
      await greet(socket);
      const some = Buffer.concat(Array.from({ length: 50 }, () => wsFrame(Buffer.alloc(1), { opcode: 9 })));
      const pongs = (): number => socket.frames().filter((one) => one.opcode === 10).length;
      const closed = (): boolean => socket.ended || socket.frames().some((one) => one.opcode === 8);
      // In portions, since ws breaks a connection for which more than 60 pongs wait.
      for (let sent = 50; !closed(); sent += 50) {
        socket.send(some);
        await until(() => closed() || pongs() === sent, 'pongs, or the end');
        expect(pongs()).toBeGreaterThanOrEqual(Math.min(sent, LIMITS.pingsPerSecond));
        expect(sent).toBeLessThan(10_000);
      }
      expect(await closeCode(socket)).toBe(1008);
      await socket.end();
    });
  });

  describe('time', () => {
    test('a message that is never finished, or comes byte by byte, ends its connection and no other', async () => {
      await begin();
      const neighbour = await ask();
      await greet(neighbour);
      const half = await ask();
      await greet(half);
      const slow = await ask();
      await greet(slow);
      const stranger = await ask();
      const large = wsFrame(Buffer.alloc(10_000));
      half.send(large.subarray(0, 5_000));
      let at = 0;
      const drip = setInterval(() => {
        neighbour.send(wsFrame(frameOf(Op.PONG)));
        slow.send(large.subarray(at, at + 1));
        stranger.send(large.subarray(at, at + 1));
        at += 1;
      }, 200);
      try {
        expect(await closeCode(stranger, 15_000)).toBe(CLOSE.HELLO_TIMEOUT.code);
        expect(await closeCode(half, 15_000)).toBe(CLOSE.NO_PONG.code);
        expect(await closeCode(slow, 15_000)).toBe(CLOSE.NO_PONG.code);
      } finally {
        clearInterval(drip);
      }
      expect(neighbour.frames().some((one) => one.opcode === 8)).toBe(false);
    }, 40_000);

    test('close resolves when the handlers of all ports were told', async () => {
      await begin();
      const sockets = await Promise.all([ask(), ask({}, secondPort()), ask({}, secondPort())]);
      expect(sockets.map(status)).toEqual(['101', '101', '101']);
      expect(manager.connections).toBe(3);
      await listener.close();
      expect([manager.connections, listener.connections]).toEqual([0, 0]);
      const late = await ask({}, secondPort());
      expect(status(late)).toBe('503');
    });
  });

  describe('what the transports do differently (docs/decisions/0021)', () => {
    test('a frame without a mask', async () => {
      await begin();
      const socket = await ask();
      await greet(socket);
      socket.send(wsFrame(frameOf(Op.PING, 0, { now: 1, x: 'x'.repeat(40) }), { mask: false }));
      if (name === 'ws') expect(await closeCode(socket)).toBe(1002);
      else {
        // The first four bytes are taken for the mask, and so many are missing at the end: garbage, once they are there.
        socket.send(Buffer.alloc(4));
        expect(await closeCode(socket)).toBe(CLOSE.PROTOCOL_ERROR.code);
        expect(said(socket).slice(1)).toMatchObject([
          { op: Op.ERROR, body: { code: 'INVALID_FRAME' } },
          { op: Op.GOAWAY, body: { reason: 'protocol_error' } },
        ]);
      }
      await socket.end();
    });

    test('many fragments, and their sum', async () => {
      await begin();
      const socket = await ask();
      const bytes = hello('member', { client: { name: 'x'.repeat(120), version: '1' } });
      const pieces = Array.from(bytes, (_, i) =>
        wsFrame(bytes.subarray(i, i + 1), { opcode: i === 0 ? 2 : 0, fin: i === bytes.length - 1 }),
      );
      expect(pieces.length).toBeGreaterThan(64);
      socket.send(Buffer.concat(pieces));
      if (name === 'ws') {
        expect(await closeCode(socket)).toBe(1008);
        return;
      }
      await until(() => opsOf(socket).includes(Op.WELCOME), 'WELCOME to a HELLO in many fragments');
      const piece = wsFrame(Buffer.alloc(10_000), { opcode: 0, fin: false });
      socket.send(wsFrame(Buffer.alloc(1), { fin: false }));
      for (let sum = 0; sum < 3 * LIMITS.messageBytes && !socket.ended; sum += 10_000) socket.send(piece);
      await socket.end();
      expect(socket.frames().some((one) => one.opcode === 8)).toBe(false);
    });

    test('connections that are no WebSockets yet', async () => {
      await begin({ pendingMax: 5 }, { limits: { sockets: 5 } });
      const first = await ask();
      await greet(first);
      const idle = await Promise.all(Array.from({ length: 30 }, () => raw()));
      if (name === 'ws') {
        await until(() => idle.filter(({ ended }) => ended).length === 21, 'those over the bound to be closed');
        return;
      }
      // All stay for the library's seconds; they keep nobody out.
      expect(status(await ask())).toBe('101');
      expect(idle.filter(({ ended }) => ended)).toEqual([]);
    });
  });

  test('a browser is let in by the same rules', async () => {
    await begin({ origins: ['https://dashboard.example'] });
    const page = (origin: string): Promise<string> =>
      new Promise((resolve) => {
        const ws = new WebSocket(`ws://127.0.0.1:${listener.port}/v1`, ['muster.v1.msgpack'], { origin });
        ws.once('open', () => resolve('open'));
        ws.once('error', ({ message }) => resolve(message));
        ws.once('unexpected-response', (_request, response) => resolve(String(response.statusCode)));
        ws.once('open', () => ws.terminate());
      });
    expect(await page('https://dashboard.example')).toBe('open');
    expect(await page('https://dashboard.example.evil.example')).toBe('403');
  });
}
