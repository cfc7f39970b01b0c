/** Locks by example: sessions that come and go, pushes that are left out, snapshots, bounds, and that many cost little. */
import { describe, expect, it } from 'vitest';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { ENGINE_VERSION, LOCKS_VERSION } from '../../../src/engine/port.ts';
import { lockGraph, lockOrder, listLocks } from '../../../src/engine/queries.ts';
import { sessionSnapshot } from '../../../src/engine/sessions/snapshot.ts';
import { codeOf, Rig } from '../rig.ts';

interface Answer {
  readonly granted: boolean;
  readonly lock: { readonly id: string; readonly token: string };
  readonly requestId: string;
  readonly outcome?: string;
}

function locks(version = ENGINE_VERSION) {
  const rig = new Rig();
  for (let next = 2; next <= version; next += 1) rig.one({ kind: 'upgrade', version: next });
  const ask = (session: string, method: WriteMethod, params: object): Answer => {
    const { reply } = rig.ask(session, method, params);
    if (!reply.ok) throw new Error(reply.rejection.code);
    return reply.result as Answer;
  };
  const code = (session: string, method: WriteMethod, params: object): string =>
    codeOf(rig.ask(session, method, params).reply);
  return { rig, s: rig.engine.state, ask, code, a: rig.session({ who: 'key:a' }), b: rig.session({ who: 'key:b' }) };
}

