/** Conversations about locks. Part of protocol/vectors/sessions.json. */
import type { Transcript } from '../transcript.ts';
import {
  absent,
  advance,
  call,
  connect,
  drop,
  expect,
  expectAll,
  fails,
  hello,
  int,
  open,
  order,
  other,
  request,
  restart,
  result,
  resumeOf,
  send,
  text,
  welcome,
} from './steps.ts';

const held = { id: '$lock', token: '$token' };
const doc = { id: '$lock', path: 'doc', mode: 'exclusive', token: '$token' };
const free = { granted: true, lock: { ...doc, count: 1, state: 'held', autoRefresh: true } };

export const LOCKS: readonly Transcript[] = [
  {
    name: 'lock-waits-for-its-turn',
    rules: ['G4', 'G5', 'G6'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...call('s', [1, 'lock.acquire', { path: 'doc' }], free),
      ...fails('t', [1, 'lock.acquire', { path: 'doc' }], 'BUSY', {
        path: 'doc',
        queueLength: 0,
        holder: { id: '$lock', owner: '$session-s', mode: 'exclusive' },
      }),
      ...call('t', [2, 'lock.acquire', { path: 'doc', mode: 'shared', waitMs: 60_000 }], {
        granted: false,
        requestId: '$request',
        lock: absent,
      }),
      ...call('s', [2, 'lock.get', { path: 'doc' }], {
        locked: true,
        holderCount: 1,
        queue: [{ requestId: '$request', owner: '$session-t', path: 'doc', mode: 'shared', waitedMs: int }],
      }),
      ...call('s', [3, 'lock.release', held], { remaining: 0 }),
      expect(
        't',
        order('lock.granted', {
          requestId: '$request',
          lock: { id: '$next', path: 'doc', mode: 'shared', token: other('$token', '$token2') },
        }),
      ),
      ...call('t', [3, 'lock.validate', { id: '$next', token: '$token2' }], { valid: true }),
      ...call('t', [4, 'lock.validate', { id: '$next', token: '$token' }], { valid: false, lock: absent }),
      ...fails('s', [4, 'lock.release', held], 'NOT_HELD'),
    ],
  },
  {
    name: 'lock-waits-in-vain',
    rules: ['G5'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...call('s', [1, 'lock.acquire', { path: 'doc' }], free),
      ...call('t', [1, 'lock.acquire', { path: 'doc', waitMs: 2_000 }], { granted: false, requestId: '$late' }),
      ...call('t', [2, 'lock.acquire', { path: 'doc', waitMs: 60_000 }], { granted: false, requestId: '$cancelled' }),
      advance(3_000),
      expect('t', order('lock.refused', { requestId: '$late', code: 'WAIT_TIMEOUT' })),
      send('t', request(3, 'lock.cancel', { requestId: '$cancelled' })),
      expectAll(
        't',
        result(3, { outcome: 'cancelled' }),
        order('lock.refused', { requestId: '$cancelled', code: 'CANCELLED' }),
      ),
      ...fails('t', [4, 'lock.cancel', { requestId: '$cancelled' }], 'NOT_FOUND'),
    ],
  },
  {
    name: 'lock-is-held-once-more',
    rules: ['G7', 'G8'],
    steps: [
      ...open('s'),
      ...call('s', [1, 'lock.acquire', { path: 'doc', mode: 'shared' }], {
        granted: true,
        lock: { ...doc, mode: 'shared' },
      }),
      ...call('s', [2, 'lock.acquire', { path: 'doc', mode: 'shared' }], {
        lock: { id: '$lock', token: '$token', count: 2 },
      }),
      ...call('s', [3, 'lock.acquire', { path: 'doc' }], {
        lock: { id: '$lock', mode: 'exclusive', count: 3, token: other('$token', '$token2') },
      }),
      ...fails('s', [4, 'lock.release', held], 'NOT_HELD'),
      ...call('s', [5, 'lock.convert', { id: '$lock', token: '$token2', mode: 'shared' }], {
        granted: true,
        lock: { mode: 'shared', count: 3, token: '$token2' },
      }),
      ...call('s', [6, 'lock.release', { id: '$lock', token: '$token2' }], { remaining: 2 }),
      ...call('s', [7, 'lock.release', { id: '$lock', token: '$token2', all: true }], { remaining: 0 }),
      ...call('s', [8, 'lock.get', { path: 'doc' }], { locked: false, holderCount: 0 }),
    ],
  },
  {
    name: 'lock-of-a-tree-and-of-several',
    rules: ['G3', 'G9'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...call('s', [1, 'lock.acquireAll', { locks: [{ path: 'b/1' }, { path: 'a', mode: 'shared' }, { path: 'b' }] }], {
        granted: true,
        lock: {
          ...held,
          path: 'a',
          mode: 'shared',
          members: [
            { path: 'a', mode: 'shared' },
            { path: 'b', mode: 'exclusive' },
          ],
        },
      }),
      ...fails('t', [1, 'lock.acquire', { path: 'b/1', mode: 'shared' }], 'BUSY'),
      ...call('t', [2, 'lock.acquire', { path: 'a/1', mode: 'shared' }], { granted: true }),
      ...fails('t', [3, 'lock.acquire', { path: 'a/2' }], 'BUSY'),
      ...call('s', [2, 'lock.release', { ...held, paths: ['b'] }], { remaining: 1 }),
      ...call('t', [4, 'lock.acquire', { path: 'b/1' }], { granted: true }),
      ...call('s', [3, 'lock.get', { path: 'b' }], { locked: false, below: { shared: 0, exclusive: 1 } }),
    ],
  },
  {
    name: 'lock-over-a-drop',
    rules: ['G4', 'G10'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...call('s', [1, 'lock.acquire', { path: 'doc' }], free),
      drop('s'),
      ...fails('t', [1, 'lock.acquire', { path: 'doc' }], 'BUSY'),
      connect('s2'),
      send('s2', hello('$admin', resumeOf('s'))),
      expect('s2', welcome({ resumed: true })),
      ...call('s2', [2, 'lock.validate', held], { valid: true, lock: { state: 'held', token: '$token' } }),
    ],
  },
  {
    name: 'lock-of-one-who-stays-away',
    rules: ['G6', 'G10', 'P6'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...call('s', [1, 'lock.acquire', { path: 'doc' }], free),
      ...call('t', [1, 'lock.acquire', { path: 'doc', waitMs: 600_000 }], { granted: false, requestId: '$request' }),
      drop('s'),
      advance(1_000),
      ...call('t', [2, 'lock.get', { path: 'doc' }], { locked: true, holders: [{ id: '$lock', state: 'grace' }] }),
      advance(19_000),
      expect(
        't',
        order('lock.granted', { requestId: '$request', lock: { path: 'doc', token: other('$token', '$token2') } }),
      ),
      connect('s2'),
      send('s2', hello('$admin', resumeOf('s'))),
      expect('s2', welcome({ resumed: true })),
      expect('s2', order('lock.lost', { ...held, path: 'doc', reason: 'away' })),
      ...fails('s2', [2, 'lock.release', held], 'NOT_HELD'),
    ],
  },
  {
    name: 'lock-over-a-restart',
    rules: ['G4', 'G10'],
    steps: [
      ...open('s'),
      ...call('s', [1, 'lock.acquire', { path: 'doc' }], free),
      restart,
      connect('s2'),
      send('s2', hello('$admin', resumeOf('s'))),
      expect('s2', welcome({ resumed: true })),
      ...call('s2', [2, 'lock.validate', held], { valid: true }),
      ...call('s2', [3, 'lock.acquire', { path: 'other' }], { lock: { token: other('$token', '$token2') } }),
    ],
  },
  {
    name: 'lock-with-a-time-of-its-own',
    rules: ['G11', 'G12'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...call('s', [1, 'lock.acquire', { path: 'doc', ttlMs: 4_000, lockDelayMs: 30_000 }], {
        granted: true,
        lock: { ...doc, ttlMs: 4_000, expiresInMs: 4_000, autoRefresh: false },
      }),
      advance(2_000),
      ...call('s', [2, 'lock.extend', held], { lock: { expiresInMs: 4_000, token: '$token' } }),
      advance(5_000),
      expect('s', order('lock.lost', { ...held, path: 'doc', reason: 'expired' })),
      ...fails('s', [3, 'lock.extend', held], 'NOT_HELD'),
      ...fails('t', [1, 'lock.acquire', { path: 'doc' }], 'BUSY'),
      ...call('s', [4, 'lock.acquire', { path: 'doc' }], {
        granted: true,
        lock: { token: other('$token', '$token2') },
      }),
    ],
  },
  {
    name: 'lock-in-a-circle',
    rules: ['G13'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...call('s', [1, 'lock.acquire', { path: 'a' }], { granted: true }),
      ...call('t', [1, 'lock.acquire', { path: 'b' }], { granted: true }),
      ...call('s', [2, 'lock.acquire', { path: 'b', waitMs: 60_000 }], { granted: false, requestId: '$request' }),
      ...fails('t', [2, 'lock.acquire', { path: 'a', waitMs: 60_000 }], 'DEADLOCK', {
        cycle: [
          { requestId: text, owner: '$session-t', path: 'a', mode: 'exclusive' },
          { requestId: '$request', owner: '$session-s', path: 'b', mode: 'exclusive' },
        ],
      }),
      ...call('t', [3, 'lock.graph', {}], {
        waits: [{ requestId: '$request', blockedBy: [{ path: 'b', owner: '$session-t', mode: 'exclusive' }] }],
      }),
    ],
  },
  {
    name: 'lock-by-force',
    rules: ['G14'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...open('v', '$viewer'),
      ...call('s', [1, 'lock.acquire', { path: 'doc' }], free),
      ...fails('v', [1, 'lock.forceUnlock', { path: 'doc', reason: 'stuck' }], 'UNAUTHORIZED'),
      ...fails('t', [1, 'lock.forceUnlock', { path: 'doc', reason: 'stuck', expectToken: '1' }], 'NOT_HELD'),
      ...call('t', [2, 'lock.forceUnlock', { path: 'doc', reason: 'please', graceMs: 5_000 }], { forced: 0, asked: 1 }),
      expect('s', order('lock.revokeRequested', { ...held, path: 'doc', by: text, message: 'please', graceMs: 5_000 })),
      ...call('t', [3, 'lock.forceUnlock', { path: 'doc', reason: 'stuck' }], { forced: 1, asked: 0 }),
      expect('s', order('lock.lost', { ...held, path: 'doc', reason: 'forced', by: text, message: 'stuck' })),
    ],
  },
];
