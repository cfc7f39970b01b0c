import { describe, expect, test } from 'vitest';
import { OPERATIONS, isMethod } from '../../protocol/wire/operations.ts';
import { ROLES, type Method, type Role, type Value } from '../../protocol/wire/types.ts';
import { accessMatrix, authorise, authoriseHello } from '../../src/access/index.ts';
import type { Principal } from '../../src/node/port.ts';

const METHODS: readonly Method[] = Object.keys(OPERATIONS).filter(isMethod);

function principal(role: Role, more: Partial<Principal> = {}): Principal {
  return { id: 'key:k', tenant: 'default', role, ...(role === 'agent' ? { agent: 'w' } : {}), ...more };
}

/** Written by hand from the protocol, not derived from the table: who may call what. o a m g v, a dot: may not. */
const EXPECTED: { readonly [M in Method]: string } = {
  'session.snapshot': '.amgv',
  'agent.register': '.a.g.',
  'agent.get': '.amgv',
  'agent.list': '.amgv',
  'agent.workload': '.amgv',
  'agent.inbox': '.amgv',
  'agent.update': '.a.g.',
  'agent.status': '.amg.',
  'agent.drain': '.amg.',
  'agent.heartbeat': '.a.g.',
  'agent.deregister': '.a.g.',
  'strategy.set': '.am..',
  'strategy.get': '.amgv',
  'rule.add': '.am..',
  'rule.update': '.am..',
  'rule.reorder': '.am..',
  'rule.remove': '.am..',
  'rule.get': '.amgv',
  'rule.list': '.amgv',
  'task.create': '.amg.',
  'task.createBatch': '.amg.',
  'task.get': '.amgv',
  'task.explain': '.amgv',
  'task.list': '.amgv',
  'task.search': '.amgv',
  'task.timeline': '.amgv',
  'task.stats': '.amgv',
  'task.report': '.amgv',
  'task.backlog': '.amgv',
  'task.accept': '.a.g.',
  'task.reject': '.a.g.',
  'task.start': '.a.g.',
  'task.progress': '.a.g.',
  'task.complete': '.a.g.',
  'task.fail': '.a.g.',
  'task.release': '.a.g.',
  'task.cancel': '.amg.',
  'task.delegate': '.a.g.',
  'task.distribute': '.amg.',
  'task.tree': '.amgv',
  'task.acknowledge': '.a.g.',
  'task.pause': '.amg.',
  'task.resume': '.amg.',
  'task.steer': '.amg.',
  'task.reprioritise': '.amg.',
  'task.extend': '.amg.',
  'task.checkpoint': '.a.g.',
  'task.output': '.a.g.',
  'task.readOutput': '.amgv',
  'task.ask': '.a.g.',
  'task.answer': '.amg.',
  'task.retry': '.am..',
  'schedule.create': '.am..',
  'schedule.get': '.amgv',
  'schedule.list': '.amgv',
  'schedule.update': '.am..',
  'schedule.pause': '.am..',
  'schedule.resume': '.am..',
  'schedule.trigger': '.am..',
  'schedule.delete': '.am..',
  'deadLetter.list': '.amgv',
  'deadLetter.get': '.amgv',
  'deadLetter.edit': '.am..',
  'deadLetter.replay': '.am..',
  'deadLetter.discard': '.am..',
  'deadLetter.replayMany': '.am..',
  'deadLetter.discardMany': '.am..',
  'deadLetter.runs': '.amgv',
  'deadLetter.stop': '.am..',
  'lock.acquire': '.amg.',
  'lock.acquireAll': '.amg.',
  'lock.extend': '.amg.',
  'lock.release': '.amg.',
  'lock.convert': '.amg.',
  'lock.cancel': '.amg.',
  'lock.forceUnlock': '.a...',
  'lock.get': '.amgv',
  'lock.list': '.amgv',
  'lock.validate': '.amgv',
  'lock.graph': '.amgv',
  'topic.subscribe': '.amgv',
  'topic.unsubscribe': '.amgv',
  'topic.publish': '.amg.',
  'topic.history': '.amgv',
  'notification.send': '.amg.',
  'notification.broadcast': '.amg.',
  'workspace.create': '.amg.',
  'workspace.update': '.amg.',
  'workspace.archive': '.amg.',
  'workspace.unarchive': '.amg.',
  'workspace.delete': '.amg.',
  'member.add': '.amg.',
  'member.remove': '.amg.',
  'member.setRole': '.amg.',
  'usage.update': '.amg.',
  'state.apply': '.amg.',
  'state.snapshot': '.amg.',
  'state.restore': '.amg.',
  'state.deleteSnapshot': '.amg.',
  'workspace.get': '.amgv',
  'workspace.list': '.amgv',
  'member.list': '.amgv',
  'usage.get': '.amgv',
  'usage.check': '.amgv',
  'state.get': '.amgv',
  'state.history': '.amgv',
  'state.snapshots': '.amgv',
  'presence.set': '.amgv',
  'presence.list': '.amgv',
  'activity.list': '.amgv',
  'blob.put': '.amg.',
  'blob.get': '.amgv',
  'document.create': '.amg.',
  'document.get': '.amgv',
  'document.list': '.amgv',
  'document.search': '.amgv',
  'document.update': '.amg.',
  'document.delete': '.amg.',
  'document.rename': '.amg.',
  'document.archive': '.amg.',
  'document.unarchive': '.amg.',
  'document.diff': '.amgv',
  'document.html': '.amgv',
  'document.restore': '.amg.',
  'document.snapshot': '.amg.',
  'document.snapshots': '.amgv',
  'document.deleteSnapshot': '.amg.',
  'document.history': '.amgv',
  'document.conflicts': '.amgv',
  'document.resolve': '.amg.',
  'section.list': '.amgv',
  'section.update': '.amg.',
  'section.lock': '.amg.',
  'section.unlock': '.amg.',
  'comment.create': '.amg.',
  'comment.list': '.amgv',
  'comment.resolve': '.amg.',
  'comment.delete': '.amg.',
  'apiKey.create': '.a...',
  'apiKey.list': '.a...',
  'apiKey.revoke': '.a...',
  'tenant.check': '.a...',
  'tenant.mend': '.a...',
  'tenant.create': 'o....',
  'tenant.list': 'o....',
  'backup.create': 'o....',
  'job.list': 'o....',
  'node.list': 'o....',
};
const LETTERS: { readonly [R in Role]: string } = { operator: 'o', admin: 'a', member: 'm', agent: 'g', viewer: 'v' };

