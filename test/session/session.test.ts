import { describe, expect, test } from 'vitest';
import { CLOSE, type CloseName } from '../../protocol/wire/codes.ts';
import { concatFrames } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type Frame } from '../../protocol/wire/types.ts';
import type { Tracing } from '../../src/telemetry/port.ts';
import {
  ADMIN,
  FakeAttached,
  MEMBER,
  anyRequest,
  frameOf,
  hello,
  openRig,
  pushOf,
  request,
  rig,
  type FakeConnection,
  type Rig,
} from '../support/session-rig.ts';

/** Ops and, for ERROR, GOAWAY and NOTICE, what they say. */
function told(frames: readonly Frame[]): string[] {
  return frames.map(({ op, body }) => {
    const name = Object.entries(Op).find(([, known]) => op === known)?.[0];
    return [name, body['code'], body['reason'], body['action'], body['kind']]
      .filter((part) => typeof part === 'string')
      .join(' ');
  });
}

/** What was said since the last look, and the closes. */
function seen(connection: FakeConnection): string[] {
  const closes = connection.closes.map(({ code }) => Object.entries(CLOSE).find(([, row]) => row.code === code)?.[0]);
  return [...told(connection.frames()), ...closes.map((name) => `close ${name}`)];
}

/** What stands before a close, and the close. */
function ending(name: CloseName, code?: string): string[] {
  const { reason } = CLOSE[name];
  const action = CLOSE[name].code < 4500 ? 'resume' : 'stop';
  return [...(code === undefined ? [] : [`ERROR ${code}`]), `GOAWAY ${reason} ${action}`, `close ${name}`];
}

function expectClosed(connection: FakeConnection, name: CloseName): void {
  expect(connection.closes).toEqual([{ code: CLOSE[name].code, reason: CLOSE[name].reason }]);
  const last = connection.all().at(-1);
  expect(last?.op, 'the last frame says the same as the close').toBe(Op.GOAWAY);
  expect(last?.body['reason']).toBe(CLOSE[name].reason);
}

function openingRig(): Rig {
  const made = rig();
  made.handler.message(hello());
  return made;
}

