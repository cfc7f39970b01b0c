import { describe, expect, test } from 'vitest';
import { CLOSE, type CloseName } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op } from '../../protocol/wire/types.ts';
import { Expiry } from '../../src/session/expiry.ts';
import {
  MEMBER,
  anyRequest,
  frameOf,
  openRig,
  pushOf,
  rig,
  hello,
  type FakeConnection,
} from '../support/session-rig.ts';

const { pingIntervalMs, pingTimeoutMs, slowMs } = LIMITS;

function expectClosed(connection: FakeConnection, name: CloseName): void {
  expect(connection.closes).toEqual([{ code: CLOSE[name].code, reason: CLOSE[name].reason }]);
  expect(connection.all().at(-1)?.body['reason']).toBe(CLOSE[name].reason);
}

describe('keepalive', () => {
  test('a silent client is asked once, and is dead a while later', () => {
    const { connection, scheduler, attached } = openRig();
    scheduler.advance(pingIntervalMs - 1);
    expect(connection.frames()).toEqual([]);
    scheduler.advance(1);
    expect(connection.frames()).toEqual([{ op: Op.PING, id: 0, body: { now: scheduler.now(), rev: 100 } }]);
    scheduler.advance(pingTimeoutMs - pingIntervalMs - 1);
    expect(connection.frames()).toEqual([]);
    expect(connection.closes).toEqual([]);
    scheduler.advance(1);
    expectClosed(connection, 'NO_PONG');
    expect(attached.calls).toContain('detach');
  });

  test('any valid frame is a sign of life', () => {
    const { connection, handler, scheduler } = openRig();
    const signs = [frameOf(Op.PONG), frameOf(Op.PING), anyRequest(1), frameOf(98)];
    for (let i = 0; i < 40; i += 1) {
      scheduler.advance(pingTimeoutMs - 1);
      handler.message(signs[i % signs.length]!);
    }
    expect(connection.closes).toEqual([]);
    scheduler.advance(pingTimeoutMs);
    expectClosed(connection, 'NO_PONG');
  });

  test('a client that only talks hears from us in every interval', () => {
    const { connection, handler, scheduler, attached } = openRig();
    for (let s = 0; s < 60; s += 1) {
      scheduler.advance(1_000);
      handler.message(frameOf(98));
    }
    expect(attached.requests).toEqual([]);
    const pings = connection.frames().filter((one) => one.op === Op.PING);
    expect(pings.length).toBe(60_000 / pingIntervalMs);
  });

  test('a client that is talked to and talks is not asked', () => {
    const { connection, handler, scheduler, attached } = openRig();
    for (let s = 1; s <= 60; s += 1) {
      scheduler.advance(1_000);
      handler.message(anyRequest(s));
      attached.reply();
      scheduler.settle();
    }
    expect(connection.frames().every((one) => one.op === Op.RESULT)).toBe(true);
  });

  test('PONG.rev is the position, and never more than what was sent', () => {
    const { handler, attached, scheduler } = openRig();
    attached.delivery.push(pushOf({ class: 'reliable', rev: 120 }));
    handler.message(frameOf(Op.PONG, 0, { rev: 120 }));
    scheduler.settle();
    handler.message(frameOf(Op.PONG, 0, { rev: 120 }));
    handler.message(frameOf(Op.PONG, 0, { rev: 9_000 }));
    handler.message(frameOf(Op.PONG));
    expect(attached.calls).toEqual(['begin', 'acknowledged 100', 'acknowledged 120', 'acknowledged 120']);
  });

  test('no timer is left when the connection is gone, in whatever phase', () => {
    for (const phase of ['awaitingHello', 'opening', 'open', 'leaving', 'closing']) {
      const { handler, node, scheduler } = rig();
      if (phase !== 'awaitingHello') handler.message(hello());
      if (phase !== 'awaitingHello' && phase !== 'opening') node.welcome();
      if (phase === 'leaving') handler.message(frameOf(Op.BYE));
      if (phase === 'closing') handler.message(Uint8Array.of(0xc1));
      scheduler.settle();
      handler.closed(1006);
      scheduler.settle();
      expect(scheduler.timers, phase).toBe(0);
    }
  });
});

