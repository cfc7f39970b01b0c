/** Conversations that need no more than one session at a time, or a few. Source of protocol/vectors/sessions.json. */
import type { Transcript } from '../transcript.ts';
import { BLOBS } from './blobs.ts';
import { DOCUMENTS } from './documents.ts';
import { LOCKS } from './locks.ts';
import {
  absent,
  advance,
  assigned,
  call,
  connect,
  drop,
  error,
  event,
  expect,
  expectAll,
  expectClose,
  fails,
  goaway,
  hello,
  int,
  open,
  other,
  refused,
  request,
  restart,
  result,
  resumeOf,
  send,
  sendHex,
  submit,
  text,
  welcome,
  worker,
} from './steps.ts';
import { WORKSPACES } from './workspaces.ts';

const OPENING: readonly Transcript[] = [
  {
    name: 'hello-welcome',
    rules: ['O1', 'O9'],
    steps: [
      connect('a'),
      send('a', hello('$admin')),
      expect(
        'a',
        welcome({
          v: [1, 0],
          session: text,
          secret: text,
          rev: int,
          resumed: false,
          reason: absent,
          snapshot: absent,
          agent: absent,
          principal: { id: text, tenant: text, role: 'admin' },
          now: int,
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
          server: { version: text, node: text },
        }),
      ),
    ],
  },
  {
    name: 'hello-of-an-agent',
    rules: ['O2', 'A2'],
    steps: [
      connect('a'),
      send('a', hello('$agent', { ...worker(), subs: ['builds.main'] })),
      expect(
        'a',
        welcome({
          resumed: false,
          agent: { id: text },
          principal: { role: 'agent' },
          snapshot: { tasks: [], locks: [], waits: [], subs: ['builds.main'] },
        }),
      ),
    ],
  },
  {
    name: 'first-frame-not-hello',
    rules: ['F4'],
    steps: [connect('a'), send('a', request(1, 'agent.heartbeat', {})), ...refused('a', 'INVALID_FRAME', 4503)],
  },
  {
    name: 'second-hello',
    rules: ['F4'],
    steps: [...open('a'), send('a', hello('$admin')), ...refused('a', 'INVALID_FRAME', 4503)],
  },
  {
    name: 'wrong-key',
    rules: ['T5'],
    steps: [
      connect('a'),
      send('a', hello('mu_default_nobody_00000000000000000000000000000000')),
      ...refused('a', 'UNAUTHENTICATED', 4500),
    ],
  },
  {
    name: 'no-key',
    rules: ['T5'],
    steps: [connect('a'), send('a', hello('x')), ...refused('a', 'UNAUTHENTICATED', 4500)],
  },
  {
    name: 'other-version',
    rules: ['F4'],
    steps: [connect('a'), send('a', hello('$admin', { v: [2, 0, 0] })), ...refused('a', 'INVALID_PARAMS', 4510)],
  },
  {
    name: 'faulty-hello',
    rules: ['F3'],
    steps: [
      connect('a'),
      send('a', hello('$admin', { agent: { name: '' } })),
      expect(
        'a',
        error(0, 'INVALID_PARAMS', { details: { $has: [{ path: 'agent.name' }, { path: 'agent.capabilities' }] } }),
      ),
      expect('a', goaway('stop')),
      expectClose('a', 4501),
    ],
  },
  {
    name: 'hello-too-large',
    rules: ['M7'],
    steps: [
      connect('a'),
      send('a', hello('$admin', { later: { $repeat: ['x', 16_384] } })),
      ...refused('a', 'INVALID_FRAME', 4501),
    ],
  },
  {
    name: 'another-agents-name',
    rules: ['A2'],
    steps: [connect('a'), send('a', hello('$agent', worker({ name: 'other' }))), ...refused('a', 'UNAUTHORIZED', 4508)],
  },
  {
    name: 'a-viewer-is-no-agent',
    rules: ['A2'],
    steps: [connect('a'), send('a', hello('$viewer', worker())), ...refused('a', 'UNAUTHORIZED', 4508)],
  },
  {
    name: 'hello-timeout',
    rules: ['F4'],
    steps: [connect('a'), advance(11_000), expect('a', goaway('stop')), expectClose('a', 4502)],
  },
];