describe('role × method', () => {
  test.each(METHODS)('%s', (method) => {
    const allowed = ROLES.map((role) =>
      authorise(principal(role), method, { name: 'w' }) === undefined ? LETTERS[role] : '.',
    );
    expect(allowed.join('')).toBe(EXPECTED[method]);
    const rows = accessMatrix().filter((row) => row.method === method);
    expect(rows.map((row) => (row.allowed ? LETTERS[row.role] : '.')).join('')).toBe(EXPECTED[method]);
  });

  test('an operator beside another role may do both', () => {
    const both = principal('admin', { operator: true });
    for (const method of METHODS) {
      expect(authorise(both, method, { name: 'any' }) === undefined, method).toBe(/^o|^.a/.test(EXPECTED[method]));
    }
  });

  test('a refusal is UNAUTHORIZED and names no entity', () => {
    expect(authorise(principal('viewer'), 'task.create', { type: 'secret' })).toEqual({
      code: 'UNAUTHORIZED',
      message: 'The role viewer may not call task.create.',
    });
  });
});

describe('scopes', () => {
  test('only take away', () => {
    for (const method of METHODS) {
      const params = { name: 'w', scopes: [] };
      const row = OPERATIONS[method];
      for (const role of ROLES) {
        const free = authorise(principal(role), method, params) === undefined;
        const by = (scopes: readonly string[]): boolean =>
          authorise(principal(role, { scopes }), method, params) === undefined;
        expect(by([])).toBe(false);
        expect(by([method])).toBe(free);
        expect(by([row.class])).toBe(free);
        expect(by(['something'])).toBe(false);
        expect(by([`${method}x`, method.split('.')[1]!])).toBe(false);
      }
    }
  });
});

describe('who may register an agent', () => {
  test('an admin any, an agent its own, nobody else', () => {
    expect(authoriseHello(principal('admin'), { agent: { name: 'x' } })).toBeUndefined();
    expect(authoriseHello(principal('agent'), { agent: { name: 'w' } })).toBeUndefined();
    for (const refused of [
      authoriseHello(principal('agent'), { agent: { name: 'x' } }),
      authoriseHello({ id: 'key:k', tenant: 'default', role: 'agent' }, { agent: { name: 'x' } }),
      authoriseHello(principal('member'), { agent: { name: 'w' } }),
      authoriseHello(principal('viewer'), { agent: { name: 'w' } }),
      authoriseHello(principal('operator'), { agent: { name: 'w' } }),
    ]) {
      expect(refused?.code).toBe('UNAUTHORIZED');
    }
  });

  test('a topic is listened to by whoever may subscribe', () => {
    expect(authoriseHello(principal('viewer'), { subs: ['t'] })).toBeUndefined();
    expect(authoriseHello(principal('viewer', { scopes: ['query'] }), { subs: [] })).toBeUndefined();
    expect(authoriseHello(principal('viewer', { scopes: ['query'] }), { subs: ['t'] })?.code).toBe('UNAUTHORIZED');
  });

  test('agent.register is held to the same', () => {
    expect(authorise(principal('agent'), 'agent.register', { name: 'w', capabilities: [] })).toBeUndefined();
    expect(authorise(principal('agent'), 'agent.register', { name: 'x', capabilities: [] })?.code).toBe('UNAUTHORIZED');
    expect(authorise(principal('agent'), 'agent.register', null)?.code).toBe('UNAUTHORIZED');
    expect(authorise(principal('admin'), 'agent.register', { name: 'x', capabilities: [] })).toBeUndefined();
  });
});

describe('a key that is created', () => {
  const creates = (changes: Partial<Principal>, params: Value): boolean =>
    authorise(principal('admin', changes), 'apiKey.create', params) === undefined;

  test('may do nothing that its creator may not', () => {
    expect(creates({}, { role: 'admin' })).toBe(true);
    const narrow = { scopes: ['apiKey.create', 'query'] };
    expect(creates(narrow, { role: 'admin' })).toBe(false);
    for (const scopes of [['admin'], ['task.create'], ['query', 'work'], ['apiKey.create', 'apiKey.revoke']])
      expect(creates(narrow, { role: 'admin', scopes }), scopes.join()).toBe(false);
    for (const scopes of [['query'], ['task.get'], ['apiKey.create', 'query'], []])
      expect(creates(narrow, { role: 'admin', scopes }), scopes.join()).toBe(true);
  });

  test('does not outlive the credential of its creator', () => {
    expect(creates({}, { role: 'viewer', expiresAt: 9_000 })).toBe(true);
    for (const [expiresAt, allowed] of [
      [4_999, true],
      [5_000, true],
      [5_001, false],
    ] as const)
      expect(creates({ expiresAt: 5_000 }, { role: 'viewer', expiresAt })).toBe(allowed);
    expect(creates({ expiresAt: 5_000 }, { role: 'viewer' })).toBe(false);
  });
});