describe('bookmark', () => {
  function pingRev(made: ReturnType<typeof openRig>): unknown {
    made.scheduler.advance(pingIntervalMs);
    const ping = made.connection.frames().find((one) => one.op === Op.PING);
    made.handler.message(frameOf(Op.PONG));
    return ping?.body['rev'];
  }

  test('PING.rev: what the node vouched for, when all of it was handed to the socket', () => {
    const made = openRig();
    expect(pingRev(made)).toBe(100);
    made.attached.delivery.bookmark(150);
    expect(pingRev(made)).toBe(150);
    made.attached.delivery.push(pushOf({ class: 'reliable', rev: 160 }));
    expect(pingRev(made)).toBe(160);
    made.attached.delivery.bookmark(155);
    expect(pingRev(made), 'never back').toBe(160);
  });

  test('while a push waits for the socket, PING.rev stays before it', () => {
    const made = openRig();
    const { connection, attached, handler } = made;
    connection.reading = false;
    connection.held = LIMITS.socketBytes;
    attached.delivery.push(pushOf({ class: 'grant', rev: 130 }));
    attached.delivery.bookmark(140);
    made.scheduler.advance(pingIntervalMs);
    connection.held = 0;
    connection.reading = true;
    handler.drain();
    const frames = connection.frames();
    expect(frames.map((one) => one.op)).toEqual([Op.PING, Op.PUSH]);
    expect(frames[0]?.body['rev']).toBe(100);
    handler.message(frameOf(Op.PONG));
    expect(pingRev(made)).toBe(140);
  });

  test('a push behind a bookmark that was taken does not hold it back', () => {
    const made = openRig();
    const { connection, attached, scheduler, handler } = made;
    attached.delivery.bookmark(140);
    connection.reading = false;
    connection.held = LIMITS.socketBytes;
    attached.delivery.push(pushOf({ class: 'grant', rev: 150 }));
    scheduler.advance(pingIntervalMs);
    connection.held = 0;
    handler.drain();
    expect(connection.frames()[0]?.body['rev']).toBe(140);
  });

  test('a bookmark that comes although a push was refused is not believed', () => {
    const made = openRig();
    const { connection, attached, handler, scheduler } = made;
    connection.reading = false;
    connection.held = LIMITS.socketBytes;
    let rev = 100;
    while (attached.delivery.push(pushOf({ class: 'reliable', rev: rev + 1 }))) rev += 1;
    attached.delivery.bookmark(5_000);
    connection.held = 0;
    connection.reading = true;
    handler.drain();
    scheduler.settle();
    connection.frames();
    expect(pingRev(made)).toBe(rev);
  });
});

