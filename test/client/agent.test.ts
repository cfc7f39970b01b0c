import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/client/agent-core.ts';
import type { Journal, StoredRequest } from '../../src/client/outbox.ts';
import { AGENT, order, World, type Link, type WorldOptions } from './peer.ts';

class MemoryJournal implements Journal {
  readonly live = new Map<string, StoredRequest>();
  readonly stored: readonly StoredRequest[];

  constructor(stored: readonly StoredRequest[] = []) {
    this.stored = stored;
    for (const one of stored) this.live.set(one.key, one);
  }

  put(request: StoredRequest): void {
    this.live.set(request.key, request);
  }

  drop(key: string): void {
    this.live.delete(key);
  }

  flushed(done: () => void): void {
    done();
  }

  close(done: () => void): void {
    done();
  }
}

function online(options: Partial<WorldOptions> = {}, body: Record<string, unknown> = {}): { world: World; link: Link } {
  const world = new World({ agent: AGENT, ...options });
  const link = world.online({ agent: { id: 'agt_1' }, ...body });
  link.take();
  return { world, link };
}

const calls = (link: Link): [string, unknown][] =>
  link.requests().map((one) => [one.m, one.p['token'] ?? one.p['cursor'] ?? one.p['capacity']]);
const done: Outcome = { kind: 'completed', output: 'ok' };
const broke: Outcome = { kind: 'failed', error: { code: 'BROKE', message: 'broke' }, retryable: true };

function finish(world: World, index: number, outcome: Outcome = done): void {
  world.runs[index]?.handle.finish(outcome);
  world.settle();
}

describe('orders', () => {
  it('runs what is assigned, confirms it by task.start, and completes it', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11', { parameters: { n: 1 } }), { rev: 101 });
    expect(world.runs.map((run) => [run.job.task.id, run.job.token, run.job.attempt])).toEqual([['t1', '11', 1]]);
    world.settle();
    expect(calls(link)).toEqual([['task.start', '11']]);
    world.runs[0]?.handle.finish({ kind: 'completed', output: { sum: 3 } });
    world.settle();
    const [complete] = link.requests();
    expect([complete?.m, complete?.p]).toEqual(['task.complete', { id: 't1', token: '11', output: { sum: 3 } }]);
    link.result(complete?.id ?? 0);
    expect(world.sdk.agent?.isIdle).toBe(true);
    expect(world.pushes).toEqual([]);
  });

  it('sends only the result of a handler that ends within the turn', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    finish(world, 0);
    expect(calls(link)).toEqual([['task.complete', '11']]);
  });

  it('runs an order that arrives twice once, also after its end', () => {
    const { world, link } = online();
    const push = (): void => link.push('task.assigned', order('t1', '11'));
    push();
    push();
    finish(world, 0);
    push();
    link.result(link.requests().at(-1)?.id ?? 0);
    push();
    expect(world.runs).toHaveLength(1);
  });

  it('accepts an offer and runs it when the server agrees', () => {
    const { world, link } = online();
    link.push('task.offered', order('t1', '11', { status: 'offered' }));
    world.settle();
    expect(world.runs).toEqual([]);
    const [accept] = link.requests();
    expect(accept?.m).toBe('task.accept');
    link.result(accept?.id ?? 0);
    expect(world.runs).toHaveLength(1);
  });

  it('forgets an offer that the server has given to another', () => {
    const { world, link } = online();
    link.push('task.offered', order('t1', '11', { status: 'offered' }));
    world.settle();
    link.error(1, 'STALE_TOKEN');
    expect(world.runs).toEqual([]);
    expect(world.sdk.agent?.isIdle).toBe(true);
  });

  it.each(['accepted', 'paused'])(
    'runs an offer that was %s by an earlier sending of which the answer was lost',
    (status) => {
      const { world, link } = online();
      link.push('task.offered', order('t1', '11', { status: 'offered' }));
      world.settle();
      link.error(link.requests()[0]?.id ?? 0, 'INVALID_TRANSITION', { details: { status } });
      expect(world.runs.map((run) => run.job.task.id)).toEqual(['t1']);
    },
  );

  it('never runs more than it has slots, counting those that were told to stop', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    link.push('task.assigned', order('t2', '12'));
    link.push('task.assigned', order('t3', '13'));
    expect(world.runs.map((run) => run.job.task.id)).toEqual(['t1', 't2']);
    link.push('task.cancelled', { id: 't1', attempt: 1, token: '11' });
    expect(world.runs).toHaveLength(2);
    finish(world, 0);
    expect(world.runs.map((run) => run.job.task.id)).toEqual(['t1', 't2', 't3']);
    expect(world.sdk.agent?.active).toBe(2);
  });

  it('tells an order for the agent from an event of the same name for a watcher', () => {
    const { world, link } = online();
    link.push('task.assigned', { id: 't1', status: 'assigned', attempt: 1 }, { t: 'task.t1', rev: 101 });
    link.push('task.cancelled', { id: 't1', status: 'cancelled', attempt: 1 }, { t: 'task.t1', rev: 102 });
    expect(world.runs).toEqual([]);
    expect(world.pushes.map((push) => push.event)).toEqual(['task.assigned', 'task.cancelled']);
    world.settle();
    expect(link.requests()).toEqual([]);
  });

  it('waits a moment for a handler of the type, then gives the task back', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11', { type: 'other' }));
    link.push('task.assigned', order('t2', '12', { type: 'late' }));
    world.scheduler.advance(500);
    expect(calls(link)).toEqual([]);
    world.types.add('late');
    world.sdk.agent?.handlersChanged();
    expect(world.runs.map((run) => run.job.task.id)).toEqual(['t2']);
    world.scheduler.advance(600);
    expect(link.requests().map((one) => [one.m, one.p['id'], one.p['reason']])).toEqual([
      ['task.start', 't2', undefined],
      ['task.reject', 't1', 'no handler for tasks of type other'],
    ]);
    expect(world.notes).toEqual([{ kind: 'unhandled', task: 't1', type: 'other' }]);
  });
});

