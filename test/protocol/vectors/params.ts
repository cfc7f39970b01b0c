/** Params of every method, valid and faulty. Source of protocol/vectors/params.json. */
import type { Method } from '../../../protocol/wire/types.ts';
import type { Json } from './json-form.ts';

export interface ParamsVector {
  readonly name: string;
  readonly params: Json;
  /** What the server makes of valid params, where that is not what was sent. */
  readonly parsed?: Json;
  /** Of faulty params. */
  readonly code?: 'INVALID_PARAMS' | 'TOO_LARGE';
  /** Paths of the faults, in any order. */
  readonly paths?: readonly string[];
}

const bad = (name: string, params: Json, ...paths: readonly string[]): ParamsVector => ({
  name,
  params,
  code: 'INVALID_PARAMS',
  paths,
});
const large = (name: string, params: Json, ...paths: readonly string[]): ParamsVector => ({
  name,
  params,
  code: 'TOO_LARGE',
  paths,
});
const good = (name: string, params: Json): ParamsVector => ({ name, params });
const reduced = (name: string, params: Json, parsed: Json): ParamsVector => ({ name, params, parsed });

const held = { id: 'tsk_01', token: '1099511627777' };
const unheld = (more: { readonly [key: string]: Json } = {}): readonly ParamsVector[] => [
  bad('nothing held', { ...more }, 'id', 'token'),
  bad('id empty', { ...held, ...more, id: '' }, 'id'),
  bad('id with a control character', { ...held, ...more, id: 'a\n' }, 'id'),
  bad('id too long', { ...held, ...more, id: { $repeat: ['x', 129] } }, 'id'),
  bad('token as a number', { ...held, ...more, token: 41 }, 'token'),
  bad('token not decimal', { ...held, ...more, token: '0x41' }, 'token'),
  bad('token too long', { ...held, ...more, token: { $repeat: ['1', 21] } }, 'token'),
  bad('no map', [held], ''),
];

const pages: readonly ParamsVector[] = [
  good('nothing', {}),
  good('a page', { limit: 200, cursor: 'tsk_01' }),
  bad('limit 0', { limit: 0 }, 'limit'),
  bad('limit above the most', { limit: 201 }, 'limit'),
  bad('limit a fraction', { limit: 1.5 }, 'limit'),
  bad('cursor empty', { cursor: '' }, 'cursor'),
  bad('cursor nil', { cursor: null }, 'cursor'),
];

const agent = { name: 'resizer', capabilities: ['resize'] };
const agents: readonly ParamsVector[] = [
  good('the least', agent),
  good('no capability', { name: 'idle', capabilities: [] }),
  good('everything', {
    ...agent,
    type: 'image',
    capabilities: ['resize', { name: 'gpu', weight: 3 }],
    capacity: 10_000,
    cost: 1_000_000_000_000,
    labels: { zone: 'eu', empty: '' },
    metadata: { deep: { er: [1, 2.5, null, { $bin: 'AAEC' }] } },
    endpoint: 'https://example.org',
    instance: 'host-1',
    onLost: 'hold',
    acceptMs: 100,
    running: [held],
  }),
  good('the empty instance', { ...agent, instance: '' }),
  good('a name in other letters', { ...agent, name: 'größer 🦔' }),
  good('a name of 128 bytes', { ...agent, name: { $repeat: ['é', 64] } }),
  reduced(
    'keys that nobody knows',
    { ...agent, later: 1, running: [{ ...held, since: 5 }] },
    { ...agent, running: [held] },
  ),
  bad('nothing', {}, 'name', 'capabilities'),
  bad('a name of 129 bytes', { ...agent, name: `${'é'.repeat(64)}x` }, 'name'),
  bad('a name with a control character', { ...agent, name: 'a\u0085b' }, 'name'),
  bad('a capability twice', { ...agent, capabilities: ['a', { name: 'a', weight: 2 }] }, 'capabilities'),
  bad('a capability without a weight', { ...agent, capabilities: [{ name: 'a' }] }, 'capabilities.0'),
  bad('a weight of 0', { ...agent, capabilities: ['b', { name: 'a', weight: 0 }] }, 'capabilities.1.weight'),
  bad('too many capabilities', { ...agent, capabilities: { $fill: ['a', 65] } }, 'capabilities'),
  bad('capacity 0', { ...agent, capacity: 0 }, 'capacity'),
  bad('capacity as a text', { ...agent, capacity: '4' }, 'capacity'),
  bad('an unknown onLost', { ...agent, onLost: 'retry' }, 'onLost'),
  bad('acceptMs too short', { ...agent, acceptMs: 99 }, 'acceptMs'),
  bad('labels that are no text', { ...agent, labels: { a: 1 } }, 'labels.a'),
  bad('too many labels', { ...agent, labels: { $keys: ['l', 33, 'x'] } }, 'labels'),
  bad('metadata that is no map', { ...agent, metadata: [] }, 'metadata'),
  large('metadata too large', { ...agent, metadata: { text: { $repeat: ['x', 16_384] } } }, 'metadata'),
  bad('running without a token', { ...agent, running: [{ id: 'tsk_01' }] }, 'running.0.token'),
];

