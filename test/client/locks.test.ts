/** Locks of the SDK against a server that the test plays by hand. */
import { describe, expect, it } from 'vitest';
import { LOCK_MODES, type LockMode } from '../../protocol/wire/locks.ts';
import type { MusterError } from '../../src/client/errors.ts';
import { coversMode, safely, type LockUser, type RevokeRequest } from '../../src/client/lock-holding.ts';
import type { LockAsked, LockTicket } from '../../src/client/lock-ticket.ts';
import { covers, modeNo } from '../../src/engine/locks/modes.ts';
import { World, type Link } from './peer.ts';

/** Who asked, and what it was told. */
interface Asker {
  readonly ticket: LockTicket;
  readonly told: string[];
  released: boolean;
  release(): void;
  giveUp(): void;
}

function ask(world: World, more: Partial<LockAsked> & { readonly mode?: LockMode } = {}): Asker {
  const told: string[] = [];
  const reasonOf = ({ code, details }: MusterError): string => {
    const reason = typeof details === 'object' && details !== null && 'reason' in details ? details['reason'] : '';
    return `${code} ${String(reason)}`.trim();
  };
  const user: LockUser = {
    granted: () => told.push('granted'),
    failed: (error) => told.push(`failed ${reasonOf(error)}`),
    lost: (error) => told.push(`lost ${reasonOf(error)}`),
    closing: () => told.push('closing'),
    jeopardised: (is) => told.push(is ? 'in jeopardy' : 'safe'),
    revoke: (request: RevokeRequest) => told.push(`revoke ${request.message} ${request.graceMs}`),
  };
  const { mode = 'exclusive', ...rest } = more;
  const ticket = world.sdk.locks.acquire(
    {
      locks: [{ path: 'doc', mode }],
      several: false,
      waitMs: 60_000,
      scope: 'session',
      progressMs: undefined,
      terms: {},
      ...rest,
    },
    user,
  );
  world.settle();
  const asker: Asker = {
    ticket,
    told,
    released: false,
    release: () => {
      world.sdk.locks.release(ticket, () => {
        asker.released = true;
      });
      world.settle();
    },
    giveUp: () => {
      world.sdk.locks.abandon(ticket, Object.assign(new Error('given up'), { code: 'GIVEN_UP' }) as never);
      world.settle();
    },
  };
  return asker;
}

function view(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'lck_1',
    path: 'doc',
    mode: 'exclusive',
    token: '7',
    owner: 'ses_1',
    count: 1,
    state: 'held',
    ttlMs: 15_000,
    expiresInMs: 15_000,
    autoRefresh: true,
    acquiredAt: 1,
    ...more,
  };
}
const lease = (ttlMs: number, more: Record<string, unknown> = {}): Record<string, unknown> =>
  view({ ttlMs, expiresInMs: ttlMs, autoRefresh: false, ...more });

const asked = (link: Link): string[] => link.requests().map(({ m, p }) => `${m} ${said(p)}`.trim());

function said({ path, locks, id, requestId, token, waitMs, mode }: Record<string, unknown>): string {
  const words = [path ?? id ?? requestId, Array.isArray(locks) ? `${locks.length} paths` : undefined, token];
  return [...words, waitMs === undefined ? undefined : `${String(mode ?? '')} ${String(waitMs)}`]
    .filter((word) => word !== undefined)
    .join(' ');
}

/** A client on which nothing is on its way. */
function online(): { readonly world: World; readonly link: Link } {
  const world = new World();
  const link = world.online();
  link.take();
  return { world, link };
}

/** The same, and it holds a lock. */
function holding(
  seen = view(),
  terms: LockAsked['terms'] = {},
): { readonly world: World; readonly link: Link; readonly asker: Asker } {
  const { world, link } = online();
  const asker = ask(world, { terms });
  const [request] = link.requests();
  link.result(request?.id ?? 0, { granted: true, lock: seen });
  world.settle();
  expect(asker.told).toEqual(['granted']);
  return { world, link, asker };
}