describe('failures', () => {
  it('reports code, message and whether to try again', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    finish(world, 0, { kind: 'failed', error: { code: 'BAD_INPUT', message: 'no file' }, retryable: false });
    expect(link.requests()[0]?.p).toEqual({
      id: 't1',
      token: '11',
      error: { code: 'BAD_INPUT', message: 'no file' },
      retryable: false,
    });
  });

  it('cuts what is longer than an error may be', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    finish(world, 0, { kind: 'failed', error: { code: '\n', message: 'ü'.repeat(9_000) }, retryable: true });
    const error = link.requests()[0]?.p['error'] as { code: string; message: string };
    expect(error.code).toBe('ERROR');
    expect(Buffer.byteLength(error.message)).toBeLessThanOrEqual(8_192);
    expect(error.message.length).toBe(4_096);
  });

  it('fails a task whose result the server refuses as such', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    finish(world, 0);
    link.error(1, 'TOO_LARGE', { message: 'A value is larger than its limit.' });
    world.settle();
    const [fail] = link.requests().slice(-1);
    expect(fail).toMatchObject({
      m: 'task.fail',
      p: { id: 't1', token: '11', error: { code: 'RESULT_REFUSED' }, retryable: false },
    });
    link.error(fail?.id ?? 0, 'INVALID_PARAMS');
    expect(world.sdk.agent?.isIdle).toBe(true);
  });

  it('fails a task whose result cannot be sent at all', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    finish(world, 0, { kind: 'completed', output: new Map() as unknown as string });
    expect(link.requests()).toMatchObject([{ m: 'task.fail', p: { error: { code: 'RESULT_REFUSED' } } }]);
    expect(world.notes).toMatchObject([
      { kind: 'refused', method: 'task.complete', error: { code: 'VALUE_UNSUPPORTED' } },
    ]);
  });

  it.each(['STALE_TOKEN', 'INVALID_TRANSITION', 'TASK_NOT_FOUND'])(
    'ends a result that gets %s, and says so',
    (code) => {
      const { world, link } = online();
      link.push('task.assigned', order('t1', '11'));
      finish(world, 0);
      link.error(1, code);
      world.scheduler.advance(5_000);
      expect(calls(link)).toEqual([['task.complete', '11']]);
      expect(world.sdk.agent?.isIdle).toBe(true);
      expect(world.notes).toMatchObject([{ kind: 'refused', task: 't1', error: { code } }]);
    },
  );

  it('brings a result again and again to a server that cannot take it now', () => {
    const { world, link } = online({ refusalsMax: 1 });
    link.push('task.assigned', order('t1', '11'));
    finish(world, 0);
    for (let id = 1; id <= 6; id += 1) {
      expect(link.requests().map((one) => [one.id, one.m])).toEqual([[id, 'task.complete']]);
      link.error(id, 'UNAVAILABLE', { retryable: true });
      world.scheduler.advance(9_000);
      link.say([15, 0, {}]);
      world.scheduler.advance(9_000);
      link.say([15, 0, {}]);
      world.settle();
    }
    expect(world.sdk.agent?.isIdle).toBe(false);
    link.result(link.requests().at(-1)?.id ?? 7);
    expect(world.sdk.agent?.isIdle).toBe(true);
  });
});