const creates: readonly ParamsVector[] = [
  good('the least', { type: 'resize' }),
  good('everything', {
    type: 'resize',
    priority: 'critical',
    parameters: { a: [1, { $bin: 'AP8=' }] },
    requirements: ['resize', 'gpu'],
    labels: { team: 'media' },
    strategy: 'capability_match',
    workspaceId: 'wsp_01',
    parentId: 'tsk_00',
    timeoutMs: 100,
    progressTimeoutMs: 60_000,
    deadlineMs: 31_622_400_000,
    delayMs: 0,
    retry: { maxAttempts: 1_000, initialDelayMs: 0, maxDelayMs: 86_400_000, factor: 100 },
    mode: 'offer',
    watch: false,
  }),
  good('no requirement', { type: 'any', requirements: [] }),
  good('parameters nil', { type: 'any', parameters: null }),
  good('parameters a scalar', { type: 'any', parameters: 5 }),
  good('parameters of 64 KiB', { type: 'any', parameters: { $repeat: ['x', 65_533] } }),
  good('a retry policy in part', { type: 'any', retry: { maxAttempts: 1 } }),
  reduced(
    'keys that nobody knows',
    { type: 'any', later: true, retry: { jitter: 'full', factor: 3 } },
    { type: 'any', retry: { factor: 3 } },
  ),
  bad('nothing', {}, 'type'),
  bad('nil', null, ''),
  bad('a text', 'resize', ''),
  bad('type empty', { type: '' }, 'type'),
  bad('type nil', { type: null }, 'type'),
  bad('type of two lines', { type: 'a\nb' }, 'type'),
  bad('an unknown priority', { type: 'any', priority: 'urgent' }, 'priority'),
  bad('a requirement twice', { type: 'any', requirements: ['a', 'a'] }, 'requirements'),
  bad('an empty requirement', { type: 'any', requirements: ['a', ''] }, 'requirements.1'),
  bad('too many requirements', { type: 'any', requirements: { $fill: ['a', 33] } }, 'requirements'),
  bad('an unknown strategy', { type: 'any', strategy: 'best' }, 'strategy'),
  bad('timeoutMs too short', { type: 'any', timeoutMs: 99 }, 'timeoutMs'),
  bad('timeoutMs too long', { type: 'any', timeoutMs: 31_622_400_001 }, 'timeoutMs'),
  bad('timeoutMs a fraction', { type: 'any', timeoutMs: 1_000.5 }, 'timeoutMs'),
  bad('delayMs negative', { type: 'any', delayMs: -1 }, 'delayMs'),
  bad('deadlineMs nil', { type: 'any', deadlineMs: null }, 'deadlineMs'),
  bad('no attempt', { type: 'any', retry: { maxAttempts: 0 } }, 'retry.maxAttempts'),
  bad(
    'a factor below 1 and a delay too long',
    { type: 'any', retry: { factor: 0, maxDelayMs: 86_400_001 } },
    'retry.factor',
    'retry.maxDelayMs',
  ),
  bad('an unknown mode', { type: 'any', mode: 'push' }, 'mode'),
  bad('watch as a number', { type: 'any', watch: 1 }, 'watch'),
  bad('a label key that is empty', { type: 'any', labels: { '': 'x' } }, 'labels.'),
  bad('many faults at once', { type: 5, priority: 1, delayMs: 'x', mode: {} }, 'type', 'priority', 'delayMs', 'mode'),
  large('parameters above 64 KiB', { type: 'any', parameters: { $repeat: ['x', 65_534] } }, 'parameters'),
  {
    ...large(
      'parameters above 64 KiB and another fault',
      { type: '', parameters: { $repeat: ['x', 70_000] } },
      'type',
      'parameters',
    ),
    code: 'INVALID_PARAMS',
  },
];

