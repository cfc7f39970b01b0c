/** The limits of a whole server, as it is told them, on both transports. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { CLOSE } from '../protocol/wire/codes.ts';
import { Op, type Frame } from '../protocol/wire/types.ts';
import { connect } from '../src/client/node.ts';
import { serve, type RunningServer, type ServeOptions } from '../src/main.ts';
import { SOCKET_TRANSPORTS } from './support/listen.ts';
import { framesOf, hello, request } from './support/session-rig.ts';
import { until } from './support/until.ts';

interface Client {
  readonly ws: WebSocket;
  readonly frames: Frame[];
  /** Of the close; 0 while it is open. */
  code: number;
}

describe.each(SOCKET_TRANSPORTS)('%s', (transport) => {
  let data: string;
  let server: RunningServer;
  let clients: Client[];

  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'muster-limits-'));
    clients = [];
  });

  afterEach(async () => {
    for (const { ws } of clients) ws.terminate();
    await server.stop();
    rmSync(data, { recursive: true });
  });

  async function begin(options: ServeOptions): Promise<void> {
    server = await serve({ data, port: 0, httpPort: 0, logLevel: 'silent', transport, ...options });
  }

  /** The status of a refused upgrade, or a client that said HELLO and has an answer. */
  function dial(headers: { readonly [name: string]: string } = {}): Promise<Client | number> {
    const ws = new WebSocket(server.url, ['muster.v1.msgpack'], { headers });
    const client: Client = { ws, frames: [], code: 0 };
    clients.push(client);
    ws.on('message', (bytes) => Buffer.isBuffer(bytes) && client.frames.push(...framesOf(bytes)));
    ws.on('close', (code) => (client.code = code));
    return new Promise((resolve) => {
      ws.once('error', () => undefined);
      ws.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
      ws.once('open', () => {
        ws.send(hello(server.firstKey ?? ''));
        void until(() => client.frames.length > 0, 'an answer to HELLO').then(() => resolve(client));
      });
    });
  }

  async function client(): Promise<Client> {
    const made = await dial();
    if (typeof made === 'number') throw new Error(`refused with ${made}`);
    return made;
  }

  async function answersTo(one: Client, method: string, count: number): Promise<Frame[]> {
    const before = one.frames.length;
    for (let i = 0; i < count; i += 1) one.ws.send(request(before + i + 1, { m: method, p: { type: 'x' } }));
    const answers = (): Frame[] => one.frames.slice(before).filter(({ op }) => op === Op.RESULT || op === Op.ERROR);
    await until(() => answers().length === count, 'the answers');
    return answers();
  }

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${server.httpUrl}/metrics`)).text();
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')[1] ?? 0,
    );
  }

  test('connections of an address and of a principal', async () => {
    await begin({ limits: { connectionsPerAddress: 2, connectionsPerPrincipal: 1 } });
    expect((await client()).frames[0]?.op).toBe(Op.WELCOME);
    const second = await client();
    expect(second.frames[0]).toMatchObject({ op: Op.ERROR, body: { code: 'UNAVAILABLE', retryable: true } });
    await until(() => second.code !== 0, 'the close');
    expect(second.code).toBe(CLOSE.OVERLOADED.code);
  });

  test('fresh sessions in a minute, whoever breaks off meanwhile', async () => {
    await begin({ limits: { sessionsPerMinute: 3 } });
    const codes: unknown[] = [];
    for (let i = 0; i < 5; i += 1) {
      const one = await client();
      codes.push(one.frames[0]?.op === Op.WELCOME ? 'WELCOME' : one.frames[0]?.body['code']);
      one.ws.terminate();
      await until(() => one.code !== 0, 'the close');
    }
    expect(codes).toEqual(['WELCOME', 'WELCOME', 'WELCOME', 'UNAVAILABLE', 'UNAVAILABLE']);
  });

  test('who comes from where, through a proxy', async () => {
    await begin({ limits: { connectionsPerAddress: 1 }, proxies: ['127.0.0.1'] });
    const from = async (address: string): Promise<number | undefined> => {
      const made = await dial({ 'X-Forwarded-For': address });
      return typeof made === 'number' ? made : made.frames[0]?.op;
    };
    expect([await from('192.0.2.1'), await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([
      Op.WELCOME,
      503,
      Op.WELCOME,
    ]);
    expect(await metric('muster_connections_turned_away_total{reason="address"}')).toBe(1);
  });

  test('hosts, on both ports', async () => {
    await begin({ hosts: ['muster.example'] });
    expect(await dial()).toBe(421);
    expect((await fetch(`${server.httpUrl}/metrics`)).status).toBe(421);
    for (const probe of ['healthz', 'readyz']) expect((await fetch(`${server.httpUrl}/${probe}`)).status).toBe(200);
    expect(await dial({ Host: 'muster.example' })).toMatchObject({ code: 0 });
  });

  test('requests in a second, by class; ends of work are taken', async () => {
    await begin({ limits: { workPerSecond: 3, holdPerSecond: 1 } });
    const one = await client();
    // All in one turn: a second does not end in it.
    const created = await answersTo(one, 'task.create', 20);
    const refused = created.filter(({ op }) => op === Op.ERROR);
    expect(refused.length).toBeGreaterThanOrEqual(14);
    for (const { body } of refused) {
      expect(body).toMatchObject({ code: 'RATE_LIMIT_EXCEEDED', retryable: true });
      expect(body['retryAfterMs']).toBeGreaterThan(0);
    }
    expect(await metric('service_rate_limit_hits_total{class="work"}')).toBe(refused.length);
    const ended = await answersTo(one, 'task.complete', 20);
    expect(ended.filter(({ body }) => body['code'] === 'RATE_LIMIT_EXCEEDED')).toEqual([]);
    expect((await answersTo(one, 'agent.list', 20)).filter(({ op }) => op === Op.ERROR)).toEqual([]);
  });

  test('a client that asks too fast gets everything done in the end, and an agent all its work', async () => {
    await begin({ limits: { workPerSecond: 60, holdPerSecond: 1 } });
    const key = server.firstKey ?? '';
    const agent = await connect({ url: server.url, key, agent: { name: 'w', capabilities: ['x'], capacity: 20 } });
    agent.agent.handle('x', async ({ parameters }) => parameters);
    const submitter = await connect({ url: server.url, key });
    try {
      const created = await Promise.all(
        Array.from({ length: 100 }, (_, n) => submitter.task.create({ type: 'x', parameters: { n } })),
      );
      const ended = await Promise.all(created.map(({ task }) => submitter.task.wait(task)));
      expect(ended.map(({ result }) => result)).toEqual(Array.from({ length: 100 }, (_, n) => ({ n })));
      expect(await metric('service_rate_limit_hits_total{class="work"}')).toBeGreaterThan(0);
      expect(await metric('service_rate_limit_hits_total{class="hold"}')).toBe(0);
    } finally {
      await submitter.close();
      await agent.close();
    }
  }, 30_000);

  test('a process without memory lets nobody in', async () => {
    await begin({ limits: { memoryMiB: 1 } });
    expect(await dial()).toBe(503);
    expect(await metric('muster_connections_turned_away_total{reason="memory"}')).toBe(1);
  });
});