describe('stops', () => {
  it('tells a cancelled handler to stop, and acknowledges when it has', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    world.settle();
    link.take();
    link.push('task.cancelled', { id: 't1', attempt: 1, token: '11', reason: 'not needed' });
    world.settle();
    expect(world.runs[0]?.stops).toEqual([{ reason: 'cancel', detail: 'not needed' }]);
    expect(calls(link)).toEqual([]);
    finish(world, 0, broke);
    expect(link.requests().map((one) => [one.m, one.p])).toEqual([
      ['task.acknowledge', { id: 't1', token: '11', control: 'cancel' }],
    ]);
    expect(world.sdk.agent?.isIdle).toBe(true);
  });

  it('acknowledges once a cancel that comes twice while the handler stops', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    const cancel = (): void => link.push('task.cancelled', { id: 't1', attempt: 1, token: '11' });
    cancel();
    cancel();
    finish(world, 0);
    expect(world.runs[0]?.stops).toHaveLength(1);
    expect(calls(link)).toEqual([['task.acknowledge', '11']]);
  });

  it('acknowledges at once what does not run here', () => {
    const { world, link } = online({ agent: { ...AGENT, capacity: 1 } });
    link.push('task.assigned', order('t1', '11'));
    link.push('task.assigned', order('t2', '12'));
    world.settle();
    link.take();
    link.push('task.cancelled', { id: 't2', attempt: 1, token: '12' });
    link.push('task.leaseLost', { id: 't9', attempt: 1, token: '99', reason: 'timeout' });
    world.settle();
    expect(link.requests().map((one) => [one.p['token'], one.p['control']])).toEqual([
      ['12', 'cancel'],
      ['99', 'leaseLost'],
    ]);
    finish(world, 0);
    expect(world.runs).toHaveLength(1);
  });

  it('stops a handler whose lease was lost, and acknowledges with leaseLost', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    link.push('task.leaseLost', { id: 't1', attempt: 1, token: '11', reason: 'progressTimeout' });
    expect(world.runs[0]?.stops).toEqual([{ reason: 'leaseLost', detail: 'progressTimeout' }]);
    finish(world, 0);
    expect(link.requests().at(-1)).toMatchObject({ m: 'task.acknowledge', p: { control: 'leaseLost' } });
  });

  it.each(['task.start', 'task.progress'])(
    'stops a handler when the answer to %s says that the token is stale',
    (method) => {
      const { world, link } = online();
      link.push('task.assigned', order('t1', '11'));
      world.settle();
      if (method === 'task.progress') {
        link.result(1);
        world.runs[0]?.handle.progress(10);
        world.settle();
      }
      link.error(link.requests().find((one) => one.m === method)?.id ?? 0, 'STALE_TOKEN');
      expect(world.runs[0]?.stops).toMatchObject([{ reason: 'leaseLost' }]);
    },
  );

  it('runs a task again only when the handler of its older token has ended', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '9'));
    link.push('task.assigned', order('t1', '10'));
    expect(world.runs).toHaveLength(1);
    expect(world.runs[0]?.stops).toEqual([{ reason: 'leaseLost', detail: 'replaced' }]);
    finish(world, 0);
    expect(world.runs.map((run) => run.job.token)).toEqual(['9', '10']);
    link.push('task.assigned', order('t1', '9'));
    link.push('task.assigned', order('t1', '8'));
    expect(world.runs).toHaveLength(2);
  });
});