const FRAMES: readonly Transcript[] = [
  {
    name: 'unknown-odd-op',
    rules: ['F4', 'F5'],
    steps: [
      ...open('a'),
      send('a', [127, 9, {}]),
      expect('a', error(9, 'INVALID_FRAME')),
      ...call('a', [1, 'agent.heartbeat', {}], { now: int }),
    ],
  },
  {
    name: 'unknown-even-op',
    rules: ['F4'],
    steps: [
      ...open('a'),
      send('a', [126, 9, { any: 'thing' }], request(1, 'agent.heartbeat', {})),
      expect('a', result(1, { now: int })),
    ],
  },
  {
    name: 'ten-faults',
    rules: ['F5'],
    steps: [
      ...open('a'),
      send('a', ...Array.from({ length: 10 }, (_none, i) => [127, i + 1, {}])),
      ...Array.from({ length: 9 }, (_none, i) => expect('a', error(i + 1, 'INVALID_FRAME'))),
      ...refused('a', 'INVALID_FRAME', 4501),
    ],
  },
  {
    name: 'malformed',
    rules: ['M1'],
    steps: [
      ...open('a'),
      sendHex('a', '930501 82 a16d a87461736b2e676574 a170 c1'),
      expect('a', error(0, 'INVALID_FRAME', { details: { reason: 'reserved_byte', offset: 17 } })),
      expect('a', goaway('stop')),
      expectClose('a', 4501),
    ],
  },
  {
    name: 'nothing-of-a-malformed-message-is-executed',
    rules: ['M1'],
    steps: [
      ...open('a'),
      // task.create {type: "resize", watch: false} with id 1, then half a frame.
      sendHex('a', '930501 82 a16d ab7461736b2e637265617465 a170 82 a474797065 a6726573697a65 a57761746368 c2 9305'),
      ...refused('a', 'INVALID_FRAME', 4501),
      ...open('b'),
      ...call('b', [1, 'task.list', {}], { tasks: [], cursor: absent }),
    ],
  },
  {
    name: 'many-frames-in-a-message',
    rules: ['T3', 'Q1'],
    steps: [
      ...open('a'),
      send('a', ...Array.from({ length: 64 }, (_none, i) => request(i + 1, 'agent.heartbeat', {}))),
      expectAll('a', ...Array.from({ length: 64 }, (_none, i) => result(i + 1, { now: int }))),
    ],
  },
  {
    name: 'wide-formats',
    rules: ['M6', 'F1'],
    steps: [
      ...open('a'),
      // The frame of agent.heartbeat with op and id as float64, an array 32 and a map 32.
      sendHex(
        'a',
        'dd00000003 cb4014000000000000 cb4022000000000000 df00000001 db00000001 6d d90f 6167656e742e686561727462656174',
      ),
      expect('a', result(9, { now: int })),
    ],
  },
  {
    name: 'unknown-method',
    rules: ['Q9'],
    steps: [
      ...open('a'),
      ...fails('a', [1, 'task.make', {}], 'UNKNOWN_METHOD'),
      ...fails('a', [2, 'toString', {}], 'UNKNOWN_METHOD'),
      ...call('a', [3, 'agent.heartbeat', {}], { now: int }),
    ],
  },
  {
    name: 'invalid-params',
    rules: ['Q9'],
    steps: [
      ...open('a'),
      ...fails('a', [1, 'task.create', { priority: 'urgent', retry: { factor: 0 } }], 'INVALID_PARAMS', [
        { path: 'type', reason: text },
        { path: 'priority', reason: text },
        { path: 'retry.factor', reason: text },
      ]),
      ...fails('a', [1, 'task.create', { type: 'resize', parameters: { $repeat: ['x', 65_534] } }], 'TOO_LARGE', [
        { path: 'parameters', reason: text, code: 'TOO_LARGE' },
      ]),
      // The id of a request that was refused so is free.
      ...call('a', [1, 'task.create', { type: 'resize', watch: false }], { task: { type: 'resize', status: text } }),
    ],
  },
  {
    name: 'request-without-answer',
    rules: ['F2'],
    steps: [
      ...open('a'),
      send('a', request(0, 'task.create', { type: 'resize', watch: false }), request(1, 'task.list', {})),
      expect('a', result(1, { tasks: { $is: 'list' } })),
    ],
  },
  {
    name: 'too-late-already',
    rules: ['Q5'],
    steps: [
      ...open('a'),
      send('a', [5, 1, { m: 'task.create', p: { type: 'resize' } }, { dl: 0 }]),
      expect('a', error(1, 'CANCELLED')),
      ...call('a', [2, 'task.list', {}], { tasks: [] }),
    ],
  },
  {
    name: 'ping-of-a-client',
    rules: ['K4'],
    steps: [...open('a'), send('a', [15, 0, {}]), expect('a', [17, 0, { now: int }])],
  },
  {
    name: 'keepalive',
    rules: ['K1', 'K2', 'K3'],
    pong: false,
    steps: [
      ...open('a'),
      advance(10_000),
      expect('a', [15, 0, { now: int, rev: int }]),
      send('a', [17, 0, { rev: '$rev-a' }]),
      advance(10_000),
      expect('a', [15, 0, { now: int, rev: int }]),
      advance(5_000),
      expect('a', goaway('resume')),
      expectClose('a', 4012),
    ],
  },
];

