/** Conversations in which the client is under test. Source of protocol/vectors/clients.json. */
import type { ClientStep, ClientTranscript } from '../client-transcript.ts';
import type { Json } from './json-form.ts';
import { absent, int, text } from './steps.ts';

type JsonMap = { readonly [key: string]: Json };

const AGENT = { name: 'resizer', capabilities: ['resize'], capacity: 2 };

const accept = (on: string): ClientStep => ({ do: 'accept', on });
const receive = (on: string, frame: Json): ClientStep => ({ do: 'receive', on, frame });
const say = (on: string, ...frames: readonly Json[]): ClientStep => ({ do: 'say', on, frames });
const call = (as: string, m: string, p: JsonMap): ClientStep => ({ do: 'call', as, m, p });
const answered = (as: string, result: Json): ClientStep => ({ do: 'answered', as, result });
const drop = (on: string): ClientStep => ({ do: 'drop', on });

const hello = (more: JsonMap = {}): Json => [
  1,
  0,
  { v: [1, int, int], client: { name: text, version: text }, auth: { token: '$token' }, ...more },
];

const welcome = (more: JsonMap = {}): Json => [
  3,
  0,
  {
    v: [1, 0],
    session: 'ses_1',
    secret: 'secret_1',
    rev: 1_099_511_628_000,
    resumed: false,
    principal: { id: 'key:k1', tenant: 'default', role: 'admin' },
    now: 1_767_225_600_000,
    ping: { intervalMs: 10_000, timeoutMs: 15_000 },
    limits: {
      frameBytes: 262_144,
      messageBytes: 1_048_576,
      framesPerMessage: 64,
      inFlight: 256,
      remembered: 1_024,
      subs: 128,
      resumeWindowMs: 600_000,
      leaseMs: 15_000,
    },
    features: [],
    server: { version: '1.0.0', node: 'n1' },
    ...more,
  },
];

const NOTHING_HELD = { tasks: [], locks: [], waits: [], subs: [] };

/** The client connects for the first time and is greeted. */
const open = (more: JsonMap = {}): readonly ClientStep[] => [
  { do: 'start' },
  accept('a'),
  receive('a', hello({ resume: absent })),
  say('a', welcome(more)),
];
const openAgent: readonly ClientStep[] = [
  { do: 'start', agent: AGENT },
  accept('a'),
  receive('a', hello({ agent: { name: 'resizer', capabilities: ['resize'], capacity: 2 }, resume: absent })),
  say('a', welcome({ agent: { id: 'agt_1' }, snapshot: NOTHING_HELD })),
];

/** It comes back with this position and secret, and is resumed. */
const resumed = (on: string, rev: number, secret: string, next: string): readonly ClientStep[] => [
  accept(on),
  receive(on, hello({ resume: { session: 'ses_1', secret, rev } })),
  say(on, welcome({ secret: next, rev, resumed: true })),
];

const BASE = 1_099_511_628_000;
const push = (rev: number, e: string, more: JsonMap): Json => [11, 0, { rev, e, ...more }];
const task = (id: string): JsonMap => ({
  id,
  type: 'resize',
  status: 'assigned',
  priority: 'normal',
  parameters: { n: 1 },
  requirements: ['resize'],
  mode: 'assign',
  attempt: 1,
  losses: 0,
  retry: { maxAttempts: 5, initialDelayMs: 1_000, maxDelayMs: 60_000, factor: 2 },
  createdBy: 'key:k1',
  createdAt: 1_767_225_600_000,
  updatedAt: 1_767_225_600_000,
  rev: BASE,
});
const assigned = (rev: number, id: string, token: string): Json =>
  push(rev, 'task.assigned', { d: { task: task(id), attempt: 1, token, leaseMs: 15_000 } });

