import { describe, expect, it } from 'vitest';
import { CLOSE } from '../../protocol/wire/codes.ts';
import type { Reply } from '../../src/client/core.ts';
import { MusterError } from '../../src/client/errors.ts';
import { World, encode, welcome, type FrameIn } from './peer.ts';

function ask(
  world: World,
  n: number,
  more: { key?: string | false; deadlineMs?: number; method?: 'task.get' | 'task.cancel' } = {},
): { replies: Reply[]; error: MusterError | undefined } {
  const seen: { replies: Reply[]; error: MusterError | undefined } = { replies: [], error: undefined };
  const { method = 'task.cancel', ...rest } = more;
  const accepted = world.sdk.request({
    method,
    params: { id: `t${n}` },
    ...rest,
    done: (reply) => seen.replies.push(reply),
  });
  if (accepted instanceof MusterError) seen.error = accepted;
  return seen;
}

describe('greeting', () => {
  it('declares itself first and sends nothing before WELCOME', () => {
    const world = new World({ subs: ['news'] });
    world.sdk.start();
    ask(world, 1);
    world.settle();
    expect(world.link.messages).toEqual([]);
    const [op, id, body] = world.link.open();
    expect([op, id]).toEqual([1, 0]);
    expect(body).toEqual({
      v: [1, 0, 0],
      client: { name: 'test', version: '1' },
      auth: { token: 'mu_default_1_secret' },
      subs: ['news'],
    });
    world.settle();
    expect(world.link.take()).toEqual([]);
    world.link.say(welcome());
    world.settle();
    expect(world.link.requests().map((one) => one.m)).toEqual(['task.cancel']);
    expect(world.states.map(([state]) => state)).toEqual(['connecting', 'online']);
  });

  it('gives up a server that does not greet and comes back', () => {
    const world = new World();
    world.sdk.start();
    world.link.open();
    world.scheduler.advance(20_000);
    expect(world.link.left).toBe(1000);
    expect(world.state).toBe('offline');
    world.redial();
    expect(world.links).toHaveLength(2);
  });

  it('takes a WELCOME that lacks what it needs for a fault, and forgets the session', () => {
    const world = new World();
    world.online();
    world.link.end();
    world.redial();
    world.link.open();
    world.link.say([3, 0, { session: 'ses_1', resumed: true }]);
    expect(world.state).toBe('offline');
    world.redial();
    const [, , hello] = world.link.open();
    expect(hello['resume']).toBeUndefined();
  });

  it('refuses to be resumed as another session', () => {
    const world = new World();
    world.online();
    world.link.end();
    world.redial();
    world.link.open();
    world.link.say(welcome({ session: 'ses_other', resumed: true }));
    expect(world.state).toBe('offline');
  });

  it('asks the token source for every connection, and waits for a late answer', () => {
    const asked: ((token: string | Error) => void)[] = [];
    const world = new World({ token: (done) => asked.push(done) });
    world.sdk.start();
    expect(world.links).toHaveLength(0);
    asked[0]?.('one');
    const [, , hello] = world.link.open();
    expect(hello['auth']).toEqual({ token: 'one' });
    asked[0]?.('twice');
    expect(world.links).toHaveLength(1);
    world.link.end();
    world.scheduler.advance(20_000);
    expect(asked).toHaveLength(2);
    asked[1]?.(new Error('the vault is closed'));
    expect(world.states.at(-1)?.[1]?.message).toContain('the vault is closed');
    world.scheduler.advance(20_000);
    expect(asked).toHaveLength(3);
  });

  it('sends a new credential in band when the old one is about to expire', () => {
    const tokens = ['one', 'two'];
    const world = new World({ token: (done) => done(tokens.shift() ?? 'none') });
    const link = world.online();
    link.take();
    link.say([2, 0, { kind: 'authExpiring', inMs: 1_000 }]);
    world.settle();
    expect(link.take()).toEqual([[19, 0, { token: 'two' }]]);
    expect(world.notices.map(([kind]) => kind)).toEqual(['authExpiring']);
  });

  it('does not start with a HELLO that is over its limit', () => {
    const world = new World({ agent: { name: 'a', capabilities: ['x'], metadata: { text: 'y'.repeat(20_000) } } });
    world.sdk.start();
    world.link.handler.open();
    expect(world.closed?.error?.code).toBe('TOO_LARGE');
    expect(world.link.messages).toEqual([]);
    expect(world.scheduler.timers).toBe(0);
  });
});

