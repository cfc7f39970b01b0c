/** Two nodes on one Redis, as processes: whatever is asked of the one is there at the other. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskView } from '../../src/client/node.ts';
import { until, untilAsked } from '../support/until.ts';
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

  it('both are listed by each, with the sessions that they have', async () => {
    const [first, second] = [fleet.node(0), fleet.node(1)];
    const operator = await fleet.client(first.port);
    await fleet.client(second.port);
    await untilAsked(
      async () => (await operator.node.list()).nodes.length === 2,
      'the other node to be heard of',
      30_000,
    );
    const { nodes } = await operator.node.list();
    expect(nodes.map(({ node }) => node)).toEqual([first.id, second.id]);
    expect(nodes.map(({ self, tenants }) => [self, tenants])).toEqual([
      [true, 3],
      [false, 3],
    ]);
    for (const { sessions, behind } of nodes) expect([sessions > 0, behind]).toEqual([true, 0]);
    const headers = { authorization: `Bearer ${fleet.key}` };
    const page = (await (await fetch(`${second.httpUrl}/admin/nodes`, { headers })).json()) as typeof nodes;
    expect(page).toMatchObject({ nodes: [{ node: second.id }, { node: first.id }] });
    const env = ['--url', first.place.url, '--key', fleet.key];
    expect((await first.place.run('nodes', ...env)).out).toMatch(/^NODE +VERSION +STARTED[^\n]*\nn_\w+ .* answers/);
  });

  it('a broadcast reaches the agents of both once, and is kept until all have it', async () => {
    const heard: string[] = [];
    for (const [at, node] of fleet.nodes.entries()) {
      const agent = await fleet.agent(node.port, `listener-${at}`, () => Promise.resolve(''));
      agent.on('notification', ({ message }) => heard.push(`${at} ${message}`));
    }
    const client = await fleet.client(fleet.node(1).port);
    const kept = (): Promise<number> => fleet.node(0).figure('muster_records', 'table="notifications"');
    for (const message of ['a', 'b']) {
      await client.notification.broadcast({ audience: { all: true }, type: 'news', message });
    }
    expect(await kept()).toBe(2);
    await untilAsked(async () => (await kept()) === 0, 'everybody to have heard it');
    expect(heard.toSorted()).toEqual(['0 a', '0 b', '1 a', '1 b']);
  });

  it('a document is made at one, edited at the other, and read at both', async () => {
    const [here, there] = [await fleet.client(fleet.node(0).port), await fleet.client(fleet.node(1).port)];
    const { document } = await here.document.create({ name: 'plan', content: '# One\n\na\n\n# Two\n\nb\n' });
    const listed = async (): Promise<boolean> =>
      (await there.document.list({})).documents.some(({ id }) => id === document.id);
    await untilAsked(listed, 'the other node to have read of it');
    const edited = await there.document.edit(document.id, (content) => content.replace('b', 'B'));
    expect(edited.document.version).toBe(2);
    await untilAsked(async () => (await here.document.get({ id: document.id })).version === 2, 'the edit to be read');
    for (const client of [here, there]) {
      const { content } = await client.document.get({ id: document.id });
      expect(content).toBe('# One\n\na\n\n# Two\n\nB\n');
    }
  });

  it('ephemeral messages reach who listens at either, each once and in order', async () => {
    const publishers = [await fleet.client(fleet.node(0).port), await fleet.client(fleet.node(1).port)];
    const heard: { readonly at: number; readonly from: number; readonly n: number }[] = [];
    for (const [at, node] of fleet.nodes.entries()) {
      const listener = await fleet.client(node.port);
      listener.on('push', ({ event, topic, data }) => {
        if (event === 'message' && topic === 'talk')
          heard.push({ at, ...(data as { data: { from: number; n: number } }).data });
      });
      await listener.topic.subscribe({ topic: 'talk' });
    }
    // A subscription is known at its own node at once, and messages of the other node reach it there.
    for (let n = 0; n < 50; n += 1) {
      for (const [from, publisher] of publishers.entries())
        await publisher.topic.publish({ topic: 'talk', kind: 'ephemeral', data: { from, n } });
    }
    await until(() => heard.length >= 200, 'all messages', 60_000);
    for (const at of [0, 1])
      for (const from of [0, 1]) {
        const told = heard.filter((one) => one.at === at && one.from === from).map(({ n }) => n);
        expect(told).toEqual(Array.from({ length: 50 }, (_, n) => n));
      }
    expect(await fleet.node(0).figure('muster_node_messages_total', 'what="heard"')).toBe(50);
  });

  it('one is killed: its agent goes on at the other one, where the work is given, and its texts are read', async () => {
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
    const writer = await fleet.client(first.proxy.port);
    // Nobody has read the text at the other node when this one is gone.
    const { document } = await writer.document.create({ name: 'last words', content: 'of a node\n' });
    first.proxy.lead(second.port);
    await first.place.server.stop('SIGKILL');
    first.proxy.cut();
    await create(10);
    expect((await client.document.get({ id: document.id })).content).toBe('of a node\n');
    for (const { id } of tasks) {
      expect(await client.task.wait(id, { timeoutMs: 60_000 })).toMatchObject({ status: 'completed' });
    }
  });
});
