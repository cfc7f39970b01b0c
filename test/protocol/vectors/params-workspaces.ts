/** Params of the methods of workspaces. Source of protocol/vectors/params.json. */
import type { WorkspaceParams } from '../../../protocol/wire/workspaces.ts';
import { bad, good, large, reduced, type ParamsVector } from './params-forms.ts';

const of = { workspaceId: 'wsp_1' };
const quotas = { storageBytes: 0, cpuSeconds: 1, members: 10_000, documents: 2, agents: 3, operations: 4 };
const settings = { visibility: 'team', features: ['review'], quotas };
const page: readonly ParamsVector[] = [
  good('nothing more', of),
  good('a page', { ...of, limit: 200, cursor: 'x' }),
  bad('limit 0', { ...of, limit: 0 }, 'limit'),
  bad('no workspace', {}, 'workspaceId'),
];
const byId: readonly ParamsVector[] = [
  good('an id', { id: 'wsp_1' }),
  bad('nothing', {}, 'id'),
  bad('a number', { id: 5 }, 'id'),
];
const alone: readonly ParamsVector[] = [good('a workspace', of), bad('no workspace', {}, 'workspaceId')];
const feed: readonly ParamsVector[] = [
  good('all of it', of),
  good('a page', { ...of, since: 1_099_511_627_777, limit: 200 }),
  bad('a position below 0', { ...of, since: -1 }, 'since'),
  bad('limit above the most', { ...of, limit: 201 }, 'limit'),
  bad('no workspace', {}, 'workspaceId'),
];
const snapshot: readonly ParamsVector[] = [
  good('a snapshot', { ...of, snapshotId: 'wss_1' }),
  bad('no snapshot', of, 'snapshotId'),
  bad('no workspace', { snapshotId: 'wss_1' }, 'workspaceId'),
];
const badSettings = (base: object): readonly ParamsVector[] => [
  bad('an unknown visibility', { ...base, settings: { visibility: 'secret' } }, 'settings.visibility'),
  bad('two visibilities', { ...base, settings: { visibility: 'team', isPublic: true } }, 'settings.isPublic'),
  bad('a feature twice', { ...base, settings: { features: ['a', 'a'] } }, 'settings.features'),
  bad('a quota below 0', { ...base, settings: { quotas: { agents: -1 } } }, 'settings.quotas.agents'),
  bad('no members', { ...base, settings: { quotas: { members: 0 } } }, 'settings.quotas.members'),
  bad('too many members', { ...base, settings: { quotas: { members: 10_001 } } }, 'settings.quotas.members'),
];
const member = { ...of, userId: 'key:1' };
const roles: readonly ParamsVector[] = [
  ...['owner', 'admin', 'editor', 'commenter', 'viewer', 'guest'].map((role) =>
    good(`as ${role}`, { ...member, role }),
  ),
  bad('an unknown role', { ...member, role: 'boss' }, 'role'),
  bad('no role', member, 'role'),
  bad('nobody', { ...of, role: 'viewer' }, 'userId'),
];
const set = { op: 'set', key: 'k', value: { a: [1] } };
const ops = (count: number): readonly (typeof set)[] =>
  Array.from({ length: count }, (_, i) => ({ ...set, key: `k${i}` }));