describe('resuming', () => {
  it('names the session, its secret and the position, which moves with WELCOME, PUSH and PING', () => {
    const world = new World();
    const link = world.online({ rev: 100 });
    link.push('message', 1, { rev: 105, t: 'news' });
    link.push('message', 2, { t: 'news' });
    link.say([15, 0, { rev: 110 }]);
    link.result(999, {}, 500);
    expect(world.sdk.core.position).toBe(110);
    world.link.end();
    world.redial();
    const [, , hello] = world.link.open();
    // What it was answered is no position, and said beside it.
    expect(hello['resume']).toEqual({ session: 'ses_1', secret: 'secret_1', rev: 110, told: 500 });
    world.link.say(welcome({ resumed: true, rev: 110, secret: 'secret_2' }));
    world.link.end();
    world.redial();
    expect(world.link.open()[2]['resume']).toEqual({ session: 'ses_1', secret: 'secret_2', rev: 110, told: 500 });
    expect(world.gaps).toEqual([]);
  });

  it('resumes from the very first position, although nothing was ever pushed', () => {
    const world = new World();
    world.online({ rev: 7 });
    world.link.end();
    world.redial();
    expect(world.link.open()[2]['resume']).toEqual({ session: 'ses_1', secret: 'secret_1', rev: 7 });
  });

  it('keeps the old secret when the WELCOME with the new one was lost', () => {
    const world = new World();
    world.online();
    world.link.end();
    world.redial();
    world.link.open();
    world.link.end();
    world.redial();
    expect(world.link.open()[2]['resume']).toMatchObject({ secret: 'secret_1' });
  });

  it('moves the position before the push is handed on', () => {
    const world = new World();
    const positions: number[] = [];
    const { pushes } = world;
    pushes.push = (...all) => {
      positions.push(world.sdk.core.position);
      return Array.prototype.push.apply(pushes, all);
    };
    world.online().push('message', 1, { rev: 120, t: 'news' });
    expect(positions).toEqual([120]);
  });

  it('takes the position of a fresh session although it is smaller, and tells of the gap', () => {
    const world = new World();
    world.online({ rev: 500 });
    world.reconnect({ session: 'ses_2', secret: 's', rev: 20, resumed: false, reason: 'epoch' });
    expect(world.sdk.core.position).toBe(20);
    expect(world.gaps).toEqual(['epoch']);
  });

  it('says what it was answered last of the session that it resumes alone, and only if that says more than the position', () => {
    const world = new World();
    const resume = (): unknown => {
      world.link.end();
      world.redial();
      return world.link.open()[2]['resume'];
    };
    const link = world.online({ rev: 100 });
    link.result(1, {}, 90);
    expect(resume()).toEqual({ session: 'ses_1', secret: 'secret_1', rev: 100 });
    world.link.say(welcome({ resumed: true, rev: 100, secret: 'secret_2' }));
    world.link.result(1, {}, 130);
    world.link.result(2, {}, 120);
    expect(resume()).toEqual({ session: 'ses_1', secret: 'secret_2', rev: 100, told: 130 });
    world.link.say(welcome({ session: 'ses_2', secret: 's', rev: 20, resumed: false, reason: 'epoch', kept: 17 }));
    expect(world.gaps).toEqual(['epoch up to 17']);
    expect(resume()).toEqual({ session: 'ses_2', secret: 's', rev: 20 });
  });

  it('acknowledges with PONG the position that it has processed', () => {
    const world = new World();
    const link = world.online({ rev: 100 });
    link.take();
    link.say([11, 0, { e: 'message', t: 'n', d: 1, rev: 108 }], [15, 0, { rev: 109 }], [15, 0, { rev: 111 }]);
    world.settle();
    expect(link.take()).toEqual([[17, 0, { rev: 111 }]]);
  });
});

