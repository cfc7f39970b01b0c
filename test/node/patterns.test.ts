/** What a session that listens by patterns is handed: now, after it was away, after a restart. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

const hour = 3_600_000;
const small = { ring: { pushesMax: 4, bytesMax: 1_000_000 }, historyMs: hour };

type Said = readonly [topic: string, data: string];

function publish(rig: NodeRig, said: readonly Said[], more: object = {}): void {
  const publisher = rig.client(rig.operator);
  for (const [topic, data] of said) rig.result(publisher, 'topic.publish', { topic, data, ...more });
  publisher.attached.detach();
  rig.scheduler.settle();
}

const mixed: readonly Said[] = [
  ['build.a', 'm1'],
  ['build.a.log', 'm2'],
  ['test.a', 'no'],
  ['build.b', 'm3'],
  ['other', 'no'],
  ['build.c', 'm4'],
];
const patterns = ['build.*', 'build.>', '*.a.log', 'build.b'];
const heard = ['m1', 'm2', 'm3', 'm4'];

function away(
  rig: NodeRig,
  client: Client,
): { readonly session: string; readonly secret: string; readonly rev: number } {
  const { session, secret, rev } = must(client.welcome, 'a welcome');
  client.attached.detach();
  rig.scheduler.settle();
  return { session, secret, rev };
}

describe('one message, however many of the patterns of a session mean it, is handed over once', () => {
  it('as it comes, whatever its kind', () => {
    const rig = new NodeRig().start();
    const reader = rig.client(rig.operator, { subs: patterns });
    publish(rig, mixed);
    expect(reader.messages()).toEqual(heard);
    publish(rig, mixed, { kind: 'ephemeral' });
    expect(reader.messages()).toEqual([...heard, ...heard]);
    publish(rig, mixed, { kind: 'latest' });
    expect(reader.messages()).toEqual([...heard, ...heard, ...heard]);
  });

  it.each([
    ['from the ring', {}],
    ['from the history', small],
  ])('after it was away, %s', (_, options) => {
    const rig = new NodeRig(options).start();
    const reader = rig.client(rig.operator, { subs: patterns });
    const resume = away(rig, reader);
    publish(rig, mixed);
    const again = rig.client(rig.operator, { resume });
    expect(again.welcome?.resumed).toBe(true);
    expect(again.messages()).toEqual(heard);
    publish(rig, mixed);
    expect(again.messages()).toEqual([...heard, ...heard]);
  });

  it('when its queue was full, in order', () => {
    const rig = new NodeRig(small).start();
    const reader = rig.client(rig.operator, { subs: patterns });
    reader.full = true;
    publish(rig, mixed);
    expect(reader.messages()).toEqual([]);
    reader.full = false;
    reader.attached.drained();
    rig.scheduler.settle();
    expect(reader.messages()).toEqual(heard);
  });

  it('after the server was restarted, with and without a snapshot', () => {
    for (const checkpointed of [false, true]) {
      const rig = new NodeRig(small).start();
      const resume = away(rig, rig.client(rig.operator, { subs: patterns }));
      publish(rig, mixed.slice(0, 3));
      if (checkpointed) {
        must(rig.node.serving('default'), 'default').checkpoint(() => undefined);
        rig.scheduler.settle();
      }
      rig.restart();
      publish(rig, mixed.slice(3));
      const again = rig.client(rig.operator, { resume });
      expect(again.welcome?.resumed).toBe(true);
      expect(again.messages()).toEqual(heard);
    }
  });
});

describe('a pattern whose pushes are no longer kept', () => {
  it('is a gap, those of others are not', () => {
    const rig = new NodeRig(small).start();
    const reader = away(rig, rig.client(rig.operator, { subs: ['build.*'] }));
    const other = away(rig, rig.client(rig.operator, { subs: ['test.*', 'quiet.>'] }));
    publish(
      rig,
      [...mixed, ...mixed].filter(([topic]) => topic !== 'test.a'),
    );
    rig.scheduler.advance(300_000);
    // Only what is new is kept, in ring and history.
    const options = { after: 0, upTo: Number.MAX_SAFE_INTEGER, pattern: '>', limit: 100 };
    must(rig.store, 'a store').retain(rig.scheduler.now() + 2 * hour, () => undefined);
    rig.scheduler.settle();
    must(rig.store, 'a store')
      .tenant('default')
      .searchHistory(options, ({ pushes }) => expect(pushes).toEqual([]));
    rig.scheduler.settle();
    const back = rig.client(rig.operator, { resume: reader }).welcome;
    expect(back).toMatchObject({ resumed: false, reason: 'gap' });
    expect(rig.client(rig.operator, { resume: other }).welcome?.resumed).toBe(true);
  });
});

describe('what was published before a pattern was subscribed to', () => {
  it('comes with the answer, with its topic, whoever listened then', () => {
    const rig = new NodeRig().start();
    publish(rig, mixed);
    const reader = rig.client(rig.operator);
    const told = rig.result(reader, 'topic.subscribe', { topic: 'build.>', since: 0 });
    expect(told['missed']).toMatchObject([
      { e: 'message', t: 'build.a', d: { data: 'm1' } },
      { e: 'message', t: 'build.a.log', d: { data: 'm2' } },
      { e: 'message', t: 'build.b', d: { data: 'm3' } },
      { e: 'message', t: 'build.c', d: { data: 'm4' } },
    ]);
    expect(told).not.toHaveProperty('gap');
    publish(rig, [['build.d', 'm5']]);
    expect(reader.messages()).toEqual(['m5']);
  });

  it('ends where the subscription began that was asked of, though it was ended and made anew in the same entry', () => {
    const rig = new NodeRig().start();
    const reader = rig.client(rig.operator, { subs: ['news', 'build.*'] });
    publish(rig, [
      ['news', 'm1'],
      ['build.a', 'm2'],
    ]);
    for (const topic of ['news', 'build.*']) {
      const answers = rig.together(reader, [
        ['topic.subscribe', { topic, since: 0 }],
        ['topic.unsubscribe', { topic }],
        ['topic.subscribe', { topic }],
      ]);
      expect(answers).toMatchObject([{ missed: [] }, {}, {}]);
    }
    expect(reader.messages()).toEqual(['m1', 'm2']);
  });

  it('is read to its end by asking again, and nothing is missed or read twice', () => {
    const rig = new NodeRig().start();
    const said = Array.from({ length: 450 }, (_, n): Said => [n % 2 === 0 ? `b.x${n}` : 'c', `m${n}`]);
    publish(rig, said);
    const reader = rig.client(rig.operator);
    const read: unknown[] = [];
    let since: unknown = 0;
    let asked = 0;
    while (typeof since === 'number') {
      const told = rig.result(reader, 'topic.subscribe', { topic: 'b.*', since });
      const missed = must(told['missed'], 'what was missed');
      if (!Array.isArray(missed)) throw new Error('a list');
      read.push(...missed.map((one: { readonly d: { readonly data: string } }) => one.d.data));
      expect(told['gap'] === true).toBe(told['until'] !== undefined);
      since = told['until'];
      asked += 1;
      publish(rig, [['b.later', 'later']]);
    }
    expect(read).toEqual(said.flatMap(([topic, data]) => (topic === 'c' ? [] : [data])));
    expect(asked).toBe(2);
    expect(reader.messages()).toEqual(['later', 'later']);
  });
});

it('who may no longer listen is handed nothing after a resume', () => {
  const rig = new NodeRig().start();
  const admin = rig.client(rig.operator);
  const key = String(rig.result(admin, 'apiKey.create', { role: 'viewer' })['key']);
  const holder = rig.holder(key);
  const resume = away(rig, rig.client(holder, { subs: ['build.*', 'build.a'] }));
  publish(rig, mixed);
  const again = rig.client({ ...holder, scopes: ['query'] }, { resume });
  expect(again.welcome?.resumed).toBe(true);
  publish(rig, mixed);
  expect(again.messages()).toEqual([]);
});
