/** Conversations about workspaces. Part of protocol/vectors/sessions.json. */
import type { Transcript } from '../transcript.ts';
import type { Json } from './json-form.ts';
import { call, connect, drop, expect, fails, hello, int, result, resumeOf, send, request, welcome } from './steps.ts';

const OF = { workspaceId: '$ws' };
const TOPIC = { $join: ['workspace.', '$ws'] };

const push = (e: string, d: { readonly [key: string]: Json }, t: Json = TOPIC): Json => [11, 0, { rev: int, e, t, d }];

/** An administrator `s` with a workspace, and a member of the tenant `m` who is none of the workspace. */
const two = [
  connect('s'),
  send('s', hello('$admin')),
  expect('s', welcome({ principal: { id: '$owner' }, session: '$session-s', secret: '$secret-s', rev: '$rev-s' })),
  ...call('s', [1, 'apiKey.create', { role: 'member' }], { key: '$member' }),
  connect('m'),
  send('m', hello('$member')),
  expect('m', welcome({ principal: { id: '$me' }, session: '$session-m', secret: '$secret-m', rev: '$rev-m' })),
  ...call('s', [2, 'workspace.create', { name: 'team' }], {
    workspace: { id: '$ws', name: 'team', status: 'active', role: 'owner', members: 1 },
  }),
];
const added = (id: number, role: string) =>
  call('s', [id, 'member.add', { ...OF, userId: '$me', role }], { member: { userId: '$me', role, addedBy: '$owner' } });

