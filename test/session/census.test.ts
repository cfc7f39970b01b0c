/** Bounds of principals and tenants, and rates, as a client meets them. */
import { describe, expect, test } from 'vitest';
import { CLOSE } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op } from '../../protocol/wire/types.ts';
import type { ConnectionHandler } from '../../src/session/port.ts';
import { Census } from '../../src/session/census.ts';
import type { SessionRates } from '../../src/session/observer.ts';
import {
  ADMIN,
  FakeConnection,
  MEMBER,
  anyRequest,
  hello,
  openRig,
  request,
  rig,
  type FakeAttached,
  type Rig,
} from '../support/session-rig.ts';

interface Dialled {
  readonly connection: FakeConnection;
  readonly handler: ConnectionHandler;
  readonly attached?: FakeAttached;
}

const RESUME = { session: 's_100', secret: 'ab', rev: 100 };

function dial(made: Rig, bytes = hello()): Dialled {
  const connection = new FakeConnection();
  const handler = made.manager.accept(connection);
  handler.message(bytes);
  const attached = made.node.hellos.length > 0 ? made.node.welcome() : undefined;
  made.scheduler.settle();
  return { connection, handler, ...(attached === undefined ? {} : { attached }) };
}

function expectFull({ connection }: Dialled, whose: string): void {
  expect(connection.closes).toEqual([{ code: CLOSE.OVERLOADED.code, reason: 'overloaded' }]);
  expect(connection.all()).toMatchObject([
    {
      op: Op.ERROR,
      id: 0,
      body: { code: 'UNAVAILABLE', retryable: true, message: `Too many connections of this ${whose}.` },
    },
    { op: Op.GOAWAY, body: { reason: 'overloaded', action: 'resume' } },
  ]);
  expect(connection.all()[0]?.body['retryAfterMs']).toBeGreaterThan(0);
}

const isOpen = ({ connection }: Dialled): boolean =>
  connection.closes.length === 0 && connection.all()[0]?.op === Op.WELCOME;

describe('connections of a principal', () => {
  test('are bounded; others, and those that are there, do not notice', () => {
    const made = rig({ limits: { principal: 2 } });
    const those = [dial(made), dial(made)];
    expectFull(dial(made), 'principal');
    expect(dial(made, hello('admin')).connection.closes).toEqual([]);
    expect(those.every(isOpen)).toBe(true);
    expect(made.node.hellos).toEqual([]);
  });

  test('one that ends makes room, however it ends, once', () => {
    const made = rig({ limits: { principal: 1 } });
    for (const end of [
      ({ handler }: Dialled) => handler.closed(1006),
      ({ handler }: Dialled) => handler.message(Uint8Array.of(0xc1)),
      ({ attached }: Dialled) => attached?.delivery.close('BAD_AUTH'),
    ]) {
      const first = dial(made);
      expect(isOpen(first)).toBe(true);
      expectFull(dial(made), 'principal');
      end(first);
      const next = dial(made);
      expect(isOpen(next)).toBe(true);
      first.handler.closed(1006);
      expectFull(dial(made), 'principal');
      next.handler.closed(1000);
    }
  });

  test('who resumes is let in for the connection that it replaces', () => {
    const made = rig({ limits: { principal: 1 } });
    const first = dial(made);
    const connection = new FakeConnection();
    const handler = made.manager.accept(connection);
    handler.message(hello('member', { resume: RESUME }));
    first.attached?.delivery.close('REPLACED'); // As the node does before it answers.
    made.node.welcome();
    made.scheduler.settle();
    expect(isOpen({ connection, handler })).toBe(true);
    expectFull(dial(made), 'principal');
  });

  test('all at the bound may resume at once', () => {
    const made = rig({ limits: { principal: 3, tenant: 3 } });
    const old = [dial(made), dial(made), dial(made)];
    const back = old.map(() => {
      const connection = new FakeConnection();
      const handler = made.manager.accept(connection);
      handler.message(hello('member', { resume: RESUME }));
      return { connection, handler };
    });
    for (const { attached } of old) {
      attached?.delivery.close('REPLACED');
      made.node.welcome(100, { resumed: true });
      made.scheduler.settle();
    }
    expect(back.map(isOpen)).toEqual([true, true, true]);
    expectFull(dial(made), 'principal');
    for (const { handler } of back) handler.closed(1006);
    expect([dial(made), dial(made), dial(made)].every(isOpen)).toBe(true);
    expectFull(dial(made), 'principal');
  });

  test('who only says so is refused with WELCOME, and its session ended', () => {
    const made = rig({ limits: { principal: 1 } });
    const first = dial(made);
    const second = dial(made, hello('member', { resume: RESUME }));
    expectFull(second, 'principal');
    expect(second.attached?.calls).toEqual(['bye true']);
    expect(isOpen(first)).toBe(true);
  });

  test.each([{ resumed: true }, { agentId: 'agt_1' }])('a session that may be wanted again is left: %j', (outcome) => {
    const made = rig({ limits: { principal: 1 } });
    dial(made);
    made.manager.accept(new FakeConnection()).message(hello('member', { resume: RESUME }));
    expect(made.node.welcome(100, outcome).calls).toEqual(['detach']);
  });

  test('no more may try to resume than may be connected', () => {
    const made = rig({ limits: { principal: 2 } });
    const asked = Array.from({ length: 5 }, () => {
      const connection = new FakeConnection();
      made.manager.accept(connection).message(hello('member', { resume: RESUME }));
      return connection;
    });
    expect(made.node.hellos).toHaveLength(4);
    expect(asked.map(({ closes }) => closes.length)).toEqual([0, 0, 0, 0, 1]);
  });
});