describe('progress', () => {
  it('sends the first at once, then the latest now and then, one at a time', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    world.settle();
    link.take();
    const { handle } = world.runs[0]!;
    handle.progress(1, 'one');
    world.settle();
    handle.progress(2);
    handle.progress(3.7, 'three');
    world.scheduler.advance(100);
    const [first] = link.requests();
    expect(first?.p).toEqual({ id: 't1', token: '11', percentComplete: 1, status: 'one' });
    world.scheduler.advance(500);
    expect(link.requests()).toEqual([]);
    link.result(first?.id ?? 0);
    world.scheduler.advance(200);
    expect(link.requests().map((one) => one.p)).toEqual([
      { id: 't1', token: '11', percentComplete: 3, status: 'three' },
    ]);
  });

  it('keeps percent within its bounds and says nothing after the end', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    world.settle();
    link.take();
    const { handle } = world.runs[0]!;
    handle.progress(Number.NaN);
    handle.progress(170);
    world.settle();
    expect(link.requests().map((one) => one.p['percentComplete'])).toEqual([100]);
    finish(world, 0);
    handle.progress(50);
    world.scheduler.advance(1_000);
    expect(calls(link)).toEqual([['task.complete', '11']]);
    expect(world.scheduler.timers).toBe(1);
  });
});