const topics: readonly ParamsVector[] = [
  good('one token', { topic: 'builds' }),
  good('tokens of every character', { topic: 'Az09_:-.b' }),
  good('16 tokens', { topic: 'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a' }),
  bad('17 tokens', { topic: 'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a' }, 'topic'),
  bad('nothing', {}, 'topic'),
  bad('empty', { topic: '' }, 'topic'),
  bad('an empty token', { topic: 'a..b' }, 'topic'),
  bad('a dot at the end', { topic: 'a.' }, 'topic'),
  bad('a token too long', { topic: { $repeat: ['x', 65] } }, 'topic'),
  bad('too long', { topic: { $repeat: ['abcdefghijklmno.', 17] } }, 'topic'),
  bad('another character', { topic: 'a/b' }, 'topic'),
  bad('a letter with a mark', { topic: 'büro' }, 'topic'),
  bad('a wildcard', { topic: 'task.*' }, 'topic'),
  bad('a wildcard for the rest', { topic: 'task.>' }, 'topic'),
];

const byId: readonly ParamsVector[] = [
  good('an id', { id: 'x' }),
  bad('nothing', {}, 'id'),
  bad('a number', { id: 5 }, 'id'),
];

export const PARAMS: { readonly [M in Method]: readonly ParamsVector[] } = {
  'session.snapshot': [
    good('the first page', {}),
    good('the next', { cursor: '1099511627777' }),
    bad('a cursor that is a number', { cursor: 1 }, 'cursor'),
  ],
  'agent.register': agents,
  'agent.get': byId,
  'agent.list': [
    ...pages,
    good('filters', { status: 'active', capability: 'resize', name: 'resizer' }),
    bad('an unknown status', { status: 'busy' }, 'status'),
    bad('an empty name', { name: '' }, 'name'),
    good('labels and load', { labels: { zone: 'eu' }, available: true, maxLoad: 0.5 }),
    bad('a load above 1', { maxLoad: 1.5 }, 'maxLoad'),
    bad('labels that are numbers', { labels: { zone: 1 } }, 'labels.zone'),
  ],
  'agent.workload': [good('all', {}), good('one', { id: 'agt_01' }), bad('an empty id', { id: '' }, 'id')],
  'agent.update': [
    good('nothing', {}),
    good('oneself', { capacity: 8, capabilities: ['a', { name: 'b', weight: 2 }], labels: { zone: 'eu' } }),
    good('another', { id: 'agt_01', cost: 5, onLost: 'hold', acceptMs: 5_000, endpoint: 'x', metadata: { a: 1 } }),
    reduced('a name, which does not change', { name: 'other', capacity: 1 }, { capacity: 1 }),
    bad('no capacity', { capacity: 0 }, 'capacity'),
    bad('a capability twice', { capabilities: ['a', 'a'] }, 'capabilities'),
  ],
  'agent.status': [
    good('oneself', { status: 'maintenance' }),
    good('another, with a reason', { id: 'agt_01', status: 'error', reason: 'the disk is full' }),
    bad('offline, which shows by itself', { status: 'offline' }, 'status'),
    bad('nothing', {}, 'status'),
    bad('a reason too long', { status: 'active', reason: { $repeat: ['x', 1_025] } }, 'reason'),
  ],
  'agent.drain': [
    good('oneself', {}),
    good('another by a deadline', { id: 'agt_01', deadlineMs: 60_000, reason: 'deploy' }),
    bad('a deadline of 0', { deadlineMs: 0 }, 'deadlineMs'),
  ],
  'agent.heartbeat': [good('nothing', {}), reduced('keys that nobody knows', { load: 0.5 }, {}), bad('no map', 1, '')],
  'agent.deregister': [good('oneself', {}), good('another', { id: 'agt_01' }), bad('an empty id', { id: '' }, 'id')],
  'task.create': creates,
  'task.createBatch': [
    good('two', { tasks: [{ type: 'a' }, { type: 'b', priority: 'low' }] }),
    good('the most', { tasks: { $fill: [{ type: 'a' }, 1_000] } }),
    reduced('keys that nobody knows', { tasks: [{ type: 'a', x: 1 }], y: 2 }, { tasks: [{ type: 'a' }] }),
    bad('nothing', {}, 'tasks'),
    bad('none', { tasks: [] }, 'tasks'),
    bad('too many', { tasks: { $fill: [{ type: 'a' }, 1_001] } }, 'tasks'),
    bad(
      'faults in two of three',
      { tasks: [{ type: 'a' }, {}, { type: 'c', retry: { factor: 0 } }] },
      'tasks.1.type',
      'tasks.2.retry.factor',
    ),
  ],
  'task.get': byId,
  'task.list': [
    ...pages,
    good('filters', { status: 'in_progress', type: 'resize', agentId: 'agt_01', workspaceId: 'wsp_01' }),
    bad('an unknown status', { status: 'rejected' }, 'status'),
    bad('an empty type', { type: '' }, 'type'),
  ],
  'task.accept': [good('held', held), reduced('keys that nobody knows', { ...held, x: 1 }, held), ...unheld()],
  'task.reject': [
    good('held', { ...held, reason: '' }),
    bad('no reason', held, 'reason'),
    bad('a reason too long', { ...held, reason: { $repeat: ['x', 1_025] } }, 'reason'),
    ...unheld({ reason: 'busy' }),
  ],
  'task.start': [good('held', held), ...unheld()],
  'task.progress': [
    good('a percentage', { ...held, percentComplete: 0 }),
    good('with words', { ...held, percentComplete: 100, status: 'line one\nline two' }),
    reduced('a fraction', { ...held, percentComplete: 66.9 }, { ...held, percentComplete: 66 }),
    bad('no percentage', held, 'percentComplete'),
    bad('above 100', { ...held, percentComplete: 100.5 }, 'percentComplete'),
    bad('below 0', { ...held, percentComplete: -1 }, 'percentComplete'),
    bad('words too long', { ...held, percentComplete: 1, status: { $repeat: ['é', 513] } }, 'status'),
    bad('nothing', {}, 'id', 'token', 'percentComplete'),
  ],
  'task.complete': [
    good('held', held),
    good('with an output', { ...held, output: [1, 'two', { three: null }] }),
    good('an output of 64 KiB', { ...held, output: { $fill: [0, 65_533] } }),
    large('an output above 64 KiB', { ...held, output: { $fill: [0, 65_534] } }, 'output'),
    ...unheld(),
  ],
  'task.fail': [
    good('held', { ...held, error: { code: 'E', message: '' } }),
    good('for good', { ...held, error: { code: 'E', message: 'm' }, retryable: false }),
    reduced(
      'keys that nobody knows',
      { ...held, error: { code: 'E', message: 'm', stack: 's' } },
      { ...held, error: { code: 'E', message: 'm' } },
    ),
    bad('no error', held, 'error'),
    bad('an error without parts', { ...held, error: {} }, 'error.code', 'error.message'),
    bad('a message too long', { ...held, error: { code: 'E', message: { $repeat: ['x', 8_193] } } }, 'error.message'),
    bad('retryable as a text', { ...held, error: { code: 'E', message: '' }, retryable: 'no' }, 'retryable'),
  ],
  'task.release': [
    good('held', held),
    good('for later', { ...held, delayMs: 5_000 }),
    bad('a negative delay', { ...held, delayMs: -5 }, 'delayMs'),
    ...unheld(),
  ],
  'task.cancel': [
    good('an id', { id: 'tsk_01' }),
    good('with a reason', { id: 'tsk_01', reason: 'no need' }),
    bad('nothing', {}, 'id'),
    bad('reason as a map', { id: 'x', reason: {} }, 'reason'),
  ],
  'task.acknowledge': [
    good('a cancel', { ...held, control: 'cancel' }),
    good('a lost lease', { ...held, control: 'leaseLost' }),
    bad('no control', held, 'control'),
    bad('an unknown control', { ...held, control: 'pause' }, 'control'),
  ],
  'task.retry': [
    good('as it was', { id: 'tsk_01' }),
    good('with other parameters', { id: 'tsk_01', parameters: null }),
    bad('nothing', {}, 'id'),
    large('parameters above 64 KiB', { id: 'x', parameters: { $repeat: ['x', 70_000] } }, 'parameters'),
  ],
  'deadLetter.list': [...pages, good('of a type', { type: 'resize' }), bad('an empty type', { type: '' }, 'type')],
  'topic.subscribe': [
    ...topics,
    good('since a position', { topic: 'a', since: 1_099_511_627_776 }),
    bad('since before time', { topic: 'a', since: -1 }, 'since'),
  ],
  'topic.unsubscribe': topics,
  'topic.publish': [
    good('the least', { topic: 'builds.main', data: null }),
    good('the newest of a key', { topic: 'builds.main', data: { n: 1 }, kind: 'latest', key: 'linux' }),
    good('for those who listen now', { topic: 'builds.main', data: 'x', kind: 'ephemeral' }),
    bad('no data', { topic: 'a' }, 'data'),
    bad('an unknown kind', { topic: 'a', data: 1, kind: 'exactly-once' }, 'kind'),
    bad('a key too long', { topic: 'a', data: 1, key: { $repeat: ['x', 129] } }, 'key'),
    large('data above 64 KiB', { topic: 'a', data: { $repeat: ['x', 65_534] } }, 'data'),
    bad('a wildcard', { topic: '*', data: 1 }, 'topic'),
  ],
  'apiKey.create': [
    good('for an admin', { role: 'admin' }),
    good('for an agent, for a time, for some methods', {
      role: 'agent',
      agent: 'resizer',
      expiresAt: 1_767_225_600_000,
      scopes: ['hold', 'task.get'],
    }),
    good('for the administrator of a tenant', { role: 'admin', tenant: 'acme' }),
    bad('for a member of a tenant', { role: 'member', tenant: 'acme' }, 'tenant'),
    bad('for a tenant, for a time', { role: 'admin', tenant: 'acme', expiresAt: 1_767_225_600_000 }, 'tenant'),
    bad('for what is no tenant', { role: 'admin', tenant: 'a_b' }, 'tenant'),
    bad('nothing', {}, 'role'),
    bad('for an operator', { role: 'operator' }, 'role'),
    bad('for an agent without a name', { role: 'agent' }, 'agent'),
    bad('for a member with the name of an agent', { role: 'member', agent: 'resizer' }, 'agent'),
    bad('an expiry that is no instant', { role: 'viewer', expiresAt: 'tomorrow' }, 'expiresAt'),
    bad('a scope that is neither a method nor a class', { role: 'viewer', scopes: ['query', 'all'] }, 'scopes.1'),
    bad('a scope twice', { role: 'viewer', scopes: ['query', 'query'] }, 'scopes'),
  ],
  'apiKey.list': pages,
  'apiKey.revoke': byId,
  'tenant.create': [
    good('an id', { id: 'acme-2' }),
    bad('nothing', {}, 'id'),
    bad('capital letters', { id: 'Acme' }, 'id'),
    bad('an underscore, which parts keys', { id: 'a_b' }, 'id'),
    bad('a dash first', { id: '-a' }, 'id'),
    bad('too long', { id: { $repeat: ['a', 33] } }, 'id'),
  ],
  'tenant.list': pages,
};
