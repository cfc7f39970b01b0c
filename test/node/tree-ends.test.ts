/** A tree that ends leaves the server to others: beside requests it rests after each portion, but never what somebody waits for. */
import { expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { isMap } from '../../protocol/wire/codec.ts';
import type { Value } from '../../protocol/wire/types.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

const CHILDREN = LIMITS.prunedBesideMax + 3 * LIMITS.prunedMax;

function member(value: Value | undefined, name: string): Value | undefined {
  return value !== undefined && isMap(value) ? value[name] : undefined;
}

function started(): { rig: NodeRig; boss: Client; root: string; running: () => unknown } {
  const rig = new NodeRig().start();
  const boss = rig.client(rig.operator);
  const root = String(member(rig.result(boss, 'task.create', { type: 'nobody' })['task'], 'id'));
  const child = { type: 'nobody', parentId: root, watch: false };
  rig.result(boss, 'task.createBatch', { tasks: Array.from({ length: CHILDREN }, () => child) });
  const running = (): unknown =>
    member(member(rig.result(boss, 'task.tree', { id: root, limit: 1 })['node'], 'children'), 'running');
  return { rig, boss, root, running };
}

test('a portion at a time while requests come, and a rest after each', () => {
  const { rig, boss, root, running } = started();
  rig.result(boss, 'task.cancel', { id: root });
  expect(running()).toBe(3 * LIMITS.prunedMax);
  rig.scheduler.advance(1);
  expect(running()).toBe(2 * LIMITS.prunedMax);
  // Only what the node paces ends more of it, however much is asked.
  rig.result(boss, 'task.create', { type: 'nobody' });
  expect(running()).toBe(2 * LIMITS.prunedMax);
  rig.scheduler.advance(2);
  expect(running()).toBe(0);
});

test('without a rest when nobody asks for anything', () => {
  const rig = new NodeRig().start();
  const boss = rig.client(rig.operator);
  const root = String(member(rig.result(boss, 'task.create', { type: 'nobody', deadlineMs: 1_000 })['task'], 'id'));
  const child = { type: 'nobody', parentId: root, watch: false };
  rig.result(boss, 'task.createBatch', { tasks: Array.from({ length: CHILDREN }, () => child) });
  rig.scheduler.advance(1_000);
  // A rest would have left something to do for a timer behind this instant.
  const node = rig.result(boss, 'task.tree', { id: root, limit: 1 })['node'];
  expect(member(member(node, 'children'), 'running')).toBe(0);
});

test('what agents wait for goes on at once in the middle of it', () => {
  const { rig, boss, root, running } = started();
  const many = LIMITS.followUpsMax + 10;
  rig.client(rig.operator, { agent: { name: 'builder', capabilities: ['build'], capacity: many } });
  rig.result(boss, 'task.cancel', { id: root });
  expect(running()).toBe(3 * LIMITS.prunedMax);
  const { tasks } = rig.result(boss, 'task.createBatch', {
    tasks: Array.from({ length: many }, () => ({ type: 'build', watch: false })),
  });
  const ids = Array.isArray(tasks) ? tasks.map((task: Value) => String(member(task, 'id'))) : [];
  const statuses = ids.map((id) => member(rig.result(boss, 'task.get', { id })['task'], 'status'));
  expect(statuses).toEqual(Array.from({ length: many }, () => 'assigned'));
  expect(running()).not.toBe(0);
});

test('and it goes on after a restart', () => {
  const { rig, boss, root } = started();
  rig.result(boss, 'task.cancel', { id: root });
  rig.restart();
  const again = rig.client(rig.operator);
  const node = rig.result(again, 'task.tree', { id: root, limit: 1 })['node'];
  expect(member(member(node, 'children'), 'running')).toBe(0);
});
