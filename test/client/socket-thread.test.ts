/** Sockets in a thread of their own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { encodeFrameParts } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type TaskView } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { workerUrl } from '../../src/base/worker-url.ts';
import { connect, type Client, type NodeClientOptions } from '../../src/client/node.ts';
import type { FromThread } from '../../src/client/node/thread-messages.ts';
import { AHEAD_BYTES, ThreadSockets } from '../../src/client/node/thread-sockets.ts';
import type { SocketHandler } from '../../src/client/ports.ts';
import { serve, type RunningServer } from '../../src/main.ts';
import { until } from '../support/until.ts';

describe('the thread', () => {
  /** What the thread said and did, in order. */
  function thread() {
    const told: unknown[] = [];
    const handlers: SocketHandler[] = [];
    const sockets = new ThreadSockets({
      dial: (url) => (handler) => {
        told.push(`dial ${url}`);
        handlers.push(handler);
        return {
          send: (bytes) => told.push(['send', ...bytes]),
          close: (code, reason) => told.push(`close ${code} ${reason}`),
          pause: () => told.push('pause'),
          resume: () => told.push('resume'),
        };
      },
      post: (message: FromThread, transfer) => {
        if (message.kind !== 'message') told.push(message);
        else {
          told.push(`message ${message.bytes.length}`);
          expect(transfer).toEqual([message.bytes.buffer]);
          expect(message.bytes.buffer.byteLength).toBe(message.bytes.length);
        }
      },
      ended: () => told.push('ended'),
    });
    sockets.receive({ kind: 'dial', socket: 1, url: 'ws://a' });
    return { sockets, told: () => told.splice(0), handler: must(handlers[0], 'a socket') };
  }

  const PING = encodeFrameParts(Op.PING, 0, { now: 5, rev: 9 });
  const PUSH = encodeFrameParts(Op.PUSH, 0, { e: 'x', d: {} });
  const PONG = [...encodeFrameParts(Op.PONG, 0, {})];

  it('answers PINGs, wherever in a message, and hands everything on', () => {
    const { told, handler } = thread();
    handler.open();
    handler.message(PUSH);
    handler.message(PING);
    handler.message(Uint8Array.of(...PUSH, ...PING));
    handler.message(Uint8Array.of(0xc1));
    expect(told()).toEqual([
      'dial ws://a',
      { kind: 'open', socket: 1 },
      `message ${PUSH.length}`,
      ['send', ...PONG],
      `message ${PING.length}`,
      ['send', ...PONG],
      `message ${PUSH.length + PING.length}`,
      'message 1',
    ]);
  });

  it('does not read on when the client takes nothing', () => {
    const { sockets, told, handler } = thread();
    const large = new Uint8Array(AHEAD_BYTES / 4);
    for (let i = 0; i < 3; i += 1) handler.message(large);
    expect(told()).not.toContain('pause');
    handler.message(large);
    handler.message(large);
    expect(told().filter((one) => one === 'pause')).toHaveLength(1);
    for (let i = 0; i < 2; i += 1) sockets.receive({ kind: 'taken', socket: 1, bytes: large.length });
    expect(told()).toEqual([]);
    for (let i = 0; i < 2; i += 1) sockets.receive({ kind: 'taken', socket: 1, bytes: large.length });
    expect(told()).toEqual(['resume']);
  });

  it('ends when its sockets have gone, and passes over what is said of those', () => {
    const { sockets, told, handler } = thread();
    sockets.receive({ kind: 'send', socket: 1, bytes: Uint8Array.of(7) });
    sockets.receive({ kind: 'close', socket: 1, code: 1000, reason: 'client' });
    sockets.receive({ kind: 'end' });
    expect(told()).toEqual(['dial ws://a', ['send', 7], 'close 1000 client']);
    handler.closed({ code: 1000 });
    expect(told()).toEqual([{ kind: 'closed', socket: 1, info: { code: 1000 } }, 'ended']);
    sockets.receive({ kind: 'send', socket: 1, bytes: Uint8Array.of(7) });
    expect(told()).toEqual([]);
  });
});