export const WORKSPACE_PARAMS: { readonly [M in keyof WorkspaceParams]: readonly ParamsVector[] } = {
  'workspace.create': [
    good('the least', { name: 'team' }),
    good('everything', { name: 'team', description: 'of\nus', settings }),
    good('public', { name: 'team', settings: { isPublic: true } }),
    reduced('keys that nobody knows', { name: 'team', owner: 'x' }, { name: 'team' }),
    bad('no name', {}, 'name'),
    bad('an empty name', { name: '' }, 'name'),
    bad('a description too long', { name: 'a', description: { $repeat: ['x', 4_097] } }, 'description'),
    ...badSettings({ name: 'team' }),
  ],
  'workspace.get': byId,
  'workspace.list': [
    good('all', {}),
    good('some', { status: 'archived', member: true, limit: 200, cursor: 'wsp_1' }),
    bad('an unknown status', { status: 'lost' }, 'status'),
    bad('limit 0', { limit: 0 }, 'limit'),
  ],
  'workspace.update': [
    ...byId,
    good('everything', { id: 'wsp_1', name: 'other', description: 'x', settings }),
    good('no description', { id: 'wsp_1', description: null }),
    bad('no name', { id: 'wsp_1', name: null }, 'name'),
    ...badSettings({ id: 'wsp_1' }),
  ],
  'workspace.archive': byId,
  'workspace.unarchive': byId,
  'workspace.delete': byId,
  'member.add': roles,
  'member.setRole': roles,
  'member.remove': [good('somebody', member), bad('nobody', of, 'userId')],
  'member.list': [
    ...page,
    good('of a role', { ...of, role: 'owner' }),
    bad('of an unknown role', { ...of, role: 'boss' }, 'role'),
  ],
  'usage.update': [
    good('both', { ...of, storageBytes: 52_428_800, cpuSeconds: 3_600 }),
    good('given back', { ...of, storageBytes: -1 }),
    bad('nothing', of, 'storageBytes'),
    bad('a fraction', { ...of, cpuSeconds: 0.5 }, 'cpuSeconds'),
  ],
  'usage.get': alone,
  'usage.check': [
    ...alone,
    good('with what is wanted', { ...of, wanted: { members: 1, documents: 2 } }),
    bad('less than nothing', { ...of, wanted: { members: -1 } }, 'wanted.members'),
  ],
  'state.get': [
    ...page,
    good('some keys', { ...of, keys: ['a', 'b'] }),
    bad('a key twice', { ...of, keys: ['a', 'a'] }, 'keys'),
  ],
  'state.apply': [
    good('each operation', {
      ...of,
      ops: [
        set,
        { op: 'set', key: 'k', value: null },
        { op: 'increment', key: 'n', by: -3 },
        { op: 'add_to_set', key: 's', value: 'x' },
        { op: 'add_to_set', key: 's', value: true },
        { op: 'remove_from_set', key: 's', value: 1.5 },
      ],
      ifVersion: 0,
    }),
    good('100 operations', { ...of, ops: ops(100) }),
    bad('101 operations', { ...of, ops: ops(101) }, 'ops'),
    bad('no operation', { ...of, ops: [] }, 'ops'),
    bad('an unknown operation', { ...of, ops: [{ op: 'append', key: 'k', value: 1 }] }, 'ops.0.op'),
    bad('an empty key', { ...of, ops: [{ ...set, key: '' }] }, 'ops.0.key'),
    bad('a fraction', { ...of, ops: [{ op: 'increment', key: 'n', by: 0.5 }] }, 'ops.0.by'),
    bad('a map in a set', { ...of, ops: [{ op: 'add_to_set', key: 's', value: {} }] }, 'ops.0.value'),
    bad('a version below 0', { ...of, ops: [set], ifVersion: -1 }, 'ifVersion'),
    large('above 64 KiB', { ...of, ops: [set, { ...set, value: { $repeat: ['x', 65_500] } }] }, 'ops'),
  ],
  'state.history': feed,
  'state.snapshot': [
    ...alone,
    good('with a name', { ...of, name: 'before' }),
    bad('with an empty name', { ...of, name: '' }, 'name'),
  ],
  'state.snapshots': alone,
  'state.restore': snapshot,
  'state.deleteSnapshot': snapshot,
  'presence.set': [
    ...['online', 'away', 'busy', 'offline'].map((status) => good(status, { ...of, status })),
    good('somewhere', { ...of, status: 'online', location: 'docs/plan.md' }),
    bad('an unknown status', { ...of, status: 'asleep' }, 'status'),
    bad('nothing', of, 'status'),
    bad('nowhere', { ...of, status: 'online', location: '' }, 'location'),
  ],
  'presence.list': page,
  'activity.list': feed,
};