describe('phase × frame', () => {
  const frames: { readonly [name: string]: Uint8Array } = {
    hello: hello(),
    notice: frameOf(Op.NOTICE, 0, { kind: 'x' }),
    welcome: frameOf(Op.WELCOME),
    request: anyRequest(1),
    result: frameOf(Op.RESULT, 1, { rev: 1, r: {} }),
    error: frameOf(Op.ERROR, 1, { code: 'X' }),
    push: frameOf(Op.PUSH, 0, { e: 'x' }),
    goaway: frameOf(Op.GOAWAY),
    ping: frameOf(Op.PING, 0, { now: 1 }),
    pong: frameOf(Op.PONG, 0, { rev: 100 }),
    reauth: frameOf(Op.REAUTH, 0, { token: 'member' }),
    bye: frameOf(Op.BYE, 0, { requeue: true }),
    unknownOdd: frameOf(99),
    unknownEven: frameOf(98),
    garbage: Uint8Array.of(0xc1),
    empty: new Uint8Array(0),
  };

  const malformed = ending('PROTOCOL_ERROR', 'INVALID_FRAME');
  const unexpected = ending('HELLO_EXPECTED', 'INVALID_FRAME');
  const rest = { hello: unexpected, garbage: malformed, empty: malformed, fallback: ['ERROR INVALID_FRAME'] };
  /** By phase: what is said to each frame; what is not named gets the fallback. */
  const answers: { readonly [phase: string]: { readonly [name: string]: readonly string[] } } = {
    awaitingHello: { hello: [], garbage: malformed, empty: malformed, fallback: unexpected },
    opening: { ...rest, notice: [], ping: [], pong: [], bye: [], unknownEven: [] },
    open: {
      ...rest,
      notice: [],
      request: [],
      ping: ['PONG'],
      pong: [],
      reauth: ['NOTICE authRenewed'],
      bye: [],
      unknownEven: [],
    },
  };
  const made: { readonly [phase: string]: () => Rig } = { awaitingHello: rig, opening: openingRig, open: openRig };

  for (const phase of ['awaitingHello', 'opening', 'open']) {
    test(`${phase}: each frame has its answer`, () => {
      for (const [name, bytes] of Object.entries(frames)) {
        const { connection, handler, scheduler } = made[phase]!();
        handler.message(bytes);
        scheduler.settle();
        expect(seen(connection), name).toEqual(answers[phase]![name] ?? answers[phase]!['fallback']);
      }
    });
  }

  test('the node hears of HELLO, REQUEST, PONG and BYE, in their phase only', () => {
    for (const [name, bytes] of Object.entries(frames)) {
      const waiting = rig();
      waiting.handler.message(bytes);
      expect(waiting.node.hellos.length, name).toBe(name === 'hello' ? 1 : 0);
      const { handler, attached } = openRig();
      handler.message(bytes);
      expect(attached.requests.length, name).toBe(name === 'request' ? 1 : 0);
      const heard: { readonly [frame: string]: readonly string[] } = { pong: ['acknowledged 100'], bye: ['bye true'] };
      const ends = ['hello', 'garbage', 'empty'].includes(name) ? ['detach'] : [];
      expect(attached.calls, name).toEqual(['begin', ...(heard[name] ?? []), ...ends]);
    }
  });

  test('leaving, closing and closed: nothing is taken and nothing said', () => {
    for (const [name, bytes] of Object.entries(frames)) {
      for (const phase of ['leaving', 'closing', 'closed']) {
        const { connection, handler, scheduler, attached, manager } = openRig();
        if (phase === 'leaving') handler.message(frameOf(Op.BYE));
        if (phase === 'closing') handler.message(Uint8Array.of(0xc1));
        if (phase === 'closed') handler.closed(1006);
        scheduler.settle();
        expect(manager.list()[0]?.phase ?? 'closed').toBe(phase);
        connection.frames();
        const closes = connection.closes.length;
        handler.message(bytes);
        scheduler.settle();
        expect(connection.frames(), `${name} while ${phase}`).toEqual([]);
        expect(connection.closes.length).toBe(closes);
        expect(attached.requests).toEqual([]);
      }
    }
  });

  test('after a fault in a message the frames behind it are not looked at', () => {
    const { connection, handler, attached } = openRig();
    handler.message(concatFrames([hello(), anyRequest(1)]));
    expectClosed(connection, 'HELLO_EXPECTED');
    expect(attached.requests).toEqual([]);
  });
});