test('connections of a tenant are bounded over all its principals', () => {
  const made = rig({ limits: { tenant: 2 } });
  made.node.tokens.set('other', { ...MEMBER, tenant: 'acme' });
  expect([dial(made), dial(made, hello('admin'))].every(isOpen)).toBe(true);
  expectFull(dial(made), 'tenant');
  expect(isOpen(dial(made, hello('other')))).toBe(true);
});

test('0 is no bound, and who was refused leaves nothing behind', () => {
  const census = new Census({ limits: { tenant: 0, principal: 0 } });
  for (let i = 0; i < LIMITS.connections.tenant + 10; i += 1) expect('code' in census.enter(MEMBER, false)).toBe(false);
  const small = new Census({ limits: { principal: 1, tenant: 1 } });
  const seat = small.enter(MEMBER, false);
  expect('code' in small.enter(ADMIN, false)).toBe(true);
  expect(small.principals).toBe(1);
  if (!('code' in seat)) small.leave(seat);
  expect(small.principals).toBe(0);
});

test('a stranger becomes known with a HELLO that is taken', () => {
  const made = rig();
  expect(made.connection.known).toBe(false);
  made.handler.message(hello('nobody'));
  expect(made.connection.known).toBe(false);
  const other = rig();
  other.handler.message(hello());
  expect(other.connection.known).toBe(true);
});

/** Takes so many requests, then none for 700 ms. */
class Purse implements SessionRates {
  left: number;
  sessions: number;
  bytes = 0;

  constructor(left: number, sessions = Infinity) {
    this.left = left;
    this.sessions = sessions;
  }

  open(): number {
    this.sessions -= 1;
    return this.sessions < 0 ? 40_000 : 0;
  }

  received(bytes: number): void {
    this.bytes += bytes;
  }

  ask(method: string): number {
    if (method === 'task.complete') return 0;
    this.left -= 1;
    return this.left < 0 ? 700 : 0;
  }
}

