import { hash } from 'node:crypto';
import type { ValueMap } from '../../protocol/wire/types.ts';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import { ERROR_CODES } from '../../protocol/wire/codes.ts';
import { OPERATIONS } from '../../protocol/wire/operations.ts';
import type { TaskView } from '../../protocol/wire/types.ts';
import { Client, type ClientOptions } from '../../src/client/client.ts';
import { normaliseUrl } from '../../src/client/url.ts';
import { CLIENT_CODES, MusterError, TaskFailure } from '../../src/client/errors.ts';
import { connect as connectInBrowser } from '../../src/client/index.ts';
import { connect } from '../../src/client/node.ts';
import { VERSION } from '../../src/client/version.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';
import { until } from '../support/until.ts';
import { AGENT, decode, encode, Link, order, seeded, taskView, welcome, type FrameIn } from './peer.ts';

/** Answers in which the client looks for texts that it has to fetch. */
const TEXTS: { readonly [method: string]: ValueMap } = {
  'document.get': { document: { id: 'x' }, version: 1, content: 'a' },
  'document.conflicts': { conflicts: [] },
};

interface Made {
  readonly client: Client;
  readonly scheduler: FakeScheduler;
  readonly links: Link[];
  readonly opened: Promise<Client>;
}

function make(options: Partial<ClientOptions> = {}): Made {
  const scheduler = new FakeScheduler();
  const links: Link[] = [];
  const client = new Client(
    { url: 'ws://host:1', key: 'k', ...options },
    {
      scheduler,
      entropy: seeded(1),
      digest: async (data) => hash('sha256', data, 'buffer'),
      dial: () => (handler) => {
        const link = new Link(handler);
        links.push(link);
        return link;
      },
    },
  );
  const opened = client.open({ timeoutMs: options.connectTimeoutMs, signal: options.signal });
  opened.catch(() => undefined);
  return { client, scheduler, links, opened };
}

async function online(options: Partial<ClientOptions> = {}): Promise<Made & { readonly link: Link }> {
  const made = make(options);
  const link = made.links[0]!;
  link.open();
  link.say(welcome({ agent: { id: 'agt_1' } }));
  await made.opened;
  return { ...made, link };
}

