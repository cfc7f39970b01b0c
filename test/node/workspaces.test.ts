/** Who is handed, and who reads, what belongs to a workspace: now, by patterns, after a resume, from the archive, while memberships change. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { HelloBody, Method, Value } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

const small = { ring: { pushesMax: 2, bytesMax: 1_000_000 }, historyMs: 3_600_000 };

let rig: NodeRig;
let ann: Client;
let workspaceId: string;

function person(name: string, more: Partial<HelloBody> = {}): Client {
  return rig.client({ id: `key:${name}`, tenant: 'default', role: 'member' }, more);
}

function begin(options: ConstructorParameters<typeof NodeRig>[0] = {}): void {
  rig = new NodeRig(options).start();
  ann = person('ann');
  const made = rig.result(ann, 'workspace.create', { name: 'x' }) as unknown as {
    readonly workspace: { readonly id: string };
  };
  workspaceId = made.workspace.id;
}

function member(name: string, role = 'viewer'): void {
  rig.result(ann, 'member.add', { workspaceId, userId: `key:${name}`, role });
}

function change(n: number): void {
  rig.result(ann, 'state.apply', { workspaceId, ops: [{ op: 'set', key: 'n', value: n }] });
}

/** Values of the shared state that a client was told. */
function told(client: Client): unknown[] {
  const said = client.heard().filter(({ e }) => e === 'workspace.state');
  return said.map(({ d }) => (d as unknown as { readonly ops: readonly [{ readonly value: Value }] }).ops[0].value);
}

function codeOf(client: Client, method: Method, params: Value): string {
  const reply = rig.ask(client, method, { params });
  return reply.ok ? 'ok' : reply.rejection.code;
}

beforeEach(() => begin());

describe('what is told of a workspace', () => {
  it.each(['name', 'pattern'])('is for its readers alone, by %s', (by) => {
    const topic = by === 'name' ? `workspace.${workspaceId}` : 'workspace.>';
    const [bob, eve] = [person('bob'), person('eve')];
    member('bob');
    rig.result(bob, 'topic.subscribe', { topic });
    expect(codeOf(eve, 'topic.subscribe', { topic })).toBe(by === 'name' ? 'NOT_FOUND' : 'ok');
    change(1);
    rig.result(ann, 'member.remove', { workspaceId, userId: 'key:bob' });
    change(2);
    member('bob');
    change(3);
    expect(told(bob)).toEqual(by === 'name' ? [1] : [1, 3]);
    expect(told(eve)).toEqual([]);
  });

  it.each([
    ['from the ring', {}],
    ['from the history', small],
  ])('is handed over after a resume as far as it was, and is, for the reader, %s', (_, options) => {
    begin(options);
    const bob = person('bob');
    member('bob');
    rig.result(bob, 'topic.subscribe', { topic: 'workspace.>' });
    const { session, secret, rev } = must(bob.welcome, 'a welcome');
    bob.attached.detach();
    rig.scheduler.settle();
    change(1);
    rig.result(ann, 'member.remove', { workspaceId, userId: 'key:bob' });
    change(2);
    member('bob');
    change(3);
    const again = person('bob', { resume: { session, secret, rev } });
    expect(again.welcome?.resumed).toBe(true);
    expect(told(again)).toEqual([3]);
  });

  it.each([
    ['from the ring', {}],
    ['from the history', small],
  ])('before an administrator was made a member is for him after a resume too, %s', (_, options) => {
    begin(options);
    const root = (more: Partial<HelloBody> = {}): Client =>
      rig.client({ id: 'key:root', tenant: 'default', role: 'admin' }, more);
    const away = root();
    rig.result(away, 'topic.subscribe', { topic: `workspace.${workspaceId}` });
    const { session, secret, rev } = must(away.welcome, 'a welcome');
    away.attached.detach();
    rig.scheduler.settle();
    change(1);
    member('root', 'guest');
    change(2);
    const again = root({ resume: { session, secret, rev } });
    expect(again.welcome?.resumed).toBe(true);
    expect(told(again)).toEqual([1, 2]);
  });

  it('of its tasks is told to who created them only as long as that may read it', () => {
    const bob = person('bob');
    member('bob', 'editor');
    const made = rig.result(bob, 'task.create', { type: 't', workspaceId }) as unknown as {
      readonly task: { readonly id: string };
    };
    const { id } = made.task;
    rig.result(ann, 'member.remove', { workspaceId, userId: 'key:bob' });
    rig.result(ann, 'task.cancel', { id });
    expect(bob.heard().map(({ e }) => e)).not.toContain('task.cancelled');
    for (const method of ['task.get', 'task.timeline', 'task.tree', 'task.explain'] as const) {
      expect(codeOf(bob, method, { id }), method).toBe('TASK_NOT_FOUND');
      expect(codeOf(ann, method, { id }), method).toBe('ok');
    }
  });

  it('by a broadcast is for its members, whatever their role', () => {
    const [bob, eve] = [person('bob'), person('eve')];
    member('bob', 'guest');
    const worker = rig.client(rig.operator, { agent: { name: 'w', capabilities: [] } });
    rig.result(ann, 'member.add', { workspaceId, userId: 'agent:w', role: 'viewer' });
    rig.result(ann, 'notification.broadcast', { audience: { workspaceId }, type: 't', message: 'm', data: 1 });
    expect([bob, eve, worker, ann].map((client) => client.messages())).toEqual([[1], [], [1], [1]]);
    expect(codeOf(eve, 'notification.broadcast', { audience: { workspaceId }, type: 't', message: 'm' })).toBe(
      'NOT_FOUND',
    );
    expect(codeOf(bob, 'notification.broadcast', { audience: { workspaceId }, type: 't', message: 'm' })).toBe(
      'UNAUTHORIZED',
    );
  });

  it('by a broadcast is told to an agent that was away', () => {
    const hello = { agent: { name: 'w', capabilities: [] } };
    rig.client(rig.operator, hello).attached.bye(true, () => {});
    rig.scheduler.settle();
    rig.result(ann, 'member.add', { workspaceId, userId: 'agent:w', role: 'viewer' });
    rig.result(ann, 'notification.broadcast', { audience: { workspaceId }, type: 't', message: 'm', data: 2 });
    expect(rig.client(rig.operator, hello).messages()).toEqual([2]);
  });

  it('for a moment, on a topic of its members, is for readers', () => {
    const topic = `workspace.${workspaceId}.topic.chat`;
    const [bob, eve] = [person('bob'), person('eve', { subs: ['workspace.>'] })];
    member('bob', 'editor');
    rig.result(bob, 'topic.subscribe', { topic });
    rig.result(ann, 'topic.publish', { topic, data: 1, kind: 'ephemeral' });
    expect(codeOf(eve, 'topic.publish', { topic, data: 2, kind: 'ephemeral' })).toBe('NOT_FOUND');
    expect(codeOf(ann, 'topic.publish', { topic: `workspace.${workspaceId}`, data: 3 })).toBe('UNAUTHORIZED');
    expect(bob.messages()).toHaveLength(1);
    expect(eve.messages()).toHaveLength(0);
  });
});