describe('HELLO', () => {
  test('the welcome tells the session, the limits and the rhythm', () => {
    const { connection, handler, node, scheduler } = rig();
    handler.message(hello('admin', { agent: { name: 'a', capabilities: ['x'] } }));
    expect(node.hellos[0]?.hello.principal).toBe(ADMIN);
    expect(node.hellos[0]?.hello.body.agent).toEqual({ name: 'a', capabilities: ['x'] });
    const attached = node.welcome(7);
    expect(attached.calls).toEqual(['begin']);
    scheduler.settle();
    const [welcome, ...rest] = connection.frames();
    expect(rest).toEqual([]);
    expect(welcome?.op).toBe(Op.WELCOME);
    expect(welcome?.body).toMatchObject({
      v: [1, 0],
      session: 's_7',
      secret: 'ab',
      rev: 7,
      resumed: false,
      principal: { id: 'key:k2', tenant: 'default', role: 'admin' },
      now: scheduler.now(),
      ping: { intervalMs: LIMITS.pingIntervalMs, timeoutMs: LIMITS.pingTimeoutMs },
      features: [],
      server: { version: '0.0.0', node: 'n1' },
    });
    expect(welcome?.body['limits']).toEqual({
      frameBytes: LIMITS.frameBytes,
      messageBytes: LIMITS.messageBytes,
      framesPerMessage: LIMITS.framesPerMessage,
      inFlight: LIMITS.inFlight,
      remembered: LIMITS.remembered,
      subs: LIMITS.subsMax,
      resumeWindowMs: LIMITS.resumeWindowMs,
      leaseMs: LIMITS.leaseMs,
    });
  });

  test('pushes that begin with the welcome come behind it', () => {
    const { connection, handler, node, scheduler } = rig();
    handler.message(hello());
    const attached = node.welcome(7);
    attached.delivery.push(pushOf({ class: 'grant', rev: 8 }));
    scheduler.settle();
    expect(told(connection.frames())).toEqual(['WELCOME', 'PUSH']);
    expect(connection.written.length).toBe(1);
  });

  const common: readonly (readonly [number, number, number])[] = [
    [1, 0, 0],
    [1, 0, 7],
  ];
  test.each(common)('version %d.%d to %d is spoken as 1.0', (...v) => {
    const { connection, handler, node, scheduler } = rig();
    handler.message(hello('member', { v }));
    node.welcome();
    scheduler.settle();
    expect(connection.frames()[0]?.body['v']).toEqual([1, 0]);
  });

  const foreign: readonly (readonly [number, number, number])[] = [
    [1, 1, 7],
    [2, 0, 0],
    [0, 0, 0],
    [1, 3, 2],
  ];
  test.each(foreign)('version %d.%d to %d is not spoken', (...v) => {
    const { connection, handler } = rig();
    handler.message(hello('member', { v }));
    expect(connection.all()[0]?.body['details']).toEqual({ supported: [1, 0, 0] });
    expect(seen(connection)).toEqual(ending('VERSION', 'INVALID_PARAMS'));
  });

  test('another major version is named as such even if its HELLO looks different', () => {
    const { connection, handler } = rig();
    handler.message(frameOf(Op.HELLO, 0, { v: [2, 0, 0], whatever: 1 }));
    expectClosed(connection, 'VERSION');
  });

  test('a malformed HELLO is told every fault', () => {
    const { connection, handler } = rig();
    handler.message(frameOf(Op.HELLO, 0, { v: [1, 0, 0], client: { name: 'x' }, auth: {} }));
    expectClosed(connection, 'PROTOCOL_ERROR');
    const error = connection.all()[0];
    expect(error?.body['code']).toBe('INVALID_PARAMS');
    expect(error?.body['details']).toHaveLength(2);
  });

  test('unknown credentials', () => {
    const { connection, handler } = rig();
    handler.message(hello('nobody'));
    expect(told(connection.all())).toEqual(['ERROR UNAUTHENTICATED', 'GOAWAY bad_auth stop']);
    expectClosed(connection, 'BAD_AUTH');
  });

  test('who keeps guessing is answered later, and the timer goes with the connection', () => {
    const failures: string[] = [];
    const guard = {
      failed(address: string) {
        failures.push(address);
        return 500;
      },
    };
    const { connection, handler, scheduler } = rig({ guard });
    handler.message(hello('nobody'));
    expect(failures).toEqual(['192.0.2.1']);
    scheduler.advance(499);
    expect(connection.written).toEqual([]);
    handler.message(anyRequest(1));
    scheduler.advance(1);
    expectClosed(connection, 'BAD_AUTH');
    const second = rig({ guard });
    second.handler.message(hello('nobody'));
    second.handler.closed(1006);
    expect(second.scheduler.timers).toBe(0);
  });

  test('a node that is not ready', () => {
    const { connection, handler, node } = rig();
    node.serving = false;
    handler.message(hello());
    expect(told(connection.all())).toEqual(['ERROR UNAVAILABLE', 'GOAWAY unavailable resume']);
    expectClosed(connection, 'UNAVAILABLE');
  });

  const agents: readonly { readonly token: string; readonly name: string; readonly allowed: boolean }[] = [
    { token: 'admin', name: 'any', allowed: true },
    { token: 'worker', name: 'w', allowed: true },
    { token: 'worker', name: 'other', allowed: false },
    { token: 'member', name: 'w', allowed: false },
  ];
  test.each(agents)('$token as agent $name', ({ token, name, allowed }) => {
    const { connection, handler, node } = rig();
    handler.message(hello(token, { agent: { name, capabilities: [] } }));
    expect(node.hellos.length).toBe(allowed ? 1 : 0);
    expect(seen(connection)).toEqual(allowed ? [] : ending('FORBIDDEN', 'UNAUTHORIZED'));
  });

  test('a WELCOME that no client could read is not sent', () => {
    const { connection, handler, node } = rig();
    handler.message(hello());
    const { done } = node.hellos[0]!;
    const attached = new FakeAttached('s', MEMBER, node.hellos[0]!.hello.delivery);
    const waits = [{ requestId: 'x'.repeat(LIMITS.frameBytes), path: 'x' }];
    const snapshot = { tasks: [], locks: [], waits, subs: [] };
    done({ kind: 'welcome', attached, session: 's', secret: 'ab', rev: 1, resumed: false, snapshot });
    expect(seen(connection)).toEqual(ending('UNAVAILABLE'));
    expect(attached.calls).toEqual(['detach']);
  });

  test('refused by the node', () => {
    const { connection, handler, node } = rig();
    handler.message(hello());
    node.hellos[0]?.done({ kind: 'refused', close: 'FORBIDDEN', rejection: { code: 'UNAUTHORIZED' } });
    expect(told(connection.all())).toEqual(['ERROR UNAUTHORIZED', 'GOAWAY forbidden stop']);
    expectClosed(connection, 'FORBIDDEN');
  });

  test('larger than its limit', () => {
    const { connection, handler } = rig();
    handler.message(hello('x'.repeat(LIMITS.helloBytes)));
    expectClosed(connection, 'PROTOCOL_ERROR');
    expect(connection.all()[0]?.body['details']).toMatchObject({ reason: 'message_too_large' });
  });

  test('too late', () => {
    const { connection, scheduler } = rig();
    scheduler.advance(LIMITS.helloMs - 1);
    expect(connection.closes).toEqual([]);
    scheduler.advance(1);
    expectClosed(connection, 'HELLO_TIMEOUT');
  });

  test('a node that does not answer: come back later; its late welcome is detached at once', () => {
    const { connection, node, scheduler } = openingRig();
    scheduler.advance(LIMITS.helloMs);
    expectClosed(connection, 'UNAVAILABLE');
    expect(node.welcome().calls).toEqual(['detach']);
  });

  test('a connection that ended before the welcome is detached when it comes', () => {
    const { handler, node, manager } = openingRig();
    handler.closed(1006);
    expect(manager.connections).toBe(0);
    expect(node.welcome().calls).toEqual(['detach']);
  });

  test('BYE before the welcome ends the session when it is there', () => {
    const { connection, handler, node, scheduler } = openingRig();
    handler.message(frameOf(Op.BYE, 0, { requeue: true }));
    const attached = node.welcome();
    expect(attached.calls).toEqual(['bye true']);
    attached.byeDone?.();
    scheduler.settle();
    expect(told(connection.all())).toEqual(['GOAWAY ended stop']);
    expectClosed(connection, 'ENDED');
  });
});