describe('broken connections', () => {
  it('works on while away, and brings the result on the resumed session, once', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'), { rev: 101 });
    world.settle();
    link.end();
    finish(world, 0);
    world.redial();
    const [, , hello] = world.link.open();
    expect(hello['agent']).toEqual({ ...AGENT, running: [{ id: 't1', token: '11' }] });
    expect(hello['resume']).toMatchObject({ rev: 101 });
    world.link.say([3, 0, { ...welcomeBody(), resumed: true, rev: 101 }]);
    world.settle();
    expect(calls(world.link)).toEqual([
      ['task.start', '11'],
      ['task.complete', '11'],
    ]);
    world.link.push('task.assigned', order('t1', '11'), { rev: 102 });
    expect(world.runs).toHaveLength(1);
  });

  it('goes on with what a fresh session still lists, stops the rest and starts what it had not heard of', () => {
    const { world, link } = online({ agent: { ...AGENT, capacity: 3 } });
    link.push('task.assigned', order('t1', '11'));
    link.push('task.assigned', order('t2', '12'));
    const again = world.reconnect({ ...fresh(order('t1', '11'), order('t3', '13')) });
    expect(world.runs.map((run) => run.job.task.id)).toEqual(['t1', 't2', 't3']);
    expect(world.runs.map((run) => run.stops.length)).toEqual([0, 1, 0]);
    finish(world, 1);
    expect(calls(again).filter(([method]) => method === 'task.acknowledge')).toEqual([['task.acknowledge', '12']]);
    expect(world.gaps).toEqual(['gap']);
  });

  it('reads all pages of a snapshot before it stops anything', () => {
    const { world, link } = online({ agent: { ...AGENT, capacity: 3 } });
    link.push('task.assigned', order('t1', '11'));
    link.push('task.assigned', order('t2', '12'));
    const again = world.reconnect({
      ...fresh(order('t1', '11')),
      snapshot: { ...snapshot(order('t1', '11')), more: 'c1' },
    });
    expect(world.runs.map((run) => run.stops.length)).toEqual([0, 0]);
    const page = again.requests().find((one) => one.m === 'session.snapshot');
    expect(page?.p).toEqual({ cursor: 'c1' });
    again.push('task.assigned', order('t4', '14'));
    again.result(page?.id ?? 0, { rev: 5, snapshot: snapshot(order('t2', '12')) });
    expect(world.runs.map((run) => run.stops.length)).toEqual([0, 0, 0]);
    const third = world.reconnect({ ...fresh(), session: 'ses_3' });
    expect(world.runs.map((run) => run.stops.length)).toEqual([1, 1, 1]);
    expect(third.ended).toBe(false);
  });

  it('forgets a page that was asked on a session which has ended since', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    const second = world.reconnect({ ...fresh(), snapshot: { ...snapshot(), more: 'c1' } });
    expect(second.requests().map((one) => one.m)).toContain('session.snapshot');
    const third = world.reconnect({ ...fresh(order('t1', '11')), session: 'ses_3' });
    const stale = third.requests().find((one) => one.m === 'session.snapshot');
    third.result(stale?.id ?? 0, { rev: 5, snapshot: snapshot(order('t2', '12')) });
    expect(world.runs.map((run) => [run.job.task.id, run.stops.length])).toEqual([['t1', 0]]);
  });

  it('asks what it holds after a gap, stops what is not listed and starts what it does not know', () => {
    const { world, link } = online({ agent: { ...AGENT, capacity: 3 } });
    link.push('task.assigned', order('t1', '11'));
    link.push('task.assigned', order('t2', '12'));
    link.requests();
    link.say([2, 0, { kind: 'gap' }]);
    world.settle();
    const asked = link.requests().find((one) => one.m === 'session.snapshot');
    expect(asked?.p).toEqual({});
    // Assigned after the snapshot was taken.
    link.push('task.assigned', order('t4', '14'));
    link.result(asked?.id ?? 0, { rev: 5, snapshot: snapshot(order('t1', '11'), order('t3', '13')) });
    expect(world.runs.map((run) => [run.job.task.id, run.stops.length])).toEqual([
      ['t1', 0],
      ['t2', 1],
      ['t4', 0],
    ]);
    expect(world.gaps).toEqual(['gap']);
    finish(world, 1);
    expect(world.runs.at(-1)?.job.task.id, 'when a slot is free').toBe('t3');
  });

  it('treats an offer in the snapshot as an offer, and one that was accepted as accepted', () => {
    const { world, link } = online();
    link.push('task.offered', order('t1', '11', { status: 'offered' }));
    world.settle();
    link.take();
    const again = world.reconnect({
      ...fresh(order('t1', '11', { status: 'accepted' }), order('t2', '12', { status: 'offered' })),
    });
    expect(world.runs.map((run) => run.job.task.id)).toEqual(['t1']);
    const accepts = again.requests().filter((one) => one.m === 'task.accept');
    expect(accepts.map((one) => one.p['id'])).toEqual(['t1', 't2']);
    again.error(accepts[0]?.id ?? 0, 'INVALID_TRANSITION');
    expect(world.runs[0]?.stops).toEqual([]);
    again.result(accepts[1]?.id ?? 0);
    expect(world.runs.map((run) => run.job.task.id)).toEqual(['t1', 't2']);
  });

  it('cuts what it runs to what fits HELLO, results that only wait for their answer first', () => {
    const { world, link } = online({ agent: { ...AGENT, capacity: 1_000 } });
    for (let n = 0; n < 600; n += 1)
      link.push('task.assigned', order(`tsk_${'x'.repeat(20)}_${n}`, `${1_000_000 + n}`));
    finish(world, 599);
    link.end();
    world.redial();
    world.link.handler.open();
    const [message] = world.link.messages;
    expect(message?.length).toBeLessThanOrEqual(16 * 1024);
    expect(message?.length).toBeGreaterThan(15 * 1024);
    const [, , hello] = world.link.take()[0] ?? [];
    const { running } = (hello?.['agent'] ?? { running: [] }) as { running: { token: string }[] };
    expect(running[0]?.token).toBe('1000599');
    expect(running.length).toBeGreaterThan(200);
  });
});

