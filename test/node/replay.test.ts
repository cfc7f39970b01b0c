/** What a start does with entries whose pushes and finished tasks the store has already. */
import { expect, test } from 'vitest';
import type { Scheduler } from '../../src/base/scheduler.ts';
import { MemoryStore, MemoryStoreDisk } from '../../src/store/memory.ts';
import type { FinishedTask, PackedPush } from '../../src/store/port.ts';
import { must } from '../../src/base/assert.ts';
import { NodeRig } from '../support/node-rig.ts';

/** A store whose puts of one process are counted. */
class Counted {
  readonly disk = new MemoryStoreDisk();
  store: MemoryStore | undefined;
  pushes = 0;
  tasks = 0;

  open(scheduler: Scheduler): MemoryStore {
    const store = new MemoryStore({ scheduler, disk: this.disk });
    this.store = store;
    this.pushes = 0;
    this.tasks = 0;
    const tenant = store.tenant('default');
    const [putHistory, putFinished] = [tenant.putHistory.bind(tenant), tenant.putFinished.bind(tenant)];
    tenant.putHistory = (pushes: readonly PackedPush[]) => {
      this.pushes += pushes.length;
      putHistory(pushes);
    };
    tenant.putFinished = (tasks: readonly FinishedTask[]) => {
      this.tasks += tasks.length;
      putFinished(tasks);
    };
    return store;
  }
}

function publish(rig: NodeRig, ...data: readonly string[]): void {
  const publisher = rig.client(rig.operator);
  for (const one of data) rig.result(publisher, 'topic.publish', { topic: 'news', data: one });
  publisher.attached.detach();
  rig.scheduler.settle();
}

function endTask(rig: NodeRig): void {
  const client = rig.client(rig.operator);
  const { task } = rig.result(client, 'task.create', { type: 'build' });
  const id = task !== null && typeof task === 'object' && 'id' in task ? String(task['id']) : '';
  rig.result(client, 'task.cancel', { id });
  client.attached.detach();
}

test('what the store has is not put again, what it lacks is, and the ring begins near the end', () => {
  const counted = new Counted();
  const rig = new NodeRig({
    ring: { pushesMax: 4, bytesMax: 1_000_000 },
    store: (scheduler) => counted.open(scheduler),
  }).start();
  const reader = rig.client(rig.operator, { subs: ['news'] });
  const { session, secret, rev } = must(reader.welcome, 'a welcome');
  reader.attached.detach();
  publish(rig, 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm9', 'm10');
  endTask(rig);
  must(counted.store, 'a store').crash(Infinity);
  rig.restart();
  expect(counted).toMatchObject({ pushes: 0, tasks: 0 });
  const { ring } = must(rig.node.serving('default'), 'default').hub;
  expect(ring.size).toBeLessThanOrEqual(4);
  expect(ring.floor).toBeGreaterThan(rev);

  publish(rig, 'm11');
  endTask(rig);
  const again = { pushes: counted.pushes, tasks: counted.tasks };
  expect(again.tasks).toBe(1);
  must(counted.store, 'a store').crash(0);
  rig.restart();
  expect(counted).toMatchObject(again);

  const resumed = rig.client(rig.operator, { resume: { session, secret, rev } });
  rig.scheduler.settle();
  expect(resumed.welcome?.resumed).toBe(true);
  expect(resumed.messages()).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm9', 'm10', 'm11']);
  expect(resumed.told).not.toContain('gap');
});