describe('rates', () => {
  test('a request too many is refused with when to ask again, and is not executed; others go on', () => {
    const purse = new Purse(2);
    const { connection, handler, attached, scheduler } = openRig('member', { ratesOf: () => purse });
    for (const id of [1, 2, 3]) handler.message(anyRequest(id));
    handler.message(request(4, { m: 'task.complete', p: { id: 't_1', token: '1' } }));
    scheduler.settle();
    expect(attached.requests.map((one) => one.request.id)).toEqual([1, 2, 4]);
    expect(connection.frames()).toMatchObject([
      {
        op: Op.ERROR,
        id: 3,
        body: { code: 'RATE_LIMIT_EXCEEDED', type: 'rate_limit', retryable: true, retryAfterMs: 700 },
      },
    ]);
    purse.left = 1;
    handler.message(anyRequest(3));
    expect(attached.requests.map((one) => one.request.id)).toEqual([1, 2, 4, 3]);
    expect(connection.closes).toEqual([]);
  });

  test('one that wants no answer is refused without one', () => {
    const { connection, handler, attached, scheduler } = openRig('member', { ratesOf: () => new Purse(0) });
    handler.message(anyRequest(0));
    scheduler.settle();
    expect([attached.requests, connection.frames()]).toEqual([[], []]);
  });

  test('all connections of a principal have one purse, which counts their bytes', () => {
    const purses: Purse[] = [];
    const made = rig({
      ratesOf: () => {
        const purse = new Purse(3);
        purses.push(purse);
        return purse;
      },
    });
    const [one, other] = [dial(made), dial(made)];
    dial(made, hello('admin'));
    expect(purses).toHaveLength(2);
    one.handler.message(anyRequest(1));
    other.handler.message(anyRequest(1));
    expect(purses[0]).toMatchObject({ left: 1, bytes: 2 * anyRequest(1).length });
    one.handler.closed(1006);
    other.handler.closed(1006);
    dial(made);
    expect(purses, 'asked for anew').toHaveLength(3);
  });

  const tooFast = [
    {
      op: Op.ERROR,
      body: { code: 'UNAVAILABLE', message: 'Too many fresh sessions of this principal.', retryAfterMs: 40_000 },
    },
    { op: Op.GOAWAY, body: { reason: 'overloaded', action: 'resume' } },
  ];

  test('a fresh session takes from them; one too many is told when to come again', () => {
    const purse = new Purse(0, 1);
    const made = rig({ ratesOf: () => purse, limits: { principal: 2 } });
    const first = dial(made);
    expect(isOpen(first)).toBe(true);
    const second = dial(made);
    expect(second.connection.all()).toMatchObject(tooFast);
    expect([second.attached, second.connection.closes[0]?.code]).toEqual([undefined, CLOSE.OVERLOADED.code]);
    purse.sessions = 1;
    expect(isOpen(dial(made)), 'the one refused is not counted').toBe(true);
  });

  test('resuming takes nothing, but a session that is fresh in the end does', () => {
    const purse = new Purse(0, 0);
    const made = rig({ ratesOf: () => purse });
    const back = (resumed: boolean): { connection: FakeConnection; attached: FakeAttached } => {
      const connection = new FakeConnection();
      made.manager.accept(connection).message(hello('member', { resume: RESUME }));
      const attached = made.node.welcome(100, { resumed });
      made.scheduler.settle();
      return { connection, attached };
    };
    expect(back(true).connection.all()[0]?.op).toBe(Op.WELCOME);
    const { connection, attached } = back(false);
    expect(connection.all()).toMatchObject(tooFast);
    expect(attached.calls).toEqual(['bye true']);
    purse.sessions = 1;
    expect(back(false).connection.all()[0]?.op).toBe(Op.WELCOME);
  });

  test('BYE, PING and PONG are no requests', () => {
    const { connection, handler, attached, scheduler } = openRig('member', { ratesOf: () => new Purse(0) });
    handler.message(request(1, { m: 'agent.list' }));
    scheduler.settle();
    expect(connection.frames().map((one) => one.op)).toEqual([Op.ERROR]);
    handler.message(Uint8Array.from([0x93, 21, 0, 0x81, 0xa7, ...Buffer.from('requeue'), 0xc3]));
    expect(attached.calls).toContain('bye true');
  });
});