/** The same, and it waits. */
function queued(more: Partial<LockAsked> = {}): { readonly world: World; readonly link: Link; readonly asker: Asker } {
  const { world, link } = online();
  const asker = ask(world, more);
  const [request] = link.requests();
  link.result(request?.id ?? 0, { granted: false, requestId: 'lrq_1' });
  world.settle();
  expect(asker.told).toEqual([]);
  return { world, link, asker };
}

/** Answers what probes there are; how many. */
function pong(link: Link): number {
  const pings = link.take().filter(([op]) => op === 15);
  for (const _ of pings) link.say([17, 0, { now: 1 }]);
  return pings.length;
}

/** Lets time pass; the server answers probes. */
function pass(world: World, link: Link, ms: number): number {
  let probes = 0;
  for (let left = ms; left > 0; left -= 500) {
    world.scheduler.advance(Math.min(500, left));
    link.say([15, 0, { rev: 100 }]);
    world.settle();
    probes += pong(link);
  }
  return probes;
}

describe('a lock that is free', () => {
  it('is held, shows its token, and is released under it', () => {
    const { world, link, asker } = holding();
    expect(asker.ticket.lock?.token).toBe('7');
    expect(world.sdk.locks.validUntil(asker.ticket)).toBe(safely(15_000));
    asker.release();
    const [release] = link.requests();
    expect([release?.m, release?.p]).toEqual(['lock.release', { id: 'lck_1', token: '7' }]);
    expect(asker.released).toBe(false);
    link.result(release?.id ?? 0, { remaining: 0 });
    expect(asker.released).toBe(true);
    expect(world.sdk.locks.isIdle).toBe(true);
  });

  it('is not asked for twice when the answer is that others hold it', () => {
    const { world, link } = online();
    const asker = ask(world, { waitMs: 0 });
    const [request] = link.requests();
    expect(request?.p['waitMs']).toBe(0);
    link.error(request?.id ?? 0, 'BUSY', { retryable: true });
    world.scheduler.advance(10_000);
    expect(asker.told).toEqual(['failed BUSY']);
    expect(asked(link)).toEqual([]);
  });

  it('on several paths is one lock of its own', () => {
    const { world, link } = online();
    const locks = [
      { path: 'a', mode: 'exclusive' as const },
      { path: 'b', mode: 'shared' as const },
    ];
    const asker = ask(world, { locks, several: true });
    const [request] = link.requests();
    expect([request?.m, request?.p['locks']]).toEqual(['lock.acquireAll', locks]);
    link.result(request?.id ?? 0, { granted: true, lock: view({ path: 'a', members: locks }) });
    expect(asker.ticket.lock?.members).toEqual(locks);
    asker.release();
    expect(asked(link)).toEqual(['lock.release lck_1 7']);
  });
});

