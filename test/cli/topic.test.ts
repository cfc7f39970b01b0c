/** Topics on the command line, with a real server. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { Place } from './processes.ts';

let place: Place;

beforeEach(async () => {
  place = new Place();
  await place.serve();
});

afterEach(async () => {
  await place.close();
});

it('are spoken and listened to by patterns, from a position on', { timeout: 90_000 }, async () => {
  const said = await place.runQuickly('topic', 'publish', 'build.a', '--text', 'one');
  expect(said.out).toMatch(/^said at \d+\n$/);
  const kept = await place.runQuickly(
    'topic',
    'publish',
    'build.b',
    '{"n":1}',
    '--kind',
    'latest',
    '--latest-key',
    'x',
  );
  expect(kept.code).toBe(0);
  const listening = place.start('topic', 'listen', 'build.*', 'build.a', '--since', '0', '--count', '3', '--json');
  await until(() => listening.events.length === 2, 'what was said before', 30_000);
  expect((await place.runQuickly('topic', 'publish', 'other.c', '--text', 'no')).code).toBe(0);
  expect((await place.runQuickly('topic', 'publish', 'build.a', '--text', 'two')).code).toBe(0);
  expect(await listening.ended).toBe(0);
  expect(listening.events).toMatchObject([
    { e: 'latest', t: 'build.b', d: { n: 1 } },
    { e: 'message', t: 'build.a', d: { data: 'one' } },
    { e: 'message', t: 'build.a', d: { data: 'two' } },
  ]);
  expect((await place.runQuickly('topic', 'publish', 'build.a')).code).toBe(2);
  expect((await place.runQuickly('topic', 'publish', 'build.*', '--text', 'x')).err).toContain('INVALID_PARAMS');
  const stopped = place.start('topic', 'listen', '>', '--json');
  await until(() => stopped.events.length === 1, 'the latest value', 30_000);
  expect((await place.runQuickly('topic', 'publish', 'x', '--text', 'y')).code).toBe(0);
  await until(() => stopped.events.length === 2, 'what was said', 30_000);
  expect(stopped.events[1]).toMatchObject({ e: 'message', t: 'x', d: { data: 'y' } });
  expect(await stopped.stop()).toBe(0);
});