describe('results that outlive the process', () => {
  it('stores a result until it is answered, under the key that is sent', () => {
    const journal = new MemoryJournal();
    const { world, link } = online({ journal });
    link.push('task.assigned', order('t1', '11'));
    finish(world, 0);
    const [complete] = link.requests();
    expect([...journal.live.values()]).toEqual([
      { key: complete?.meta?.['k'], method: 'task.complete', params: complete?.p },
    ]);
    link.result(complete?.id ?? 0);
    expect(journal.live.size).toBe(0);
  });

  it('keeps it when the client ends without an answer, for whatever reason', () => {
    for (const code of [4507, 4500]) {
      const journal = new MemoryJournal();
      const { world, link } = online({ journal });
      link.push('task.assigned', order('t1', '11'));
      finish(world, 0);
      link.end(code);
      expect(world.state).toBe('closed');
      expect(journal.live.size).toBe(1);
    }
  });

  it('declares the results of the process before, sends them with their keys, and runs the lost tasks anew', () => {
    const stored = [{ key: 'k1', method: 'task.complete', params: { id: 't1', token: '11', output: 'done' } }];
    const journal = new MemoryJournal(stored);
    const world = new World({ agent: AGENT, journal });
    world.sdk.start();
    expect(world.link.open()[2]['agent']).toEqual({ ...AGENT, running: [{ id: 't1', token: '11' }] });
    world.link.say([3, 0, { ...welcomeBody(), snapshot: snapshot(order('t1', '11'), order('t2', '12')) }]);
    world.settle();
    expect(world.runs.map((run) => run.job.task.id)).toEqual(['t2']);
    const [complete] = world.link.requests();
    expect(complete).toMatchObject({ m: 'task.complete', p: stored[0]?.params, meta: { k: 'k1' } });
    world.link.result(complete?.id ?? 0);
    expect(journal.live.size).toBe(0);
    world.link.push('task.assigned', order('t1', '11'));
    expect(world.runs).toHaveLength(1);
  });

  it('lets go of a stored result that came too late', () => {
    const journal = new MemoryJournal([
      { key: 'k1', method: 'task.fail', params: { id: 't1', token: '11', error: { code: 'X', message: 'x' } } },
    ]);
    const world = new World({ agent: AGENT, journal });
    const link = world.online();
    link.error(link.requests()[0]?.id ?? 0, 'STALE_TOKEN');
    expect(journal.live.size).toBe(0);
    expect(world.sdk.agent?.isIdle).toBe(true);
  });

  it('drops from the file what no version of the protocol knows', () => {
    const journal = new MemoryJournal([{ key: 'k1', method: 'task.nonsense', params: {} }]);
    new World({ agent: AGENT, journal });
    expect(journal.live.size).toBe(0);
  });

  it('stores a durable request of the caller, too', () => {
    const journal = new MemoryJournal();
    const { world, link } = online({ journal });
    world.sdk.requestDurably({ method: 'task.create', params: { type: 'x' }, done: () => undefined });
    expect([...journal.live.values()].map((one) => one.method)).toEqual(['task.create']);
    world.settle();
    link.error(link.requests()[0]?.id ?? 0, 'LIMIT_EXCEEDED');
    expect(journal.live.size).toBe(0);
  });
});

describe('registering again', () => {
  const shape = { ...AGENT, capacity: 5 };
  const register = (world: World): void => {
    const registered = world.sdk.registering(shape);
    world.sdk.request({ method: 'agent.register', params: shape, done: (reply) => reply.ok && registered() });
    world.settle();
  };
  const said = ([, , body]: ReturnType<Link['open']>): unknown => body['agent'];

  it('holds in the next HELLO', () => {
    const { world, link } = online();
    register(world);
    for (const { id } of link.requests()) link.result(id);
    world.settle();
    expect(link.requests()).toEqual([]);
    link.end();
    expect(said(world.redial().open())).toMatchObject({ capacity: 5 });
  });

  it('is said again when a HELLO with the shape of before came between it and its answer', () => {
    const { world, link } = online();
    register(world);
    expect(calls(link)).toEqual([['agent.register', 5]]);
    link.end();
    expect(said(world.redial().open())).toMatchObject({ capacity: 2 });
    const next = world.greetOpened({ resumed: true });
    const [again] = next.requests();
    // Decided before the HELLO, remembered, answered now.
    next.result(again?.id ?? 0);
    world.settle();
    const [anew] = next.requests();
    expect(anew).toMatchObject({ m: 'agent.register', p: shape });
    expect(anew?.id).toBeGreaterThan(again?.id ?? 0);
    next.result(anew?.id ?? 0);
    world.settle();
    expect(next.requests()).toEqual([]);
  });
});

