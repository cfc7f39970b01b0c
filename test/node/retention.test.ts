import { expect, onTestFinished, test } from 'vitest';
import { memoryStore } from '../../src/store/memory.ts';
import { keepNoFinished, NodeRig } from '../support/node-rig.ts';

test('a task whose time is over is unknown, to whoever asks for it or has its token', () => {
  onTestFinished(keepNoFinished());
  const day = 86_400_000;
  const rig = new NodeRig({ store: (scheduler) => memoryStore({ scheduler, finishedMs: day }) }).start();
  const client = rig.client(rig.operator, { agent: { name: 'a', capabilities: ['build'] } });
  const { task } = rig.result(client, 'task.create', { type: 'build' });
  const id = task !== null && typeof task === 'object' && 'id' in task ? String(task['id']) : '';
  const token = String(rig.node.serving('default')?.tenant.engine.state.tasks.get(id)?.token);
  rig.result(client, 'task.complete', { id, token, output: 1 });
  rig.scheduler.advance(1_000);
  expect(rig.node.serving('default')?.tenant.engine.state.tasks.get(id)).toBeUndefined();
  rig.retain();
  expect(rig.result(client, 'task.get', { id })).toMatchObject({ task: { status: 'completed' } });
  expect(rig.ask(client, 'task.complete', { params: { id, token } })).toMatchObject({
    rejection: { code: 'INVALID_TRANSITION' },
  });
  rig.scheduler.advance(day);
  rig.retain();
  for (const method of ['task.get', 'task.retry'] as const) {
    expect(rig.ask(client, method, { params: { id } })).toMatchObject({ rejection: { code: 'TASK_NOT_FOUND' } });
  }
  expect(rig.ask(client, 'task.complete', { params: { id, token } })).toMatchObject({
    rejection: { code: 'TASK_NOT_FOUND' },
  });
  expect(rig.result(client, 'task.list')).toEqual({ tasks: [] });
});