describe('waiting', () => {
  it('takes the grant that is pushed, if the server heard the client not long ago', () => {
    const { world, link, asker } = queued();
    expect(pass(world, link, 20_000)).toBeGreaterThanOrEqual(3);
    link.push('lock.granted', { requestId: 'lrq_1', lock: view() }, { rev: 101 });
    world.settle();
    expect(asker.told).toEqual(['granted']);
    expect(asked(link)).toEqual([]);
    const left = world.sdk.locks.validUntil(asker.ticket) - world.scheduler.mono();
    expect(left).toBeGreaterThan(15_000 * (2 / 3) - 700);
    expect(left).toBeLessThanOrEqual(safely(15_000));
    expect(world.pushes).toEqual([]);
  });

  it('confirms a lock with a time of its own before anybody works under it', () => {
    const { world, link, asker } = queued({ terms: { ttlMs: 3_000 } });
    pass(world, link, 20_000);
    link.push('lock.granted', { requestId: 'lrq_1', lock: lease(3_000) }, { rev: 101 });
    world.settle();
    expect(asker.told).toEqual([]);
    const [extend] = link.requests();
    expect(extend?.m).toBe('lock.extend');
    const sentAt = world.scheduler.mono();
    world.scheduler.advance(400);
    link.result(extend?.id ?? 0, { lock: lease(3_000) });
    world.settle();
    expect(asker.told).toEqual(['granted']);
    expect(world.sdk.locks.validUntil(asker.ticket)).toBe(sentAt + safely(3_000));
  });

  it('asks anew when what was granted is gone before it was confirmed', () => {
    const { world, link, asker } = queued({ terms: { ttlMs: 3_000 } });
    link.push('lock.granted', { requestId: 'lrq_1', lock: lease(3_000) }, { rev: 101 });
    world.settle();
    link.error(link.requests()[0]?.id ?? 0, 'NOT_HELD');
    world.settle();
    expect(asked(link)).toEqual(['lock.acquire doc exclusive 60000']);
    expect(asker.told).toEqual([]);
  });

  it.each(['WAIT_TIMEOUT', 'DEADLOCK', 'CANCELLED', 'SOMETHING_LATER'])('ends with the reason %s', (code) => {
    const { world, link, asker } = queued();
    link.push('lock.refused', { requestId: 'lrq_1', code }, { rev: 101 });
    world.settle();
    expect(asker.told).toEqual([`failed ${code}`]);
    expect(asked(link)).toEqual([]);
    expect(world.sdk.locks.isIdle).toBe(true);
  });

  it('finds a grant that came before the answer to its request', () => {
    const { world, link } = online();
    const asker = ask(world);
    const [request] = link.requests();
    link.push('lock.granted', { requestId: 'lrq_1', lock: view() }, { rev: 101 });
    link.result(request?.id ?? 0, { granted: false, requestId: 'lrq_1' });
    world.settle();
    expect(asker.told).toEqual(['granted']);
  });

  it('is bounded here too, should the server not say how it ended', () => {
    const { world, link, asker } = queued({ waitMs: 2_000 });
    pass(world, link, 6_900);
    expect(asker.told).toEqual([]);
    world.scheduler.advance(200);
    expect(asker.told).toEqual(['failed WAIT_TIMEOUT']);
    expect(asked(link)).toEqual(['lock.cancel lrq_1']);
  });
});

describe('giving up', () => {
  it('cancels a request that waits; a grant that crosses it is the server’s to release', () => {
    const { world, link, asker } = queued();
    asker.giveUp();
    expect(asker.told).toEqual(['failed GIVEN_UP']);
    link.push('lock.granted', { requestId: 'lrq_1', lock: view() }, { rev: 101 });
    world.settle();
    expect(asked(link)).toEqual(['lock.cancel lrq_1']);
    expect(world.sdk.locks.isIdle).toBe(true);
  });

  it.each([
    ['releases', { granted: true, lock: view() }, 'lock.release lck_1 7'],
    ['cancels', { granted: false, requestId: 'lrq_1' }, 'lock.cancel lrq_1'],
  ])('%s what the answer brings that nobody waits for', (_how, answer, then) => {
    const { world, link } = online();
    const asker = ask(world);
    const [request] = link.requests();
    asker.giveUp();
    link.result(request?.id ?? 0, answer);
    world.settle();
    expect(asker.told).toEqual(['failed GIVEN_UP']);
    expect(asked(link)).toEqual([then]);
  });

  it('releases what is confirmed only then', () => {
    const { world, link, asker } = queued({ terms: { ttlMs: 3_000 } });
    link.push('lock.granted', { requestId: 'lrq_1', lock: lease(3_000) }, { rev: 101 });
    world.settle();
    const [extend] = link.requests();
    asker.giveUp();
    link.result(extend?.id ?? 0, { lock: lease(3_000) });
    world.settle();
    expect(asked(link)).toEqual(['lock.release lck_1 7']);
  });
});