describe('requests', () => {
  test('are handed on in order, with what the client said about them', () => {
    const { handler, attached } = openRig();
    const create = { m: 'task.create', p: { type: 't' } };
    handler.message(
      concatFrames([
        request(1, { ...create, meta: { k: 'key', tp: '00-aa-bb-01', ack: 3, dl: 1_000 } }),
        request(0, create),
        request(2, { m: 'agent.list' }),
      ]),
    );
    const asked = attached.requests.map((one) => ({ ...one.request, hash: 0 }));
    expect(asked).toEqual([
      { id: 1, method: 'task.create', params: { type: 't' }, hash: 0, key: 'key', ack: 3 },
      { id: 0, method: 'task.create', params: { type: 't' }, hash: 0 },
      { id: 2, method: 'agent.list', params: {}, hash: 0 },
    ]);
  });

  test('are followed where there is tracing, as their callers asked', () => {
    const told: unknown[] = [];
    const trace = {
      submitted: () => undefined,
      applied: () => undefined,
      ended: (_at: number, code: string | undefined) => void told.push(code),
    };
    const tracing: Tracing = {
      request: ({ method, traceparent, session }) => {
        told.push([method, traceparent, session]);
        return method === 'task.create' ? trace : undefined;
      },
      order: () => undefined,
      happened: () => undefined,
    };
    const { handler, attached } = openRig('member', { tracing });
    handler.message(request(1, { m: 'task.create', p: { type: 't' }, meta: { tp: '00-aa-bb-01' } }));
    handler.message(request(2, { m: 'agent.list' }));
    expect(attached.requests.map((one) => one.request.trace)).toEqual([trace, undefined]);
    attached.reply({ ok: false, rejection: { code: 'UNAUTHORIZED' } });
    attached.reply();
    expect(told).toEqual([
      ['task.create', '00-aa-bb-01', attached.session],
      ['agent.list', undefined, attached.session],
      'UNAUTHORIZED',
    ]);
  });

  test('the hash tells bodies apart, and only bodies', () => {
    const { handler, attached } = openRig();
    handler.message(request(1, { m: 'task.create', p: { type: 't' } }));
    handler.message(request(2, { m: 'task.create', p: { type: 't' }, meta: { ack: 1 } }));
    handler.message(request(3, { m: 'task.create', p: { type: 'u' } }));
    const [a, b, c] = attached.requests.map((one) => one.request.hash);
    expect(a).toBe(b);
    expect(a).not.toBe(c);
  });

  test('RESULT and ERROR carry the id; id 0 gets neither', () => {
    const { connection, handler, attached, scheduler } = openRig();
    handler.message(concatFrames([anyRequest(7), anyRequest(0), anyRequest(0), anyRequest(9)]));
    attached.reply({ ok: true, rev: 5, result: { agents: [] } });
    attached.reply();
    attached.reply({ ok: false, rejection: { code: 'UNAVAILABLE' } });
    attached.reply({
      ok: false,
      rejection: { code: 'LIMIT_EXCEEDED', message: 'full', retryAfterMs: 5, details: { n: 1 } },
    });
    scheduler.settle();
    expect(connection.frames()).toEqual([
      { op: Op.RESULT, id: 7, body: { rev: 5, r: { agents: [] } } },
      {
        op: Op.ERROR,
        id: 9,
        body: {
          code: 'LIMIT_EXCEEDED',
          type: 'quota',
          message: 'full',
          retryable: false,
          retryAfterMs: 5,
          details: { n: 1 },
        },
      },
    ]);
    expect(connection.written.length, 'one message for the turn, after the welcome').toBe(2);
  });

  const refusals: readonly { readonly name: string; readonly bytes: Uint8Array; readonly code: string }[] = [
    { name: 'unknown method', bytes: request(1, { m: 'task.explode' }), code: 'UNKNOWN_METHOD' },
    { name: 'a method of Object', bytes: request(1, { m: 'toString' }), code: 'UNKNOWN_METHOD' },
    {
      name: 'params of the wrong shape',
      bytes: request(1, { m: 'task.create', p: { type: 5 } }),
      code: 'INVALID_PARAMS',
    },
    { name: 'no params', bytes: request(1, { m: 'task.create' }), code: 'INVALID_PARAMS' },
    { name: 'a deadline that is over', bytes: request(1, { m: 'agent.list', meta: { dl: 0 } }), code: 'CANCELLED' },
    { name: 'params that are no map', bytes: request(1, { m: 'agent.list', p: [] }), code: 'INVALID_FRAME' },
    { name: 'no method', bytes: frameOf(Op.REQUEST, 1, { p: {} }), code: 'INVALID_FRAME' },
    { name: 'an empty key', bytes: request(1, { m: 'agent.list', meta: { k: '' } }), code: 'INVALID_FRAME' },
    {
      name: 'a key too long',
      bytes: request(1, { m: 'agent.list', meta: { k: 'é'.repeat(33) } }),
      code: 'INVALID_FRAME',
    },
    { name: 'an ack that is none', bytes: request(1, { m: 'agent.list', meta: { ack: 1.5 } }), code: 'INVALID_FRAME' },
    {
      name: 'an endless trace',
      bytes: request(1, { m: 'agent.list', meta: { tp: 'x'.repeat(129) } }),
      code: 'INVALID_FRAME',
    },
  ];
  test.each(refusals)('refused: $name', ({ bytes, code }) => {
    const { connection, handler, attached, scheduler } = openRig();
    handler.message(bytes);
    scheduler.settle();
    expect(attached.requests).toEqual([]);
    const [error, ...rest] = connection.frames();
    expect(rest).toEqual([]);
    expect(error).toMatchObject({ op: Op.ERROR, id: 1, body: { code } });
    expect(connection.closes).toEqual([]);
  });

  test('a refused request with id 0 gets no answer', () => {
    const { connection, handler, scheduler } = openRig();
    handler.message(request(0, { m: 'task.explode' }));
    scheduler.settle();
    expect(connection.frames()).toEqual([]);
  });

  test('every fault of the params is named', () => {
    const { connection, handler, scheduler } = openRig();
    handler.message(request(1, { m: 'task.create', p: { type: 5, priority: 'huge' } }));
    scheduler.settle();
    const details = connection.frames()[0]?.body['details'] as readonly { path: string }[];
    expect(details.map((fault) => fault.path).toSorted()).toEqual(['priority', 'type']);
  });

  test('faulty frames are counted and at the bound the connection is closed', () => {
    const { connection, handler, scheduler } = openRig();
    for (let i = 1; i < LIMITS.protocolErrorsMax; i += 1) handler.message(frameOf(99, i));
    scheduler.settle();
    expect(told(connection.frames())).toEqual(
      Array.from({ length: LIMITS.protocolErrorsMax - 1 }, () => 'ERROR INVALID_FRAME'),
    );
    handler.message(frameOf(99, 50));
    expectClosed(connection, 'PROTOCOL_ERROR');
  });

  test('refused requests never close, however many', () => {
    const { connection, handler, scheduler } = openRig();
    for (let i = 1; i <= LIMITS.controlFrames * 2; i += 1) {
      handler.message(request(i, { m: 'task.explode' }));
      scheduler.settle();
    }
    expect(connection.closes).toEqual([]);
  });

  test('more than so many unanswered requests are refused, and taken again once answers were written', () => {
    const { connection, handler, attached, scheduler } = openRig();
    for (let i = 1; i <= LIMITS.inFlight; i += 1) handler.message(anyRequest(i));
    expect(attached.requests.length).toBe(LIMITS.inFlight);
    handler.message(anyRequest(LIMITS.inFlight + 1));
    scheduler.settle();
    expect(connection.frames()).toMatchObject([
      { op: Op.ERROR, id: LIMITS.inFlight + 1, body: { code: 'RATE_LIMIT_EXCEEDED', retryable: true } },
    ]);
    attached.reply();
    handler.message(anyRequest(LIMITS.inFlight + 2));
    expect(attached.requests.length, 'the answer waits still').toBe(LIMITS.inFlight - 1);
    scheduler.settle();
    handler.message(anyRequest(LIMITS.inFlight + 3));
    expect(attached.requests.length).toBe(LIMITS.inFlight);
  });

  test('answers that are not read count as unanswered', () => {
    const { connection, handler, attached, scheduler } = openRig();
    connection.reading = false;
    connection.held = LIMITS.socketBytes;
    for (let i = 1; i <= LIMITS.inFlight; i += 1) {
      handler.message(anyRequest(i));
      attached.reply();
    }
    scheduler.settle();
    handler.message(anyRequest(1_000));
    expect(attached.requests).toEqual([]);
    connection.held = 0;
    connection.reading = true;
    handler.drain();
    const frames = connection.frames();
    expect(frames.filter((one) => one.op === Op.RESULT).map((one) => one.id)).toEqual(
      Array.from({ length: LIMITS.inFlight }, (_, i) => i + 1),
    );
    expect(frames.at(-1)).toMatchObject({ op: Op.ERROR, id: 1_000, body: { code: 'RATE_LIMIT_EXCEEDED' } });
  });

  test('a result larger than a frame is not sent', () => {
    const { connection, handler, attached, scheduler } = openRig();
    handler.message(concatFrames([anyRequest(1), request(2, { m: 'task.create', p: { type: 't' } })]));
    const result = { text: 'x'.repeat(LIMITS.frameBytes) };
    attached.reply({ ok: true, rev: 1, result });
    attached.reply({ ok: true, rev: 1, result });
    scheduler.settle();
    const [read, write] = connection.frames();
    expect(read).toMatchObject({ op: Op.ERROR, id: 1, body: { code: 'TOO_LARGE' } });
    expect(write).toMatchObject({ op: Op.ERROR, id: 2, body: { code: 'TOO_LARGE' } });
    expect(write?.body['message']).toContain('carried out');
  });

  test('a client that reads nothing gets no more results of reads than a bound', () => {
    const { connection, handler, attached, scheduler } = openRig();
    connection.reading = false;
    connection.held = LIMITS.socketBytes;
    const result = { text: 'x'.repeat(200_000) };
    for (let i = 1; i <= 100; i += 1) handler.message(anyRequest(i));
    for (let i = 1; i <= 100; i += 1) attached.reply({ ok: true, rev: 1, result });
    scheduler.settle();
    handler.message(request(101, { m: 'task.create', p: { type: 't' } }));
    expect(attached.requests, 'while so much waits nothing is asked').toEqual([]);
    connection.reading = true;
    connection.held = 0;
    handler.drain();
    const frames = connection.frames();
    const results = frames.filter((one) => one.op === Op.RESULT);
    expect(results.length * 200_000).toBeGreaterThan(LIMITS.answerBytes - 200_000);
    expect(results.length * 200_000).toBeLessThan(LIMITS.answerBytes + 400_000);
    expect(frames.length).toBe(101);
    expect(frames.find((one) => one.op === Op.ERROR)?.body).toMatchObject({
      code: 'RATE_LIMIT_EXCEEDED',
      retryable: true,
    });
  });

  test('a reply that comes after the end is dropped', () => {
    const { connection, handler, attached, scheduler } = openRig();
    handler.message(anyRequest(1));
    handler.closed(1006);
    attached.reply();
    scheduler.settle();
    expect(connection.frames()).toEqual([]);
  });

  test('a result that cannot be encoded closes this connection and does not reach the node', () => {
    const { connection, handler, attached } = openRig();
    handler.message(anyRequest(1));
    const result = { when: new Date(0) };
    expect(() => attached.reply({ ok: true, rev: 1, result })).not.toThrow();
    expectClosed(connection, 'UNAVAILABLE');
    expect(attached.calls).toContain('detach');
  });
});