describe('the end of an agent', () => {
  it('drains: takes no more, lets run what runs, lowers its capacity before each result, and leaves', () => {
    const { world, link } = online({ agent: { ...AGENT, capacity: 4 } });
    link.push('task.assigned', order('t1', '11'));
    link.push('task.assigned', order('t2', '12'));
    world.settle();
    for (const one of link.requests()) link.result(one.id);
    world.sdk.close({ drain: true, requeue: true });
    world.settle();
    expect(calls(link)).toEqual([['agent.register', 2]]);
    link.push('task.assigned', order('t3', '13'));
    world.settle();
    expect(link.requests().map((one) => [one.m, one.p])).toEqual([
      ['task.release', { id: 't3', token: '13', delayMs: 1_000 }],
    ]);
    finish(world, 0);
    expect(calls(link)).toEqual([
      ['agent.register', 1],
      ['task.complete', '11'],
    ]);
    finish(world, 1);
    expect(calls(link)).toEqual([['task.complete', '12']]);
    expect(world.closed).toBeUndefined();
    for (let id = 3; id <= 7; id += 1) link.result(id);
    expect(link.take()).toEqual([[21, 0, { requeue: true }]]);
    expect(world.runs).toHaveLength(2);
  });

  it('asks what runs to stop, completes what completes, gives back what does not', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    link.push('task.assigned', order('t2', '12'));
    world.settle();
    link.take();
    world.sdk.close({ drain: false, requeue: true, withinMs: 5_000 });
    expect(world.runs.map((run) => run.stops[0]?.reason)).toEqual(['closing', 'closing']);
    finish(world, 0, broke);
    finish(world, 1);
    expect(calls(link).filter(([method]) => method !== 'agent.register')).toEqual([
      ['task.release', '11'],
      ['task.complete', '12'],
    ]);
    expect(world.closed).toBeUndefined();
    for (let id = 1; id <= 6; id += 1) link.result(id);
    expect(link.take()).toEqual([[21, 0, { requeue: true }]]);
  });

  it('does not wait longer than it was told', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    world.sdk.close({ drain: false, requeue: true, withinMs: 5_000 });
    world.scheduler.advance(5_000);
    expect(link.take().at(-1)).toEqual([21, 0, { requeue: true }]);
    link.end(4511);
    expect(world.closed).toEqual({ error: undefined });
    finish(world, 0);
    expect(world.scheduler.timers).toBe(0);
  });

  it('tells handlers when the server does not want the client back', () => {
    const { world, link } = online();
    link.push('task.assigned', order('t1', '11'));
    link.end(4507);
    expect(world.runs[0]?.stops).toMatchObject([{ reason: 'closing' }]);
    finish(world, 0);
    expect(world.scheduler.timers).toBe(0);
  });
});

function welcomeBody(): Record<string, unknown> {
  return {
    v: [1, 0],
    session: 'ses_1',
    secret: 'secret_2',
    rev: 100,
    resumed: false,
    principal: { id: 'key:1', tenant: 'default', role: 'admin' },
    now: 1,
    ping: { intervalMs: 10_000, timeoutMs: 5_000 },
    limits: { inFlight: 256 },
    features: [],
    server: { version: '1', node: 'n' },
  };
}

function snapshot(...tasks: Record<string, unknown>[]): Record<string, unknown> {
  return { tasks, locks: [], waits: [], subs: [] };
}

function fresh(...tasks: Record<string, unknown>[]): Record<string, unknown> {
  return {
    session: 'ses_2',
    secret: 's2',
    resumed: false,
    reason: 'gap',
    rev: 200,
    agent: { id: 'agt_1' },
    snapshot: snapshot(...tasks),
  };
}
