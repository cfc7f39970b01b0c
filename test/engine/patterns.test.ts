/** Who hears of what by a pattern, beside a matcher that is written another way and asked for each subscription. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { isPattern } from '../../protocol/wire/topics.ts';
import { sessionSnapshot } from '../../src/engine/sessions/snapshot.ts';
import { codeOf, expectSound, followed, Rig } from './rig.ts';

/** By a regular expression. */
function naive(pattern: string, topic: string): boolean {
  const source = pattern
    .split('.')
    .map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token))
    .join('\\.');
  return new RegExp(`^${source}$`).test(topic);
}

const token = fc.constantFrom('a', 'b', 'c');
const topic = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([tokens, tail]) => [...tokens.slice(0, tail ? -1 : undefined), ...(tail ? ['>'] : [])].join('.'));
const wanted = fc.oneof(topic, pattern);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('subscribe' as const), who: fc.nat(2), topic: wanted }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unsubscribe' as const), who: fc.nat(2), topic: wanted }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), who: fc.nat(2), topic: wanted }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish' as const), who: fc.nat(2), topic }) },
);

it('is told what each of its subscriptions means, and nothing else, whatever came and went', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const rig = new Rig();
      const speaker = rig.session();
      const open = (who: number): { id: string; topics: Set<string> } => ({
        id: rig.session({ who: `key:${who}` }),
        topics: new Set(),
      });
      const listeners = [open(0), open(1), open(2)];
      for (const { do: what, who, topic: name } of steps) {
        const listener = listeners[who] ?? listeners[0];
        if (listener === undefined) continue;
        if (what === 'end') {
          rig.one({ kind: 'session.bye', session: listener.id, attach: 1, requeue: true });
          listeners[who] = open(who);
        } else if (what === 'publish') {
          rig.ask(speaker, 'topic.publish', { topic: name, data: 1 });
          const { to } = rig.pushes.at(-1) ?? { to: [] };
          expect(new Set(to).size).toBe(to.length);
          for (const { id, topics } of listeners) {
            const heard = to.some((audience) => rig.engine.state.subs.get(`${id} ${audience.slice(2)}`) !== undefined);
            expect(heard, `${[...topics].join(' ')} of ${name}`).toBe([...topics].some((one) => naive(one, name)));
          }
        } else {
          expect(codeOf(rig.ask(listener.id, `topic.${what}`, { topic: name }).reply)).toBe('ok');
          if (what === 'subscribe') listener.topics.add(name);
          else listener.topics.delete(name);
        }
      }
      expectSound(rig.engine);
    }),
    { numRuns: 150 },
  );
});

it('hears the same from a state that was loaded', () => {
  const rig = new Rig();
  const speaker = rig.session();
  const listener = rig.session({ who: 'key:b', subs: ['news.*', 'news.>', 'other'] });
  followed(rig, ['news.a', 'news.a.b'], {
    go: (topic) => void rig.ask(speaker, 'topic.publish', { topic, data: 1 }),
    judge: () => expectSound(rig.engine),
  });
  expect(rig.pushes.map(({ to }) => to)).toEqual([
    ['t:news.a', 't:news.*', 't:news.>'],
    ['t:news.a.b', 't:news.>'],
  ]);
  expect(sessionSnapshot(rig.engine.state, { session: listener }).snapshot.subs).toEqual(['news.*', 'news.>', 'other']);
});

describe('a pattern', () => {
  it('hears of tasks and agents as their topics do', () => {
    const rig = new Rig();
    const client = rig.session({ subs: ['task.*', 'agent.>'] });
    rig.agent('w');
    const { id } = rig.create(client);
    const told = rig.pushes
      .filter(({ to }) => to.some((one) => isPattern(one)))
      .map(({ event, to }) => [event, to.at(-1)]);
    expect(told).toContainEqual(['agent.registered', 't:agent.>']);
    expect(told).toContainEqual(['task.assigned', 't:task.*']);
    expect(rig.pushes.some(({ to }) => to.includes(`t:task.${id}`) && !to.includes('t:task.*'))).toBe(false);
  });

  it('is answered with the latest values that it means, in the order of their topics', () => {
    const rig = new Rig();
    const session = rig.session();
    for (const [name, key] of [
      ['build.b', 'y'],
      ['build.a', 'x'],
      ['build.a.log', 'x'],
      ['test.a', 'x'],
    ] as const) {
      rig.ask(session, 'topic.publish', { topic: name, data: name, kind: 'latest', key });
    }
    const { reply } = rig.ask(session, 'topic.subscribe', { topic: 'build.*' });
    expect(reply).toMatchObject({
      ok: true,
      result: {
        latest: [
          { topic: 'build.a', key: 'x', data: 'build.a' },
          { topic: 'build.b', key: 'y', data: 'build.b' },
        ],
      },
    });
  });

  it('gives no more latest values than an answer holds, and says so', () => {
    const rig = new Rig();
    const session = rig.session();
    const data = 'x'.repeat(60_000);
    for (const name of ['l.a', 'l.b', 'l.c']) rig.ask(session, 'topic.publish', { topic: name, data, kind: 'latest' });
    const { reply } = rig.ask(session, 'topic.subscribe', { topic: 'l.*' });
    expect(reply).toMatchObject({ ok: true, result: { latest: [{ topic: 'l.a' }, { topic: 'l.b' }], gap: true } });
  });
});