describe('a reader that is slow', () => {
  test('one that takes nothing while bytes wait is closed, resumably, though it talks', () => {
    const { connection, handler, scheduler, attached } = openRig();
    scheduler.advance(100);
    connection.reading = false;
    attached.delivery.push(pushOf({ class: 'reliable', rev: 101, size: 100_000 }));
    const start = scheduler.mono();
    while (connection.closes.length === 0 && scheduler.mono() - start < slowMs * 2) {
      handler.message(frameOf(Op.PONG));
      scheduler.advance(1_000);
    }
    expectClosed(connection, 'SLOW');
    const took = scheduler.mono() - start;
    expect(took).toBeGreaterThanOrEqual(slowMs);
    expect(took).toBeLessThanOrEqual(slowMs + slowMs / 10 + 1_000);
    expect(attached.calls).toContain('detach');
  });

  test('one that takes a little now and then stays', () => {
    const { connection, handler, scheduler, attached } = openRig();
    connection.reading = false;
    attached.delivery.push(pushOf({ class: 'reliable', rev: 101, size: 200_000 }));
    for (let s = 0; s < 120; s += 1) {
      handler.message(frameOf(Op.PONG));
      scheduler.advance(1_000);
      connection.held -= 1_000;
    }
    expect(connection.closes).toEqual([]);
  });

  test('one that had nothing to read for long is not slow at once', () => {
    const { connection, handler, scheduler, attached } = openRig();
    for (let s = 0; s < slowMs / 1_000; s += 1) {
      scheduler.advance(1_000);
      handler.message(frameOf(Op.PONG));
    }
    connection.reading = false;
    attached.delivery.push(pushOf({ class: 'reliable', rev: 101, size: 1_000 }));
    for (let s = 0; s < slowMs / 1_000 - 1; s += 1) {
      scheduler.advance(1_000);
      handler.message(frameOf(Op.PONG));
    }
    expect(connection.closes).toEqual([]);
  });

  test('is told once that it is slow, and caught up when it has read half', () => {
    const { connection, handler, scheduler, attached } = openRig();
    connection.reading = false;
    connection.held = LIMITS.socketBytes;
    let rev = 100;
    while (attached.delivery.push(pushOf({ class: 'reliable', rev: rev + 1, size: 10 }))) rev += 1;
    expect(rev - 100).toBe(LIMITS.outboundFrames);
    expect(attached.delivery.push(pushOf({ class: 'grant', rev: rev + 2 })), 'nothing is skipped').toBe(false);
    expect(attached.calls).toEqual(['begin']);
    connection.held = 0;
    connection.reading = true;
    handler.drain();
    scheduler.settle();
    expect(attached.calls).toEqual(['begin', 'drained']);
    const frames = connection.frames();
    expect(frames.filter((one) => one.op === Op.NOTICE).map((one) => one.body['kind'])).toEqual(['slow']);
    expect(frames.filter((one) => one.op === Op.PUSH).map((one) => one.body['rev'])).toEqual(
      Array.from({ length: LIMITS.outboundFrames }, (_, i) => 101 + i),
    );
    expect(attached.delivery.push(pushOf({ class: 'reliable', rev: rev + 1 }))).toBe(true);
  });

  test.each(['latest', 'ephemeral'] as const)(
    'is told of what is dropped of class %s, once until it has all',
    (kind) => {
      const { connection, handler, scheduler, attached } = openRig();
      const say = (count: number): void => {
        for (let n = 0; n < count; n += 1) attached.delivery.push(pushOf({ class: kind, key: `k${n}`, d: n }));
        scheduler.settle();
      };
      const notices = (): unknown[] =>
        connection.frames().flatMap((one) => (one.op === Op.NOTICE ? [[one.body['kind'], one.body['dropped']]] : []));
      const takes = (): void => {
        connection.held = 0;
        connection.reading = true;
        handler.drain();
        scheduler.settle();
      };
      const blocks = (): void => {
        connection.reading = false;
        connection.held = LIMITS.socketBytes;
      };
      blocks();
      say(LIMITS.outboundFrames);
      takes();
      expect(notices(), 'nothing was dropped').toEqual([]);
      blocks();
      say(LIMITS.outboundFrames + 3);
      say(kind === 'latest' ? 3 : 0);
      takes();
      expect(notices()).toEqual([['slow', 1]]);
      blocks();
      say(LIMITS.outboundFrames + 1);
      takes();
      expect(notices()).toEqual([['slow', kind === 'latest' ? 7 : 4]]);
    },
  );

  test('one that floods us with PINGs and reads none is closed', () => {
    const { connection, handler, scheduler } = openRig();
    connection.reading = false;
    connection.held = LIMITS.socketBytes;
    for (let i = 1; i <= LIMITS.controlFrames + 1 && connection.closes.length === 0; i += 1) {
      handler.message(frameOf(Op.PING));
      if (i % LIMITS.pingsPerSecond === 0) scheduler.advance(1_000);
    }
    scheduler.settle();
    expectClosed(connection, 'SLOW');
  });

  test('one that takes a byte now and then is closed like one that takes none', () => {
    const { connection, handler, scheduler, attached } = openRig();
    connection.reading = false;
    attached.delivery.push(pushOf({ class: 'reliable', rev: 101, size: 100_000 }));
    for (let s = 0; s < slowMs / 1_000 + 10 && connection.closes.length === 0; s += 1) {
      scheduler.advance(1_000);
      handler.message(frameOf(Op.PONG));
      connection.held -= 1;
    }
    expectClosed(connection, 'SLOW');
  });

  test('one that takes little, but steadily, is not', () => {
    const { connection, handler, scheduler, attached } = openRig();
    connection.reading = false;
    attached.delivery.push(pushOf({ class: 'reliable', rev: 101, size: 100_000 }));
    for (let s = 0; s < (3 * slowMs) / 1_000; s += 1) {
      scheduler.advance(1_000);
      handler.message(frameOf(Op.PONG));
      connection.held -= LIMITS.slowBytes / 20;
    }
    expect(connection.closes).toEqual([]);
  });
});

