/** What a connection that fell behind is handed, and what it is told when that is not everything. */
import { describe, expect, test } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

const hour = 3_600_000;
/** A ring that keeps four pushes: older ones are in the history only. */
const small = { ring: { pushesMax: 4, bytesMax: 1_000_000 }, historyMs: hour };

function publish(rig: NodeRig, topic: string, ...data: readonly string[]): void {
  const publisher = rig.client(rig.operator);
  for (const one of data) rig.result(publisher, 'topic.publish', { topic, data: one });
  publisher.attached.detach();
  rig.scheduler.settle();
}

function drain(rig: NodeRig, client: Client): void {
  client.full = false;
  client.attached.drained();
  rig.scheduler.settle();
}

const numbers = (from: number, upTo: number): string[] =>
  Array.from({ length: upTo - from + 1 }, (_, index) => `m${from + index}`);

describe('a connection whose queue was full', () => {
  test('is caught up from the history, and told of no gap, while that has everything', () => {
    const rig = new NodeRig(small).start();
    const reader = rig.client(rig.operator, { subs: ['news'] });
    reader.full = true;
    publish(rig, 'news', ...numbers(1, 10));
    rig.retain();
    drain(rig, reader);
    expect(reader.messages()).toEqual(numbers(1, 10));
    expect(reader.told).not.toContain('gap');
  });

  test('is told of a gap when retention has dropped what it did not get, before what came after', () => {
    const rig = new NodeRig(small).start();
    const reader = rig.client(rig.operator, { subs: ['news'] });
    reader.full = true;
    publish(rig, 'news', ...numbers(1, 10));
    rig.scheduler.advance(2 * hour);
    publish(rig, 'news', ...numbers(11, 20));
    rig.retain();
    drain(rig, reader);
    expect(reader.messages()).toEqual(numbers(11, 20));
    expect(reader.told[0]).toBe('gap');
    expect(reader.told.filter((one) => one === 'gap')).toEqual(['gap']);
    expect(must(rig.node.serving('default'), 'default').hub.counts.gaps).toBe(1);
    // Once it has caught up, it is like any other.
    publish(rig, 'news', 'more');
    expect(reader.messages().at(-1)).toBe('more');
  });

  test('is told once, however often its queue fills up on the way', () => {
    const rig = new NodeRig(small).start();
    const reader = rig.client(rig.operator, { subs: ['news', 'other'] });
    reader.full = true;
    publish(rig, 'news', ...numbers(1, 10));
    rig.scheduler.advance(2 * hour);
    publish(rig, 'news', ...numbers(11, 20));
    rig.retain();
    for (let taken = 1; taken <= 10; taken += 1) {
      const before = reader.messages().length;
      const push = reader.push.bind(reader);
      reader.push = (out) => (reader.messages().length > before ? false : push(out));
      drain(rig, reader);
      reader.push = push;
    }
    expect(reader.messages()).toEqual(numbers(11, 20));
    expect(reader.told.filter((one) => one === 'gap')).toEqual(['gap']);
  });

  test('is not told of what was dropped for others', () => {
    const rig = new NodeRig(small).start();
    const reader = rig.client(rig.operator, { subs: ['news'] });
    const other = rig.client(rig.operator, { subs: ['other'] });
    publish(rig, 'other', ...numbers(1, 10));
    expect(other.messages()).toHaveLength(10);
    rig.scheduler.advance(2 * hour);
    reader.full = true;
    publish(rig, 'news', ...numbers(11, 20));
    rig.retain();
    drain(rig, reader);
    expect(reader.messages()).toEqual(numbers(11, 20));
    expect(reader.told).not.toContain('gap');
  });

  test('is not told of what the history dropped and the ring still has', () => {
    const rig = new NodeRig(small).start();
    const reader = rig.client(rig.operator, { subs: ['news', 'other'] });
    reader.full = true;
    // One push of `other` leaves the ring, those of `news` do not, and then the history forgets all but the newest.
    publish(rig, 'news', 'm1');
    publish(rig, 'other', 'o1');
    rig.scheduler.advance(2 * hour);
    rig.retain();
    publish(rig, 'other', 'o2');
    drain(rig, reader);
    expect(reader.messages()).toEqual(['m1', 'o1', 'o2']);
    expect(reader.told).not.toContain('gap');
  });
});

describe('a session that comes back', () => {
  test('is resumed if the ring has what it missed, though the history has dropped it', () => {
    const rig = new NodeRig(small).start();
    const reader = rig.client(rig.operator, { subs: ['news'] });
    const { session, secret, rev } = must(reader.welcome, 'a welcome');
    reader.attached.detach();
    rig.scheduler.settle();
    publish(rig, 'news', 'm1');
    rig.scheduler.advance(300_000);
    rig.retain();
    const again = rig.client(rig.operator, { resume: { session, secret, rev } });
    expect(again.welcome?.resumed).toBe(true);
    expect(again.messages()).toEqual(['m1']);
  });
});