export const WORKSPACES: readonly Transcript[] = [
  {
    name: 'workspace-roles',
    rules: ['S2', 'S3', 'S4', 'S5', 'S6'],
    steps: [
      ...two,
      ...fails('m', [1, 'workspace.get', { id: '$ws' }], 'NOT_FOUND'),
      ...fails('m', [2, 'state.get', OF], 'NOT_FOUND'),
      ...added(3, 'viewer'),
      ...call('m', [3, 'workspace.get', { id: '$ws' }], { workspace: { role: 'viewer', members: 2 } }),
      ...fails('m', [4, 'state.apply', { ...OF, ops: [{ op: 'set', key: 'k', value: 1 }] }], 'UNAUTHORIZED', {
        ...OF,
        permission: 'write',
      }),
      ...fails('m', [5, 'member.setRole', { ...OF, userId: '$me', role: 'editor' }], 'UNAUTHORIZED', {
        ...OF,
        permission: 'invite',
      }),
      ...call('s', [4, 'member.setRole', { ...OF, userId: '$me', role: 'editor' }], { member: { role: 'editor' } }),
      ...call('m', [6, 'state.apply', { ...OF, ops: [{ op: 'set', key: 'k', value: 1 }] }], { version: 1 }),
      ...call('m', [7, 'member.remove', { ...OF, userId: '$me' }], {}),
      ...fails('m', [8, 'workspace.get', { id: '$ws' }], 'NOT_FOUND'),
      ...fails('s', [5, 'member.remove', { ...OF, userId: '$owner' }], 'INVALID_TRANSITION'),
    ],
  },
  {
    name: 'workspace-shared-state',
    rules: ['S10', 'S11'],
    steps: [
      ...two,
      ...call(
        's',
        [
          3,
          'state.apply',
          {
            ...OF,
            ops: [
              { op: 'set', key: 'k', value: 'a' },
              { op: 'increment', key: 'n', by: 2 },
              { op: 'add_to_set', key: 'open', value: 7 },
            ],
          },
        ],
        { version: 1 },
      ),
      ...call('s', [4, 'state.snapshot', { ...OF, name: 'before' }], { snapshot: { id: '$snap', version: 1 } }),
      ...fails('s', [5, 'state.apply', { ...OF, ops: [{ op: 'increment', key: 'k', by: 1 }] }], 'STATE_CONFLICT', {
        key: 'k',
      }),
      ...fails(
        's',
        [6, 'state.apply', { ...OF, ops: [{ op: 'set', key: 'k', value: 'b' }], ifVersion: 4 }],
        'STATE_CONFLICT',
        { version: 1 },
      ),
      ...call(
        's',
        [
          7,
          'state.apply',
          {
            ...OF,
            ops: [
              { op: 'set', key: 'k', value: null },
              { op: 'remove_from_set', key: 'open', value: 7 },
            ],
            ifVersion: 1,
          },
        ],
        { version: 2 },
      ),
      ...call('s', [8, 'state.get', OF], { version: 2, values: { k: { $absent: true }, n: 2 } }),
      ...call('s', [9, 'state.restore', { ...OF, snapshotId: '$snap' }], { version: 3 }),
      ...call('s', [10, 'state.get', OF], { version: 3, values: { k: 'a', n: 2, open: [7] } }),
    ],
  },
  {
    name: 'workspace-pushes-end-with-the-membership',
    rules: ['S7', 'S12', 'S13', 'S14'],
    steps: [
      ...two,
      ...added(3, 'viewer'),
      ...call('m', [1, 'topic.subscribe', { topic: TOPIC }], {}),
      ...call('s', [4, 'state.apply', { ...OF, ops: [{ op: 'set', key: 'a', value: 1 }] }], { version: 1 }),
      expect('m', push('workspace.state', { version: 1 }, { $is: 'str' })),
      drop('m'),
      ...call('s', [5, 'member.remove', { ...OF, userId: '$me' }], {}),
      ...call('s', [6, 'state.apply', { ...OF, ops: [{ op: 'set', key: 'secret', value: 1 }] }], { version: 2 }),
      connect('m2'),
      send('m2', hello('$member', resumeOf('m'))),
      expect('m2', welcome({ session: '$session-m', resumed: true })),
      // It may read the workspace no more: also what it could read then is not sent again.
      send('m2', request(2, 'workspace.list', {})),
      expect('m2', result(2, { workspaces: [] })),
      ...fails('m2', [3, 'topic.subscribe', { topic: TOPIC }], 'NOT_FOUND'),
    ],
  },
  {
    name: 'workspace-quotas',
    rules: ['S8', 'S9'],
    steps: [
      ...two,
      ...call('s', [3, 'workspace.update', { id: '$ws', settings: { quotas: { members: 1, documents: 1 } } }], {
        workspace: { settings: { quotas: { members: 1, documents: 1 } } },
      }),
      ...fails('s', [4, 'member.add', { ...OF, userId: '$me', role: 'viewer' }], 'QUOTA_EXCEEDED', {
        ...OF,
        resource: 'members',
        limit: 1,
        used: 1,
        wanted: 1,
      }),
      ...call('s', [5, 'document.create', { ...OF, name: 'plan', content: 'abc' }], { document: { id: '$doc' } }),
      ...fails('s', [6, 'document.create', { ...OF, name: 'more', content: 'x' }], 'QUOTA_EXCEEDED'),
      ...call('s', [7, 'usage.check', OF], {
        withinLimits: true,
        usage: { members: { used: 1, limit: 1 }, documents: { used: 1, limit: 1 }, storageBytes: { used: 3 } },
      }),
    ],
  },
  {
    name: 'workspace-archived-and-deleted',
    rules: ['S15', 'S16'],
    steps: [
      ...two,
      ...call('s', [3, 'topic.subscribe', { topic: TOPIC }], {}),
      ...call('s', [4, 'workspace.archive', { id: '$ws' }], { workspace: { status: 'archived' } }),
      expect('s', push('workspace.archived', OF)),
      ...fails('s', [5, 'document.create', { ...OF, name: 'plan', content: 'x' }], 'INVALID_TRANSITION'),
      ...call('s', [6, 'workspace.unarchive', { id: '$ws' }], { workspace: { status: 'active' } }),
      expect('s', push('workspace.unarchived', OF)),
      send('s', request(7, 'workspace.delete', { id: '$ws' })),
      expect('s', result(7, {})),
      expect('s', push('workspace.deleting', OF)),
      expect('s', push('workspace.deleted', OF)),
      ...fails('s', [8, 'workspace.get', { id: '$ws' }], 'NOT_FOUND'),
    ],
  },
];