describe('holding', () => {
  it('is renewed by probes for as long as the session lives', () => {
    const { world, link, asker } = holding();
    expect(pass(world, link, 60_000)).toBeGreaterThanOrEqual(11);
    expect(asker.told).toEqual(['granted']);
    expect(world.sdk.locks.validUntil(asker.ticket)).toBeGreaterThan(world.scheduler.mono() + 9_000);
  });

  it('is extended in each third of its time, if it has one', () => {
    const { world, link, asker } = holding(lease(3_000), { ttlMs: 3_000 });
    const times: number[] = [];
    for (let n = 0; n < 100; n += 1) {
      world.scheduler.advance(100);
      link.say([15, 0, { rev: 100 }]);
      world.settle();
      for (const { id, m } of link.requests()) {
        expect(m).toBe('lock.extend');
        times.push(world.scheduler.mono());
        link.result(id, { lock: lease(3_000) });
      }
    }
    expect(times.length).toBeGreaterThanOrEqual(9);
    expect(asker.told).toEqual(['granted']);
  });

  it('is in jeopardy when the server does not answer, and lost when its time is over, by this clock', () => {
    const { world, link, asker } = holding();
    world.scheduler.advance(safely(15_000) - 7_500 - 10);
    expect(asker.told).toEqual(['granted']);
    world.scheduler.advance(20);
    expect(asker.told).toEqual(['granted', 'in jeopardy']);
    world.scheduler.advance(7_490);
    expect(asker.told).toEqual(['granted', 'in jeopardy', 'lost LOCK_LOST unconfirmed']);
    expect(world.sdk.locks.validUntil(asker.ticket)).toBe(-Infinity);
    link.take();
    asker.release();
    // The server may count on it still.
    expect(asked(link)).toEqual(['lock.release lck_1 7']);
  });

  it('ends when an extension is refused', () => {
    const { world, link, asker } = holding(lease(3_000), { ttlMs: 3_000 });
    world.scheduler.advance(1_100);
    link.error(link.requests()[0]?.id ?? 0, 'NOT_HELD');
    world.settle();
    expect(asker.told).toEqual(['granted', 'lost LOCK_LOST lost']);
    asker.release();
    expect(asker.released).toBe(true);
    expect(asked(link)).toEqual([]);
  });

  it.each(['forced', 'away', 'expired'])('ends when the server says that it is lost: %s', (reason) => {
    const { world, link, asker } = holding();
    link.push(
      'lock.lost',
      { id: 'lck_1', path: 'doc', token: '7', reason, by: 'key:1', message: 'stuck' },
      { rev: 101 },
    );
    world.settle();
    expect(asker.told).toEqual(['granted', `lost LOCK_LOST ${reason}`]);
    asker.release();
    expect(asked(link)).toEqual([]);
  });

  it('does not heed what is said under another token', () => {
    const { world, link, asker } = holding();
    link.push('lock.lost', { id: 'lck_1', path: 'doc', token: '6', reason: 'forced' }, { rev: 101 });
    world.settle();
    expect(asker.told).toEqual(['granted']);
  });

  it('hears that an administrator asks for it', () => {
    const { world, link, asker } = holding();
    const data = { id: 'lck_1', path: 'doc', token: '7', by: 'key:1', message: 'please', graceMs: 5_000 };
    link.push('lock.revokeRequested', data, { rev: 101 });
    world.settle();
    expect(asker.told).toEqual(['granted', 'revoke please 5000']);
  });

  it('counts progress from its last sign, and leaves the signs to the work', () => {
    const { world, link } = online();
    const asker = ask(world, { terms: { progressTimeoutMs: 4_000 }, progressMs: 4_000 });
    link.result(link.requests()[0]?.id ?? 0, { granted: true, lock: view() });
    world.settle();
    pass(world, link, 2_000);
    let answered = '';
    world.sdk.locks.extend(asker.ticket, (reply) => {
      answered = reply.ok ? 'extended' : reply.error.code;
    });
    world.settle();
    link.result(link.requests()[0]?.id ?? 0, { lock: view() });
    world.settle();
    expect(answered).toBe('extended');
    expect(world.sdk.locks.validUntil(asker.ticket)).toBe(2_000 + safely(4_000));
    pass(world, link, 4_000);
    expect(asker.told).toEqual(['granted', 'lost LOCK_LOST unconfirmed']);
  });
});