describe('the bounds of patterns', () => {
  it('are so many of a session, beside its other topics', () => {
    const rig = new Rig();
    const session = rig.session();
    for (let i = 0; i < LIMITS.patternsMax; i += 1)
      expect(codeOf(rig.ask(session, 'topic.subscribe', { topic: `t${i}.*` }).reply)).toBe('ok');
    expect(codeOf(rig.ask(session, 'topic.subscribe', { topic: 'more.*' }).reply)).toBe('LIMIT_EXCEEDED');
    expect(codeOf(rig.ask(session, 'topic.subscribe', { topic: 't0.*' }).reply)).toBe('ok');
    expect(codeOf(rig.ask(session, 'topic.subscribe', { topic: 'named' }).reply)).toBe('ok');
    expect(codeOf(rig.ask(session, 'topic.unsubscribe', { topic: 't0.*' }).reply)).toBe('ok');
    expect(codeOf(rig.ask(session, 'topic.subscribe', { topic: 'more.*' }).reply)).toBe('ok');
  });

  it('are so many places of wildcards of a tenant, by requests and by HELLO, until they are left', () => {
    const rig = new Rig();
    const stars = (n: number): string => Array.from({ length: 7 }, (_, bit) => ((n >> bit) & 1 ? '*' : 'x')).join('.');
    const shapes = Array.from({ length: LIMITS.patternShapesMax }, (_, n) => stars(n + 1));
    const first = rig.session({ subs: shapes.slice(0, 32) });
    rig.session({ who: 'key:b', subs: shapes.slice(32) });
    const other = rig.session({ who: 'key:c' });
    expect(codeOf(rig.ask(other, 'topic.subscribe', { topic: stars(65) }).reply)).toBe('LIMIT_EXCEEDED');
    expect(codeOf(rig.hello({ who: 'key:c', subs: [stars(65)] }).reply)).toBe('UNAVAILABLE');
    // The same places, with other tokens beside them.
    expect(codeOf(rig.ask(other, 'topic.subscribe', { topic: stars(1).replace('x', 'y') }).reply)).toBe('ok');
    rig.ask(other, 'topic.publish', { topic: 'x.x.x.x.x.x.x', data: 1 });
    expect(rig.pushes.at(-1)?.to).toHaveLength(1 + LIMITS.patternShapesMax);
    rig.one({ kind: 'session.bye', session: first, attach: 1, requeue: true });
    expect(codeOf(rig.ask(other, 'topic.subscribe', { topic: stars(65) }).reply)).toBe('ok');
    expectSound(rig.engine);
  });
});

it('a session that is resumed by who may no longer listen has lost its subscriptions', () => {
  const rig = new Rig();
  const speaker = rig.session();
  const session = rig.session({ who: 'key:b', subs: ['a.*', 'a.b'] });
  const resume = { session, secretHash: 's1', rev: 0 };
  expect(codeOf(rig.hello({ who: 'key:b', resume }).reply)).toBe('ok');
  expect(rig.engine.state.subs.size).toBe(2);
  expect(codeOf(rig.hello({ who: 'key:b', resume, deaf: true }).reply)).toBe('ok');
  expect(rig.engine.state.subs.size).toBe(0);
  expect(rig.engine.state.sessions.get(session)?.subs).toBe(0);
  rig.ask(speaker, 'topic.publish', { topic: 'a.b', data: 1 });
  expect(rig.pushes.at(-1)?.to).toEqual(['t:a.b']);
  expectSound(rig.engine);
});
