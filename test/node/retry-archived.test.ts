/** A finished task that leaves memory between the request to try it again and its turn in the log is tried again all the same. */
import { expect, onTestFinished, test } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { isMap, valueHash } from '../../protocol/wire/codec.ts';
import type { Method, Value, ValueMap } from '../../protocol/wire/types.ts';
import type { Reply } from '../../src/node/port.ts';
import { keepNoFinished, NodeRig, type Client } from '../support/node-rig.ts';

function idOf({ task }: ValueMap): string {
  return String(task !== undefined && isMap(task) ? task['id'] : undefined);
}

/** Asks, and does not wait. */
function begin(client: Client, method: Method, params: Value): { reply: Reply | undefined } {
  const asked: { reply: Reply | undefined } = { reply: undefined };
  client.attached.request({ id: client.id, method, params, hash: valueHash([method, params]) }, (reply) => {
    asked.reply = reply;
  });
  return asked;
}

test('task.retry finds it in the archive', () => {
  const rig = new NodeRig().start();
  const [boss, other] = [rig.client(rig.operator), rig.client(rig.operator)];
  const id = idOf(rig.result(boss, 'task.create', { type: 'build', parameters: { n: 1 } }));
  rig.result(boss, 'task.cancel', { id });
  const { state } = must(rig.node.serving('default'), 'a tenant').tenant.engine;
  expect(state.tasks.get(id)?.status).toBe('cancelled');
  onTestFinished(keepNoFinished());
  // The entry of this one takes the finished task out of memory, and the retry stands in the next.
  const first = begin(other, 'task.create', { type: 'build' });
  rig.scheduler.turn();
  const retry = begin(boss, 'task.retry', { id });
  rig.scheduler.settle();
  expect(state.tasks.get(id)).toBeUndefined();
  expect([first.reply?.ok, retry.reply]).toMatchObject([true, { ok: true }]);
});