describe('the connection', () => {
  it('lost means jeopardy, until the session is resumed in time', () => {
    const { world, link, asker } = holding();
    link.end();
    expect(asker.told).toEqual(['granted', 'in jeopardy']);
    world.redial();
    const back = world.greet({ resumed: true });
    world.settle();
    expect(asker.told).toEqual(['granted', 'in jeopardy', 'safe']);
    pass(world, back, 30_000);
    expect(asker.told).toHaveLength(3);
  });

  it('lost for too long loses the lock, which a later resume does not give back', () => {
    const { world, link, asker } = holding();
    link.end();
    for (let n = 0; n < 4; n += 1) {
      world.redial();
      if (world.scheduler.mono() < 15_000) world.link.end();
    }
    world.scheduler.advance(15_000);
    expect(asker.told).toEqual(['granted', 'in jeopardy', 'lost LOCK_LOST unconfirmed']);
    world.redial();
    const back = world.greet({ resumed: true });
    expect(asker.told).toHaveLength(3);
    asker.release();
    expect(asked(back)).toEqual(['lock.release lck_1 7']);
  });

  it('that takes a release with it is no reason to wait; the release is sent again', () => {
    const { world, link, asker } = holding();
    asker.release();
    expect(asked(link)).toEqual(['lock.release lck_1 7']);
    link.end();
    expect(asker.released).toBe(true);
    world.redial();
    expect(asked(world.greet({ resumed: true }))).toEqual(['lock.release lck_1 7']);
  });

  it('a release without a connection is sent with the next', () => {
    const { world, link, asker } = holding();
    link.end();
    asker.release();
    expect(asker.released).toBe(true);
    world.redial();
    expect(asked(world.greet({ resumed: true }))).toEqual(['lock.release lck_1 7']);
  });
});

describe('a fresh session', () => {
  const fresh = (snapshot: Record<string, unknown> = {}): Record<string, unknown> => ({
    session: 'ses_2',
    resumed: false,
    reason: 'expired',
    snapshot: { tasks: [], locks: [], waits: [], subs: [], ...snapshot },
  });

  it('does not pretend to hold what the one before held', () => {
    const { world, asker } = holding();
    const back = world.reconnect(fresh());
    expect(asker.told).toEqual(['granted', 'in jeopardy', 'lost LOCK_LOST session']);
    asker.release();
    expect(asked(back)).toEqual(['lock.release lck_1 7']);
  });

  it('goes on with what its snapshot lists', () => {
    const { world, asker } = holding();
    const back = world.reconnect(fresh({ locks: [view({ owner: 'ses_2' })] }));
    expect(asker.told).toEqual(['granted', 'in jeopardy', 'safe']);
    pass(world, back, 30_000);
    expect(asker.told).toHaveLength(3);
  });

  it('reads the rest of a long snapshot before it counts on anything', () => {
    const { world, asker } = holding();
    const back = world.reconnect(fresh({ more: 't9' }));
    expect(asker.told).toEqual(['granted', 'in jeopardy']);
    const until = world.sdk.locks.validUntil(asker.ticket);
    const [page] = back.requests();
    expect([page?.m, page?.p]).toEqual(['session.snapshot', { cursor: 't9' }]);
    world.scheduler.advance(1_000);
    expect(world.sdk.locks.validUntil(asker.ticket)).toBe(until);
    back.result(page?.id ?? 0, { snapshot: { tasks: [], locks: [view()], waits: [], subs: [] } });
    world.settle();
    expect(asker.told).toEqual(['granted', 'in jeopardy', 'safe']);
  });

  it('leaves what has a time of its own, and goes on to extend it', () => {
    const { world, asker } = holding(lease(6_000), { ttlMs: 6_000 });
    const back = world.reconnect(fresh());
    expect(asker.told).toEqual(['granted', 'in jeopardy', 'safe']);
    world.scheduler.advance(2_000);
    expect(asked(back)).toEqual(['lock.extend lck_1 7']);
  });

  it('asks anew for what waited, and undoes the request before', () => {
    const { world, asker } = queued();
    const back = world.reconnect(fresh());
    const [cancel] = back.requests();
    expect([cancel?.m, cancel?.p]).toEqual(['lock.cancel', { requestId: 'lrq_1' }]);
    back.error(cancel?.id ?? 0, 'NOT_FOUND');
    world.settle();
    const [again] = back.requests();
    expect(again?.m).toBe('lock.acquire');
    expect(again?.p['waitMs']).toBeLessThan(60_000);
    back.result(again?.id ?? 0, { granted: true, lock: view({ token: '9' }) });
    world.settle();
    expect(asker.told).toEqual(['granted']);
    expect(asker.ticket.lock?.token).toBe('9');
  });

  it('waits on for what its snapshot lists', () => {
    const { world, asker } = queued();
    const back = world.reconnect(fresh({ waits: [{ requestId: 'lrq_1', path: 'doc' }] }));
    expect(asked(back)).toEqual([]);
    back.push('lock.granted', { requestId: 'lrq_1', lock: view() }, { rev: 101 });
    world.settle();
    expect(asker.told).toEqual(['granted']);
  });

  it('undoes an answer that may be the old session’s', () => {
    const { world, link } = online();
    const asker = ask(world);
    const [first] = link.requests();
    const back = world.reconnect(fresh());
    const [again] = back.requests();
    expect([again?.m, again?.meta?.['k']]).toEqual(['lock.acquire', first?.meta?.['k']]);
    back.result(again?.id ?? 0, { granted: true, lock: view({ owner: 'ses_1' }) });
    world.settle();
    expect(asker.told).toEqual([]);
    expect(asked(back)).toEqual(
      ['lock.release lck_1 7', 'lock.acquire doc exclusive 60000'].map((one) =>
        expect.stringContaining(one.slice(0, 20)),
      ),
    );
  });
});

