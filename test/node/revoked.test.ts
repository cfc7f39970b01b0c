/** A key is revoked: what its sessions get after that, and what becomes of what they had. */
import { describe, expect, test } from 'vitest';
import { must } from '../../src/base/assert.ts';
import type { Principal, Reply } from '../../src/node/port.ts';
import { Client, NodeRig } from '../support/node-rig.ts';

const codeOf = (reply: Reply): string => (reply.ok ? 'ok' : reply.rejection.code);

interface Scene {
  readonly rig: NodeRig;
  readonly admin: Client;
  /** A fresh key. */
  readonly key: (params: { readonly role: string; readonly agent?: string }) => {
    readonly id: string;
    readonly holder: Principal;
  };
}

function scene(): Scene {
  const rig = new NodeRig().start();
  const admin = rig.client(rig.operator);
  return {
    rig,
    admin,
    key: (params) => {
      const { id, key } = rig.result(admin, 'apiKey.create', params);
      return { id: String(id), holder: rig.holder(String(key)) };
    },
  };
}

/** Asked in this turn; what is asked in one turn shares an entry. */
function say(client: Client, method: 'apiKey.revoke' | 'topic.publish' | 'task.create', params: object): void {
  client.attached.request({ id: client.id, method, params: params as never, hash: 1 }, () => undefined);
}

const publish = (client: Client, data: string): void => say(client, 'topic.publish', { topic: 'news', data });

describe('deliveries', () => {
  test('end with the entry of the revocation, and nothing behind it in the same entry is handed over', () => {
    const { rig, admin, key } = scene();
    const { id, holder } = key({ role: 'viewer' });
    const viewer = rig.client(holder, { subs: ['news'] });
    const other = rig.client(key({ role: 'viewer' }).holder, { subs: ['news'] });
    publish(admin, 'before');
    rig.scheduler.settle();
    publish(admin, 'beside');
    say(admin, 'apiKey.revoke', { id });
    publish(admin, 'after');
    rig.scheduler.settle();
    publish(admin, 'later');
    rig.scheduler.settle();
    expect(other.messages()).toEqual(['before', 'beside', 'after', 'later']);
    expect(viewer.messages()).not.toContain('after');
    expect(viewer.messages()).not.toContain('later');
    expect(viewer.messages()[0]).toBe('before');
    expect(viewer.told.filter((one) => one.startsWith('close'))).toEqual(['close BAD_AUTH']);
    expect(viewer.told.at(-1)).toBe('close BAD_AUTH');
  });

  test('of one that was behind are not caught up', () => {
    const { rig, admin, key } = scene();
    const { id, holder } = key({ role: 'viewer' });
    const viewer = rig.client(holder, { subs: ['news'] });
    viewer.full = true;
    for (const data of ['one', 'two', 'three']) publish(admin, data);
    rig.scheduler.settle();
    say(admin, 'apiKey.revoke', { id });
    rig.scheduler.settle();
    viewer.full = false;
    viewer.attached.drained();
    rig.scheduler.settle();
    expect(viewer.told).toEqual(['close BAD_AUTH']);
  });

  test('of one that comes back with what it had are refused', () => {
    const { rig, admin, key } = scene();
    const { id, holder } = key({ role: 'viewer' });
    const viewer = rig.client(holder, { subs: ['news'] });
    const { session, secret, rev } = must(viewer.welcome, 'a welcome');
    viewer.attached.detach();
    rig.scheduler.settle();
    publish(admin, 'while it was away');
    say(admin, 'apiKey.revoke', { id });
    rig.scheduler.settle();
    const back = rig.hello(holder, { resume: { session, secret, rev } });
    expect(back).toMatchObject({ kind: 'refused', close: 'BAD_AUTH', rejection: { code: 'UNAUTHENTICATED' } });
  });
});

test('operations, reads too, are refused from then on', () => {
  const { rig, admin, key } = scene();
  const { id, holder } = key({ role: 'member' });
  const member = rig.client(holder);
  expect(codeOf(rig.ask(member, 'task.list'))).toBe('ok');
  say(admin, 'apiKey.revoke', { id });
  say(member, 'task.create', { type: 'late' });
  rig.scheduler.settle();
  expect(codeOf(rig.ask(member, 'task.list'))).not.toBe('ok');
  expect(codeOf(rig.ask(member, 'task.create', { params: { type: 'later' } }))).not.toBe('ok');
  expect(rig.result(admin, 'task.list')['tasks']).toEqual([]);
});

test('what its agent held goes to another at once', () => {
  const { rig, admin, key } = scene();
  const first = key({ role: 'agent', agent: 'w' });
  const second = key({ role: 'agent', agent: 'v' });
  rig.client(first.holder, { agent: { name: 'w', capabilities: ['work'] } });
  rig.result(admin, 'task.create', { type: 'work' });
  const heir = rig.client(second.holder, { agent: { name: 'v', capabilities: ['work'] } });
  expect(heir.pushes).toHaveLength(0);
  rig.result(admin, 'apiKey.revoke', { id: first.id });
  rig.scheduler.settle();
  expect(heir.pushes.map((push) => push.class)).toEqual(['grant']);
});

test('sessions of other keys of the same agent go on', () => {
  const { rig, admin, key } = scene();
  const [one, other] = [key({ role: 'agent', agent: 'w' }), key({ role: 'agent', agent: 'w' })];
  const agent = { name: 'w', capabilities: ['work'] };
  const [gone, stays] = [
    rig.client(one.holder, { agent: { ...agent, instance: '1' } }),
    rig.client(other.holder, { agent: { ...agent, instance: '2' } }),
  ];
  rig.result(admin, 'apiKey.revoke', { id: one.id });
  expect(gone.told).toEqual(['close BAD_AUTH']);
  expect(stays.told).toEqual([]);
  expect(codeOf(rig.ask(stays, 'task.list'))).toBe('ok');
});

test('more sessions than one entry ends are all ended', () => {
  const { rig, admin, key } = scene();
  const { id, holder } = key({ role: 'viewer' });
  const many = Array.from({ length: 600 }, () => rig.client(holder, { subs: ['news'] }));
  rig.result(admin, 'apiKey.revoke', { id });
  rig.scheduler.settle();
  publish(admin, 'late');
  rig.scheduler.settle();
  expect(many.map(({ told }) => told)).toEqual(many.map(() => ['close BAD_AUTH']));
});

describe('a role that changes', () => {
  test('does not come along with a resume: the session ends, and a fresh one has what the role may', () => {
    const { rig, admin } = scene();
    const sub = { id: 'ada', tenant: 'default' } as const;
    const before = rig.client({ ...sub, role: 'admin' }, { subs: ['news'] });
    const { session, secret, rev } = must(before.welcome, 'a welcome');
    const client = new Client();
    const back = rig.hello({ ...sub, role: 'viewer' }, { resume: { session, secret, rev } }, client);
    expect(back).toMatchObject({ kind: 'welcome', resumed: false, reason: 'auth' });
    expect(before.told.at(-1)).toMatch(/^close /);
    publish(admin, 'after');
    rig.scheduler.settle();
    expect([before.messages(), client.messages()]).toEqual([[], []]);
    expect(codeOf(rig.ask(client, 'task.create', { params: { type: 'x' } }))).toBe('UNAUTHORIZED');
    expect(codeOf(rig.ask(client, 'task.list'))).toBe('ok');
  });
});