describe('requests over connections', () => {
  it('sends unanswered ones again on the resumed session, with their ids, in order, before new ones', () => {
    const world = new World();
    const link = world.online();
    const [a, b, c] = [ask(world, 1), ask(world, 2), ask(world, 3)];
    world.settle();
    const first = link.requests();
    link.result(2);
    link.end();
    const d = ask(world, 4);
    world.redial();
    const second = world.greet({ resumed: true, secret: 'secret_2' });
    const again = second.requests();
    expect(again.map((one) => [one.id, one.p['id']])).toEqual([
      [1, 't1'],
      [3, 't3'],
      [4, 't4'],
    ]);
    expect(again[0]?.meta?.['k']).toBe(first[0]?.meta?.['k']);
    for (const id of [1, 3, 4]) second.result(id, { id });
    expect([a, b, c, d].map((one) => one.replies.length)).toEqual([1, 1, 1, 1]);
  });

  it('sends the same bytes again, although the caller has changed what it passed', () => {
    const world = new World();
    const link = world.online();
    const params = { id: 'before' };
    world.sdk.request({ method: 'task.cancel', params, done: () => undefined });
    params.id = 'after';
    world.settle();
    expect(link.requests()[0]?.p).toEqual({ id: 'before' });
    expect(world.reconnect().requests()[0]?.p).toEqual({ id: 'before' });
  });

  it('makes them new on a fresh session: ids from 1, writes with the key of before, reads without one', () => {
    const world = new World();
    const link = world.online();
    ask(world, 1);
    ask(world, 2, { method: 'task.get' });
    ask(world, 3, { key: 'mine' });
    ask(world, 4, { key: false });
    world.settle();
    const keys = link.requests().map((one) => one.meta?.['k']);
    link.result(1);
    expect(keys[0]).toMatch(/^~[\w-]{16}\.1$/);
    expect(keys.slice(1)).toEqual([undefined, 'mine', undefined]);
    const again = world.reconnect({ session: 'ses_2', secret: 's', resumed: false, reason: 'expired' }).requests();
    expect(again.map((one) => [one.id, one.p['id'], one.meta?.['k']])).toEqual([
      [1, 't2', undefined],
      [2, 't3', 'mine'],
      [3, 't4', undefined],
    ]);
  });

  it('tells a reply that came over two sessions from one that came over one', () => {
    const world = new World();
    world.online();
    const [stays, moves] = [ask(world, 1), ask(world, 2)];
    world.settle();
    world.reconnect().result(1);
    world.reconnect({ session: 'ses_2', resumed: false }).result(1);
    expect(stays.replies[0]?.moved).toBe(false);
    expect(moves.replies[0]?.moved).toBe(true);
  });

  it('ignores answers to what nobody asks any more', () => {
    const world = new World();
    const link = world.online();
    const one = ask(world, 1);
    world.settle();
    link.result(1);
    link.result(1);
    link.error(1, 'TASK_NOT_FOUND');
    link.result(77);
    expect(one.replies).toHaveLength(1);
  });

  it('ignores everything that a connection of before still says', () => {
    const world = new World();
    const old = world.online();
    const one = ask(world, 1);
    world.settle();
    world.scheduler.advance(15_000);
    expect(old.left).toBe(1000);
    old.result(1);
    old.push('message', 1, { rev: 9_999, t: 'n' });
    expect(one.replies).toEqual([]);
    expect(world.sdk.core.position).toBe(100);
    world.redial();
    old.end(CLOSE.BAD_AUTH.code);
    expect(world.closed).toBeUndefined();
    const link = world.greet({ resumed: true });
    link.result(1);
    expect(one.replies).toHaveLength(1);
  });

  it('keeps at most the allowed number unanswered and goes on when answers come', () => {
    const world = new World();
    const link = world.online({ limits: { inFlight: 3 } });
    for (let n = 1; n <= 5; n += 1) ask(world, n);
    world.settle();
    expect(link.requests().map((one) => one.id)).toEqual([1, 2, 3]);
    link.result(2);
    world.settle();
    expect(link.requests().map((one) => one.id)).toEqual([4]);
  });

  it('says up to where answers have come, once each time', () => {
    const world = new World();
    const link = world.online();
    for (let n = 1; n <= 3; n += 1) ask(world, n);
    world.settle();
    expect(link.requests().map((one) => one.meta?.['ack'])).toEqual([undefined, undefined, undefined]);
    link.result(1);
    link.result(3);
    ask(world, 4);
    world.settle();
    expect(link.requests()[0]?.meta?.['ack']).toBe(1);
    link.result(2);
    ask(world, 5);
    ask(world, 6);
    world.settle();
    expect(link.requests().map((one) => one.meta?.['ack'])).toEqual([3, undefined]);
  });

  it('never says that an answer came which has not, over a resume', () => {
    const world = new World();
    const link = world.online();
    ask(world, 1);
    ask(world, 2);
    world.settle();
    link.result(2);
    const again = world.reconnect();
    ask(world, 3);
    world.settle();
    expect(again.requests().map((one) => [one.id, one.meta?.['ack']])).toEqual([
      [1, undefined],
      [3, undefined],
    ]);
  });

  it('acknowledges what was sent again and put off only when it is answered: its key must hold until then', () => {
    const world = new World();
    world.online();
    const first = ask(world, 1);
    world.settle();
    const link = world.reconnect();
    const [sentAgain] = link.requests();
    expect(sentAgain?.id).toBe(1);
    // Whether the first sending was executed is not looked at when there is no room.
    link.error(1, 'UNAVAILABLE', { retryable: true });
    ask(world, 2);
    world.settle();
    link.result(2);
    ask(world, 3);
    world.settle();
    expect(link.requests().map((one) => [one.id, one.meta?.['ack']])).toEqual([
      [2, undefined],
      [3, undefined],
    ]);
    link.result(3);
    world.scheduler.advance(5_000);
    const [asked] = link.requests();
    expect([asked?.id, asked?.meta?.['k']]).toEqual([4, sentAgain?.meta?.['k']]);
    expect(asked?.meta?.['ack']).toBeUndefined();
    link.result(4);
    expect(first.replies).toHaveLength(1);
    ask(world, 5);
    world.settle();
    expect(link.requests()[0]?.meta?.['ack']).toBe(4);
  });

  it('acknowledges at once what was put off when it was sent for the first time', () => {
    const world = new World();
    const link = world.online();
    ask(world, 1);
    world.settle();
    link.requests();
    link.error(1, 'UNAVAILABLE', { retryable: true });
    ask(world, 2);
    world.settle();
    expect(link.requests()[0]?.meta?.['ack']).toBe(1);
  });

  it('writes all frames of a turn in one message, and at most 64 in each', () => {
    const world = new World();
    const link = world.online();
    for (let n = 1; n <= 100; n += 1) ask(world, n);
    world.settle();
    expect(link.messages).toHaveLength(3);
    expect(link.requests()).toHaveLength(100);
  });

  it('never writes a message over the limit', () => {
    const world = new World();
    const link = world.online();
    for (let n = 1; n <= 10; n += 1)
      world.sdk.request({
        method: 'topic.publish',
        params: { topic: 't', data: 'x'.repeat(200_000) },
        done: () => undefined,
      });
    world.settle();
    expect(link.requests()).toHaveLength(10);
    for (const message of link.messages) expect(message.length).toBeLessThanOrEqual(1_048_576);
    // HELLO and two more.
    expect(link.messages.length).toBe(3);
  });

  it('begins a fresh session when the ids of one are used up, and loses nothing', () => {
    const world = new World({ idsMax: 3 });
    const link = world.online();
    const asked = [1, 2, 3, 4, 5].map((n) => ask(world, n));
    world.settle();
    expect(link.requests().map((one) => one.id)).toEqual([1, 2, 3]);
    for (const id of [1, 2, 3]) link.result(id);
    world.settle();
    expect(link.left).toBe(1000);
    world.scheduler.advance(1);
    expect(world.link.open()[2]['resume']).toBeUndefined();
    world.link.say(welcome({ session: 'ses_2' }));
    world.settle();
    expect(world.link.requests().map((one) => [one.id, one.p['id']])).toEqual([
      [1, 't4'],
      [2, 't5'],
    ]);
    for (const id of [1, 2]) world.link.result(id);
    expect(asked.map((one) => one.replies.length)).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('refusals', () => {
  it('gives the caller a typed error', () => {
    const world = new World();
    const link = world.online();
    const one = ask(world, 1);
    world.settle();
    link.error(1, 'TASK_NOT_FOUND', { type: 'not_found', message: 'No such task.', details: { id: 't1' } });
    const reply = one.replies[0];
    expect(reply?.ok).toBe(false);
    if (reply?.ok === false) {
      expect(reply.error).toBeInstanceOf(MusterError);
      expect(reply.error).toMatchObject({
        code: 'TASK_NOT_FOUND',
        type: 'not_found',
        retryable: false,
        message: 'No such task.',
        details: { id: 't1' },
      });
    }
  });

  it('tries again what the server could not take now, under a new id and the same key, not before it was told', () => {
    const world = new World();
    const link = world.online();
    const one = ask(world, 1);
    world.settle();
    const [first] = link.requests();
    link.error(1, 'RATE_LIMIT_EXCEEDED', { retryable: true, retryAfterMs: 3_000 });
    world.scheduler.advance(2_900);
    expect(link.requests()).toEqual([]);
    world.scheduler.advance(200);
    const [second] = link.requests();
    expect([second?.id, second?.meta?.['k']]).toEqual([2, first?.meta?.['k']]);
    link.result(2);
    expect(one.replies.map((reply) => reply.ok)).toEqual([true]);
  });

  it('gives up after so many refusals, with the last of them', () => {
    const world = new World({ refusalsMax: 2 });
    const link = world.online();
    const one = ask(world, 1);
    for (let id = 1; id <= 3; id += 1) {
      world.scheduler.advance(5_000);
      link.say([15, 0, {}]);
      expect(link.requests().map((request) => request.id)).toEqual([id]);
      link.error(id, 'UNAVAILABLE', { retryable: true });
    }
    expect(one.replies).toHaveLength(1);
    expect(one.replies[0]).toMatchObject({ ok: false, error: { code: 'UNAVAILABLE', retryable: true } });
  });

  it('ends a request at its deadline, wherever it is, and tells the server how long it may take', () => {
    const world = new World();
    const link = world.online({ limits: { inFlight: 1 } });
    const [sent, queued, other] = [
      ask(world, 1, { deadlineMs: 1_000 }),
      ask(world, 2, { deadlineMs: 500 }),
      ask(world, 3, { deadlineMs: 9_000 }),
    ];
    world.settle();
    expect(link.requests()[0]?.meta?.['dl']).toBe(1_000);
    world.scheduler.advance(600);
    expect(queued.replies[0]).toMatchObject({ ok: false, error: { code: 'REQUEST_TIMEOUT' } });
    world.scheduler.advance(600);
    expect(sent.replies[0]).toMatchObject({ ok: false, error: { code: 'REQUEST_TIMEOUT' } });
    // Its place in the window is free only with the answer, which the server may still be working on.
    expect(link.requests()).toEqual([]);
    link.result(1);
    world.settle();
    expect(link.requests()[0]).toMatchObject({ id: 2, p: { id: 't3' } });
    expect(other.replies).toEqual([]);
  });

  it('does not send again what was given up', () => {
    const world = new World();
    world.online();
    const one = ask(world, 1, { deadlineMs: 500 });
    ask(world, 2);
    world.settle();
    world.link.end();
    world.scheduler.advance(600);
    expect(one.replies).toHaveLength(1);
    if (world.links.length === 1) world.redial();
    expect(
      world
        .greet({ resumed: true })
        .requests()
        .map((request) => request.id),
    ).toEqual([2]);
  });

  it('refuses calls over its bounds, by number and by bytes', () => {
    const world = new World({ callsMax: 2, bytesMax: 1_000_000 });
    expect([ask(world, 1), ask(world, 2), ask(world, 3)].map((one) => one.error?.code)).toEqual([
      undefined,
      undefined,
      'OUTBOX_FULL',
    ]);
    const bytes = new World({ bytesMax: 1_000 });
    const big = bytes.sdk.request({
      method: 'topic.publish',
      params: { topic: 't', data: 'x'.repeat(2_000) },
      done: () => undefined,
    });
    expect(big).toMatchObject({ code: 'OUTBOX_FULL' });
  });

  it.each([
    ['a function', { id: (() => 1) as unknown as string }, 'VALUE_UNSUPPORTED'],
    ['NaN', { id: Number.NaN as unknown as string }, 'VALUE_UNSUPPORTED'],
    ['a Date', { id: new Date(0) as unknown as string }, 'VALUE_UNSUPPORTED'],
    ['more than a frame', { id: 'x'.repeat(300_000) }, 'TOO_LARGE'],
    ['too many values', { id: Array.from({ length: 10_000 }, () => 1) as unknown as string }, 'TOO_LARGE'],
    ['too deep', { id: nested(31) as string }, 'VALUE_UNSUPPORTED'],
  ])('refuses %s before it is sent', (_name, params, code) => {
    const world = new World();
    const link = world.online();
    const refused = world.sdk.request({ method: 'task.cancel', params, done: () => undefined });
    expect(refused).toMatchObject({ code });
    world.settle();
    expect(link.requests()).toEqual([]);
  });

  it('refuses a key that is too long', () => {
    const world = new World();
    expect(ask(world, 1, { key: 'k'.repeat(65) }).error?.code).toBe('INVALID_OPTIONS');
  });
});

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i += 1) value = [value];
  return value;
}

describe('coming back', () => {
  const resumable = [1000, 1001, 1006, 1011, 4001, 4008, 4012, 4013, 4014, 4499, 5000];
  it.each(resumable)('comes back after code %i', (code) => {
    const world = new World();
    world.online();
    world.link.end(code);
    expect(world.state).toBe('offline');
    world.redial();
    expect(world.link.open()[2]['resume']).toBeDefined();
  });

  it.each([4500, 4501, 4502, 4503, 4507, 4508, 4510, 4511, 4999])('stays away after code %i', (code) => {
    const world = new World();
    world.online();
    const open = ask(world, 1);
    world.settle();
    world.link.end(code);
    expect(world.state).toBe('closed');
    expect(world.closed?.error).toBeInstanceOf(MusterError);
    expect(open.replies[0]).toMatchObject({ ok: false, error: { code: 'CLIENT_CLOSED' } });
    expect(ask(world, 2).error?.code).toBe('CLIENT_CLOSED');
    world.scheduler.advance(60_000);
    expect(world.links).toHaveLength(1);
    expect(world.scheduler.timers).toBe(0);
  });

  it('takes the ERROR before the close for the reason', () => {
    const world = new World();
    world.sdk.start();
    world.link.open();
    world.link.say([
      9,
      0,
      { code: 'UNAUTHENTICATED', type: 'authentication', message: 'Unknown key.', retryable: false },
    ]);
    expect(world.closed?.error).toMatchObject({ code: 'UNAUTHENTICATED', message: 'Unknown key.' });
    world.link.end(1006);
    expect(world.scheduler.timers).toBe(0);
  });

  it('knows a wrong key by the close code alone', () => {
    const world = new World();
    world.sdk.start();
    world.link.open();
    world.link.end(4500, 'bad_auth');
    expect(world.closed?.error?.code).toBe('UNAUTHENTICATED');
  });

  it('waits longer after each failure, up to a cap, spread over the whole time from the first retry on', () => {
    const waits: number[][] = [];
    for (let seed = 1; seed <= 200; seed += 1) {
      let state = seed * 2_654_435_761;
      const world = new World({
        entropy: (size) => {
          const bytes = new Uint8Array(size);
          for (let i = 0; i < size; i += 1) {
            state = Math.imul(state ^ (state >>> 13), 1_274_126_177) + 97;
            bytes[i] = state >>> 16;
          }
          return bytes;
        },
      });
      world.sdk.start();
      for (let attempt = 0; attempt < 8; attempt += 1) {
        world.link.end(1006);
        (waits[attempt] ??= []).push(world.states.at(-1)?.[1]?.retryInMs ?? -1);
        world.redial();
      }
    }
    const caps = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000];
    for (const [attempt, cap] of caps.entries()) {
      const seen = waits[attempt] ?? [];
      expect(Math.max(...seen)).toBeLessThanOrEqual(cap);
      expect(Math.min(...seen)).toBeGreaterThanOrEqual(0);
      expect(Math.min(...seen)).toBeLessThan(cap * 0.1);
      expect(Math.max(...seen)).toBeGreaterThan(cap * 0.9);
    }
  });

  it('starts the backoff anew only after ten stable seconds', () => {
    const max = new Uint8Array([255, 255, 255, 255]);
    const world = new World({ entropy: (size) => (size === 4 ? max : new Uint8Array(size)) });
    const waits = (): number => world.states.at(-1)?.[1]?.retryInMs ?? -1;
    world.online();
    world.link.end();
    expect(waits()).toBe(500);
    world.redial();
    world.greet({ resumed: true });
    world.scheduler.advance(9_000);
    world.link.end();
    expect(waits()).toBe(1_000);
    world.redial();
    world.greet({ resumed: true });
    world.scheduler.advance(10_000);
    world.link.end();
    expect(waits()).toBe(500);
  });

  it('does not come back before a server that asked for time', () => {
    const world = new World();
    world.sdk.start();
    world.link.handler.closed({ code: 1006, message: 'the server answered HTTP 503', retryAfterMs: 7_000 });
    expect(world.states.at(-1)?.[1]).toMatchObject({ retryInMs: 7_000, message: 'the server answered HTTP 503' });
    world.redial();
    world.link.open();
    world.link.say([
      9,
      0,
      { code: 'UNAVAILABLE', type: 'unavailable', message: 'later', retryable: true, retryAfterMs: 20_000 },
    ]);
    world.link.end(4013);
    expect(world.states.at(-1)?.[1]?.retryInMs).toBe(20_000);
  });
});

describe('GOAWAY', () => {
  const goaway = (body: Record<string, unknown>): FrameIn => [
    13,
    0,
    { reason: 'shutdown', action: 'resume', delayMs: [1_000, 1_000], ...body },
  ];

  it('stays until the time that it was given, then comes back at once', () => {
    const world = new World();
    const link = world.online();
    link.take();
    link.say(goaway({}));
    ask(world, 1);
    world.scheduler.advance(900);
    expect(link.requests()).toHaveLength(1);
    link.result(1);
    world.scheduler.advance(100);
    expect(link.left).toBe(1000);
    world.scheduler.advance(1);
    expect(world.links).toHaveLength(2);
    expect(world.link.open()[2]['resume']).toBeDefined();
  });

  it('keeps to that time when the connection ends before', () => {
    const world = new World();
    const link = world.online();
    link.say(goaway({}));
    world.scheduler.advance(200);
    link.end(4001);
    expect(world.states.at(-1)?.[1]?.retryInMs).toBe(800);
    world.scheduler.advance(799);
    expect(world.links).toHaveLength(1);
    world.scheduler.advance(1);
    expect(world.links).toHaveLength(2);
  });

  it('spreads its return over the range', () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 20; seed += 1) {
      const world = new World({ entropy: (size) => new Uint8Array(size).fill(seed * 12) });
      const link = world.online();
      link.say(goaway({ delayMs: [100, 5_000] }));
      link.end(4001);
      seen.add(world.states.at(-1)?.[1]?.retryInMs ?? -1);
    }
    expect(seen.size).toBeGreaterThan(15);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...seen)).toBeLessThanOrEqual(5_000);
  });

  it('opens a fresh session when told so', () => {
    const world = new World();
    const link = world.online();
    link.say(goaway({ action: 'fresh', delayMs: [0, 0] }));
    link.end(4001);
    world.redial();
    expect(world.link.open()[2]['resume']).toBeUndefined();
    world.link.say(welcome({ session: 'ses_2' }));
    expect(world.gaps).toEqual(['expired']);
  });

  it('stops when told so, although the close code was lost', () => {
    const world = new World();
    const link = world.online();
    link.say(goaway({ action: 'stop', reason: 'replaced' }));
    link.end(1006);
    expect(world.state).toBe('closed');
    expect(world.closed?.error?.message).toContain('replaced');
    expect(world.scheduler.timers).toBe(0);
  });

  it('leaves a server that said stop and does not close', () => {
    const world = new World();
    const link = world.online();
    link.say(goaway({ action: 'stop' }));
    world.scheduler.advance(1_000);
    expect(link.left).toBe(1000);
    expect(world.state).toBe('closed');
  });
});

