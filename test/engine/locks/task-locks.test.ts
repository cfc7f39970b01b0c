/** Tasks that need locks, by example: when they have them, what their holders are told, who waits for whom, what ends them. */
import { describe, expect, it } from 'vitest';
import { must } from '../../../src/base/assert.ts';
import { explain } from '../../../src/engine/assignment/explain.ts';
import { ENGINE_VERSION, LOCKS_VERSION } from '../../../src/engine/port.ts';
import { getLock, lockGraph, taskLocks } from '../../../src/engine/queries.ts';
import { sessionSnapshot } from '../../../src/engine/sessions/snapshot.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import { renderPush } from '../../../src/node/frames.ts';
import { Op } from '../../../protocol/wire/types.ts';
import { decodeValue } from '../../../protocol/wire/codec.ts';
import { codeOf, expectSound, Rig, taskOf } from '../rig.ts';

function tasks(version = ENGINE_VERSION) {
  const rig = new Rig();
  for (let next = 2; next <= version; next += 1) rig.one({ kind: 'upgrade', version: next });
  const boss = rig.session();
  const worker = rig.agent('worker', { capacity: 4 });
  const s = rig.engine.state;
  const create = (...paths: string[]): string => rig.create(boss, { locks: paths.map((path) => ({ path })) }).id;
  const say = (id: string, method: WriteMethod, more: object = {}): string => {
    const { token } = rig.task(id);
    const about = ['task.cancel', 'task.pause', 'task.resume'].includes(method) ? { id } : { id, token };
    return codeOf(rig.ask(worker.session, method, { ...about, ...more }).reply);
  };
  const lock = (id: string) => must(s.locks.get(must(s.tasks.get(id)?.lockId, 'a lock')), 'a lock');
  const why = (id: string) => must(explain(rig.engine, { id, limit: 5 }), 'a task in memory');
  const status = (id: string): string => rig.task(id).status;
  const holders = (path: string): string[] => getLock(s, { path }).holders.map(({ owner }) => owner);
  return { rig, s, boss, worker, create, say, lock, why, status, holders };
}

