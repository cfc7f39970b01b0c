import { describe, expect, it } from 'vitest';
import type { TaskView } from '../../protocol/wire/types.ts';
import { MusterError } from '../../src/client/errors.ts';
import { taskView, World, type Link } from './peer.ts';

function waiting(
  watched: boolean,
  options: ConstructorParameters<typeof World>[0] = {},
): { world: World; link: Link; ends: (TaskView | MusterError)[]; giveUp: () => void } {
  const world = new World(options);
  const link = world.online();
  link.take();
  const ends: (TaskView | MusterError)[] = [];
  const giveUp = world.sdk.wait('t1', watched, (end) => ends.push(end));
  world.settle();
  return { world, link, ends, giveUp };
}

const asked = (link: Link): [number, string, unknown][] =>
  link.requests().map((one) => [one.id, one.m, one.p['id'] ?? one.p['topic']]);
const event = (status: string): [string, Record<string, unknown>, Record<string, unknown>] => [
  `task.${status}`,
  { id: 't1', status, attempt: 1 },
  { t: 'task.t1', rev: 110 },
];
const completed = taskView('t1', { status: 'completed', result: 42 });

describe('waiting for a task', () => {
  it('hears of a task of its own session without a subscription, and reads it once at its end', () => {
    const { world, link, ends } = waiting(true);
    expect(asked(link)).toEqual([]);
    link.push(...event('started'));
    link.push(...event('completed'));
    link.push(...event('completed'));
    world.settle();
    expect(asked(link)).toEqual([[1, 'task.get', 't1']]);
    link.result(1, { task: completed });
    world.settle();
    expect(ends).toEqual([completed]);
    expect(asked(link)).toEqual([]);
  });

  it('subscribes to a foreign task, reads it once at first, and lets go of the topic at the end', () => {
    const { world, link, ends } = waiting(false);
    expect(asked(link)).toEqual([[1, 'topic.subscribe', 'task.t1']]);
    link.result(1, { rev: 100 });
    world.settle();
    expect(asked(link)).toEqual([[2, 'task.get', 't1']]);
    link.push(...event('completed'));
    link.result(2, { task: taskView('t1', { status: 'in_progress' }) });
    world.settle();
    expect(asked(link)).toEqual([[3, 'task.get', 't1']]);
    link.result(3, { task: completed });
    world.settle();
    expect(ends).toEqual([completed]);
    expect(asked(link)).toEqual([[4, 'topic.unsubscribe', 'task.t1']]);
  });

  it('shares one subscription and one reading among several waits', () => {
    const { world, link, ends } = waiting(false);
    const more: unknown[] = [];
    world.sdk.wait('t1', false, (end) => more.push(end));
    link.result(1, { rev: 100 });
    world.settle();
    expect(asked(link)).toEqual([
      [1, 'topic.subscribe', 'task.t1'],
      [2, 'task.get', 't1'],
    ]);
    link.result(2, { task: completed });
    expect([ends.length, more.length]).toEqual([1, 1]);
  });

  it('gives the reason when there is no such task', () => {
    const { world, link, ends } = waiting(false);
    link.result(1, { rev: 100 });
    world.settle();
    link.error(2, 'TASK_NOT_FOUND');
    expect(ends).toMatchObject([{ code: 'TASK_NOT_FOUND' }]);
  });

  it('subscribes and reads again what a fresh session no longer tells it', () => {
    const { world, ends } = waiting(true);
    const link = world.reconnect({ session: 'ses_2', resumed: false, reason: 'expired' });
    expect(asked(link)).toEqual([[1, 'topic.subscribe', 'task.t1']]);
    link.result(1, { rev: 1 });
    world.settle();
    expect(asked(link)).toEqual([[2, 'task.get', 't1']]);
    link.result(2, { task: completed });
    expect(ends).toHaveLength(1);
  });

  it('has a subscribed topic in the next HELLO and reads again, since the event may be among what was missed', () => {
    const { world, link } = waiting(false);
    link.result(1, { rev: 100 });
    world.settle();
    link.result(2, { task: taskView('t1') });
    link.end();
    world.redial();
    expect(world.link.open()[2]['subs']).toEqual(['task.t1']);
    const again = world.greetOpened({ session: 'ses_2', resumed: false });
    expect(asked(again)).toEqual([[1, 'task.get', 't1']]);
  });

  it('does nothing of that after a resume', () => {
    const { world } = waiting(true);
    expect(asked(world.reconnect())).toEqual([]);
  });

  it('reads again when the server says that pushes are missing', () => {
    const { world, link } = waiting(true);
    link.say([2, 0, { kind: 'gap' }]);
    world.settle();
    expect(asked(link)).toEqual([[1, 'topic.subscribe', 'task.t1']]);
    expect(world.gaps).toEqual(['gap']);
  });

  it('reads now and then when it gets no subscription', () => {
    const { world, link, ends } = waiting(false);
    link.error(1, 'LIMIT_EXCEEDED');
    world.settle();
    link.result(2, { task: taskView('t1') });
    for (let id = 3; id <= 5; id += 1) {
      world.scheduler.advance(2_000);
      expect(asked(link).at(-1)).toEqual([id, 'task.get', 't1']);
      link.result(id, { task: id === 5 ? completed : taskView('t1') });
    }
    expect(ends).toEqual([completed]);
    world.scheduler.advance(2_000);
    link.say([15, 0, {}]);
    expect(world.scheduler.timers).toBe(1);
  });

  it('can be given up', () => {
    const { world, link, ends, giveUp } = waiting(false);
    link.result(1, { rev: 100 });
    world.settle();
    giveUp();
    giveUp();
    link.result(2, { task: completed });
    world.settle();
    expect(ends).toEqual([]);
    expect(asked(link).at(-1)).toEqual([3, 'topic.unsubscribe', 'task.t1']);
  });

  it('can be given up while it subscribes', () => {
    const { world, link, giveUp } = waiting(false);
    giveUp();
    link.result(1, { rev: 100 });
    world.settle();
    expect(asked(link).map(([, method]) => method)).toEqual(['topic.subscribe', 'topic.unsubscribe']);
  });

  it('ends with the client', () => {
    const { world, link, ends } = waiting(false);
    link.end(4507);
    expect(ends).toMatchObject([{ code: 'CLIENT_CLOSED' }]);
    expect(world.scheduler.timers).toBe(0);
  });
});

describe('subscriptions', () => {
  it('asks for topics beyond what HELLO may carry by requests', () => {
    const subs = Array.from({ length: 40 }, (_, n) => `topic.${n}`);
    const world = new World({ subs });
    world.sdk.start();
    const [, , hello] = world.link.open();
    expect(hello['subs']).toEqual(subs.slice(0, 32));
    world.greetOpened();
    expect(asked(world.link).map(([, method, topic]) => [method, topic])).toEqual(
      subs.slice(32).map((topic) => ['topic.subscribe', topic]),
    );
  });

  it('keeps a topic that the caller wants when a wait lets go of it, and the other way round', () => {
    const { world, link } = waiting(false);
    const { subscriptions } = world.sdk;
    subscriptions.subscribed('task.t1');
    link.result(1, { rev: 1 });
    world.settle();
    expect(subscriptions.unsubscribed('task.t1')).toBe(false);
    subscriptions.subscribed('task.t1');
    link.result(2, { task: completed });
    world.settle();
    expect(asked(link).some(([, method]) => method === 'topic.unsubscribe')).toBe(false);
    expect(subscriptions.unsubscribed('task.t1')).toBe(true);
    expect(subscriptions.unsubscribed('never.there')).toBe(true);
  });
});