it('what one of its tasks hands out is for its readers alone', () => {
  const eve = person('eve', { subs: ['task.>'] });
  const worker = rig.client(rig.operator, { agent: { name: 'w', capabilities: ['t'] } });
  rig.result(ann, 'member.add', { workspaceId, userId: 'agent:w', role: 'editor' });
  rig.result(ann, 'topic.subscribe', { topic: 'task.>' });
  rig.result(ann, 'task.create', { type: 't', workspaceId });
  const order = must(
    worker.heard().find(({ e }) => e === 'task.assigned'),
    'an order',
  );
  const { task, token } = order['d'] as unknown as { readonly task: { readonly id: string }; readonly token: string };
  expect(codeOf(eve, 'topic.subscribe', { topic: `task.${task.id}.output` })).toBe('NOT_FOUND');
  rig.result(worker, 'task.output', { id: task.id, token, offset: 0, data: 'x' });
  expect(eve.heard()).toEqual([]);
  expect(ann.heard().map(({ e }) => e)).toContain('task.output');
});

it('dead letters of all workspaces are for administrators', () => {
  expect(codeOf(ann, 'deadLetter.discardMany', {})).toBe('UNAUTHORIZED');
  expect(codeOf(ann, 'deadLetter.discardMany', { workspaceId })).toBe('ok');
  expect(codeOf(person('eve'), 'deadLetter.replayMany', { workspaceId })).toBe('NOT_FOUND');
  expect(codeOf(rig.client(rig.operator), 'deadLetter.discardMany', {})).toBe('ok');
});

describe('lists', () => {
  it('leave out what the caller may not read', () => {
    const eve = person('eve');
    rig.result(ann, 'task.create', { type: 'inside', workspaceId });
    rig.result(ann, 'task.create', { type: 'outside' });
    rig.result(ann, 'lock.acquire', { path: `workspace/${workspaceId}/a` });
    const types = (client: Client, method: 'task.list' | 'task.search'): unknown =>
      (rig.result(client, method, {}) as unknown as { readonly tasks: readonly { readonly type: string }[] }).tasks
        .map(({ type }) => type)
        .toSorted();
    for (const method of ['task.list', 'task.search'] as const) {
      expect(types(ann, method)).toEqual(['inside', 'outside']);
      expect(types(eve, method)).toEqual(['outside']);
    }
    expect(rig.result(eve, 'lock.list', {})).toMatchObject({ locks: [] });
    expect(rig.result(ann, 'lock.list', {})).toMatchObject({ locks: [{}] });
    expect(codeOf(eve, 'lock.get', { path: `workspace/${workspaceId}/a` })).toBe('NOT_FOUND');
    expect(rig.result(eve, 'topic.history', { topic: 'workspace.>' })).toMatchObject({ messages: [] });
  });

  it('of activity and of changes of the state have what is kept', () => {
    change(1);
    change(2);
    const activity = rig.result(ann, 'activity.list', { workspaceId }) as unknown as {
      readonly activity: readonly { readonly e: string }[];
    };
    expect(activity.activity.map(({ e }) => e)).toEqual(['workspace.created', 'workspace.state', 'workspace.state']);
    const history = rig.result(ann, 'state.history', { workspaceId }) as unknown as {
      readonly changes: readonly { readonly version: number }[];
    };
    expect(history.changes.map(({ version }) => version)).toEqual([1, 2]);
    expect(codeOf(person('eve'), 'activity.list', { workspaceId })).toBe('NOT_FOUND');
  });
});

it('a task names a workspace that is there', () => {
  expect(codeOf(ann, 'task.create', { type: 't', workspaceId: 'elsewhere' })).toBe('NOT_FOUND');
});
