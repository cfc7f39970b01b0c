/** Workspaces by example: the matrix of roles, owners, quotas, state, presence, what ends with a membership and with a workspace. */
import { beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import type { WorkspacePermission, WorkspaceRole, WorkspaceVisibility } from '../../../protocol/wire/workspaces.ts';
import { WORKSPACE_PERMISSIONS, WORKSPACE_ROLES } from '../../../protocol/wire/workspaces.ts';
import { ENGINE_VERSION, type Push, type Reply } from '../../../src/engine/port.ts';
import { guarding, hears, listWorkspaces, may } from '../../../src/engine/queries.ts';
import { checkUsage } from '../../../src/engine/workspaces/usage.ts';
import { codeOf, expectSound, Rig, taskOf } from '../rig.ts';

let rig: Rig;
let admin: string;
let ann: string;
let id: string;

function ask(session: string, method: WriteMethod, params: object): Reply {
  return rig.ask(session, method, params).reply;
}

function person(name: string): string {
  return rig.session({ who: `key:${name}`, role: 'member' });
}

function agent(name: string): { readonly session: string; readonly id: string } {
  const { welcome } = rig.hello({
    principal: { id: `agent:${name}`, role: 'agent', agent: name },
    agent: { name, capabilities: ['work'], capacity: 2 },
  });
  return { session: welcome?.session ?? '', id: welcome?.agentId ?? '' };
}

function create(session: string, settings: object = {}): string {
  const reply = ask(session, 'workspace.create', { name: 'team', settings });
  if (!reply.ok) throw new Error(codeOf(reply));
  return (reply.result as { readonly workspace: { readonly id: string } }).workspace.id;
}

function add(user: string, role: WorkspaceRole): string {
  return codeOf(ask(ann, 'member.add', { workspaceId: id, userId: user, role }));
}

function told(pushes: readonly Push[], event: string): readonly Push[] {
  return pushes.filter((push) => push.event === event);
}

beforeEach(() => {
  rig = new Rig();
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  admin = rig.session();
  ann = person('ann');
  id = create(ann);
});

describe('the matrix', () => {
  /** Written by hand, not read from the table: s r c w d i t o, a dot: may not. */
  const EXPECTED: { readonly [R in WorkspaceRole | 'nobody']: { readonly [V in WorkspaceVisibility]: string } } = {
    owner: { private: 'srcwdito', team: 'srcwdito', public: 'srcwdito' },
    admin: { private: 'srcwdit.', team: 'srcwdit.', public: 'srcwdit.' },
    editor: { private: 'srcw....', team: 'srcw....', public: 'srcw....' },
    commenter: { private: 'src.....', team: 'src.....', public: 'src.....' },
    viewer: { private: 'sr......', team: 'sr......', public: 'sr......' },
    guest: { private: 's.......', team: 's.......', public: 'sr......' },
    nobody: { private: '........', team: 's.......', public: 'sr......' },
  };
  const LETTERS: { readonly [P in WorkspacePermission]: string } = {
    see: 's',
    read: 'r',
    comment: 'c',
    write: 'w',
    delete: 'd',
    invite: 'i',
    settings: 't',
    own: 'o',
  };

  it.each(['private', 'team', 'public'] as const)('is what it says, in a %s workspace', (visibility) => {
    ask(ann, 'workspace.update', { id, settings: { visibility } });
    for (const role of [...WORKSPACE_ROLES, 'nobody'] as const) {
      if (role !== 'nobody') add(`key:${role}`, role);
      const who = { id: `key:${role}`, role: 'member' } as const;
      const row = WORKSPACE_PERMISSIONS.map((to) =>
        may(rig.engine.state, who, { workspace: id, to }) ? LETTERS[to] : '.',
      ).join('');
      expect(row, role).toBe(EXPECTED[role][visibility]);
    }
    const tenantAdmin = { id: 'key:x', role: 'admin' } as const;
    for (const to of WORKSPACE_PERMISSIONS)
      expect(may(rig.engine.state, tenantAdmin, { workspace: id, to })).toBe(true);
  });

  const CALLS: readonly (readonly [WriteMethod, object, WorkspaceRole])[] = [
    ['workspace.update', { name: 'x' }, 'admin'],
    ['workspace.archive', {}, 'admin'],
    ['workspace.unarchive', {}, 'admin'],
    ['workspace.delete', {}, 'owner'],
    ['member.add', { userId: 'key:z', role: 'guest' }, 'admin'],
    ['member.setRole', { userId: 'key:y', role: 'viewer' }, 'admin'],
    ['member.remove', { userId: 'key:y' }, 'admin'],
    ['usage.update', { cpuSeconds: 1 }, 'editor'],
    ['state.apply', { ops: [{ op: 'set', key: 'k', value: 1 }] }, 'editor'],
    ['state.snapshot', {}, 'editor'],
    ['presence.set', { status: 'online' }, 'guest'],
  ];

  it.each(CALLS)('%s is for some roles and no others', (method, params, lowest) => {
    add('key:y', 'guest');
    const named = method.startsWith('workspace.') ? { id } : { workspaceId: id };
    for (const role of WORKSPACE_ROLES.toReversed()) {
      const user = person(role);
      add(`key:${role}`, role);
      const allowed = WORKSPACE_ROLES.indexOf(role) <= WORKSPACE_ROLES.indexOf(lowest);
      expect(codeOf(ask(user, method, { ...named, ...params })) !== 'UNAUTHORIZED', role).toBe(allowed);
    }
    expect(codeOf(ask(person('nobody'), method, { ...named, ...params }))).toBe('NOT_FOUND');
  });
});

describe('members', () => {
  it('leave a workspace an owner at all times', () => {
    expect(codeOf(ask(ann, 'member.remove', { workspaceId: id, userId: 'key:ann' }))).toBe('INVALID_TRANSITION');
    expect(codeOf(ask(admin, 'member.setRole', { workspaceId: id, userId: 'key:ann', role: 'admin' }))).toBe(
      'INVALID_TRANSITION',
    );
    add('key:bob', 'owner');
    expect(codeOf(ask(ann, 'member.remove', { workspaceId: id, userId: 'key:ann' }))).toBe('ok');
    expect(codeOf(ask(admin, 'member.remove', { workspaceId: id, userId: 'key:bob' }))).toBe('INVALID_TRANSITION');
  });

  it('give no role above their own, and change nobody above them', () => {
    const bob = person('bob');
    add('key:bob', 'admin');
    const set = (userId: string, role: WorkspaceRole): string =>
      codeOf(ask(bob, 'member.setRole', { workspaceId: id, userId, role }));
    expect(set('key:bob', 'owner')).toBe('UNAUTHORIZED');
    expect(set('key:ann', 'viewer')).toBe('UNAUTHORIZED');
    expect(codeOf(ask(bob, 'member.remove', { workspaceId: id, userId: 'key:ann' }))).toBe('UNAUTHORIZED');
    expect(codeOf(ask(bob, 'member.add', { workspaceId: id, userId: 'key:c', role: 'owner' }))).toBe('UNAUTHORIZED');
    expect(codeOf(ask(bob, 'member.add', { workspaceId: id, userId: 'key:c', role: 'admin' }))).toBe('ok');
  });

  it('leave by themselves, whatever their role', () => {
    add('key:bob', 'guest');
    expect(codeOf(ask(person('bob'), 'member.remove', { workspaceId: id, userId: 'key:bob' }))).toBe('ok');
  });

  it('see the workspaces that they may see, and no others', () => {
    create(person('bob'));
    create(person('bob'), { visibility: 'team' });
    const seen = (who: string): number =>
      listWorkspaces(rig.engine.state, { id: who, role: 'member' }, {}).workspaces.length;
    expect([seen('key:ann'), seen('key:bob'), seen('key:c')]).toEqual([2, 2, 1]);
    expect(
      listWorkspaces(rig.engine.state, { id: 'key:ann', role: 'member' }, { member: true }).workspaces,
    ).toHaveLength(1);
    const { workspaces, cursor } = listWorkspaces(rig.engine.state, { id: 'key:a', role: 'admin' }, { limit: 2 });
    expect(workspaces).toHaveLength(2);
    expect(
      listWorkspaces(rig.engine.state, { id: 'key:a', role: 'admin' }, { cursor: cursor ?? '' }).workspaces,
    ).toHaveLength(1);
  });
});

describe('from its removal on a member', () => {
  function watched(): { readonly bob: string; readonly hearsNow: (push: Push) => boolean } {
    const bob = person('bob');
    add('key:bob', 'editor');
    ask(bob, 'topic.subscribe', { topic: `workspace.${id}` });
    ask(bob, 'topic.subscribe', { topic: 'workspace.>' });
    const hearsNow = (push: Push): boolean => {
      const session = rig.engine.state.sessions.get(bob);
      if (session === undefined) return false;
      return hears(rig.engine.state, session, { workspace: guarding(push.to) ?? '', rev: push.rev });
    };
    return { bob, hearsNow };
  }

  it('hears nothing, and its subscriptions end', () => {
    const { bob, hearsNow } = watched();
    const before = rig.pushes.length;
    rig.entry([
      {
        kind: 'request',
        session: ann,
        id: 0,
        hash: 1,
        ack: 0,
        method: 'state.apply',
        params: { workspaceId: id, ops: [{ op: 'set', key: 'a', value: 1 }] },
      },
      {
        kind: 'request',
        session: ann,
        id: 0,
        hash: 1,
        ack: 0,
        method: 'member.remove',
        params: { workspaceId: id, userId: 'key:bob' },
      },
    ]);
    const pushes = rig.pushes.slice(before).filter((push) => push.event.startsWith('workspace.'));
    expect(pushes.length).toBeGreaterThan(1);
    for (const push of pushes) expect(hearsNow(push), push.event).toBe(false);
    expect([...(rig.engine.state.subsBySession.of(bob) ?? [])].map((sub) => sub.topic)).toEqual(['workspace.>']);
    expect(rig.engine.state.sessions.get(bob)?.subs).toBe(1);
    expect(codeOf(ask(bob, 'topic.subscribe', { topic: `workspace.${id}` }))).toBe('NOT_FOUND');
  });

  it('hears of what is said after it was added again, and not of what was said between', () => {
    const { hearsNow } = watched();
    const change = (): Push => {
      ask(ann, 'state.apply', { workspaceId: id, ops: [{ op: 'increment', key: 'n', by: 1 }] });
      return rig.pushes.findLast((push) => push.event === 'workspace.state') as Push;
    };
    const first = change();
    ask(ann, 'member.remove', { workspaceId: id, userId: 'key:bob' });
    const between = change();
    add('key:bob', 'viewer');
    const after = change();
    expect([first, between, after].map(hearsNow)).toEqual([false, false, true]);
  });

  it('loses the locks of the workspace, and its places in queues there, and no others', () => {
    const { bob } = watched();
    const acquire = (session: string, path: string, waitMs = 0): string =>
      codeOf(ask(session, 'lock.acquire', { path, waitMs }));
    expect(acquire(bob, `workspace/${id}/a`)).toBe('ok');
    expect(acquire(bob, 'elsewhere')).toBe('ok');
    expect(acquire(admin, `workspace/${id}/b`)).toBe('ok');
    expect(acquire(bob, `workspace/${id}/b`, 60_000)).toBe('ok');
    expect(acquire(ann, `workspace/${id}/a`, 60_000)).toBe('ok');
    ask(ann, 'member.remove', { workspaceId: id, userId: 'key:bob' });
    const held = [...rig.engine.state.locks.hold()].map((lock) => `${lock.principal} ${lock.members[0]?.path}`);
    const inside = `workspace/${id}`;
    expect(held.toSorted()).toEqual([`key:a ${inside}/b`, `key:ann ${inside}/a`, 'key:bob elsewhere']);
    expect(rig.engine.state.lockWaits.size).toBe(0);
    expect(acquire(bob, `workspace/${id}/c`)).toBe('NOT_FOUND');
  });

  it('that is an agent gives back the tasks of the workspace, which go to those who may have them', () => {
    const [a, b] = [agent('a'), agent('b')];
    add('agent:a', 'editor');
    const inside = taskOf(ask(ann, 'task.create', { type: 'work', workspaceId: id })).id;
    const outside = taskOf(ask(ann, 'task.create', { type: 'work' })).id;
    expect([rig.task(inside).agentId, rig.task(outside).agentId]).toEqual([a.id, b.id]);
    const { token } = rig.task(inside);
    ask(ann, 'member.remove', { workspaceId: id, userId: 'agent:a' });
    expect(rig.task(inside).status).toBe('pending');
    expect(codeOf(ask(a.session, 'task.complete', { id: inside, token }))).toBe('TASK_NOT_FOUND');
    add('agent:b', 'viewer');
    expect(rig.task(inside).status).toBe('pending');
    ask(ann, 'member.setRole', { workspaceId: id, userId: 'agent:b', role: 'editor' });
    expect(rig.task(inside).agentId).toBe(b.id);
    expectSound(rig.engine);
  });
});

describe('quotas', () => {
  it('are exact: the last one fits, one more is refused', () => {
    ask(ann, 'workspace.update', {
      id,
      settings: { quotas: { members: 3, agents: 1, storageBytes: 500, cpuSeconds: 9 } },
    });
    expect(add('agent:a', 'editor')).toBe('ok');
    expect(add('agent:b', 'editor')).toBe('QUOTA_EXCEEDED');
    expect(add('key:b', 'editor')).toBe('ok');
    expect(add('key:c', 'editor')).toBe('QUOTA_EXCEEDED');
    const use = (more: object): string => codeOf(ask(ann, 'usage.update', { workspaceId: id, ...more }));
    expect(use({ cpuSeconds: 9 })).toBe('ok');
    expect(use({ cpuSeconds: 1 })).toBe('QUOTA_EXCEEDED');
    expect(use({ cpuSeconds: -10 })).toBe('INVALID_PARAMS');
    expect(use({ storageBytes: 500 })).toBe('ok');
    expect(codeOf(ask(ann, 'state.apply', { workspaceId: id, ops: [{ op: 'set', key: 'a', value: 1 }] }))).toBe(
      'QUOTA_EXCEEDED',
    );
    expect(use({ storageBytes: -500 })).toBe('ok');
    expect(codeOf(ask(ann, 'state.apply', { workspaceId: id, ops: [{ op: 'set', key: 'a', value: 1 }] }))).toBe('ok');
  });

  it('of operations count what members make in a day', () => {
    ask(ann, 'workspace.update', { id, settings: { quotas: { operations: 3 } } });
    const create = (count: number): string =>
      codeOf(
        ask(ann, 'task.createBatch', { tasks: Array.from({ length: count }, () => ({ type: 't', workspaceId: id })) }),
      );
    expect(create(4)).toBe('QUOTA_EXCEEDED');
    expect(create(2)).toBe('ok');
    expect(codeOf(ask(ann, 'lock.acquire', { path: `workspace/${id}/a` }))).toBe('ok');
    expect(create(1)).toBe('QUOTA_EXCEEDED');
    rig.tick(86_400_000);
    expect(create(3)).toBe('ok');
    expect(create(1)).toBe('QUOTA_EXCEEDED');
  });

  it('are raised above what everybody has by an administrator of the tenant alone', () => {
    const wanted = { id, settings: { quotas: { documents: LIMITS.workspaceQuotas.documents + 1 } } };
    expect(codeOf(ask(ann, 'workspace.update', wanted))).toBe('UNAUTHORIZED');
    expect(codeOf(ask(admin, 'workspace.update', wanted))).toBe('ok');
    expect(codeOf(ask(ann, 'workspace.update', wanted)), 'and kept by others').toBe('ok');
  });

  it('that fall below what is used are told, and take nothing away', () => {
    add('key:b', 'viewer');
    ask(ann, 'workspace.update', { id, settings: { quotas: { members: 1 } } });
    const known = rig.engine.state.workspaces.get(id);
    if (known === undefined) throw new Error('the workspace is there');
    expect(checkUsage(rig.engine.state, known)).toMatchObject({ withinLimits: false, exceeded: ['members'] });
    expect(add('key:c', 'viewer')).toBe('QUOTA_EXCEEDED');
  });
});

describe('shared state', () => {
  const apply = (ops: readonly object[], more: object = {}): Reply =>
    ask(ann, 'state.apply', { workspaceId: id, ops, ...more });
  const valuesOf = (reply: Reply): unknown =>
    reply.ok ? (reply.result as { readonly values: unknown }).values : reply;

  it('is changed by four operations, in their order, all or none', () => {
    expect(
      valuesOf(
        apply([
          { op: 'set', key: 'a', value: [1] },
          { op: 'increment', key: 'n', by: 2 },
          { op: 'increment', key: 'n', by: -5 },
          { op: 'add_to_set', key: 's', value: 'x' },
          { op: 'add_to_set', key: 's', value: 'x' },
          { op: 'add_to_set', key: 's', value: true },
          { op: 'remove_from_set', key: 's', value: 'x' },
        ]),
      ),
    ).toEqual({ a: [1], n: -3, s: [true] });
    expect(
      codeOf(
        apply([
          { op: 'set', key: 'a', value: 2 },
          { op: 'increment', key: 's', by: 1 },
        ]),
      ),
    ).toBe('STATE_CONFLICT');
    expect(rig.engine.state.stateValues.get(`${id} a`)?.value).toEqual([1]);
    expect(codeOf(apply([{ op: 'set', key: 'a', value: 2 }], { ifVersion: 0 }))).toBe('STATE_CONFLICT');
    expect(codeOf(apply([{ op: 'set', key: 'a', value: null }], { ifVersion: 1 }))).toBe('ok');
    expect(rig.engine.state.stateValues.get(`${id} a`)).toBeUndefined();
  });

  it('refuses a number that could not be kept', () => {
    apply([{ op: 'set', key: 'n', value: Number.MAX_SAFE_INTEGER }]);
    expect(codeOf(apply([{ op: 'increment', key: 'n', by: 1 }]))).toBe('STATE_CONFLICT');
  });

  it('is what it was after a restore, under a new version', () => {
    apply([
      { op: 'set', key: 'a', value: 1 },
      { op: 'set', key: 'b', value: 2 },
    ]);
    const before = rig.engine.state.workspaces.get(id)?.stateBytes;
    ask(ann, 'state.snapshot', { workspaceId: id });
    apply([
      { op: 'set', key: 'a', value: null },
      { op: 'set', key: 'c', value: 3 },
    ]);
    const [snapshot] = rig.engine.state.snapshotsByWorkspace.after(id, '');
    expect(codeOf(ask(ann, 'state.restore', { workspaceId: id, snapshotId: snapshot?.id }))).toBe('ok');
    const values = [...rig.engine.state.valuesByWorkspace.after(id, '')].map(({ name, value }) => [name, value]);
    expect(values).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect(rig.engine.state.workspaces.get(id)).toMatchObject({ version: 3, stateBytes: before });
  });
});

describe('presence', () => {
  it('is told as changes, at most once a second', () => {
    add('key:bob', 'guest');
    const bob = person('bob');
    const set = (session: string, status: string): void =>
      void rig.ask(session, 'presence.set', { workspaceId: id, status }, { after: 50 });
    const before = rig.pushes.length;
    for (let n = 0; n < 30; n += 1) set(n % 3 === 0 ? bob : ann, n % 2 === 0 ? 'online' : 'busy');
    rig.tick(1_000);
    const pushes = told(rig.pushes.slice(before), 'workspace.presence');
    expect(pushes.length).toBe(3);
    expect(pushes.at(-1)?.data).toMatchObject({
      changes: expect.arrayContaining([expect.objectContaining({ userId: 'key:ann' })]) as unknown,
    });
  });

  it('ends with the grace of the session', () => {
    ask(ann, 'presence.set', { workspaceId: id, status: 'online' });
    rig.tick(1_100);
    rig.one({ kind: 'session.lost', session: ann, attach: 1 });
    rig.wait(LIMITS.leaseMs - 2_000);
    expect(rig.engine.state.presences.size).toBe(1);
    const before = rig.pushes.length;
    rig.wait(4_000);
    expect(rig.engine.state.presences.size).toBe(0);
    expect(told(rig.pushes.slice(before), 'workspace.presence').at(-1)?.data).toMatchObject({
      changes: [{ userId: 'key:ann', status: 'offline' }],
    });
  });
});

describe('an archived workspace', () => {
  it('takes nothing new, goes on with what is under way, and gives nobody what waits', () => {
    const a = agent('a');
    add('agent:a', 'editor');
    const [first, , third] = [0, 1, 2].map(
      () => taskOf(ask(ann, 'task.create', { type: 'work', workspaceId: id })).id,
    ) as [string, string, string];
    expect(codeOf(ask(ann, 'workspace.archive', { id }))).toBe('ok');
    for (const [method, params] of [
      ['task.create', { type: 'work', workspaceId: id }],
      ['state.apply', { workspaceId: id, ops: [{ op: 'set', key: 'a', value: 1 }] }],
      ['member.add', { workspaceId: id, userId: 'key:z', role: 'guest' }],
      ['lock.acquire', { path: `workspace/${id}/a` }],
      ['topic.publish', { topic: `workspace.${id}.topic.x`, data: 1 }],
      ['notification.broadcast', { audience: { workspaceId: id }, type: 't', message: 'm' }],
    ] as const) {
      expect(codeOf(ask(ann, method, params)), method).toBe('INVALID_TRANSITION');
    }
    expect(codeOf(ask(a.session, 'task.complete', { id: first, token: rig.task(first).token }))).toBe('ok');
    expect(rig.task(third).status).toBe('pending');
    ask(ann, 'workspace.unarchive', { id });
    expect(rig.task(third).agentId).toBe(a.id);
    expectSound(rig.engine);
  });
});

describe('a schedule in a workspace', () => {
  const AFTER = 60_000;

  function scheduled(session: string): string {
    const reply = ask(session, 'schedule.create', { task: { type: 'work', workspaceId: id }, delayMs: AFTER });
    if (!reply.ok) throw new Error(codeOf(reply));
    return (reply.result as { readonly schedule: { readonly id: string } }).schedule.id;
  }

  /** What became of its occurrence. */
  function outcome(schedule: string): string {
    rig.wait(AFTER + 1_000);
    const [run] = rig.engine.state.schedules.get(schedule)?.recent ?? [];
    expect(rig.engine.state.openByWorkspace.count(id)).toBe(run?.outcome === 'created' ? 1 : 0);
    return run?.code ?? run?.outcome ?? 'none';
  }

  it.each([
    ['stays', (): Reply | undefined => undefined, 'created'],
    [
      'may only read',
      (): Reply => ask(ann, 'member.setRole', { workspaceId: id, userId: 'key:bob', role: 'viewer' }),
      'UNAUTHORIZED',
    ],
    ['leaves', (): Reply => ask(ann, 'member.remove', { workspaceId: id, userId: 'key:bob' }), 'UNAUTHORIZED'],
  ] as const)('makes a task while the member who made it may: it %s', (_name, change, expected) => {
    add('key:bob', 'editor');
    const schedule = scheduled(person('bob'));
    const changed = change();
    if (changed !== undefined) expect(codeOf(changed)).toBe('ok');
    expect(outcome(schedule)).toBe(expected);
    expectSound(rig.engine);
  });

  it.each([
    ['update', (schedule: string) => ask(ann, 'schedule.update', { id: schedule, name: 'of ann' })],
    [
      'resume',
      (schedule: string) => {
        ask(ann, 'schedule.pause', { id: schedule });
        return ask(ann, 'schedule.resume', { id: schedule });
      },
    ],
  ] as const)('is taken over by another member by schedule.%s', (_name, take) => {
    add('key:bob', 'editor');
    const schedule = scheduled(person('bob'));
    ask(ann, 'member.remove', { workspaceId: id, userId: 'key:bob' });
    expect(codeOf(take(schedule))).toBe('ok');
    expect(outcome(schedule)).toBe('created');
  });

  it('of an administrator of the tenant needs no member', () => {
    const schedule = scheduled(admin);
    expect(outcome(schedule)).toBe('created');
  });
});

describe('a workspace that is deleted', () => {
  it('takes its contents with it, however many there are, and tells who listened', () => {
    const a = agent('a');
    const bob = person('bob');
    add('agent:a', 'editor');
    add('key:bob', 'editor');
    const tasks = Array.from({ length: 400 }, () => ({ type: 'work', workspaceId: id }));
    ask(ann, 'task.createBatch', { tasks });
    const outside = rig.create(admin).id;
    ask(bob, 'lock.acquire', { path: `workspace/${id}/a` });
    ask(ann, 'lock.acquire', { path: `workspace/${id}/a`, waitMs: 60_000 });
    ask(bob, 'lock.acquire', { path: 'elsewhere' });
    ask(ann, 'state.apply', { workspaceId: id, ops: [{ op: 'set', key: 'a', value: 1 }] });
    ask(ann, 'state.snapshot', { workspaceId: id });
    ask(ann, 'presence.set', { workspaceId: id, status: 'online' });
    ask(ann, 'topic.publish', { topic: `workspace.${id}.topic.x`, data: 1, kind: 'latest' });
    ask(bob, 'topic.subscribe', { topic: `workspace.${id}` });
    ask(ann, 'notification.broadcast', { audience: { workspaceId: id }, type: 't', message: 'm' });
    expect(codeOf(ask(ann, 'workspace.delete', { id }))).toBe('ok');
    for (let n = 0; n < 10; n += 1) rig.one({ kind: 'continue' });
    const s = rig.engine.state;
    expect(s.workspaces.size + s.members.size + s.stateValues.size + s.stateSnapshots.size).toBe(0);
    expect(s.presences.size + s.latest.size + s.notifications.size + s.lockWaits.size).toBe(0);
    expect(s.workspaceBytes.sum).toBe(0);
    expect(s.openByWorkspace.count(id)).toBe(0);
    expect(rig.task(outside).status).toBe('pending');
    expect([...s.locks.hold()].map((lock) => lock.members[0]?.path)).toEqual(['elsewhere']);
    expect(s.agents.get(a.id)?.workspaces).toBeUndefined();
    const gone = told(rig.pushes, 'workspace.deleted');
    expect(gone.map(({ to }) => to)).toEqual([[`t:workspace.${id}`]]);
    expect(codeOf(ask(ann, 'workspace.delete', { id }))).toBe('NOT_FOUND');
    expectSound(rig.engine);
  });
});

describe('under an older engine version', () => {
  it('there is none, and a task may be called as if it belonged to one', () => {
    const old = new Rig();
    const session = old.session();
    expect(codeOf(old.ask(session, 'workspace.create', { name: 'x' }).reply)).toBe('UNAVAILABLE');
    expect(old.create(session, { workspaceId: 'w' }).workspaceId).toBe('w');
  });
});