describe('a gap', () => {
  it('is made good by a snapshot: what is not in it is lost, what waits and is not in it is asked for anew', () => {
    const { world, link, asker } = holding();
    const other = ask(world, { locks: [{ path: 'b', mode: 'exclusive' }] });
    link.result(link.requests()[0]?.id ?? 0, { granted: false, requestId: 'lrq_2' });
    link.say([2, 0, { kind: 'gap' }]);
    world.settle();
    const [page] = link.requests();
    expect(page?.m).toBe('session.snapshot');
    link.result(page?.id ?? 0, { snapshot: { tasks: [], locks: [], waits: [], subs: [] } });
    world.settle();
    expect(asker.told).toEqual(['granted', 'lost LOCK_LOST session']);
    expect(asked(link)).toEqual(['lock.cancel lrq_2']);
    expect(other.told).toEqual([]);
  });

  it('makes an answer doubtful whose request was sent before it', () => {
    const { world, link } = holding();
    const other = ask(world, { locks: [{ path: 'b', mode: 'exclusive' }] });
    const [request] = link.requests();
    link.say([2, 0, { kind: 'gap' }]);
    link.result(request?.id ?? 0, { granted: false, requestId: 'lrq_2' });
    world.settle();
    expect(asked(link)).toEqual(['session.snapshot', 'lock.cancel lrq_2']);
    expect(other.told).toEqual([]);
  });
});