describe('liveness', () => {
  it('counts every frame as a sign of life and gives up a silent server', () => {
    const world = new World();
    const link = world.online();
    for (let i = 0; i < 5; i += 1) {
      world.scheduler.advance(14_000);
      expect(link.left).toBeUndefined();
      link.say([2, 0, { kind: 'slow' }]);
    }
    world.scheduler.advance(15_000);
    expect(link.left).toBe(1000);
    expect(world.states.at(-1)?.[1]?.message).toContain('silent');
  });

  it('reads what has come first when the process itself was busy for long', () => {
    const world = new World();
    const link = world.online();
    const { scheduler } = world;
    // The timer runs as it was set, and finds a clock that went on without the process.
    const mono = scheduler.mono.bind(scheduler);
    scheduler.mono = () => mono() + 50_000;
    scheduler.advance(15_000);
    expect(link.left).toBeUndefined();
    link.say([15, 0, {}]);
    scheduler.advance(1_000);
    expect(link.left).toBeUndefined();
    scheduler.advance(20_000);
    expect(link.left).toBe(1000);
  });
});

describe('faults of the server', () => {
  it.each([
    ['no message of the protocol', new Uint8Array([0xc1])],
    ['an odd operation that it does not know', encode([99, 0, {}])],
    ['a push without a name', encode([11, 0, { d: 1 }])],
    ['an error without a code', encode([9, 1, {}])],
    ['a second WELCOME', encode(welcome())],
  ])('ends the connection after %s and comes back', (_name, bytes) => {
    const world = new World();
    const link = world.online();
    link.handler.message(bytes);
    expect(link.left).toBe(1000);
    expect(world.state).toBe('offline');
    world.redial();
  });

  it('ignores even operations and members that it does not know', () => {
    const world = new World();
    const link = world.online();
    link.say([44, 0, { x: 1 }], [2, 0, { nothing: true }], [11, 0, { e: 'x', t: 'n', d: 1, more: true }], [17, 0, {}]);
    expect(link.left).toBeUndefined();
    expect(world.pushes).toHaveLength(1);
  });

  it('handles nothing of a message after the frame that ended the connection', () => {
    const world = new World();
    const link = world.online();
    link.handler.message(encode([99, 0, {}], [11, 0, { e: 'x', t: 'n', d: 1, rev: 900 }]));
    expect(world.pushes).toEqual([]);
  });
});