describe('PINGs of a client', () => {
  test('are answered, up to so many in a second; more are faults, which add up to a close', () => {
    const { connection, handler, scheduler } = openRig();
    for (let i = 0; i < LIMITS.pingsPerSecond; i += 1) handler.message(frameOf(Op.PING));
    scheduler.settle();
    expect(connection.frames().filter((one) => one.op === Op.PONG)).toHaveLength(LIMITS.pingsPerSecond);
    handler.message(frameOf(Op.PING));
    scheduler.settle();
    expect(connection.frames()).toMatchObject([{ op: Op.ERROR, body: { code: 'INVALID_FRAME' } }]);
    scheduler.advance(1_000);
    connection.frames();
    handler.message(frameOf(Op.PING));
    scheduler.settle();
    expect(connection.frames().map((one) => one.op)).toEqual([Op.PONG]);
    for (let i = 0; i < LIMITS.pingsPerSecond + LIMITS.protocolErrorsMax; i += 1) handler.message(frameOf(Op.PING));
    scheduler.settle();
    expectClosed(connection, 'PROTOCOL_ERROR');
  });
});

describe('the end of a credential', () => {
  function expiring(lifeMs: number): ReturnType<typeof rig> {
    const made = rig();
    made.node.tokens.set('short', { ...MEMBER, expiresAt: made.scheduler.now() + lifeMs });
    made.handler.message(hello('short'));
    made.node.welcome();
    made.scheduler.settle();
    made.connection.frames();
    return made;
  }

  /** Lets the time pass while the client answers. */
  function live(made: ReturnType<typeof rig>, ms: number): void {
    for (let passed = 0; passed < ms; passed += 1_000) {
      made.scheduler.advance(Math.min(1_000, ms - passed));
      made.handler.message(frameOf(98));
    }
  }

  const notices = (made: ReturnType<typeof rig>): unknown[] =>
    made.connection.frames().filter((one) => one.op === Op.NOTICE);

  test('is announced when a fifth of its life is left, and closes resumably', () => {
    const made = expiring(1_000_000);
    live(made, 800_000 - 1_000);
    expect(notices(made)).toEqual([]);
    live(made, 1_000);
    expect(notices(made)).toMatchObject([{ body: { kind: 'authExpiring', inMs: 200_000 } }]);
    live(made, 199_000);
    expect(notices(made)).toEqual([]);
    expect(made.connection.closes).toEqual([]);
    live(made, 1_000);
    expectClosed(made.connection, 'AUTH_EXPIRED');
    expect(CLOSE.AUTH_EXPIRED.code).toBeLessThan(4500);
  });

  test('a short life is announced half a minute before, or at once', () => {
    const made = expiring(60_000);
    live(made, 29_000);
    expect(notices(made)).toEqual([]);
    live(made, 1_000);
    expect(notices(made)).toMatchObject([{ body: { inMs: 30_000 } }]);
    const shorter = expiring(5_000);
    live(shorter, 1_000);
    expect(notices(shorter).length).toBe(1);
    live(shorter, 4_000);
    expectClosed(shorter.connection, 'AUTH_EXPIRED');
  });

  test('REAUTH moves it, and the next end is announced anew', () => {
    const made = expiring(60_000);
    live(made, 31_000);
    expect(notices(made).length).toBe(1);
    made.node.tokens.set('fresh', { ...MEMBER, expiresAt: made.scheduler.now() + 60_000 });
    made.handler.message(frameOf(Op.REAUTH, 0, { token: 'fresh' }));
    live(made, 30_000);
    expect(notices(made)).toMatchObject([{ body: { kind: 'authRenewed' } }, { body: { kind: 'authExpiring' } }]);
    expect(made.connection.closes).toEqual([]);
    live(made, 30_000);
    expectClosed(made.connection, 'AUTH_EXPIRED');
  });

  test('a wall clock that jumps is noticed within a look', () => {
    const made = expiring(3_600_000);
    made.scheduler.jump(4_000_000);
    live(made, 60_000);
    expectClosed(made.connection, 'AUTH_EXPIRED');
  });

  test('an end years ahead does not wrap a timer', () => {
    const expiry = new Expiry(4_000_000_000_000, 1_700_000_000_000);
    expect(expiry.nextMs(1_700_000_000_000)).toBeLessThanOrEqual(60_000);
  });
});
