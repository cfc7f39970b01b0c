/** Trees as agents and submitters see them, with a real server. */
import { expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import type { Client } from '../../src/client/node.ts';
import { servedClients } from './served.ts';

const clientOf = servedClients();
const open = (agent?: string, capabilities: string[] = [], capacity = 8): Promise<Client> =>
  clientOf(agent === undefined ? undefined : { name: agent, capabilities, capacity });

it('a handler spawns subtasks, awaits some and waits for the others', async () => {
  const boss = await open();
  const planner = await open('planner', ['plan']);
  const worker = await open('worker', ['square']);
  worker.agent.handle('square', (task) => Number(task.parameters) ** 2);
  planner.agent.handle('plan', async (_task, { spawn, done }) => {
    const first = await spawn({ type: 'square', parameters: 3 });
    const sum = Number(await first.result());
    await spawn({ type: 'square', parameters: 4 });
    return done({ sum }, 'wait');
  });
  expect(await boss.task.run({ type: 'plan' })).toEqual({ sum: 9 });
  const [root] = (await boss.task.list({ type: 'plan' })).tasks;
  const { node, children } = await boss.task.tree({ id: must(root, 'the root').id });
  expect(node.children).toMatchObject({ total: 2, completed: 2, running: 0 });
  expect(children.map(({ type, depth }) => [type, depth])).toEqual([
    ['square', 1],
    ['square', 1],
  ]);
});

it('a handler hands its task to another agent', async () => {
  const boss = await open();
  const first = await open('first', ['job']);
  const second = await open('second', ['other']);
  second.agent.handle('job', (task) => `done for ${task.tree?.delegatedBy?.join()}`);
  first.agent.handle('job', (_task, { delegate }) => delegate({ agent: 'second' }, 'not mine'));
  expect(await boss.task.run({ type: 'job' })).toBe('done for first');
});

it('a task fails whose agent hands it to whom it came from', async () => {
  const boss = await open();
  const alone = await open('alone', ['lonely']);
  alone.agent.handle('lonely', (_task, { delegate }) => delegate({ agent: 'alone' }));
  await expect(boss.task.run({ type: 'lonely' })).rejects.toMatchObject({ code: 'TASK_FAILED' });
});

it('a distributed task has one result', async () => {
  const boss = await open();
  const worker = await open('scorer', ['score']);
  worker.agent.handle('score', (task) => ({ score: Number(task.parameters) % 7 }));
  const parts = [5, 13, 8].map((parameters) => ({ parameters }));
  const { task } = await boss.task.distribute({ type: 'score', parts, completion: { mode: 'best_of' } });
  const ended = await boss.task.wait(task);
  expect(ended).toMatchObject({ status: 'completed', result: { value: { score: 6 }, part: { part: 1 } } });
});

it('a tree of a thousand is cancelled, also what has left memory is read', async () => {
  const boss = await open();
  const { task: root } = await boss.task.create({ type: 'nobody' });
  for (let n = 0; n < 10; n += 1) {
    const child = { type: 'nobody', parentId: root.id, watch: false };
    await boss.task.createBatch({ tasks: Array.from({ length: 100 }, () => child) });
  }
  await boss.task.cancel({ id: root.id });
  let all: string[] = [];
  for (let done = false; !done;) {
    const { node } = await boss.task.tree({ id: root.id });
    done = node.children?.running === 0;
  }
  for (let cursor: string | undefined, more = true; more;) {
    const page = await boss.task.tree({ id: root.id, limit: 200, ...(cursor === undefined ? {} : { cursor }) });
    all = [...all, ...page.children.map(({ id, status }) => `${id} ${status}`)];
    ({ cursor } = page);
    more = cursor !== undefined;
  }
  expect(new Set(all).size).toBe(1_000);
  expect(all.every((one) => one.endsWith('cancelled'))).toBe(true);
});
