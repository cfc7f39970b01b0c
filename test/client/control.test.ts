/** Control of running tasks as agents and submitters see it, with a real server; and orders that come by several ways. */
import { describe, expect, it } from 'vitest';
import type { Value } from '../../protocol/wire/types.ts';
import type { Client } from '../../src/client/node.ts';
import { until } from '../support/until.ts';
import { AGENT, order, World } from './peer.ts';
import { servedClients } from './served.ts';

/** Asks until there is an answer that says something. */
async function eventually<T>(ask: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await ask();
    if (found !== undefined && found !== false) return found;
  }
}

describe('with a server', () => {
  const clientOf = servedClients();
  const open = (agent?: string): Promise<Client> =>
    clientOf(agent === undefined ? undefined : { name: agent, capabilities: [agent] });

  it('rests while it is paused, heeds messages in order, and goes on', async () => {
    const [boss, agent] = [await open(), await open('rests')];
    const heard: unknown[] = [];
    let steps = 0;
    agent.agent.handle('rests', async (_task, context) => {
      context.onSteer(({ message }) => heard.push(message));
      while (heard.length < 3) {
        steps += 1;
        await context.resumed();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return { heard: [...heard] as Value[] };
    });
    const { task } = await boss.task.create({ type: 'rests' });
    await until(() => steps > 0);
    await boss.task.pause({ id: task.id, reason: 'look' });
    await eventually(async () => (await boss.task.get({ id: task.id })).task.paused?.confirmed === true);
    const rested = steps;
    for (const message of ['a', 'b']) await boss.task.steer({ id: task.id, message });
    await until(() => heard.length === 2);
    expect(steps).toBe(rested);
    await boss.task.resume({ id: task.id });
    await boss.task.steer({ id: task.id, message: 'c' });
    const ended = await boss.task.wait(task);
    expect(ended).toMatchObject({ status: 'completed', result: { heard: ['a', 'b', 'c'] } });
    expect(ended.controls).toBeUndefined();
  });

  it('asks, and learns the answer or that nobody gave one', async () => {
    const [boss, agent] = [await open(), await open('asks')];
    agent.agent.handle('asks', async (_task, { ask }) => {
      const which = await ask('Which?', { choices: ['left', 'right'] });
      const late = await ask('Now?', { expiresMs: 100 }).then(
        () => 'answered',
        (error: { readonly code: string }) => error.code,
      );
      return { which, late };
    });
    const { task } = await boss.task.create({ type: 'asks' });
    const askId = await eventually(async () => (await boss.task.get({ id: task.id })).task.questions?.[0]?.askId);
    await boss.task.answer({ id: task.id, askId, answer: 'right' });
    expect((await boss.task.wait(task)).result).toEqual({ which: 'right', late: 'ASK_EXPIRED' });
  });

  it('goes on from the checkpoint of the attempt before', async () => {
    const [boss, agent] = [await open(), await open('pages')];
    agent.agent.handle('pages', async (task, { checkpoint, attempt }) => {
      const from = Number(task.checkpoint?.data ?? 0);
      await checkpoint(from + 5);
      if (attempt === 1) throw new Error('broke');
      return from;
    });
    const { task } = await boss.task.create({ type: 'pages', retry: { initialDelayMs: 0 } });
    expect((await boss.task.wait(task)).result).toBe(5);
  });

  it('writes output that is followed while it runs, and read from an offset after its end', async () => {
    const [boss, agent] = [await open(), await open('writes')];
    let go = (): void => undefined;
    agent.agent.handle('writes', async (_task, { output }) => {
      const first = [output.write('one '), output.write('two ')];
      await Promise.all(first);
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      void output.write('𝄞'.repeat(30_000));
      void output.write(new Uint8Array([1, 2, 3]));
      return 'done';
    });
    const { task } = await boss.task.create({ type: 'writes' });
    const pieces: (string | Uint8Array)[] = [];
    for await (const piece of boss.task.watchOutput(task)) {
      pieces.push(piece.data);
      if (pieces.length === 1) {
        // What is written in one turn goes as one piece.
        expect(piece).toEqual({ offset: 0, attempt: 1, data: 'one two ' });
        go();
      }
    }
    const texts = pieces.filter((piece) => typeof piece === 'string');
    expect(texts.join('')).toBe(`one two ${'𝄞'.repeat(30_000)}`);
    expect(pieces.at(-1)).toEqual(new Uint8Array([1, 2, 3]));
    const { task: ended } = await boss.task.get({ id: task.id });
    expect(ended).toMatchObject({ status: 'completed', output: { bytes: 120_011 } });
    const tail: number[] = [];
    for await (const { offset, data: piece } of boss.task.watchOutput(task.id, { from: 120_009 }))
      tail.push(offset + piece.length);
    expect(tail).toEqual([120_011]);
  });

  it('is followed from within by nobody once the work must stop', async () => {
    const [boss, agent] = [await open(), await open('stops')];
    let failed: unknown;
    agent.agent.handle('stops', async (_task, context) => {
      await context.ask('Anybody?').catch((error: unknown) => {
        failed = error;
      });
    });
    const { task } = await boss.task.create({ type: 'stops' });
    await eventually(async () => (await boss.task.get({ id: task.id })).task.questions?.length === 1);
    await boss.task.cancel({ id: task.id });
    await until(() => failed !== undefined);
    expect(failed).toMatchObject({ code: 'TASK_STOPPED' });
  });
});

describe('orders that come by several ways', () => {
  const steer = (seq: number): Record<string, unknown> => ({ control: 'steer', seq, message: seq, from: 'key:1' });
  const pushed = (seq: number): Record<string, unknown> => {
    const { control: _, ...rest } = steer(seq);
    return { id: 't1', attempt: 1, token: '11', ...rest };
  };

  it('are handed over once and in order', () => {
    const world = new World({ agent: AGENT });
    const link = world.online({ agent: { id: 'agt_1' } });
    link.push('task.assigned', { ...order('t1', '11'), controls: [steer(1), steer(2)] }, { rev: 101 });
    link.push('task.steered', pushed(2), { rev: 102 });
    link.push('task.steered', pushed(3), { rev: 103 });
    const heard: number[] = [];
    world.runs[0]?.handle.orders(({ seq }) => heard.push(seq));
    link.push('task.assigned', { ...order('t1', '11'), controls: [steer(1), steer(4)] }, { rev: 104 });
    link.push('task.steered', pushed(4), { rev: 105 });
    expect(heard).toEqual([1, 2, 3, 4]);
    link.take();
    world.runs[0]?.handle.acknowledge('steer', 4);
    world.settle();
    const told = link.requests().find(({ m }) => m === 'task.acknowledge');
    expect(told?.p).toEqual({ id: 't1', token: '11', control: 'steer', seq: 4 });
  });

  it('stand in the snapshot of a fresh session', () => {
    const world = new World({ agent: AGENT });
    const link = world.online({ agent: { id: 'agt_1' } });
    link.push('task.assigned', order('t1', '11'), { rev: 101 });
    const heard: number[] = [];
    world.runs[0]?.handle.orders(({ seq }) => heard.push(seq));
    world.settle();
    link.push('task.steered', pushed(1), { rev: 102 });
    world.reconnect({
      session: 'ses_2',
      resumed: false,
      reason: 'expired',
      agent: { id: 'agt_1' },
      snapshot: { tasks: [{ ...order('t1', '11'), controls: [steer(1), steer(2)] }], locks: [], waits: [], subs: [] },
    });
    expect(heard).toEqual([1, 2]);
  });

  it("about what is not held here are nobody's", () => {
    const world = new World({ agent: AGENT });
    const link = world.online({ agent: { id: 'agt_1' } });
    link.push('task.paused', { id: 't9', attempt: 1, token: '99', seq: 1 }, { rev: 101 });
    world.settle();
    expect(link.requests()).toEqual([]);
    expect(world.pushes).toEqual([]);
  });
});
