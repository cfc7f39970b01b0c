import { describe, expect, test } from 'vitest';
import { CLOSE } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op } from '../../protocol/wire/types.ts';
import type { ConnectionHandler } from '../../src/session/port.ts';
import { FakeConnection, hello, openRig, rig, type Rig } from '../support/session-rig.ts';

interface Dialled {
  readonly connection: FakeConnection;
  readonly handler: ConnectionHandler;
}

function dial(made: Rig, count: number): Dialled[] {
  return Array.from({ length: count }, (_, i) => {
    const connection = new FakeConnection(`c${i}`);
    const handler = made.manager.accept(connection);
    handler.message(hello());
    made.node.welcome();
    made.scheduler.settle();
    connection.frames();
    return { connection, handler };
  });
}

const codes = (dialled: readonly Dialled[]): number[] =>
  dialled.flatMap((one) => one.connection.closes.map((close) => close.code));

test('the list shows every connection', () => {
  const { manager, connection } = openRig();
  expect(manager.list()).toEqual([
    {
      connection: connection.id,
      remote: connection.remote,
      phase: 'open',
      session: 's_100',
      tenant: 'default',
      principal: 'key:k1',
      inFlight: 0,
      queuedBytes: 0,
      dropped: 0,
      rev: 100,
    },
  ]);
});

test('above the cap a connection is refused, and one that leaves makes room', () => {
  const made = rig({ connectionsMax: 3 });
  const more = dial(made, 2);
  const over = new FakeConnection('over');
  const handler = made.manager.accept(over);
  expect(over.closes).toEqual([{ code: CLOSE.OVERLOADED.code, reason: 'overloaded' }]);
  expect(over.all().map((one) => one.op)).toEqual([Op.ERROR, Op.GOAWAY]);
  const delay = over.all()[1]?.body['delayMs'] as readonly [number, number];
  expect(delay[0]).toBeGreaterThan(0);
  expect(delay[1]).toBeGreaterThan(delay[0]);
  handler.message(hello());
  expect(made.node.hellos).toEqual([]);
  handler.closed(1006);
  expect(codes(more)).toEqual([]);
  more[0]?.handler.closed(1006);
  const next = new FakeConnection('next');
  made.manager.accept(next);
  expect(next.closes).toEqual([]);
});

test('goawayAll asks, and goes on serving', () => {
  const made = rig();
  const dialled = dial(made, 3);
  made.manager.goawayAll({ reason: 'rebalance', action: 'resume', delayMs: [0, 500] });
  made.scheduler.settle();
  for (const { connection } of dialled) {
    expect(connection.frames()).toEqual([
      { op: Op.GOAWAY, id: 0, body: { reason: 'rebalance', action: 'resume', delayMs: [0, 500] } },
    ]);
    expect(connection.closes).toEqual([]);
  }
  expect(made.connection.closes, 'one that was not greeted yet has nothing to go on with').toMatchObject([
    { code: CLOSE.SHUTDOWN.code },
  ]);
});

describe('stop', () => {
  test('without connections it is done in the next turn', () => {
    const made = rig();
    made.handler.closed(1006);
    let done = 0;
    made.manager.stop(() => (done += 1));
    expect(done).toBe(0);
    made.scheduler.settle();
    expect(done).toBe(1);
    expect(made.scheduler.timers).toBe(0);
  });

  test('who leaves when asked is not closed', () => {
    const made = rig();
    made.handler.closed(1006);
    const dialled = dial(made, 20);
    let done = false;
    made.manager.stop(() => (done = true));
    made.scheduler.settle();
    for (const { connection } of dialled) {
      const [goaway] = connection.frames();
      expect(goaway?.body).toMatchObject({ reason: 'shutdown', action: 'resume' });
      expect(goaway?.body['delayMs']).toEqual([0, (LIMITS.drainMs * 4) / 5]);
    }
    for (const { handler } of dialled) handler.closed(1000);
    made.scheduler.settle();
    expect(done).toBe(true);
    expect(codes(dialled)).toEqual([]);
    expect(made.scheduler.timers).toBe(0);
  });

  test('newcomers are sent away resumably', () => {
    const made = openRig();
    made.manager.stop(() => undefined);
    const late = new FakeConnection('late');
    made.manager.accept(late);
    expect(late.closes).toEqual([{ code: CLOSE.SHUTDOWN.code, reason: 'shutdown' }]);
    expect(late.all().map((one) => one.op)).toEqual([Op.GOAWAY]);
  });

  test('stragglers are closed at a pace, then cut', () => {
    const made = rig();
    made.handler.closed(1006);
    const dialled = dial(made, 500);
    let done = false;
    made.manager.stop(() => (done = true));
    made.scheduler.advance(LIMITS.drainMs - 1);
    expect(codes(dialled)).toEqual([]);
    made.scheduler.advance(1);
    const first = codes(dialled).length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(100);
    made.scheduler.advance(1_000);
    expect(codes(dialled)).toEqual(dialled.map(() => CLOSE.SHUTDOWN.code));
    for (const { handler } of dialled.slice(1)) handler.closed(4001);
    expect(done).toBe(false);
    made.scheduler.advance(5_000);
    expect(dialled.map((one) => one.connection.destroyed).filter(Boolean).length).toBe(1);
    dialled[0]?.handler.closed(1006);
    made.scheduler.settle();
    expect(done).toBe(true);
    expect(made.scheduler.timers).toBe(0);
  });

  test('5,000 who stay are closed over two seconds, evenly, each with a second to come back in', () => {
    const made = rig();
    made.handler.closed(1006);
    const dialled = dial(made, 5_000);
    made.manager.stop(() => undefined);
    made.scheduler.advance(LIMITS.drainMs - 1);
    let closed = 0;
    const steps: number[] = [];
    made.scheduler.advance(1);
    while (closed < dialled.length && steps.length < 100) {
      const now = codes(dialled).length;
      steps.push(now - closed);
      closed = now;
      made.scheduler.advance(50);
    }
    expect(steps).toEqual(Array.from({ length: 40 }, () => 125));
    for (const { connection } of dialled) {
      const delays = connection.frames().flatMap(({ op, body }) => (op === Op.GOAWAY ? [body['delayMs']] : []));
      expect(delays).toEqual([
        [0, (LIMITS.drainMs * 4) / 5],
        [0, 1_000],
      ]);
    }
  });

  test('what was asked before is answered while the node drains', () => {
    const made = openRig();
    made.handler.message(hello());
    const other = rig();
    other.handler.message(hello());
    const attached = other.node.welcome();
    other.scheduler.settle();
    other.connection.frames();
    other.manager.stop(() => undefined);
    attached.delivery.bookmark(101);
    other.scheduler.settle();
    expect(other.connection.frames().map((one) => one.op)).toEqual([Op.GOAWAY]);
    expect(other.manager.list()[0]?.phase).toBe('open');
  });
});