const REQUESTS: readonly Transcript[] = [
  {
    name: 'duplicate-request',
    rules: ['Q7'],
    steps: [
      ...open('a'),
      ...submit('a', 7, '$task'),
      ...submit('a', 7, '$task'),
      ...call('a', [8, 'task.list', {}], { tasks: [{ id: '$task' }] }),
    ],
  },
  {
    name: 'duplicate-in-one-message',
    rules: ['Q7'],
    steps: [
      ...open('a'),
      send(
        'a',
        request(1, 'task.create', { type: 'x', watch: false }),
        request(1, 'task.create', { type: 'x', watch: false }),
      ),
      expect('a', result(1, { task: { id: '$task' } })),
      expect('a', result(1, { task: { id: '$task' } })),
    ],
  },
  {
    name: 'request-mismatch',
    rules: ['Q8'],
    steps: [
      ...open('a'),
      ...submit('a', 7, '$task'),
      ...fails('a', [7, 'task.create', { type: 'other', watch: false }], 'IDEMPOTENCY_MISMATCH'),
      ...call('a', [8, 'task.list', {}], { tasks: [{ id: '$task' }] }),
    ],
  },
  {
    name: 'outcome-unknown',
    rules: ['Q6', 'Q11'],
    steps: [
      ...open('a'),
      ...submit('a', 7, '$task'),
      ...fails('a', [3, 'task.create', { type: 'resize', watch: false }], 'OUTCOME_UNKNOWN'),
      ...call('a', [8, 'task.list', {}], { tasks: [{ id: '$task' }] }),
    ],
  },
  {
    name: 'acknowledged-request',
    rules: ['Q12'],
    steps: [
      ...open('a'),
      ...submit('a', 1, '$task'),
      send('a', [5, 2, { m: 'task.cancel', p: { id: '$task' } }, { ack: 1 }]),
      expect('a', result(2, { task: { id: '$task', status: 'cancelled' } })),
      ...fails('a', [1, 'task.create', { type: 'resize', watch: false }], 'OUTCOME_UNKNOWN'),
    ],
  },
  {
    name: 'refusals-are-remembered',
    rules: ['Q7'],
    steps: [
      ...open('a'),
      ...fails('a', [1, 'task.cancel', { id: 'tsk_none' }], 'TASK_NOT_FOUND'),
      ...fails('a', [1, 'task.cancel', { id: 'tsk_none' }], 'TASK_NOT_FOUND'),
      ...fails('a', [1, 'task.cancel', { id: 'tsk_other' }], 'IDEMPOTENCY_MISMATCH'),
    ],
  },
  {
    name: 'idempotency-key',
    rules: ['Q13'],
    steps: [
      ...open('a'),
      send('a', [5, 1, { m: 'task.create', p: { type: 'resize', watch: false } }, { k: 'order-55' }]),
      expect('a', result(1, { task: { id: '$task' } })),
      ...open('b'),
      send('b', [5, 1, { m: 'task.create', p: { watch: false, type: 'resize' } }, { k: 'order-55' }]),
      expect('b', result(1, { task: { id: '$task' } })),
      send('b', [5, 2, { m: 'task.create', p: { type: 'other', watch: false } }, { k: 'order-55' }]),
      expect('b', error(2, 'IDEMPOTENCY_MISMATCH')),
      // Another principal has names of its own.
      ...open('c', '$admin2'),
      send('c', [5, 1, { m: 'task.create', p: { type: 'resize', watch: false } }, { k: 'order-55' }]),
      expect('c', result(1, { task: { id: other('$task', '$task2') } })),
    ],
  },
  {
    name: 'roles',
    rules: ['Q9'],
    steps: [
      ...open('a', '$viewer'),
      ...fails('a', [1, 'task.create', { type: 'resize' }], 'UNAUTHORIZED'),
      ...fails('a', [2, 'apiKey.list', {}], 'UNAUTHORIZED'),
      ...fails('a', [3, 'tenant.create', { id: 'acme' }], 'UNAUTHORIZED'),
      ...call('a', [4, 'task.list', {}], { tasks: [] }),
    ],
  },
  {
    name: 'tenants-do-not-see-each-other',
    rules: ['C2'],
    steps: [
      ...open('a'),
      ...submit('a', 1, '$task'),
      ...open('f', '$foreign'),
      ...fails('f', [1, 'task.get', { id: '$task' }], 'TASK_NOT_FOUND'),
      ...fails('f', [2, 'task.cancel', { id: '$task' }], 'TASK_NOT_FOUND'),
      ...call('f', [3, 'task.list', {}], { tasks: [] }),
      connect('g'),
      send('g', hello('$foreign', resumeOf('a'))),
      expect('g', welcome({ resumed: false, reason: 'expired', principal: { tenant: { $is: 'str' } } })),
    ],
  },
];

