/** Two nodes on one Redis, as processes: whatever is asked of the one is there at the other. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskView } from '../../src/client/node.ts';
import { Fleet } from './fleet.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.start(2);
}, 180_000);
afterAll(() => fleet.close());

describe('of two nodes', { timeout: 120_000 }, () => {
  it('one creates a tenant, and the other one serves it', async () => {
    const [first, second] = [fleet.node(0), fleet.node(1)];
    const operator = await fleet.client(first.port);
    const { key } = await operator.tenant.create({ id: 'acme' });
    // It learns of the tenant from the log: until then the key is unknown there, and a client is let in when it comes again.
    const there = await fleet.client(second.port, { key: () => key ?? '' });
    const { task } = await there.task.create({ type: 'work' });
    const here = await fleet.client(first.port, { key: () => key ?? '' });
    expect((await here.task.list({})).tasks.map(({ id }) => id)).toEqual([task.id]);
  });

  it('one is killed: its agent goes on at the other one, where the work is given', async () => {
    const [first, second] = [fleet.node(0), fleet.node(1)];
    const worker = second.place.start(
      ...['agent', '--url', `ws://127.0.0.1:${first.proxy.port}/v1`, '--key', fleet.key],
      ...['--name', 'worker', '--capability', 'work', '--json', '--', 'cat'],
    );
    await worker.event('online');
    const client = await fleet.client(second.port);
    const tasks: TaskView[] = [];
    const create = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at += 1) tasks.push((await client.task.create({ type: 'work' })).task);
    };
    await create(10);
    first.proxy.lead(second.port);
    await first.place.server.stop('SIGKILL');
    first.proxy.cut();
    await create(10);
    for (const { id } of tasks) {
      expect(await client.task.wait(id, { timeoutMs: 60_000 })).toMatchObject({ status: 'completed' });
    }
  });
});