describe('the end', () => {
  it('says BYE after what waits, and ends with the connection', () => {
    const world = new World();
    const link = world.online();
    link.take();
    ask(world, 1);
    world.sdk.close({ drain: false, requeue: true });
    expect(link.take().map(([op, , body]) => [op, body['requeue']])).toEqual([
      [5, undefined],
      [21, true],
    ]);
    expect(world.closed).toBeUndefined();
    link.result(1);
    link.end(4511);
    expect(world.closed).toEqual({ error: undefined });
    expect(world.scheduler.timers).toBe(0);
  });

  it('does not wait for ever for a server that does not answer', () => {
    const world = new World();
    const link = world.online();
    world.sdk.close({ drain: false, requeue: true });
    world.scheduler.advance(3_000);
    expect(link.left).toBe(1000);
    expect(world.closed).toEqual({ error: undefined });
  });

  it('waits for every answer when it drains, over a reconnect too', () => {
    const world = new World();
    const link = world.online();
    const one = ask(world, 1);
    world.settle();
    world.sdk.close({ drain: true, requeue: true });
    expect(link.take().map(([op]) => op)).toEqual([5]);
    const again = world.reconnect();
    again.result(1);
    expect(one.replies).toHaveLength(1);
    expect(again.take().map(([op]) => op)).toEqual([5, 21]);
  });

  it('does not wait out its own pause when it drains, and comes back soon as long as it does', () => {
    const world = new World();
    world.online();
    const one = ask(world, 1);
    world.settle();
    for (let n = 0; n < 8; n += 1) {
      world.link.end();
      if (n < 7) world.redial();
    }
    const dialled = world.links.length;
    world.sdk.close({ drain: true, requeue: true, withinMs: 5_000 });
    expect(world.links).toHaveLength(dialled + 1);
    world.link.end();
    expect(world.states.at(-1)?.[1]?.retryInMs).toBeLessThanOrEqual(500);
    world.scheduler.advance(500);
    expect(world.links).toHaveLength(dialled + 2);
    world.link.open();
    world.link.say(welcome({ resumed: true }));
    world.settle();
    world.link.result(world.link.requests()[0]?.id ?? 0);
    expect(one.replies).toHaveLength(1);
    world.link.end(4511);
    expect(world.closed).toEqual({ error: undefined });
    expect(world.scheduler.timers).toBe(0);
  });

  it('comes back no sooner than the server said, also when it drains', () => {
    const world = new World();
    const link = world.online();
    ask(world, 1);
    world.settle();
    link.say([13, 0, { reason: 'r', action: 'resume', delayMs: [4_000, 4_000] }]);
    link.end();
    world.sdk.close({ drain: true, requeue: true });
    expect(world.links).toHaveLength(1);
    world.scheduler.advance(3_999);
    expect(world.links).toHaveLength(1);
    world.scheduler.advance(1);
    expect(world.links).toHaveLength(2);
  });

  it.each(['idle', 'dialing', 'greeting', 'waiting'])('ends at once while %s, and leaves no timer', (phase) => {
    const world = new World();
    if (phase !== 'idle') world.sdk.start();
    if (phase === 'greeting') world.link.open();
    if (phase === 'waiting') world.link.end();
    const one = ask(world, 1);
    world.sdk.close({ drain: false, requeue: true });
    expect(world.closed).toEqual({ error: undefined });
    expect(one.replies).toHaveLength(1);
    expect(world.scheduler.timers).toBe(0);
    world.scheduler.advance(60_000);
    expect(world.links.length).toBeLessThanOrEqual(1);
  });

  it('can be asked twice', () => {
    const world = new World();
    const link = world.online();
    world.sdk.close({ drain: true, requeue: true });
    world.sdk.close({ drain: false, requeue: true });
    link.end(4511);
    world.sdk.close({ drain: false, requeue: true });
    expect(link.take().filter(([op]) => op === 21)).toHaveLength(1);
  });
});