export const CLIENTS: readonly ClientTranscript[] = [
  {
    name: 'client-request',
    rules: ['F2', 'Q1'],
    steps: [
      ...open(),
      call('c', 'task.get', { id: 'tsk_1' }),
      receive('a', [5, '$id', { m: 'task.get', p: { id: 'tsk_1' } }]),
      say('a', [7, '$id', { rev: BASE, r: { task: task('tsk_1') } }]),
      answered('c', { task: { id: 'tsk_1' } }),
    ],
  },
  {
    name: 'client-refused',
    rules: ['F2'],
    steps: [
      ...open(),
      call('c', 'task.get', { id: 'tsk_1' }),
      receive('a', [5, '$id', { m: 'task.get' }]),
      say('a', [9, '$id', { code: 'TASK_NOT_FOUND', type: 'not_found', message: 'No such task.', retryable: false }]),
      { do: 'answered', as: 'c', code: 'TASK_NOT_FOUND' },
    ],
  },
  {
    name: 'client-resumes',
    rules: ['O5', 'P2', 'Q6', 'Q7'],
    steps: [
      ...open(),
      say('a', push(BASE + 7, 'message', { t: 'a', d: { data: 1, from: 'key:k2' } })),
      call('c', 'task.create', { type: 'x' }),
      receive('a', [5, '$id', { m: 'task.create', p: { type: 'x' } }]),
      drop('a'),
      ...resumed('b', BASE + 7, 'secret_1', 'secret_2'),
      receive('b', [5, '$id', { m: 'task.create', p: { type: 'x' } }]),
      say('b', [7, '$id', { rev: BASE + 9, r: { task: task('tsk_1') } }]),
      answered('c', { task: { id: 'tsk_1' } }),
      call('d', 'task.get', { id: 'tsk_1' }),
      receive('b', [5, { $above: '$id', $as: '$id2' }, { m: 'task.get' }]),
      say('b', [7, '$id2', { rev: BASE + 9, r: { task: task('tsk_1') } }]),
      answered('d', { task: { id: 'tsk_1' } }),
      drop('b'),
      ...resumed('c', BASE + 7, 'secret_2', 'secret_3'),
    ],
  },
  {
    name: 'client-position-from-a-bookmark',
    rules: ['P2', 'P4', 'K2'],
    steps: [
      ...open(),
      say('a', [15, 0, { now: 1_767_225_600_000, rev: BASE + 50 }]),
      receive('a', [17, 0, { rev: BASE + 50 }]),
      drop('a'),
      ...resumed('b', BASE + 50, 'secret_1', 'secret_2'),
    ],
  },
  {
    name: 'client-results-are-no-positions',
    rules: ['P2'],
    steps: [
      ...open(),
      call('c', 'task.get', { id: 'x' }),
      receive('a', [5, '$id', { m: 'task.get' }]),
      say('a', [7, '$id', { rev: BASE + 900, r: { task: task('x') } }]),
      answered('c', { task: { id: 'x' } }),
      drop('a'),
      ...resumed('b', BASE, 'secret_1', 'secret_2'),
    ],
  },
  {
    name: 'client-hears-no-welcome',
    rules: ['O6'],
    steps: [
      ...open(),
      drop('a'),
      accept('b'),
      receive('b', hello({ resume: { session: 'ses_1', secret: 'secret_1', rev: BASE } })),
      drop('b'),
      ...resumed('c', BASE, 'secret_1', 'secret_3'),
    ],
  },
  {
    name: 'client-is-not-resumed',
    rules: ['O10'],
    steps: [
      ...open(),
      say('a', push(BASE + 7, 'message', { t: 'a', d: { data: 1, from: 'key:k2' } })),
      drop('a'),
      accept('b'),
      receive('b', hello({ resume: { session: 'ses_1', secret: 'secret_1', rev: BASE + 7 } })),
      say(
        'b',
        welcome({ session: 'ses_2', secret: 'secret_9', rev: BASE + 3, reason: 'expired', snapshot: NOTHING_HELD }),
      ),
      drop('b'),
      accept('c'),
      // The old position is forgotten, though it was larger.
      receive('c', hello({ resume: { session: 'ses_2', secret: 'secret_9', rev: BASE + 3 } })),
    ],
  },
  {
    name: 'client-is-closed-resumably',
    rules: ['E3'],
    steps: [
      ...open(),
      say('a', [13, 0, { reason: 'slow', action: 'resume', delayMs: [0, 1_000] }]),
      { do: 'close', on: 'a', code: 4008 },
      ...resumed('b', BASE, 'secret_1', 'secret_2'),
      { do: 'close', on: 'b', code: 1006 },
      ...resumed('c', BASE, 'secret_2', 'secret_3'),
    ],
  },
  {
    name: 'client-is-replaced',
    rules: ['E4', 'O4'],
    steps: [
      ...open(),
      say('a', [13, 0, { reason: 'replaced', action: 'stop', delayMs: [0, 0] }]),
      { do: 'close', on: 'a', code: 4507 },
      { do: 'away', ms: 120_000 },
    ],
  },
  {
    name: 'client-is-refused-for-good',
    rules: ['E4'],
    steps: [
      { do: 'start' },
      accept('a'),
      receive('a', hello()),
      { do: 'close', on: 'a', code: 4500 },
      { do: 'away', ms: 120_000 },
    ],
  },
  {
    name: 'client-is-asked-to-leave',
    rules: ['E5'],
    steps: [
      ...open(),
      say('a', [13, 0, { reason: 'shutdown', action: 'resume', delayMs: [0, 4_000] }]),
      { do: 'left', on: 'a' },
      ...resumed('b', BASE, 'secret_1', 'secret_2'),
    ],
  },
  {
    name: 'client-hears-nothing',
    rules: ['K3'],
    steps: [
      ...open(),
      { do: 'advance', ms: 14_000 },
      { do: 'left', on: 'a' },
      ...resumed('b', BASE, 'secret_1', 'secret_2'),
    ],
  },
  {
    name: 'client-meets-the-future',
    rules: ['F3', 'F4', 'M6', 'M8'],
    steps: [
      ...open({ later: { any: ['thing'] }, features: ['unheard-of'] }),
      say('a', [2, 0, { kind: 'unheard-of' }], [120, 0, {}], push(BASE + 1, 'unheard.of', { t: 'x', d: {}, later: 1 })),
      // PING with now and rev as float64, in wide formats.
      {
        do: 'sayHex',
        on: 'a',
        hex: 'dd00000003 cb402e000000000000 cb0000000000000000 df00000001 db00000003 726576 cb 427000000011c000',
      },
      call('c', 'task.get', { id: 'x' }),
      receive('a', [5, '$id', { m: 'task.get' }]),
      say('a', [7, '$id', { rev: BASE, r: { task: { ...task('x'), status: 'unheard_of' } }, later: 1 }]),
      answered('c', { task: { status: 'unheard_of' } }),
      drop('a'),
      accept('b'),
      receive('b', hello({ resume: { session: 'ses_1', secret: 'secret_1', rev: BASE + 60 } })),
    ],
  },
  {
    name: 'client-works',
    rules: ['J5', 'J2'],
    steps: [
      ...openAgent,
      say('a', assigned(BASE + 1, 'tsk_1', '41')),
      { do: 'begun', task: 'tsk_1' },
      { do: 'finish', task: 'tsk_1', output: { ok: true } },
      receive('a', [5, '$id', { m: 'task.complete', p: { id: 'tsk_1', token: '41', output: { ok: true } } }]),
      say('a', [7, '$id', { rev: BASE + 2, r: { task: { ...task('tsk_1'), status: 'completed' } } }]),
    ],
  },
  {
    name: 'client-is-told-twice',
    rules: ['P3', 'P6'],
    steps: [
      ...openAgent,
      say('a', assigned(BASE + 5, 'tsk_1', '41')),
      { do: 'begun', task: 'tsk_1' },
      say('a', assigned(BASE + 5, 'tsk_1', '41')),
      drop('a'),
      accept('b'),
      receive('b', hello({ resume: { session: 'ses_1', secret: 'secret_1', rev: BASE + 5 } })),
      say(
        'b',
        welcome({ secret: 'secret_2', rev: BASE + 5, resumed: true, agent: { id: 'agt_1' } }),
        assigned(BASE + 9, 'tsk_1', '41'),
      ),
      { do: 'advance', ms: 1_000 },
      { do: 'begun', task: 'tsk_1', times: 1 },
    ],
  },
  {
    name: 'client-is-told-to-stop',
    rules: ['J16', 'J17'],
    steps: [
      ...openAgent,
      say('a', assigned(BASE + 1, 'tsk_1', '41'), assigned(BASE + 2, 'tsk_2', '42')),
      { do: 'begun', task: 'tsk_1' },
      { do: 'begun', task: 'tsk_2' },
      say('a', push(BASE + 3, 'task.cancelled', { d: { id: 'tsk_1', attempt: 1, token: '41' } })),
      { do: 'stopped', task: 'tsk_1' },
      { do: 'finish', task: 'tsk_1', output: null },
      receive('a', [5, '$id', { m: 'task.acknowledge', p: { id: 'tsk_1', token: '41', control: 'cancel' } }]),
      say('a', [7, '$id', { rev: BASE + 4, r: { id: 'tsk_1' } }]),
      say('a', push(BASE + 5, 'task.leaseLost', { d: { id: 'tsk_2', attempt: 1, token: '42', reason: 'timeout' } })),
      { do: 'stopped', task: 'tsk_2' },
      { do: 'finish', task: 'tsk_2', output: null },
      receive('a', [5, '$id2', { m: 'task.acknowledge', p: { id: 'tsk_2', token: '42', control: 'leaseLost' } }]),
    ],
  },
  {
    name: 'client-stops-what-the-snapshot-does-not-list',
    rules: ['O10', 'O12', 'O14'],
    steps: [
      ...openAgent,
      say('a', assigned(BASE + 1, 'tsk_1', '41'), assigned(BASE + 2, 'tsk_2', '42')),
      { do: 'begun', task: 'tsk_1' },
      { do: 'begun', task: 'tsk_2' },
      drop('a'),
      accept('b'),
      receive('b', hello({ resume: { session: 'ses_1', rev: BASE + 2 } })),
      say(
        'b',
        welcome({
          session: 'ses_2',
          secret: 'secret_2',
          rev: BASE + 20,
          reason: 'expired',
          agent: { id: 'agt_1' },
          snapshot: {
            ...NOTHING_HELD,
            tasks: [
              { task: task('tsk_2'), attempt: 1, token: '42', leaseMs: 15_000 },
              { task: task('tsk_3'), attempt: 1, token: '43', leaseMs: 15_000 },
            ],
          },
        }),
      ),
      { do: 'stopped', task: 'tsk_1' },
      { do: 'finish', task: 'tsk_1', output: null },
      { do: 'begun', task: 'tsk_3' },
      { do: 'finish', task: 'tsk_2', output: 2 },
      receive('b', [5, '$id', { m: 'task.complete', p: { id: 'tsk_2', token: '42', output: 2 } }]),
      { do: 'begun', task: 'tsk_2', times: 1 },
    ],
  },
  {
    name: 'client-completes-across-a-drop',
    rules: ['Q7'],
    steps: [
      ...openAgent,
      say('a', assigned(BASE + 1, 'tsk_1', '41')),
      { do: 'begun', task: 'tsk_1' },
      { do: 'finish', task: 'tsk_1', output: 1 },
      receive('a', [5, '$id', { m: 'task.complete', p: { id: 'tsk_1', token: '41' } }]),
      drop('a'),
      ...resumed('b', BASE + 1, 'secret_1', 'secret_2'),
      receive('b', [5, '$id', { m: 'task.complete', p: { id: 'tsk_1', token: '41', output: 1 } }]),
    ],
  },
  {
    name: 'client-asks-for-a-lock-across-a-drop',
    rules: ['G5', 'Q5'],
    steps: [
      ...open(),
      call('lock', 'lock.acquire', { path: 'doc', waitMs: 60_000 }),
      receive('a', [5, '$id', { m: 'lock.acquire', p: { path: 'doc', waitMs: 60_000 } }]),
      drop('a'),
      ...resumed('b', 1_099_511_628_000, 'secret_1', 'secret_2'),
      receive('b', [5, '$id', { m: 'lock.acquire', p: { path: 'doc', waitMs: 60_000 } }]),
      say('b', [7, '$id', { rev: BASE + 4, r: { granted: false, requestId: 'lrq_1' } }]),
      answered('lock', { granted: false, requestId: 'lrq_1' }),
    ],
  },
  {
    name: 'client-takes-busy-for-an-answer',
    rules: ['G5'],
    steps: [
      ...open(),
      call('lock', 'lock.acquire', { path: 'doc' }),
      receive('a', [5, '$id', { m: 'lock.acquire', p: { path: 'doc' } }]),
      say('a', [9, '$id', { code: 'BUSY', type: 'conflict', message: 'Others hold the lock.', retryable: true }]),
      { do: 'answered', as: 'lock', code: 'BUSY' },
    ],
  },
  {
    name: 'client-leaves',
    rules: ['E1'],
    steps: [
      ...open(),
      { do: 'advance', ms: 100 },
      { do: 'leave' },
      receive('a', [21, 0, { requeue: true }]),
      say('a', [13, 0, { reason: 'ended', action: 'stop', delayMs: [0, 0] }]),
      { do: 'close', on: 'a', code: 4511 },
      { do: 'away', ms: 60_000 },
    ],
  },
];