describe('a task that needs locks', () => {
  it('is not created before the state is of their version', () => {
    const { rig, boss } = tasks(LOCKS_VERSION - 1);
    expect(codeOf(rig.ask(boss, 'task.create', { type: 'work', locks: [{ path: 'x' }] }).reply)).toBe('UNAVAILABLE');
  });

  it('has all of them before it is given to anybody, in one order and each once', () => {
    const { rig, s, boss, lock } = tasks();
    const wanted = [{ path: 'b', mode: 'shared' }, { path: 'a/x' }, { path: 'b' }, { path: 'a', mode: 'exclusive' }];
    const task = rig.create(boss, { locks: wanted });
    const members = [
      { path: 'a', mode: 'exclusive' },
      { path: 'b', mode: 'exclusive' },
    ];
    expect(task.locks).toEqual(members);
    expect(lock(task.id)).toMatchObject({ owner: task.id, members, several: true });
    expect(rig.task(task.id).status).toBe('assigned');
    const events = rig.pushes.map(({ event }) => event);
    expect(events.indexOf('lock.acquired')).toBeLessThan(events.indexOf('task.assigned'));
    expect(taskOf(rig.ask(boss, 'task.cancel', { id: task.id }).reply).locks).toEqual(members);
    expect(s.locks.size).toBe(0);
  });

  it('tells whoever gets it the tokens, also after it could not be resumed', () => {
    const { rig, s, worker, create, lock } = tasks();
    const id = create('x', 'y');
    const { id: lockId, token } = lock(id);
    const told = ['x', 'y'].map((path) => ({ id: lockId, path, mode: 'exclusive', token: String(token) }));
    const push = must(
      rig.pushes.find(({ event, order }) => event === 'task.assigned' && order !== undefined),
      'an order',
    );
    const frame = decodeValue(must(renderPush(s, push), 'a frame').msgpack());
    expect(frame).toMatchObject([Op.PUSH, 0, { d: { locks: told } }]);
    expect(sessionSnapshot(s, { session: worker.session }).snapshot.tasks).toMatchObject([{ locks: told }]);
    expect(taskLocks(s, must(s.tasks.get(id), 'a task'))).toEqual(told);
    const { reply } = rig.ask(worker.session, 'lock.release', { id: lockId, token: String(token) });
    expect(codeOf(reply)).toBe('NOT_HELD');
  });

  it('waits for them in the queue, and says for what', () => {
    const { rig, s, boss, create, say, lock, why, status, holders } = tasks();
    const first = create('x');
    const other = rig.session({ who: 'key:b' });
    rig.ask(other, 'lock.acquire', { path: 'x', waitMs: 60_000 });
    const second = create('x', 'y');
    expect(status(second)).toBe('pending');
    expect(why(first)).toMatchObject({ verdict: 'held', locks: { held: true } });
    const { requestId } = must(why(second).locks, 'locks');
    expect(why(second)).toMatchObject({
      verdict: 'locks',
      locks: {
        held: false,
        place: 2,
        members: [{ path: 'x' }, { path: 'y' }],
        blockedBy: [
          { path: 'x', owner: first, mode: 'exclusive' },
          { path: 'x', owner: other, mode: 'exclusive' },
        ],
      },
    });
    expect(getLock(s, { path: 'x' }).queue).toMatchObject([{ owner: other }, { owner: second, requestId }]);
    expect(lockGraph(s, {}).waits).toMatchObject([
      { owner: other },
      { owner: second, blockedBy: [{ owner: first }, {}] },
    ]);
    expect(codeOf(rig.ask(boss, 'lock.cancel', { requestId }).reply)).toBe('NOT_FOUND');
    const before = lock(first).token;
    expect(say(first, 'task.complete')).toBe('ok');
    expect(holders('x')).toEqual([other]);
    rig.one({ kind: 'session.bye', session: other, attach: 1, requeue: true });
    expect(status(second)).toBe('assigned');
    expect(lock(second).token).toBeGreaterThan(before);
    expectSound(rig.engine);
  });

  it.each(['task.complete', 'task.fail', 'task.cancel'] as const)(
    'releases them in the entry of its end: %s',
    (method) => {
      const { s, create, say, status, rig } = tasks();
      const [first, second] = [create('x'), create('x')];
      const entries = rig.log.length;
      const how = method === 'task.fail' ? { error: { code: 'E', message: 'm' }, retryable: false } : {};
      expect(say(first, method, how)).toBe('ok');
      expect(rig.log.length).toBe(entries + 1);
      expect(status(second)).toBe('assigned');
      expect(s.locks.hold().map(({ owner }) => owner)).toEqual([second]);
    },
  );

  it('releases them when its time is over', () => {
    const { rig, s, boss } = tasks();
    rig.create(boss, { locks: [{ path: 'x' }], deadlineMs: 1_000 });
    rig.create(boss, { locks: [{ path: 'x' }], deadlineMs: 1_000, type: 'nobody' });
    rig.tick(1_001);
    expect([s.locks.size, s.lockWaits.size]).toEqual([0, 0]);
  });

  it('asks anew, behind those who waited, when it is given back', () => {
    const { create, say, status } = tasks();
    const [first, second] = [create('x'), create('x')];
    expect(say(first, 'task.release')).toBe('ok');
    expect([status(first), status(second)]).toEqual(['pending', 'assigned']);
    expect(say(second, 'task.reject')).toBe('ok');
    expect([status(first), status(second)]).toEqual(['assigned', 'pending']);
  });

  it('asks for nothing while it rests, and keeps what it has while its holder rests', () => {
    const { create, say, status, holders } = tasks();
    const [first, second, third] = [create('x'), create('x'), create('x')];
    say(second, 'task.pause');
    say(first, 'task.pause');
    expect(holders('x')).toEqual([first]);
    say(first, 'task.complete');
    expect([status(second), status(third)]).toEqual(['paused', 'assigned']);
    say(second, 'task.resume');
    expect(status(second)).toBe('pending');
    say(third, 'task.complete');
    expect(status(second)).toBe('assigned');
  });

  it('has none while it waits for those below it', () => {
    const { rig, worker, create, say, holders, status } = tasks();
    const id = create('x');
    const token = rig.task(id).token;
    const { reply } = rig.ask(worker.session, 'task.create', {
      type: 'work',
      parentId: id,
      parentToken: token,
      locks: [{ path: 'x' }],
    });
    const { id: child } = taskOf(reply);
    say(id, 'task.complete', { children: 'wait' });
    expect(holders('x')).toEqual([child]);
    say(child, 'task.complete');
    expect(status(id)).toBe('completed');
  });

  it('hands them on in no other way than by asking anew', () => {
    const { rig, create, say, holders } = tasks();
    rig.agent('other', { capabilities: ['work'] });
    const id = create('x');
    expect(say(id, 'task.delegate', { to: { agent: 'other' }, as: 'child' })).toBe('ok');
    const [child] = [...rig.engine.state.children.after(id, '')];
    expect(child).toMatchObject({ status: 'assigned', locks: undefined });
    const before = must(rig.engine.state.tasks.get(id), 'a task').lockId;
    expect(say(id, 'task.delegate', { to: { agent: 'other' } })).toBe('ok');
    expect(holders('x')).toEqual([id]);
    expect(rig.engine.state.tasks.get(id)?.lockId).not.toBe(before);
  });

  it('is tried again and replayed with the same needs', () => {
    const { rig, boss, create, say } = tasks();
    const id = create('x');
    say(id, 'task.fail', { error: { code: 'E', message: 'm' }, retryable: false });
    const again = taskOf(rig.ask(boss, 'task.retry', { id }).reply);
    const replayed = taskOf(rig.ask(boss, 'deadLetter.replay', { id }).reply);
    for (const { locks } of [again, replayed]) expect(locks).toEqual([{ path: 'x', mode: 'exclusive' }]);
  });

  it('keeps its parts apart, and has none as a whole', () => {
    const { rig, s, boss } = tasks();
    const { reply } = rig.ask(boss, 'task.distribute', { type: 'work', copies: 3, locks: [{ path: 'x' }] });
    expect(taskOf(reply).locks).toBeUndefined();
    expect([s.locks.size, s.lockWaits.size]).toEqual([1, 2]);
  });

  it('loses its attempt with a lock that an administrator ends', () => {
    const { rig, boss, worker, create, status, s, lock, holders } = tasks();
    const id = create('x', 'y');
    rig.ask(boss, 'lock.acquire', { path: 'y', waitMs: 60_000 });
    const { token } = rig.task(id);
    const former = lock(id);
    rig.pushes.length = 0;
    const { reply } = rig.ask(boss, 'lock.forceUnlock', { path: 'x', reason: 'stuck' });
    expect(reply).toMatchObject({ ok: true, result: { forced: 1 } });
    expect(rig.pushes.find(({ event }) => event === 'task.leaseLost')).toMatchObject({
      to: [`a:${worker.id}`],
      data: { id, token, reason: 'unlocked' },
    });
    expect(rig.pushes.filter(({ event }) => event === 'lock.ended').map(({ data }) => data)).toMatchObject(
      ['x', 'y'].map((path) => ({ path, owner: id, reason: 'forced', by: 'key:a', message: 'stuck' })),
    );
    expect([holders('y'), status(id)]).toEqual([[boss], 'pending']);
    expect(s.tasks.get(id)).toMatchObject({ losses: 1, lockId: undefined });
    const held = must(s.locks.hold()[0], 'a lock');
    rig.ask(boss, 'lock.release', { id: held.id, token: String(held.token) });
    expect(status(id)).toBe('assigned');
    expect(lock(id).token).toBeGreaterThan(former.token);
  });

  it('has its holder asked first', () => {
    const { rig, boss, worker, create, say, holders, status } = tasks();
    const [first, second, waiting] = [
      create('x'),
      create('y'),
      rig.create(boss, { type: 'nobody', locks: [{ path: 'z' }] }).id,
    ];
    for (const path of ['x', 'y', 'z']) rig.ask(boss, 'lock.forceUnlock', { path, reason: 'please', graceMs: 1_000 });
    const asked = rig.pushes.filter(({ event }) => event === 'lock.revokeRequested');
    expect(asked.map(({ to, data }) => [to, (data as { readonly path: string }).path])).toEqual([
      [[`a:${worker.id}`], 'x'],
      [[`a:${worker.id}`], 'y'],
    ]);
    say(first, 'task.complete');
    expect(holders('x')).toEqual([]);
    const former = rig.task(second).token;
    rig.tick(1_001);
    // Nobody else wants them.
    expect([holders('y'), holders('z'), status(second)]).toEqual([[second], [waiting], 'assigned']);
    expect(rig.task(second).token).not.toBe(former);
  });

  it('is refused where too many wait, all of a batch or none', () => {
    const { rig, boss, s, create } = tasks();
    create('x');
    const many = Array.from({ length: 100 }, () => ({ type: 'work', locks: [{ path: 'x' }] }));
    for (let n = 0; n < LIMITS.lockQueueMax / 100; n += 1) rig.ask(boss, 'task.createBatch', { tasks: many });
    expect(s.lockWaits.size).toBe(LIMITS.lockQueueMax);
    const size = s.tasks.size;
    const { reply } = rig.ask(boss, 'task.createBatch', {
      tasks: [
        { type: 'work', locks: [{ path: 'y' }] },
        { type: 'work', locks: [{ path: 'x' }] },
      ],
    });
    expect([codeOf(reply), s.tasks.size]).toEqual(['QUEUE_FULL', size]);
  });

  it('closes no circle, and others are told of one that they close through it', () => {
    const { rig, s, create } = tasks();
    const [a, b] = [rig.session({ who: 'key:x' }), rig.session({ who: 'key:y' })];
    rig.ask(a, 'lock.acquire', { path: 'p' });
    rig.ask(b, 'lock.acquire', { path: 'q' });
    const task = create('p', 'q');
    const { reply } = rig.ask(a, 'lock.acquire', { path: 'q', mode: 'shared', waitMs: 60_000 });
    expect(reply).toMatchObject({
      rejection: { code: 'DEADLOCK', details: { cycle: [{ owner: a, path: 'q' }, { owner: task }] } },
    });
    expect(s.lockWaits.hold().map(({ owner }) => owner)).toEqual([task]);
  });
});