const RESUMING: readonly Transcript[] = [
  {
    name: 'resume',
    rules: ['O5', 'O7', 'P1', 'P6', 'Q7'],
    steps: [
      ...open('a', '$admin', worker()),
      ...open('s'),
      ...call('s', [1, 'task.create', { type: 'resize' }], { task: { id: '$task' } }),
      assigned('a', '$task', '$token'),
      expect('s', [
        11,
        0,
        { rev: '$position', e: 'task.assigned', t: text, d: { id: '$task', status: 'assigned', attempt: 1 } },
      ]),
      drop('s'),
      ...call('a', [1, 'task.start', { id: '$task', token: '$token' }], { task: { status: 'in_progress' } }),
      ...call('a', [2, 'task.complete', { id: '$task', token: '$token', output: { ok: true } }], {
        task: { status: 'completed', result: { ok: true } },
      }),
      connect('s2'),
      send('s2', hello('$admin', { resume: { session: '$session-s', secret: '$secret-s', rev: '$position' } })),
      expect(
        's2',
        welcome({
          session: '$session-s',
          secret: other('$secret-s', '$secret2'),
          rev: '$position',
          resumed: true,
          reason: absent,
          snapshot: absent,
        }),
      ),
      expect('s2', event('task.started', { id: '$task', status: 'in_progress' })),
      expect('s2', event('task.completed', { id: '$task', status: 'completed', parameters: absent, result: absent })),
      ...call('s2', [1, 'task.create', { type: 'resize' }], { task: { id: '$task' } }),
      ...call('s2', [2, 'task.get', { id: '$task' }], { task: { status: 'completed', result: { ok: true } } }),
    ],
  },
  {
    name: 'resume-from-the-beginning',
    rules: ['O9', 'P6'],
    steps: [
      ...open('s'),
      ...call('s', [1, 'task.create', { type: 'resize' }], { task: { id: '$task' } }),
      ...call('s', [2, 'task.cancel', { id: '$task' }], { task: { status: 'cancelled' } }),
      expect('s', event('task.cancelled', { id: '$task' })),
      drop('s'),
      connect('s2'),
      // The client says that it has processed nothing but WELCOME: it is told again.
      send('s2', hello('$admin', resumeOf('s'))),
      expect('s2', welcome({ resumed: true, rev: '$rev-s' })),
      expect('s2', event('task.cancelled', { id: '$task', status: 'cancelled' })),
    ],
  },
  {
    name: 'resume-without-push',
    rules: ['O9'],
    steps: [
      ...open('a'),
      drop('a'),
      connect('b'),
      send('b', hello('$admin', resumeOf('a'))),
      expect('b', welcome({ session: '$session-a', rev: '$rev-a', resumed: true })),
    ],
  },
  {
    name: 'resume-twice',
    rules: ['O6', 'O7'],
    steps: [
      ...open('a'),
      drop('a'),
      connect('b'),
      send('b', hello('$admin', resumeOf('a'))),
      expect('b', welcome({ session: '$session-a', secret: '$secret-b', resumed: true })),
      ...submit('b', 1, '$task'),
      drop('b'),
      connect('c'),
      send('c', hello('$admin', { resume: { session: '$session-a', secret: '$secret-b', rev: '$rev-a' } })),
      expect('c', welcome({ session: '$session-a', resumed: true })),
      ...submit('c', 1, '$task'),
    ],
  },
  {
    name: 'lost-welcome',
    rules: ['O6'],
    steps: [
      ...open('a'),
      drop('a'),
      connect('b'),
      send('b', hello('$admin', resumeOf('a'))),
      // The server has said it; suppose that the client never heard.
      expect('b', welcome({ resumed: true, secret: '$unheard' })),
      drop('b'),
      connect('c'),
      send('c', hello('$admin', resumeOf('a'))),
      expect('c', welcome({ session: '$session-a', resumed: true, secret: other('$unheard', '$secret3') })),
      drop('c'),
      connect('d'),
      send('d', hello('$admin', { resume: { session: '$session-a', secret: '$unheard', rev: '$rev-a' } })),
      expect('d', welcome({ resumed: false, reason: 'auth', session: other('$session-a', '$session-d') })),
    ],
  },
  {
    name: 'resume-foreign',
    rules: ['O6'],
    steps: [
      ...open('a'),
      connect('b'),
      send('b', hello('$admin2', resumeOf('a'))),
      ...refused('b', 'UNAUTHORIZED', 4508),
      ...call('a', [1, 'agent.heartbeat', {}], { now: int }),
    ],
  },
  {
    name: 'resume-wrong-secret',
    rules: ['O10'],
    steps: [
      ...open('a'),
      connect('b'),
      send('b', hello('$admin', { resume: { session: '$session-a', secret: '00', rev: '$rev-a' } })),
      expect(
        'b',
        welcome({
          resumed: false,
          reason: 'auth',
          session: other('$session-a', '$session-b'),
          snapshot: { tasks: [], subs: [] },
        }),
      ),
      ...call('a', [1, 'agent.heartbeat', {}], { now: int }),
    ],
  },
  {
    name: 'resume-unknown-position',
    rules: ['O10'],
    steps: [
      ...open('a'),
      drop('a'),
      connect('b'),
      send(
        'b',
        hello('$admin', { resume: { session: '$session-a', secret: '$secret-a', rev: 9_007_199_254_740_991 } }),
      ),
      expect('b', welcome({ resumed: false, reason: 'epoch', snapshot: { tasks: [] } })),
    ],
  },
  {
    name: 'resume-unknown-answer',
    rules: ['O5', 'O15'],
    steps: [
      ...open('a'),
      drop('a'),
      connect('b'),
      send(
        'b',
        hello('$admin', {
          resume: { session: '$session-a', secret: '$secret-a', rev: '$rev-a', told: 9_007_199_254_740_991 },
        }),
      ),
      expect('b', welcome({ resumed: false, reason: 'epoch', kept: absent, snapshot: { tasks: [] } })),
    ],
  },
  {
    name: 'resume-expired',
    rules: ['L4', 'O10'],
    steps: [
      ...open('a'),
      drop('a'),
      advance(602_000),
      connect('b'),
      send('b', hello('$admin', resumeOf('a'))),
      expect(
        'b',
        welcome({
          resumed: false,
          reason: 'expired',
          session: other('$session-a', '$session-b'),
          snapshot: { tasks: [] },
        }),
      ),
    ],
  },
  {
    name: 'resume-after-restart',
    rules: ['O8', 'L2'],
    steps: [
      ...open('a', '$admin', worker()),
      ...open('s'),
      ...submit('s', 1, '$task'),
      expect('a', [11, 0, { rev: int, e: 'task.assigned', d: { token: '$token' } }]),
      ...call('a', [1, 'task.start', { id: '$task', token: '$token' }], { task: { status: 'in_progress' } }),
      restart,
      advance(20_000),
      connect('a2'),
      send('a2', hello('$admin', { ...worker(), ...resumeOf('a') })),
      expect('a2', welcome({ session: '$session-a', rev: '$rev-a', resumed: true })),
      // The order is sent again: the position said that it was not processed. The token is still current.
      expect('a2', [
        11,
        0,
        { rev: int, e: 'task.assigned', d: { task: { id: '$task', status: 'in_progress' }, token: '$token' } },
      ]),
      ...call('a2', [1, 'task.start', { id: '$task', token: '$token' }], { task: { status: 'in_progress' } }),
      ...call('a2', [2, 'task.complete', { id: '$task', token: '$token' }], {
        task: { status: 'completed', losses: 0, attempt: 1 },
      }),
      connect('s2'),
      send('s2', hello('$admin', resumeOf('s'))),
      expect('s2', welcome({ session: '$session-s', resumed: true })),
      ...submit('s2', 1, '$task'),
    ],
  },
  {
    name: 'takeover',
    rules: ['O4'],
    steps: [
      ...open('a'),
      connect('b'),
      send('b', hello('$admin', resumeOf('a'))),
      expect('b', welcome({ session: '$session-a', resumed: true })),
      expect('a', goaway('stop')),
      expectClose('a', 4507),
      ...call('b', [1, 'agent.heartbeat', {}], { now: int }),
    ],
  },
  {
    name: 'takeover-by-the-same-agent',
    rules: ['O4', 'O12'],
    steps: [
      ...open('a', '$agent', worker()),
      connect('b'),
      send('b', hello('$agent', worker())),
      expect('b', welcome({ session: other('$session-a', '$session-b'), resumed: false })),
      expect('a', goaway('stop')),
      expectClose('a', 4507),
      connect('c'),
      send('c', hello('$agent', { ...worker(), ...resumeOf('a') })),
      expect('c', welcome({ resumed: false, reason: 'expired' })),
    ],
  },
  {
    name: 'bye-and-resume',
    rules: ['E2'],
    steps: [
      ...open('a'),
      send('a', [21, 0, {}]),
      expect('a', goaway('stop')),
      expectClose('a', 4511),
      connect('b'),
      send('b', hello('$admin', resumeOf('a'))),
      expect('b', welcome({ session: '$session-a', resumed: true })),
    ],
  },
];

export const SESSIONS: readonly Transcript[] = [
  ...OPENING,
  ...FRAMES,
  ...REQUESTS,
  ...RESUMING,
  ...LOCKS,
  ...WORKSPACES,
  ...BLOBS,
  ...DOCUMENTS,
];