describe('endings', () => {
  test('BYE: served until it is durable, then closed', () => {
    const { connection, handler, attached, scheduler } = openRig();
    handler.message(concatFrames([anyRequest(1), frameOf(Op.BYE, 0, { requeue: true })]));
    expect(attached.calls).toEqual(['begin', 'bye true']);
    attached.reply();
    scheduler.settle();
    expect(connection.closes).toEqual([]);
    expect(attached.delivery.push(pushOf({ class: 'grant', rev: 200 }))).toBe(false);
    attached.byeDone?.();
    scheduler.settle();
    expect(told(connection.frames())).toEqual(['RESULT', 'GOAWAY ended stop']);
    expectClosed(connection, 'ENDED');
  });

  test('BYE without requeue, and one whose log does not answer', () => {
    const { connection, handler, attached, scheduler } = openRig();
    handler.message(frameOf(Op.BYE));
    expect(attached.calls).toContain('bye false');
    scheduler.advance(LIMITS.helloMs);
    expectClosed(connection, 'ENDED');
    expect(() => attached.byeDone?.()).not.toThrow();
  });

  test('what was ready goes before the last words', () => {
    const { connection, handler, attached } = openRig();
    handler.message(anyRequest(1));
    attached.delivery.push(pushOf({ class: 'reliable', rev: 101 }));
    attached.reply();
    attached.delivery.close('REPLACED', 'a newer connection');
    expect(told(connection.frames())).toEqual(['RESULT', 'PUSH', 'GOAWAY replaced stop']);
    expectClosed(connection, 'REPLACED');
  });

  test.each(Object.keys(CLOSE) as CloseName[])('the node closes: %s', (name) => {
    const { connection, handler, attached, scheduler, manager } = openRig();
    attached.delivery.close(name);
    expectClosed(connection, name);
    expect(connection.all().at(-1)?.body['action']).toBe(CLOSE[name].code < 4500 ? 'resume' : 'stop');
    attached.delivery.close('ENDED');
    expect(connection.closes.length).toBe(1);
    expect(told(connection.all()).filter((frame) => frame.startsWith('ERROR'))).toEqual(
      name === 'BAD_AUTH' ? ['ERROR UNAUTHENTICATED'] : [],
    );
    expect(attached.calls, 'the node let go itself').toEqual(['begin']);
    handler.closed(CLOSE[name].code);
    expect(attached.calls).toEqual(['begin', 'detach']);
    handler.closed(1006);
    expect(attached.calls).toEqual(['begin', 'detach']);
    scheduler.settle();
    expect(manager.connections).toBe(0);
    expect(scheduler.timers).toBe(0);
  });

  test('a gap is told by NOTICE, and the connection goes on', () => {
    const { connection, attached, scheduler } = openRig();
    attached.delivery.gap();
    expect(attached.delivery.push(pushOf({ class: 'reliable', rev: 105 }))).toBe(true);
    scheduler.settle();
    expect(seen(connection)).toEqual(['NOTICE gap', 'PUSH']);
  });

  test('a socket that is gone is detached, and nothing is pushed to it', () => {
    const { handler, attached, scheduler } = openRig();
    handler.closed(1006);
    expect(attached.calls).toEqual(['begin', 'detach']);
    expect(attached.delivery.push(pushOf({ class: 'grant', rev: 200 }))).toBe(false);
    attached.delivery.bookmark(300);
    attached.delivery.gap();
    attached.delivery.close('ENDED');
    scheduler.settle();
    expect(scheduler.timers).toBe(0);
  });

  test('a push out of order is our bug: this connection ends, resumably, and the node does not see it', () => {
    const { connection, attached } = openRig();
    expect(attached.delivery.push(pushOf({ class: 'reliable', rev: 105 }))).toBe(true);
    expect(attached.delivery.push(pushOf({ class: 'reliable', rev: 105 }))).toBe(false);
    expectClosed(connection, 'UNAVAILABLE');
    expect(attached.calls).toContain('detach');
  });

  test('a credential that nobody can judge now is no wrong one: come back later', () => {
    const { connection, handler, node, scheduler } = rig();
    node.tokens.set('halted', 'unavailable');
    handler.message(hello('halted'));
    scheduler.settle();
    expect(seen(connection)).toEqual(ending('UNAVAILABLE', 'UNAVAILABLE'));
    expect(connection.all()[0]?.body['retryAfterMs']).toBeGreaterThan(0);
  });

  const reauths: readonly { readonly token: string; readonly says: readonly string[] }[] = [
    { token: 'nobody', says: ending('BAD_AUTH', 'UNAUTHENTICATED') },
    { token: 'admin', says: ending('FORBIDDEN', 'UNAUTHORIZED') },
    { token: 'otherKey', says: ['ERROR UNAUTHORIZED'] },
    { token: 'otherScopes', says: ['ERROR UNAUTHORIZED'] },
    { token: 'halted', says: ['ERROR UNAVAILABLE'] },
    { token: 'renewed', says: ['NOTICE authRenewed'] },
  ];
  test.each(reauths)('REAUTH with $token', ({ token, says }) => {
    const { connection, handler, node, scheduler, attached } = openRig();
    node.tokens.set('renewed', { ...MEMBER, expiresAt: 1_700_000_500_000 });
    node.tokens.set('otherKey', { ...MEMBER, keyId: 'k9' });
    node.tokens.set('otherScopes', { ...MEMBER, scopes: ['query'] });
    node.tokens.set('halted', 'unavailable');
    handler.message(frameOf(Op.REAUTH, 0, { token }));
    scheduler.settle();
    expect(seen(connection)).toEqual(says);
    expect(attached.calls.includes('detach')).toBe(connection.closes.length > 0);
  });

  test('REAUTH tells the new end', () => {
    const { connection, handler, node, scheduler } = openRig();
    node.tokens.set('renewed', { ...MEMBER, expiresAt: 1_700_000_500_000 });
    handler.message(frameOf(Op.REAUTH, 0, { token: 'renewed' }));
    scheduler.settle();
    expect(connection.frames()[0]?.body).toEqual({ kind: 'authRenewed', expiresAt: 1_700_000_500_000 });
  });
});
