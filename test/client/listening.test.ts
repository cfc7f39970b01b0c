/** `client.topic.listen` with a server in memory. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Client } from '../../src/client/client.ts';
import { testServer, type Muster } from '../../src/testing/index.ts';

let muster: Muster;
let speaker: Client;
let listener: Client;

beforeEach(async () => {
  muster = await testServer();
  speaker = await muster.connect({ role: 'member' });
  listener = await muster.connect({ role: 'viewer' });
});
afterEach(() => muster.close());

/** Says this on each topic, and returns when the listener has been handed it all. */
async function say(data: string, ...topics: readonly string[]): Promise<void> {
  for (const topic of topics) await speaker.topic.publish({ topic, data });
  const last = new Promise<void>((resolve) => {
    void listener.topic.listen('last', () => resolve());
  });
  await listener.topic.subscribe({ topic: 'last' });
  await speaker.topic.publish({ topic: 'last', data: null });
  await last;
}

it('hears what its pattern means, each listener once, however many there are', async () => {
  const heard: string[] = [];
  const note =
    (name: string) =>
    ({ topic, data }: { readonly topic: string | undefined; readonly data: unknown }): void => {
      heard.push(`${name} ${topic} ${(data as { readonly data: string }).data}`);
    };
  const stops = [
    await listener.topic.listen('build.*', note('one')),
    await listener.topic.listen('build.>', note('tail')),
    await listener.topic.listen('build.a', note('named')),
  ];
  await say('m', 'build.a', 'build.a.log', 'test.a');
  expect(heard.toSorted()).toEqual(['named build.a m', 'one build.a m', 'tail build.a m', 'tail build.a.log m']);
  heard.length = 0;
  stops[0]?.();
  stops[0]?.();
  await say('n', 'build.a', 'build.b');
  expect(heard.toSorted()).toEqual(['named build.a n', 'tail build.a n', 'tail build.b n']);
});

it('leaves the subscription to whoever else wants it, and ends it with the last', async () => {
  const heard: string[] = [];
  const stops = await Promise.all([1, 2].map((n) => listener.topic.listen('build.*', () => heard.push(`${n}`))));
  stops[0]?.();
  await say('m', 'build.a');
  expect(heard).toEqual(['2']);
  stops[1]?.();
  await say('n', 'build.a');
  expect(heard).toEqual(['2']);
  const { snapshot } = await listener.session.snapshot();
  expect(snapshot.subs).toEqual(['last']);
});

it('rejects with what the server says', async () => {
  await expect(listener.topic.listen('build.x*', () => undefined)).rejects.toMatchObject({ code: 'INVALID_PARAMS' });
  for (let n = 0; n < 32; n += 1) await listener.topic.listen(`a${n}.*`, () => undefined);
  await expect(listener.topic.listen('more.*', () => undefined)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
});