describe('a client with one', () => {
  const data = mkdtempSync(join(tmpdir(), 'muster-thread-'));
  const { pingIntervalMs, pingTimeoutMs, leaseMs } = LIMITS;
  const clients: Client[] = [];
  let server: RunningServer;

  beforeAll(async () => {
    // A connection that does not answer is dead after 3 s, and its tasks are given away half a second later.
    Object.assign(LIMITS, { pingIntervalMs: 500, pingTimeoutMs: 2_500, leaseMs: 500 });
    server = await serve({ port: 0, httpPort: 0, data, logLevel: 'silent' });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });

  afterAll(async () => {
    await server.stop();
    Object.assign(LIMITS, { pingIntervalMs, pingTimeoutMs, leaseMs });
    rmSync(data, { recursive: true, force: true });
  });

  const key = (): string => must(server.firstKey, 'a first start shows the key');

  async function open(options: NodeClientOptions = {}): Promise<Client> {
    const client = await connect({ url: server.url, key: key(), ...options });
    clients.push(client);
    return client;
  }

  it('works as one without: requests, pushes, large values', async () => {
    const client = await open({ socketThread: true, agent: { name: 'echo', capabilities: ['echo'], capacity: 8 } });
    client.agent.handle('echo', (task) => task.parameters);
    const large = 'é'.repeat(30_000);
    const results = await Promise.all(
      [large, 1, null, { a: [large.length] }].map((parameters) => client.task.run({ type: 'echo', parameters })),
    );
    expect(results).toEqual([large, 1, null, { a: [30_000] }]);
  });

  it('says why it cannot connect', async () => {
    const giveUp = new AbortController();
    const outages: string[] = [];
    const onState: NodeClientOptions['onState'] = (_state, outage) => {
      if (outage === undefined) return;
      outages.push(outage.message);
      giveUp.abort();
    };
    const nobody = connect({ url: 'ws://127.0.0.1:1', key: 'k', socketThread: true, onState, signal: giveUp.signal });
    await expect(nobody).rejects.toMatchObject({ code: 'REQUEST_ABORTED' });
    expect(outages).toEqual([expect.stringContaining('ECONNREFUSED')]);
    const wrong = connect({ url: server.url, key: 'mu_default_a_b', socketThread: true });
    await expect(wrong).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  /**
   * An agent in a thread that stands still in its handler until the test wakes it, as a long computation would.
   * The first word of `flag` counts tasks that began, the second wakes.
   */
  function standingAgent(name: string, socketThread: boolean): { readonly flag: Int32Array; readonly worker: Worker } {
    const flag = new Int32Array(new SharedArrayBuffer(8));
    const entry = workerUrl(import.meta.url, '../../src/client/node.ts').href;
    const program = `
      const { workerData, parentPort } = require('node:worker_threads');
      import(workerData.entry).then(async ({ connect }) => {
        const { flag, name, socketThread, url, key } = workerData;
        const client = await connect({ url, key, socketThread, agent: { name, capabilities: [name] } });
        client.agent.handle(name, () => {
          Atomics.add(flag, 0, 1);
          while (Atomics.load(flag, 1) === 0) Atomics.wait(flag, 1, 0);
          return name;
        });
        parentPort.on('message', async () => {
          await client.close();
          parentPort.close();
        });
      });`;
    const workerData = { entry, flag, name, socketThread, url: server.url, key: key() };
    return { flag, worker: new Worker(program, { eval: true, workerData, execArgv: [] }) };
  }

  async function wake({ flag, worker }: ReturnType<typeof standingAgent>): Promise<void> {
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    Atomics.store(flag, 1, 1);
    Atomics.notify(flag, 1);
    worker.postMessage('leave', []);
    await exited;
  }

  it('keeps its task while its own thread stands still; one without loses it', async () => {
    const watcher = await open();
    const [kept, lost] = [standingAgent('kept', true), standingAgent('lost', false)];
    const ids: string[] = [];
    for (const type of ['kept', 'lost']) ids.push((await watcher.task.create({ type })).task.id);
    const [keptId = '', lostId = ''] = ids;
    const taskOf = async (id: string): Promise<TaskView> => (await watcher.task.get({ id })).task;
    await until(() => kept.flag[0] === 1 && lost.flag[0] === 1, 'both agents to begin', 30_000);

    let seen = await taskOf(lostId);
    while (seen.agentId !== undefined) seen = await taskOf(lostId);
    expect(seen.status).toBe('pending');
    expect(await taskOf(keptId)).toMatchObject({ status: 'in_progress', attempt: 1 });

    const ended = watcher.task.wait(keptId);
    await wake(kept);
    expect(await ended).toMatchObject({ status: 'completed', attempt: 1, result: 'kept' });
    expect(kept.flag[0]).toBe(1);
    await wake(lost);
    await watcher.task.cancel({ id: lostId });
  });

  it('is found by the time that progress may take, when it hangs', async () => {
    const watcher = await open();
    const hung = standingAgent('hung', true);
    const retry = { maxAttempts: 1, initialDelayMs: 0, maxDelayMs: 0, factor: 1 };
    const { task } = await watcher.task.create({ type: 'hung', progressTimeoutMs: 4_000, retry });
    const ended = await watcher.task.wait(task);
    expect(ended).toMatchObject({ status: 'timed_out', error: { code: 'PROGRESS_TIMEOUT' }, attempt: 1 });
    await wake(hung);
  });
});
