/** Control of a running task on the command line, with a real server and an agent of the SDK. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../src/client/node.ts';
import { Place } from './processes.ts';

let place: Place;

beforeEach(async () => {
  place = new Place();
  await place.serve();
});

afterEach(async () => {
  await place.close();
});

describe('control of a running task', { timeout: 90_000 }, () => {
  it('from pause to the end of its output', async () => {
    const boss = await place.client();
    const key = place.read('data/admin.key').trim();
    const agent = await connect({ url: boss.url, key, agent: { name: 'w', capabilities: ['write'] } });
    agent.agent.handle('write', async (_task, context) => {
      const heard: unknown[] = [];
      context.onSteer(({ message }) => heard.push(message));
      const branch = await context.ask('Which branch?', { choices: ['main', 'next'] });
      await context.output.write(`on ${String(branch)}\n`);
      return { heard: heard.length };
    });
    try {
      const { task } = await boss.task.create({ type: 'write' });
      expect((await place.runQuickly('task', 'pause', task.id, '--reason', 'look', '--within', '1h')).out).toBe(
        `${task.id}  paused\n`,
      );
      expect((await place.runQuickly('task', 'steer', task.id, 'in French')).out).toBe(`${task.id}  message 2\n`);
      expect((await place.runQuickly('task', 'resume', task.id)).code).toBe(0);
      expect((await place.runQuickly('task', 'extend', task.id)).code).toBe(2);
      expect((await place.runQuickly('task', 'extend', task.id, '--timeout', '1h', '--deadline', 'none')).err).toBe('');
      expect((await place.runQuickly('task', 'reprioritise', task.id, 'high')).code).toBe(0);
      const shown = await place.runQuickly('task', 'get', task.id);
      expect(shown.out).toContain('Which branch? (main, next)');
      expect((await place.runQuickly('task', 'answer', task.id, 'main')).out).toContain('answered');
      expect((await place.runQuickly('task', 'output', task.id)).out).toBe('on main\n');
      expect((await place.runQuickly('task', 'output', task.id, '--from', '3', '--no-follow', '--json')).out).toBe(
        '{"offset":0,"attempt":1,"data":"on main\\n"}\n',
      );
      expect((await boss.task.wait(task)).result).toEqual({ heard: 1 });
      expect((await place.runQuickly('task', 'answer', task.id, 'main')).code).toBe(2);
    } finally {
      await agent.close();
    }
  });
});