/** What each phase does with each frame: the whole table. */
describe('phases and frames', () => {
  const frames: { readonly [name: string]: FrameIn } = {
    WELCOME: welcome(),
    RESULT: [7, 5, { rev: 1, r: {} }],
    ERROR: [9, 5, { code: 'X', type: 'internal', message: 'x', retryable: false }],
    'ERROR of the connection': [9, 0, { code: 'UNAVAILABLE', type: 'unavailable', message: 'x', retryable: true }],
    PUSH: [11, 0, { e: 'x', t: 't', d: 1, rev: 101 }],
    GOAWAY: [13, 0, { reason: 'r', action: 'resume', delayMs: [50_000, 50_000] }],
    PING: [15, 0, { rev: 101 }],
    NOTICE: [2, 0, { kind: 'slow' }],
    'unknown even': [88, 0, {}],
    'unknown odd': [89, 0, {}],
  };
  const expected: { readonly [phase: string]: { readonly [frame: string]: string } } = {
    greeting: { WELCOME: 'online', PUSH: 'offline', 'unknown odd': 'offline' },
    online: { WELCOME: 'offline', 'unknown odd': 'offline' },
    leaving: { WELCOME: 'closed', 'unknown odd': 'closed' },
  };
  const same: { readonly [phase: string]: string } = { greeting: 'connecting', online: 'online', leaving: 'online' };
  const cells = Object.keys(expected).flatMap((phase) => Object.keys(frames).map((frame) => [phase, frame] as const));

  it.each(cells)('%s, %s', (phase, name) => {
    const world = new World();
    world.sdk.start();
    world.link.open();
    if (phase !== 'greeting') world.link.say(welcome());
    if (phase === 'leaving') world.sdk.close({ drain: false, requeue: true });
    const frame = frames[name];
    if (frame !== undefined) world.link.say(frame);
    expect(world.state).toBe(expected[phase]?.[name] ?? same[phase]);
  });
});
