/**
 * A server is replaced under load: told to stop, and started again on the same directory and ports, as an upgrade of one
 * server goes. Nobody who works or asks does anything about it.
 */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect, type Client, type NodeClientOptions } from '../../src/client/node.ts';
import { Place } from '../cli/processes.ts';
import { until } from '../support/until.ts';

const AGENTS = 20;
const SUBMITTERS = 4;

let place: Place;
const clients: Client[] = [];
beforeEach(() => {
  place = new Place();
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close({ timeoutMs: 0 });
  await place.close();
});

async function join(options: Partial<NodeClientOptions> = {}): Promise<Client> {
  const client = await connect({ url: place.url, key: place.read('data/admin.key').trim(), ...options });
  clients.push(client);
  return client;
}

it('loses, fails and doubles nothing, and everybody is back', { timeout: 120_000 }, async () => {
  await place.serve();
  const executed = new Map<string, number>();
  const agents: Client[] = [];
  for (let n = 0; n < AGENTS; n += 1) {
    const agent = await join({ agent: { name: `agent-${n}`, capabilities: ['work'], capacity: 2 } });
    agent.agent.handle('work', (task) => {
      executed.set(task.id, (executed.get(task.id) ?? 0) + 1);
      return { n };
    });
    agents.push(agent);
  }
  const created: string[] = [];
  let isLoaded = true;
  const load = async (client: Client): Promise<void> => {
    while (isLoaded) created.push((await client.task.create({ type: 'work' })).task.id);
  };
  const watcher = await join();
  const loads = await Promise.all(Array.from({ length: SUBMITTERS }, () => join()));
  const loading = loads.map(load);
  await until(() => executed.size >= 100, 'work before', 30_000);
  expect(await place.server.stop('SIGTERM')).toBe(0);
  const [before, went] = [created.length, executed.size];
  await place.serve();
  await until(() => agents.every(({ state }) => state === 'online'), 'the agents', 30_000);
  await until(() => created.length >= before + 100 && executed.size >= went + 100, 'work after', 30_000);
  isLoaded = false;
  await Promise.all(loading);
  const ends = await Promise.all(created.map((id) => watcher.task.wait(id, { timeoutMs: 60_000 })));
  expect(ends.filter(({ status, attempt }) => status !== 'completed' || attempt !== 1)).toEqual([]);
  expect([executed.size, Math.max(...executed.values())]).toEqual([created.length, 1]);
  const { agents: there } = await watcher.agent.list();
  expect(there.filter(({ status }) => status === 'active')).toHaveLength(AGENTS);
});