/** What a promise rejects with; nothing if it does not. */
function refusal(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Lets promises run, then ends the turn. */
async function turn(scheduler: FakeScheduler): Promise<void> {
  for (let i = 0; i < 10; i += 1) await Promise.resolve();
  scheduler.settle();
  for (let i = 0; i < 10; i += 1) await Promise.resolve();
}

describe('connect', () => {
  it('resolves when the server has greeted, with what it said', async () => {
    const { client } = await online();
    expect(client.state).toBe('online');
    expect(client.agentId).toBe('agt_1');
    expect(client.principal).toEqual({ id: 'key:1', tenant: 'default', role: 'admin' });
    expect(client.server?.version).toBe('1');
    expect(client.rev).toBe(100);
  });

  it('rejects with the reason when the key is refused', async () => {
    const { links, opened } = make();
    links[0]?.open();
    links[0]?.end(4500);
    await expect(opened).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('gives up after its time, and says what it met and what to do', async () => {
    const { links, opened, scheduler } = make({ connectTimeoutMs: 5_000 });
    links[0]?.end(1006, 'connect ECONNREFUSED 127.0.0.1:7420');
    scheduler.advance(5_000);
    await expect(opened).rejects.toMatchObject({
      code: 'CONNECT_TIMEOUT',
      message: expect.stringMatching(/ws:\/\/host:1\/v1 within 5 s \(connect ECONNREFUSED.*muster serve/),
    });
    scheduler.advance(60_000);
    expect(scheduler.timers).toBe(0);
  });

  it('tries for ever when told so', async () => {
    const { links, opened, scheduler } = make({ connectTimeoutMs: 0 });
    for (let i = 0; i < 20; i += 1) {
      links.at(-1)?.end(1006);
      scheduler.advance(20_000);
    }
    const link = links.at(-1)!;
    link.open();
    link.say(welcome());
    await expect(opened).resolves.toBeInstanceOf(Client);
  });

  it('can be given up, before and during', async () => {
    await expect(make({ signal: AbortSignal.abort() }).opened).rejects.toMatchObject({ code: 'REQUEST_ABORTED' });
    const controller = new AbortController();
    const { opened, scheduler } = make({ signal: controller.signal });
    controller.abort();
    await expect(opened).rejects.toMatchObject({ code: 'REQUEST_ABORTED' });
    expect(scheduler.timers).toBe(0);
  });

  it('tells every change of the connection', async () => {
    const seen: string[] = [];
    const { links } = make({
      onState: (state, outage) => seen.push(outage === undefined ? state : `${state}: ${outage.message}`),
    });
    links[0]?.open();
    links[0]?.say(welcome());
    links[0]?.end(4001, 'shutdown');
    expect(seen).toEqual(['connecting', 'online', 'offline: shutdown']);
  });

  it.each([
    ['ws://a', 'ws://a/v1'],
    ['wss://a:1/', 'wss://a:1/v1'],
    ['http://a:7421', 'ws://a:7421/v1'],
    ['https://a/base/v1', 'wss://a/base/v1'],
    ['ws://[::1]:7420', 'ws://[::1]:7420/v1'],
  ])('takes %s for %s', (given, made) => expect(normaliseUrl(given)).toBe(made));

  it.each(['', 'localhost:7420', 'ftp://a', 'ws://', 'ws:///v1', 'ws://b@a', 'ws://127.0.0.1:80@a/v1', 'ws://a\\b'])(
    'refuses the url "%s"',
    (url) => {
      expect(() => normaliseUrl(url)).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTIONS', message: expect.stringContaining('ws://127.0.0.1:7420') }),
      );
    },
  );

  it('says what is missing', async () => {
    await expect(connect({ url: 'ws://127.0.0.1:1', key: '' })).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
      message: expect.stringContaining('admin.key'),
    });
    await expect(connect({ key: 'k', handlers: { x: () => 1 } })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
    await expect(connectInBrowser({ url: 'nonsense', key: 'k' })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
  });

  it('asks a function for the key, and takes its fault for an outage', async () => {
    const keys = [() => Promise.reject(new Error('vault closed')), () => 'second'];
    const { links, scheduler, client } = make({ key: () => (keys.shift() ?? (() => 'more'))() });
    await turn(scheduler);
    expect(client.state).toBe('offline');
    scheduler.advance(1_000);
    await turn(scheduler);
    expect(links[0]?.open()[2]['auth']).toEqual({ token: 'second' });
  });
});

describe('methods', () => {
  it('has one for every operation, by entity and verb', async () => {
    const { client, link, scheduler } = await online();
    const entities = client as unknown as Record<string, Record<string, (params: unknown) => Promise<unknown>>>;
    for (const method of Object.keys(OPERATIONS)) {
      const [entity, verb] = method.split('.') as [string, string];
      // `state` is that of the connection.
      const answer = entities[entity === 'state' ? 'sharedState' : entity]?.[verb]?.({ id: 'x', topic: 'x' });
      await turn(scheduler);
      const [request] = link.requests();
      expect([request?.m, request?.p]).toEqual([method, { id: 'x', topic: 'x' }]);
      const said = TEXTS[method] ?? { said: method };
      link.result(request?.id ?? 0, said);
      await expect(answer).resolves.toEqual(said);
    }
  });

  it('needs no params where none is required, and rejects with a typed error', async () => {
    const { client, link, scheduler } = await online();
    const listed = client.task.list();
    await turn(scheduler);
    link.error(1, 'UNAUTHORIZED', { type: 'authorization' });
    await expect(listed).rejects.toBeInstanceOf(MusterError);
    await expect(listed).rejects.toMatchObject({ code: 'UNAUTHORIZED', type: 'authorization' });
  });

  it('can be given up by a signal and by a deadline', async () => {
    const { client, scheduler } = await online();
    const controller = new AbortController();
    const aborted = refusal(client.task.get({ id: 'x' }, { signal: controller.signal }));
    const late = refusal(client.task.get({ id: 'x' }, { deadlineMs: 100 }));
    controller.abort();
    scheduler.advance(100);
    expect(await aborted).toMatchObject({ code: 'REQUEST_ABORTED' });
    expect(await late).toMatchObject({ code: 'REQUEST_TIMEOUT' });
    await expect(client.task.get({ id: 'x' }, { signal: controller.signal })).rejects.toMatchObject({
      code: 'REQUEST_ABORTED',
    });
  });

  it('sends the key that it is given', async () => {
    const { client, link, scheduler } = await online();
    void client.task.create({ type: 'x' }, { key: 'order-17' });
    await turn(scheduler);
    expect(link.requests()[0]?.meta?.['k']).toBe('order-17');
  });

  it('refuses durable requests without a file, and durable reads', async () => {
    const { client } = await online();
    await expect(client.task.create({ type: 'x' }, { durable: true })).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
    });
    await expect(client.task.get({ id: 'x' }, { durable: true })).rejects.toMatchObject({ code: 'INVALID_OPTIONS' });
  });

  it('keeps what the caller subscribed for the next session', async () => {
    const { client, link, links, scheduler } = await online();
    const subscribed = client.topic.subscribe({ topic: 'news' });
    const gone = client.topic.subscribe({ topic: 'gone' });
    await turn(scheduler);
    link.result(1, { rev: 1 });
    link.result(2, { rev: 1 });
    await Promise.all([subscribed, gone]);
    void client.topic.unsubscribe({ topic: 'gone' });
    link.end();
    scheduler.advance(1_000);
    expect(links[1]?.open()[2]['subs']).toEqual(['news']);
  });
});

describe('tasks', () => {
  it('runs one to its result', async () => {
    const { client, link, scheduler } = await online();
    const result = client.task.run({ type: 'sum', parameters: [1, 2] });
    await turn(scheduler);
    // Creation and end in one message: the wait must stand before the promise of the creation resolves.
    link.say(
      [7, 1, { rev: 101, r: { task: taskView('t1', { status: 'pending' }) } }],
      [11, 0, { e: 'task.completed', t: 'task.t1', rev: 102, d: { id: 't1', status: 'completed', attempt: 1 } }],
    );
    scheduler.settle();
    expect(link.requests().map((one) => one.m)).toEqual(['task.create', 'task.get']);
    link.result(2, { task: taskView('t1', { status: 'completed', result: 3 }) });
    await expect(result).resolves.toBe(3);
  });

  it.each([
    ['failed', 'TASK_FAILED'],
    ['cancelled', 'TASK_CANCELLED'],
    ['timed_out', 'TASK_TIMED_OUT'],
  ] as const)('rejects when it ends %s, with the task', async (status, code) => {
    const { client, link, scheduler } = await online();
    const result = client.task.run({ type: 'sum' });
    await turn(scheduler);
    link.result(1, { task: taskView('t1') });
    link.push(`task.${status}`, { id: 't1', status, attempt: 1 }, { t: 'task.t1' });
    scheduler.settle();
    const ended = taskView('t1', { status, error: { code: 'BROKE', message: 'it broke' } });
    link.result(2, { task: ended });
    await expect(result).rejects.toMatchObject({ code, task: ended, message: expect.stringContaining('it broke') });
  });

  it('waits for one that somebody else created, as long as it is told', async () => {
    const { client, link, scheduler } = await online();
    const [ended, late] = [client.task.wait({ id: 't1' }), refusal(client.task.wait('t2', { timeoutMs: 1_000 }))];
    await turn(scheduler);
    link.result(1, { rev: 1 });
    await turn(scheduler);
    const done = taskView('t1', { status: 'cancelled' });
    link.result(3, { task: done });
    await expect(ended).resolves.toEqual(done);
    scheduler.advance(1_000);
    expect(await late).toMatchObject({ code: 'REQUEST_TIMEOUT' });
    const controller = new AbortController();
    const aborted = client.task.wait('t3', { signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'REQUEST_ABORTED' });
    await expect(client.task.wait('t4', { signal: controller.signal })).rejects.toMatchObject({
      code: 'REQUEST_ABORTED',
    });
  });
});

describe('handlers', () => {
  const agentOnline = (options: Partial<ClientOptions> = {}): ReturnType<typeof online> =>
    online({ agent: AGENT, ...options });

  async function outcome(
    handler: Parameters<Client['agent']['handle']>[1],
  ): Promise<{ m: string; p: Record<string, unknown> } | undefined> {
    const { link, scheduler } = await agentOnline({ handlers: { work: handler } });
    link.push('task.assigned', order('t1', '11', { parameters: { n: 20 } }));
    await turn(scheduler);
    return link.requests().at(-1);
  }

  it.each([
    ['a value', (task: TaskView) => (task.parameters as { n: number }).n + 1, 21],
    ['a promise', async (task: TaskView) => Promise.resolve([(task.parameters as { n: number }).n]), [20]],
  ])('completes with %s that the handler gives', async (_name, handler, output) => {
    expect(await outcome(handler)).toMatchObject({ m: 'task.complete', p: { id: 't1', token: '11', output } });
  });

  it('completes without output when there is none', async () => {
    expect(await outcome(() => undefined)).toMatchObject({ m: 'task.complete', p: { id: 't1', token: '11' } });
  });

  it.each([
    [
      'an error',
      () => Promise.reject(new Error('no disk')),
      { error: { code: 'HANDLER_ERROR', message: 'no disk' }, retryable: true },
    ],
    [
      'an error at once',
      () => {
        throw new Error('at once');
      },
      { error: { code: 'HANDLER_ERROR', message: 'at once' }, retryable: true },
    ],
    [
      'a TaskFailure',
      () => Promise.reject(new TaskFailure('BAD_INPUT', 'not a number', { retryable: false })),
      { error: { code: 'BAD_INPUT', message: 'not a number' }, retryable: false },
    ],
    [
      'what is no error',
      () => Promise.reject('words'),
      { error: { code: 'HANDLER_ERROR', message: 'words' }, retryable: true },
    ],
  ])('fails with %s that the handler throws', async (_name, handler, failure) => {
    expect(await outcome(handler)).toMatchObject({ m: 'task.fail', p: { id: 't1', ...failure } });
  });

  it('gives attempt, token, progress and a signal that says why', async () => {
    const { client, link, scheduler } = await agentOnline();
    let reason: unknown;
    let late: AbortSignal | undefined;
    client.agent.handle('*', async (_task, context) => {
      expect([context.attempt, context.token]).toEqual([1, '11']);
      context.progress(30, 'reading');
      await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
      reason = context.signal.reason;
      late = context.signal;
      throw new Error('stopped');
    });
    link.push('task.assigned', order('t1', '11', { type: 'anything' }));
    await turn(scheduler);
    expect(link.requests().map((one) => one.m)).toEqual(['task.start', 'task.progress']);
    link.push('task.cancelled', { id: 't1', attempt: 1, token: '11', reason: 'changed my mind' });
    await turn(scheduler);
    expect(reason).toMatchObject({ code: 'TASK_STOPPED', details: { reason: 'cancel', detail: 'changed my mind' } });
    expect(late?.aborted).toBe(true);
    expect(link.requests().map((one) => one.m)).toEqual(['task.acknowledge']);
  });

  it('gives a signal that is aborted already to a handler that asks late', async () => {
    const { client, link, scheduler } = await agentOnline();
    let go = (): void => undefined;
    let aborted: boolean | undefined;
    client.agent.handle('work', async (_task, context) => {
      await new Promise<void>((resolve) => (go = resolve));
      aborted = context.signal.aborted;
    });
    link.push('task.assigned', order('t1', '11'));
    await turn(scheduler);
    link.push('task.leaseLost', { id: 't1', attempt: 1, token: '11', reason: 'timeout' });
    go();
    await turn(scheduler);
    expect(aborted).toBe(true);
  });

  it('takes an order that comes before the handler is registered', async () => {
    const made = make({ agent: AGENT });
    const link = made.links[0]!;
    link.open();
    link.say(welcome(), [11, 0, { e: 'task.assigned', d: order('t1', '11') }]);
    const client = await made.opened;
    client.agent.handle('work', () => 'late but here');
    await turn(made.scheduler);
    expect(link.requests()).toMatchObject([{ m: 'task.complete', p: { output: 'late but here' } }]);
  });

  it('refuses a handler on a client that is no agent', async () => {
    const { client } = await online();
    expect(() => client.agent.handle('x', () => 1)).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS' }));
  });
});

describe('events', () => {
  it('tells pushes, gaps, notices and warnings, until off', async () => {
    const { client, link } = await online();
    const seen: unknown[] = [];
    const onPush = (push: unknown): number => seen.push(push);
    client
      .on('push', onPush)
      .on('notice', (kind) => seen.push(kind))
      .on('gap', (reason) => seen.push(reason))
      .on('warning', (warning) => seen.push(warning));
    link.push('message', { data: 1 }, { t: 'news', rev: 101 });
    link.say([2, 0, { kind: 'gap' }]);
    client.warn({ kind: 'outbox', message: 'w' });
    client.off('push', onPush);
    link.push('message', { data: 2 }, { t: 'news', rev: 102 });
    expect(seen).toEqual([
      { event: 'message', topic: 'news', data: { data: 1 }, rev: 101 },
      'gap',
      'gap',
      { kind: 'outbox', message: 'w' },
    ]);
  });

  it('goes on when a listener throws, and does not hide it', async () => {
    const { client, link } = await online();
    const seen: unknown[] = [];
    const fault = new Error('the listener is broken');
    client.on('push', () => {
      throw fault;
    });
    client.on('push', (push) => seen.push(push.event));
    const thrown = new Promise((resolve) => {
      const others = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const other of others) process.on('uncaughtException', other);
        resolve(error);
      });
    });
    link.push('message', 1, { t: 'n' });
    expect(seen).toEqual(['message']);
    expect(await thrown).toBe(fault);
  });
});

