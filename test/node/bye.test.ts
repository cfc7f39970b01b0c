/** BYE comes after what its session asked before, also when some of that had to be prepared. */
import { expect, test } from 'vitest';
import { isMap, valueHash } from '../../protocol/wire/codec.ts';
import type { Method, Value } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { NodeRig } from '../support/node-rig.ts';

test('what was completed before BYE is not given back, although a request before it was still being read', () => {
  const rig = new NodeRig().start();
  const boss = rig.client(rig.operator);
  const worker = rig.client(rig.operator, { agent: { name: 'w', capabilities: ['build'] } });
  const told: string[] = [];
  const ask = (method: Method, params: Value): void => {
    worker.attached.request({ id: worker.id, method, params, hash: valueHash([method, params]) }, (reply) => {
      told.push(`${method} ${reply.ok ? 'ok' : reply.rejection.code}`);
    });
  };
  const created = rig.result(boss, 'task.create', { type: 'build', requirements: ['build'] })['task'] ?? null;
  const id = isMap(created) ? String(created['id']) : '';
  const task = must(rig.node.serving('default')?.tenant.engine.state.tasks.get(id), 'the task');
  expect(task.status).toBe('assigned');
  // Its letter is looked for in the store.
  ask('deadLetter.discard', { id: 'none' });
  ask('task.complete', { id, token: String(task.token) });
  worker.attached.bye(true, () => told.push('bye'));
  rig.scheduler.advance(1_000);
  expect(told).toEqual(['deadLetter.discard TASK_NOT_FOUND', 'task.complete ok', 'bye']);
  expect(rig.result(boss, 'task.get', { id })['task']).toMatchObject({ status: 'completed' });
});
