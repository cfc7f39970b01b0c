/** Notifications with a real server that is killed, and the command line that says and follows. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect, type Client } from '../../src/client/node.ts';
import { until } from '../support/until.ts';
import { Place } from './processes.ts';

let place: Place;
const agents: Client[] = [];

beforeEach(async () => {
  place = new Place();
  await place.serve();
});

afterEach(async () => {
  for (const one of agents.splice(0)) await one.close({ timeoutMs: 0 });
  await place.close();
});

async function agent(name: string): Promise<{ readonly client: Client; readonly heard: string[] }> {
  const heard: string[] = [];
  const client = await connect({
    url: place.url,
    key: place.read('data/admin.key').trim(),
    agent: { name, capabilities: ['resize'] },
  });
  agents.push(client);
  client.on('notification', ({ message }) => heard.push(message));
  return { client, heard };
}

it(
  'are told to who was away, once and in order, though the server was killed meanwhile',
  { timeout: 90_000 },
  async () => {
    const here = await agent('here');
    const away = await agent('away');
    await away.client.close({ timeoutMs: 0 });
    const say = (...more: string[]) => place.runQuickly('broadcast', '--type', 'deploy', ...more);
    expect((await say('--all', 'one')).out).toMatch(/^ntf_\w+ said at \d+\n$/);
    expect((await say('--capability', 'resize', '--priority', 'high', 'two')).code).toBe(0);
    expect((await say('--agent', 'away', '--payload', '{"n":3}', 'three')).code).toBe(0);
    await until(() => here.heard.length === 2, 'what was said to who was there', 30_000);
    await place.server.stop('SIGKILL');
    await place.serve();
    const back = await agent('away');
    await until(() => back.heard.length === 3, 'what was said while it was away', 30_000);
    expect((await say('--all', 'four')).code).toBe(0);
    await until(() => back.heard.length === 4 && here.heard.length === 3, 'what is said now', 30_000);
    expect(back.heard).toEqual(['one', 'two', 'three', 'four']);
    expect(here.heard).toEqual(['one', 'two', 'four']);
    expect((await say('nobody')).code).toBe(2);
    expect((await say('--agent', 'nobody', 'x')).err).toContain('AGENT_NOT_FOUND');
  },
);

it('topics are watched from what is kept on, over a kill of the server', { timeout: 90_000 }, async () => {
  expect((await place.runQuickly('topic', 'publish', 'build.a', '--text', 'one')).code).toBe(0);
  const watching = place.start('watch', 'build.*', '--count', '3', '--json');
  await until(() => watching.events.length === 1, 'what was said before', 30_000);
  expect((await place.runQuickly('topic', 'publish', 'build.b', '--text', 'two')).code).toBe(0);
  await until(() => watching.events.length === 2, 'what was said then', 30_000);
  await place.server.stop('SIGKILL');
  await place.serve();
  expect((await place.runQuickly('topic', 'publish', 'build.c', '--text', 'three')).code).toBe(0);
  expect(await watching.ended).toBe(0);
  expect(watching.events).toMatchObject([{ d: { data: 'one' } }, { d: { data: 'two' } }, { d: { data: 'three' } }]);
});
