/** Params of the methods of locks. Source of protocol/vectors/params.json. */
import type { LockParams } from '../../../protocol/wire/locks.ts';
import { bad, good, held, large, reduced, unheld, type ParamsVector } from './params-forms.ts';

const everything = {
  waitMs: 600_000,
  ttlMs: 1_000,
  autoRefresh: true,
  graceMs: 0,
  lockDelayMs: 60_000,
  external: true,
  progressTimeoutMs: 30_000,
  scope: 'agent',
  metadata: { why: 'deploy' },
};
const options: readonly (readonly [string, object, string])[] = [
  ['a wait of more than ten minutes', { waitMs: 600_001 }, 'waitMs'],
  ['a wait of less than nothing', { waitMs: -1 }, 'waitMs'],
  ['a time of less than a second', { ttlMs: 999 }, 'ttlMs'],
  ['a time of more than a day', { ttlMs: 86_400_001 }, 'ttlMs'],
  ['a grace of more than two minutes', { graceMs: 120_001 }, 'graceMs'],
  ['a delay of more than a minute', { lockDelayMs: 60_001 }, 'lockDelayMs'],
  ['an unknown scope', { scope: 'tenant' }, 'scope'],
  ['metadata that is no map', { metadata: [] }, 'metadata'],
];
const refused = (base: object): ParamsVector[] =>
  options.map(([name, more, at]) => bad(name, { ...base, ...more }, at));

const paths: readonly ParamsVector[] = [
  good('a path', { path: 'x/a/b' }),
  good('all characters', { path: 'doc/A-z_0:9' }),
  bad('nothing', {}, 'path'),
  bad('an empty path', { path: '' }, 'path'),
  bad('an empty segment', { path: 'a//b' }, 'path'),
  bad('a slash in front', { path: '/a' }, 'path'),
  bad('a dot', { path: 'a.b' }, 'path'),
  bad('a long segment', { path: { $repeat: ['x', 65] } }, 'path'),
  bad('nine segments', { path: 'a/b/c/d/e/f/g/h/i' }, 'path'),
  bad('201 bytes', { path: { $repeat: ['abcd/', 41] } }, 'path'),
];

export const LOCK_PARAMS: { readonly [M in keyof LockParams]: readonly ParamsVector[] } = {
  'lock.acquire': [
    ...paths,
    good('everything', { path: 'x', mode: 'shared_intent_exclusive', ...everything }),
    reduced('keys that nobody knows', { path: 'x', owner: 'me' }, { path: 'x' }),
    bad('an unknown mode', { path: 'x', mode: 'write' }, 'mode'),
    ...refused({ path: 'x' }),
    large('metadata too large', { path: 'x', metadata: { text: { $repeat: ['x', 16_384] } } }, 'metadata'),
  ],
  'lock.acquireAll': [
    good('two', { locks: [{ path: 'a' }, { path: 'b/c', mode: 'shared' }] }),
    good('everything', { locks: [{ path: 'a' }], ...everything }),
    bad('none', { locks: [] }, 'locks'),
    bad('33', { locks: { $fill: [{ path: 'a' }, 33] } }, 'locks'),
    bad('a faulty path', { locks: [{ path: 'a' }, { path: '*' }] }, 'locks.1.path'),
    ...refused({ locks: [{ path: 'x' }] }),
  ],
  'lock.extend': [
    good('as before', held),
    good('another time', { ...held, ttlMs: 86_400_000 }),
    ...unheld({}),
    bad('a time of 0', { ...held, ttlMs: 0 }, 'ttlMs'),
  ],
  'lock.release': [
    good('once', held),
    good('all of it', { ...held, all: true }),
    good('some paths', { ...held, paths: ['a', 'b/c'] }),
    ...unheld({}),
    bad('no path', { ...held, paths: [] }, 'paths'),
    bad('a path twice', { ...held, paths: ['a', 'a'] }, 'paths'),
    bad('paths and all', { ...held, paths: ['a'], all: true }, 'paths'),
  ],
  'lock.convert': [
    good('a mode', { ...held, mode: 'exclusive' }),
    good('of a path, with a wait', { ...held, mode: 'shared', path: 'a/b', waitMs: 5_000 }),
    ...unheld({ mode: 'shared' }),
    bad('no mode', held, 'mode'),
  ],
  'lock.cancel': [good('a request', { requestId: 'lrq_01' }), bad('nothing', {}, 'requestId')],
  'lock.forceUnlock': [
    good('a path', { path: 'a/b', reason: 'its owner hangs' }),
    good('everything', { path: 'a', reason: 'x', expectToken: '1099511627777', graceMs: 30_000 }),
    bad('no reason', { path: 'a' }, 'reason'),
    bad('a token that is none', { path: 'a', reason: 'x', expectToken: 'x' }, 'expectToken'),
  ],
  'lock.get': [...paths, bad('limit 0', { path: 'a', limit: 0 }, 'limit')],
  'lock.list': [
    good('all', {}),
    good('of an owner below a path', { owner: 'ses_01', prefix: 'a/b', limit: 200, cursor: 'a/b lck_01' }),
    bad('a faulty prefix', { prefix: 'a/' }, 'prefix'),
    bad('an empty owner', { owner: '' }, 'owner'),
  ],
  'lock.validate': [good('a token', held), ...unheld({})],
  'lock.graph': [
    good('all', {}),
    good('below a path', { prefix: 'a', cursor: '7' }),
    bad('limit 0', { limit: 0 }, 'limit'),
  ],
};