describe('locks', () => {
  it('are not there before the state is of their version', () => {
    const { code, a } = locks(LOCKS_VERSION - 1);
    expect(code(a, 'lock.acquire', { path: 'x' })).toBe('UNAVAILABLE');
  });

  it('are the same lock to a request that is repeated', () => {
    const { rig, a } = locks();
    const first = rig.ask(a, 'lock.acquire', { path: 'x' }, { id: 5 });
    const again = rig.ask(a, 'lock.acquire', { path: 'x' }, { id: 5 });
    expect(again.reply).toEqual(first.reply);
    expect([...rig.engine.state.locks.hold()].map(({ count }) => count)).toEqual([1]);
  });

  it('are said to last no longer than without progress', () => {
    const { rig, s, a } = locks();
    const left = (method: WriteMethod, params: object): number => {
      const { reply } = rig.ask(a, method, params);
      return reply.ok ? (reply.result as { readonly lock: { readonly expiresInMs: number } }).lock.expiresInMs : -1;
    };
    for (const [path, terms] of [
      ['kept', { progressTimeoutMs: 4_000 }],
      ['leased', { progressTimeoutMs: 4_000, ttlMs: 60_000 }],
      ['brief', { progressTimeoutMs: 60_000, ttlMs: 4_000 }],
    ] as const) {
      expect(left('lock.acquire', { path, ...terms }), path).toBe(4_000);
      rig.tick(1_000);
      const lock = s.locks.hold().find(({ members }) => members[0]?.path === path);
      expect(listLocks(s, {}).locks.find((one) => one.path === path)?.expiresInMs, path).toBe(3_000);
      expect(left('lock.extend', { id: lock?.id, token: String(lock?.token) }), path).toBe(4_000);
    }
  });

  it('have tokens of the counter that assignments use', () => {
    const { rig, ask, a } = locks();
    const before = ask(a, 'lock.acquire', { path: 'x' });
    rig.agent('w');
    const task = rig.create(a);
    const after = ask(a, 'lock.acquire', { path: 'y' });
    expect(Number(rig.task(task.id).token)).toBe(Number(before.lock.token) + 1);
    expect(Number(after.lock.token)).toBe(Number(before.lock.token) + 2);
  });

  it('are told in a snapshot, with requests, by pages', () => {
    const { s, ask, a, b } = locks();
    for (let n = 0; n < LIMITS.snapshotItems + 5; n += 1) ask(a, 'lock.acquire', { path: `a/${n}` });
    ask(b, 'lock.acquire', { path: 'x' });
    const { requestId } = ask(a, 'lock.acquire', { path: 'x', waitMs: 1_000 });
    const { snapshot } = sessionSnapshot(s, { session: a });
    expect(snapshot.locks).toHaveLength(LIMITS.snapshotItems);
    const rest = sessionSnapshot(s, { session: a, cursor: snapshot.more ?? '' }).snapshot;
    expect(rest.locks).toHaveLength(5);
    expect(rest.waits).toEqual([{ requestId, path: 'x' }]);
    expect(rest.more).toBeUndefined();
  });

  it('leave a grant out once the lock is gone', () => {
    const { rig, s, ask, a, b } = locks();
    const held = ask(a, 'lock.acquire', { path: 'x' });
    const { requestId } = ask(b, 'lock.acquire', { path: 'x', mode: 'shared', waitMs: 1_000 });
    ask(a, 'lock.release', { id: held.lock.id, token: held.lock.token });
    const push = rig.pushes.find(({ event }) => event === 'lock.granted');
    const order = push?.order?.lock === undefined ? undefined : push.order;
    if (push === undefined || order === undefined) throw new Error('no grant was pushed');
    expect(lockOrder(s, push, order)).toMatchObject({ requestId, lock: { path: 'x', mode: 'shared' } });
    // Held once more and stronger: the grant is told, with the lock as it is now.
    const { lock } = ask(b, 'lock.acquire', { path: 'x' });
    expect(lockOrder(s, push, order)).toMatchObject({ requestId, lock: { token: lock.token, mode: 'exclusive' } });
    ask(b, 'lock.release', { id: lock.id, token: lock.token, all: true });
    expect(lockOrder(s, push, order)).toBeUndefined();
  });

  it('tell each of two requests that one entry grants, and what becomes of both', () => {
    const { rig, s, ask, a, b } = locks();
    const held = ask(a, 'lock.acquire', { path: 'x' });
    const first = ask(b, 'lock.acquire', { path: 'x', mode: 'shared', waitMs: 60_000 }).requestId;
    const second = ask(b, 'lock.acquire', { path: 'x', waitMs: 60_000 }).requestId;
    rig.pushes.length = 0;
    ask(a, 'lock.release', { id: held.lock.id, token: held.lock.token });
    const told = rig.pushes.flatMap((push) => {
      const order = push.order?.lock === undefined ? undefined : push.order;
      return order === undefined ? [] : [lockOrder(s, push, order)];
    });
    expect(told).toMatchObject([
      { requestId: first, lock: { count: 2, mode: 'exclusive' } },
      { requestId: second, lock: { count: 2, mode: 'exclusive' } },
    ]);
    // Whoever gave up the first, and hears of the second alone, gives back what the first was granted.
    expect(ask(b, 'lock.cancel', { requestId: first })).toMatchObject({ outcome: 'released' });
    expect([...s.locks.hold()]).toMatchObject([{ count: 1, requestId: second }]);
  });

  it('that are lost name every request that they were granted to', () => {
    const { rig, ask, a, b } = locks();
    const admin = rig.session({ who: 'key:admin', role: 'admin' });
    const held = ask(a, 'lock.acquire', { path: 'x' });
    const first = ask(b, 'lock.acquire', { path: 'x', mode: 'shared', waitMs: 60_000 }).requestId;
    const second = ask(b, 'lock.acquire', { path: 'x', waitMs: 60_000 }).requestId;
    ask(a, 'lock.release', { id: held.lock.id, token: held.lock.token });
    ask(admin, 'lock.forceUnlock', { path: 'x', reason: 'stuck' });
    const lost = rig.pushes.find(({ event }) => event === 'lock.lost');
    expect(lost?.data).toMatchObject({ requestId: second, requestIds: [first, second] });
  });

  it('of which an administrator asks the owner to let go say so under the token that is current', () => {
    const { rig, s, ask, a } = locks();
    const admin = rig.session({ who: 'key:admin', role: 'admin' });
    ask(a, 'lock.acquire', { path: 'x', mode: 'shared' });
    ask(admin, 'lock.forceUnlock', { path: 'x', reason: 'stuck', graceMs: 60_000 });
    const push = rig.pushes.find(({ event }) => event === 'lock.revokeRequested');
    const order = push?.order?.lock === undefined ? undefined : push.order;
    if (push === undefined || order === undefined) throw new Error('nobody was asked');
    const { lock } = ask(a, 'lock.acquire', { path: 'x' });
    expect(lockOrder(s, push, order)).toMatchObject({ id: lock.id, token: lock.token, message: 'stuck' });
  });

  it('keep their bounds', () => {
    const { code, ask, a, b } = locks();
    for (let n = 0; n < LIMITS.locksPerOwnerMax; n += 1) ask(a, 'lock.acquire', { path: `a/${n}` });
    expect(code(a, 'lock.acquire', { path: 'one' })).toBe('LIMIT_EXCEEDED');
    expect(code(a, 'lock.acquire', { path: 'a/1' })).toBe('ok');
    expect(code(b, 'lock.acquire', { path: 'one' })).toBe('ok');
    for (let n = 1; n < LIMITS.lockCountMax; n += 1) ask(b, 'lock.acquire', { path: 'one' });
    expect(code(b, 'lock.acquire', { path: 'one' })).toBe('REENTRY_LIMIT');
  });

  it('have all ended by force before anybody is granted what they held', () => {
    const { rig, ask, a } = locks();
    const admin = rig.session({ who: 'key:admin', role: 'admin' });
    const others = ['y1', 'y2', 'y3', 'y4'];
    for (const path of others) {
      const holder = rig.session({ who: `key:${path}` });
      ask(holder, 'lock.acquireAll', { locks: [{ path: 'x', mode: 'shared' }, { path }] });
      ask(a, 'lock.acquire', { path, waitMs: 1_000 });
    }
    rig.pushes.length = 0;
    ask(admin, 'lock.forceUnlock', { path: 'x', reason: 'stuck' });
    const told = rig.pushes.filter(({ topic }) => topic === undefined).map(({ event }) => event);
    expect(told).toEqual([...others.map(() => 'lock.lost'), ...others.map(() => 'lock.granted')]);
  });

  it('name the circle that a request would close', () => {
    const { rig, ask, a, b } = locks();
    ask(a, 'lock.acquire', { path: 'x' });
    ask(b, 'lock.acquire', { path: 'y' });
    ask(a, 'lock.acquire', { path: 'y', waitMs: 1_000 });
    const { reply } = rig.ask(b, 'lock.acquire', { path: 'x', waitMs: 1_000 });
    expect(reply).toMatchObject({
      rejection: {
        code: 'DEADLOCK',
        details: {
          cycle: [
            { owner: b, path: 'x' },
            { owner: a, path: 'y' },
          ],
        },
      },
    });
    expect(lockGraph(rig.engine.state, {}).waits).toMatchObject([{ owner: a, blockedBy: [{ owner: b, path: 'y' }] }]);
  });

  it('are looked at for circles in as many steps as their requests need', () => {
    const { rig, s, ask, a, b } = locks();
    const c = rig.session({ who: 'key:c' });
    const reached = 300;
    const requests = Math.ceil(LIMITS.lockSearchMax / reached) + 10;
    for (let n = 0; n < reached; n += 1) {
      ask(c, 'lock.acquire', { path: `c/${n}` });
      ask(b, 'lock.acquire', { path: `c/${n}`, waitMs: 60_000 });
    }
    for (let n = 0; n < requests; n += 1) {
      ask(b, 'lock.acquire', { path: `b/${n}` });
      ask(a, 'lock.acquire', { path: `b/${n}`, waitMs: 60_000 });
    }
    const { lock } = ask(a, 'lock.acquire', { path: 'a' });
    ask(a, 'lock.release', { id: lock.id, token: lock.token });
    expect(rig.names(rig)).not.toContain('lock.refused');
    expect(s.lockWaits.size).toBe(reached + requests);
  });

  it('are listed by path below a prefix, a lock on several paths once', () => {
    const { s, ask, a, b } = locks();
    ask(a, 'lock.acquireAll', { locks: [{ path: 'd/1' }, { path: 'd/2' }, { path: 'e' }] });
    ask(b, 'lock.acquire', { path: 'd/3' });
    ask(b, 'lock.acquire', { path: 'd-other' });
    const first = listLocks(s, { prefix: 'd', limit: 1 });
    expect(first.locks.map(({ owner }) => owner)).toEqual([a]);
    const second = listLocks(s, { prefix: 'd', ...(first.cursor === undefined ? {} : { cursor: first.cursor }) });
    expect(second.locks.map(({ path }) => path)).toEqual(['d/3']);
  });

  it('cost the same below a path with many locks, and with a long queue', () => {
    const { rig, s, ask, code, b } = locks();
    const many = Array.from({ length: 20 }, (_, n) => rig.session({ who: `key:many${n}` }));
    for (const [n, session] of many.entries())
      for (let i = 0; i < 900; i += 1) ask(session, 'lock.acquire', { path: `doc/${n}-${i}` });
    let looks = 0;
    const place = s.lockBook.placeOf('doc');
    if (place === undefined) throw new Error('nobody holds the document');
    const shareOf = place.shareOf.bind(place);
    place.shareOf = (owner) => {
      looks += 1;
      return shareOf(owner);
    };
    expect(code(b, 'lock.acquire', { path: 'doc' })).toBe('BUSY');
    expect(code(b, 'lock.acquire', { path: 'doc/free' })).toBe('ok');
    expect(looks).toBeLessThan(100);
  });
});