describe('the same client', () => {
  it('holds a lock once for all who want it, and releases it behind the last', () => {
    const { world, link, asker } = holding();
    const second = ask(world);
    const third = ask(world, { mode: 'shared' });
    expect([second.told, third.told]).toEqual([['granted'], ['granted']]);
    asker.release();
    second.release();
    expect([asker.released, second.released]).toEqual([true, true]);
    expect(asked(link)).toEqual([]);
    third.release();
    expect(asked(link)).toEqual(['lock.release lck_1 7']);
  });

  it('asks for a stronger mode, has a new token then, and releases both', () => {
    const { world, link, asker } = holding(view({ mode: 'shared' }));
    const stronger = ask(world);
    const [request] = link.requests();
    // The lock is kept while a request of this client for the same path is on its way.
    asker.release();
    expect(asked(link)).toEqual([]);
    link.result(request?.id ?? 0, { granted: true, lock: view({ token: '8', count: 2 }) });
    world.settle();
    expect(stronger.told).toEqual(['granted']);
    stronger.release();
    expect(asked(link)).toEqual(['lock.release lck_1 8', 'lock.release lck_1 8']);
  });

  it('releases what it kept for a stronger mode that it does not get', () => {
    const { world, link, asker } = holding(view({ mode: 'shared' }));
    const stronger = ask(world);
    const [request] = link.requests();
    asker.release();
    link.error(request?.id ?? 0, 'DEADLOCK', { retryable: true });
    world.settle();
    expect(stronger.told).toEqual(['failed DEADLOCK']);
    expect(asked(link)).toEqual(['lock.release lck_1 7']);
  });

  it('keeps the token of a stronger mode that nobody waits for any more', () => {
    const { world, link, asker } = holding(view({ mode: 'shared' }));
    const stronger = ask(world);
    const [request] = link.requests();
    stronger.giveUp();
    link.result(request?.id ?? 0, { granted: true, lock: view({ token: '8', count: 2 }) });
    world.settle();
    expect(asked(link)).toEqual(['lock.release lck_1 8']);
    expect(asker.ticket.lock?.token).toBe('8');
    asker.release();
    expect(asked(link)).toEqual(['lock.release lck_1 8']);
  });

  it('has one request for a path on its way: the next one asks behind it, or joins in', () => {
    const { world, link } = online();
    const first = ask(world, { mode: 'shared' });
    const second = ask(world, { mode: 'shared' });
    const third = ask(world);
    const [request, ...none] = link.requests();
    expect(none).toEqual([]);
    link.result(request?.id ?? 0, { granted: true, lock: view({ mode: 'shared' }) });
    world.settle();
    expect([first.told, second.told, third.told]).toEqual([['granted'], ['granted'], []]);
    expect(asked(link)).toEqual(['lock.acquire doc exclusive 60000']);
  });

  it('does not wait behind itself if it does not want to wait', () => {
    const { world, asker } = queued();
    const attempt = ask(world, { waitMs: 0 });
    expect([asker.told, attempt.told]).toEqual([[], ['failed BUSY']]);
  });

  it('waits behind itself no longer than it wants to', () => {
    const { world, link } = queued();
    const second = ask(world, { waitMs: 1_000 });
    pass(world, link, 1_100);
    expect(second.told).toEqual(['failed WAIT_TIMEOUT']);
  });

  it('goes on to the next request when it gave the first one up', () => {
    const { world, link, asker } = queued();
    ask(world);
    asker.giveUp();
    const [cancel, ...none] = link.requests();
    expect([cancel?.m, none]).toEqual(['lock.cancel', []]);
    link.result(cancel?.id ?? 0, { outcome: 'cancelled' });
    world.settle();
    expect(asked(link)).toEqual(['lock.acquire doc exclusive 60000']);
  });
});

describe('closing', () => {
  it('asks the work to end, and leaves when it has released', () => {
    const { world, link, asker } = holding();
    const waits = ask(world, { locks: [{ path: 'b', mode: 'exclusive' }] });
    world.sdk.close({ drain: false, requeue: true, withinMs: 5_000 });
    expect(asker.told).toEqual(['granted', 'closing']);
    expect(waits.told).toEqual(['failed CLIENT_CLOSED']);
    const late = ask(world);
    expect(late.told).toEqual(['failed CLIENT_CLOSED']);
    link.take();
    asker.release();
    expect(link.take().map(([op, , body]) => [op, body['m']])).toEqual([
      [5, 'lock.release'],
      [21, undefined],
    ]);
  });

  it('waits for the work with `drain`', () => {
    const { world, link, asker } = holding();
    world.sdk.close({ drain: true, requeue: true });
    world.settle();
    expect(asker.told).toEqual(['granted']);
    expect(link.take()).toEqual([]);
    asker.release();
    link.result(link.requests()[0]?.id ?? 0, { remaining: 0 });
    world.settle();
    expect(link.take().map(([op]) => op)).toEqual([21]);
  });

  it('by the server loses what is held, and says nothing more', () => {
    const { world, link, asker } = holding();
    link.end(4_511);
    expect(world.closed?.error).toBeDefined();
    expect(asker.told).toEqual(['granted', 'lost LOCK_LOST closed']);
    asker.release();
    expect(asker.released).toBe(true);
    expect(world.scheduler.timers).toBe(0);
  });
});

it('knows of modes what the server knows', () => {
  for (const strong of LOCK_MODES)
    for (const weak of LOCK_MODES) expect(coversMode(strong, weak)).toBe(covers(modeNo(strong), modeNo(weak)));
});