describe('close', () => {
  it('resolves when the session has ended, also for who asks later', async () => {
    const { client, link, scheduler } = await online();
    const waiting = refusal(client.task.get({ id: 'x' }));
    const end = client.close();
    await turn(scheduler);
    expect(link.take().at(-1)).toEqual([21, 0, { requeue: true }]);
    link.end(4511);
    await Promise.all([end, client.close()]);
    expect(await waiting).toMatchObject({ code: 'CLIENT_CLOSED' });
    expect(client.state).toBe('closed');
    expect(scheduler.timers).toBe(0);
  });

  it('can leave what it holds to its lease', async () => {
    const { client, link, scheduler } = await online();
    void client.close({ requeue: false });
    await turn(scheduler);
    expect(link.take()).toEqual([[21, 0, {}]]);
  });
});

describe('codes and version', () => {
  it('has no code of its own that the protocol has too', () => {
    expect(Object.keys(CLIENT_CODES).filter((code) => code in ERROR_CODES)).toEqual([]);
  });

  it('is the version of the package', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(VERSION).toBe(version);
  });
});

/** The sockets themselves, against ws as a server. */
describe('over real sockets', () => {
  const servers: WebSocketServer[] = [];

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  async function listen(serve: (socket: WebSocket, frames: FrameIn[]) => void): Promise<string> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'muster.v1.msgpack' });
    servers.push(server);
    server.on('connection', (socket) => socket.on('message', (data) => serve(socket, decode(data as Buffer))));
    await new Promise((resolve) => server.on('listening', resolve));
    return `ws://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  it('speaks the subprotocol, and ends when the server answers BYE by closing', async () => {
    const seen: FrameIn[] = [];
    const url = await listen((socket, frames) => {
      for (const frame of frames) {
        seen.push(frame);
        if (frame[0] === 1) socket.send(encode(welcome()));
        if (frame[0] === 5) socket.send(encode([7, frame[1], { rev: 1, r: { task: taskView('t1') } }]));
        if (frame[0] === 21) socket.close(4511, 'ended');
      }
    });
    const client = await connect({ url, key: 'k' });
    expect((await client.task.get({ id: 't1' })).task.id).toBe('t1');
    await client.close();
    expect(seen.map(([op]) => op)).toEqual([1, 5, 21]);
  });

  it('comes back when the connection is destroyed', async () => {
    const sockets: WebSocket[] = [];
    const url = await listen((socket, frames) => {
      if (frames[0]?.[0] === 1) {
        sockets.push(socket);
        socket.send(encode(welcome({ resumed: sockets.length > 1 })));
      } else if (frames[0]?.[0] === 21) socket.close(4511);
    });
    const client = await connect({ url, key: 'k' });
    sockets[0]?.terminate();
    await until(() => sockets.length === 2 && client.state === 'online', 'the client to come back');
    await client.close();
  });

  it('destroys a connection whose server does not answer the close', async () => {
    let peer: WebSocket | undefined;
    const url = await listen((socket) => {
      peer = socket;
      socket.send(encode(welcome({ ping: { intervalMs: 50, timeoutMs: 50 } })));
      // From here on nothing is read, not even the close frame.
      socket.pause();
    });
    const states: string[] = [];
    const client = await connect({ url, key: 'k', onState: (state) => states.push(state) });
    await until(() => states.includes('offline'), 'the watchdog');
    expect(peer?.isPaused).toBe(true);
    await client.close({ timeoutMs: 0 });
  });

  it('says what it met when nobody listens, and when the server is no such server', async () => {
    await expect(connect({ url: 'ws://127.0.0.1:1', key: 'k', connectTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'CONNECT_TIMEOUT',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    const { createServer } = await import('node:http');
    const server = createServer((_request, response) => {
      response.writeHead(503, { 'retry-after': '1' }).end('busy');
    });
    server.on('upgrade', (_request, socket) =>
      socket.end('HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const { port } = server.address() as { port: number };
    const waits: number[] = [];
    await expect(
      connect({
        url: `ws://127.0.0.1:${port}`,
        key: 'k',
        connectTimeoutMs: 300,
        onState: (_state, outage) => outage !== undefined && waits.push(outage.retryInMs),
      }),
    ).rejects.toMatchObject({ message: expect.stringContaining('HTTP 503') });
    expect(waits[0]).toBeGreaterThanOrEqual(1_000);
    await new Promise((resolve) => server.close(resolve));
  });
});
