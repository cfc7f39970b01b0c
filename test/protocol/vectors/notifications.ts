/** Conversations about notifications. Part of protocol/vectors/sessions.json. */
import type { Step, Transcript } from '../transcript.ts';
import type { Json } from './json-form.ts';
import {
  above,
  absent,
  advance,
  call,
  connect,
  drop,
  expect,
  fails,
  hello,
  int,
  open,
  order,
  restart,
  resumeOf,
  send,
  text,
  welcome,
  worker,
} from './steps.ts';

const said = { type: 'deploy', message: 'now' };
const everyone = { audience: { all: true } };

const broadcast = (id: number, as: string, more: { readonly [key: string]: Json }): readonly Step[] =>
  call('s', [id, 'notification.broadcast', { ...said, ...more }], { id: as, rev: int });
const told = (on: string, id: string, more: { readonly [key: string]: Json } = {}): Step =>
  expect(on, order('notification', { id, ...said, from: text, at: int, expiresAt: int, ...more }));
/** A process of the agent begins; the last that it is told binds `$rev-<on>`. */
const process = (on: string): readonly Step[] => [
  connect(on),
  send(on, hello('$agent', worker())),
  expect(on, welcome({ resumed: false, rev: `$welcome-${on}`, agent: { id: '$agentId' } })),
];

export const NOTIFICATIONS: readonly Transcript[] = [
  {
    name: 'notifications',
    rules: ['X1', 'X2', 'X3', 'X7'],
    steps: [
      ...process('a'),
      ...open('s'),
      ...broadcast(1, '$n1', everyone),
      // Who speaks for no agent, the sender too, is of everyone.
      told('s', '$n1', { priority: 'normal', data: absent }),
      told('a', '$n1', { priority: 'normal', data: absent }),
      ...broadcast(2, '$n2', { audience: { capability: 'resize' }, priority: 'critical', data: { n: 1 } }),
      told('a', '$n2', { priority: 'critical', data: { n: 1 } }),
      ...broadcast(3, '$n3', { audience: { capability: 'crop' } }),
      ...broadcast(4, '$n4', { audience: { agentIds: ['$agentId'] } }),
      told('a', '$n4'),
      ...call('s', [5, 'notification.send', { agentId: '$agentId', ...said, ttlMs: 0 }], { id: '$n5', rev: int }),
      told('a', '$n5'),
      ...fails('s', [6, 'notification.send', { agentId: 'agt_none', ...said }], 'AGENT_NOT_FOUND'),
      ...fails(
        's',
        [7, 'notification.broadcast', { audience: { agentIds: ['$agentId', 'agt_none'] }, ...said }],
        'AGENT_NOT_FOUND',
        { agentIds: ['agt_none'] },
      ),
      ...fails('s', [8, 'notification.broadcast', { audience: { workspaceId: 'wsp_1' }, ...said }], 'NOT_FOUND'),
      ...open('v', '$viewer'),
      ...fails('v', [1, 'notification.broadcast', { ...everyone, ...said }], 'UNAUTHORIZED'),
    ],
  },
  {
    name: 'notifications-survive-a-drop',
    rules: ['P6', 'X5', 'X9'],
    steps: [
      ...open('a', '$agent', worker()),
      ...open('m', '$viewer'),
      ...open('s'),
      drop('a'),
      drop('m'),
      ...broadcast(1, '$n1', { audience: { capability: 'resize' } }),
      ...broadcast(2, '$n2', everyone),
      told('s', '$n2'),
      connect('a2'),
      send('a2', hello('$agent', { ...resumeOf('a'), ...worker() })),
      expect('a2', welcome({ resumed: true })),
      told('a2', '$n1'),
      told('a2', '$n2'),
      connect('m2'),
      send('m2', hello('$viewer', resumeOf('m'))),
      expect('m2', welcome({ resumed: true })),
      told('m2', '$n2'),
    ],
  },
  {
    name: 'notifications-kept',
    rules: ['X3', 'X4', 'X5', 'X6'],
    steps: [
      ...process('a'),
      ...open('s'),
      drop('a'),
      ...broadcast(1, '$n1', { audience: { capability: 'resize' } }),
      ...broadcast(2, '$short', { ...everyone, ttlMs: 1_000 }),
      told('s', '$short'),
      ...broadcast(3, '$n3', { audience: { agentIds: ['$agentId'] }, priority: 'critical' }),
      advance(1_500),
      restart,
      ...process('b'),
      expect('b', [11, 0, { rev: above('$welcome-b'), e: 'notification', d: { id: '$n1' } }]),
      expect('b', [11, 0, { rev: '$last-b', e: 'notification', d: { id: '$n3', priority: 'critical' } }]),
      // It ends and has not said where it is: again. It says so: no more.
      drop('b'),
      ...process('c'),
      told('c', '$n1'),
      expect('c', [11, 0, { rev: '$last-c', e: 'notification', d: { id: '$n3' } }]),
      send('c', [17, 0, { rev: '$last-c' }]),
      // What is answered after it shows that it was heard.
      ...call('c', [1, 'agent.heartbeat', {}], { now: int }),
      drop('c'),
      ...open('s2'),
      ...call('s2', [1, 'notification.send', { agentId: '$agentId', ...said }], { id: '$n4', rev: int }),
      ...process('d'),
      told('d', '$n4'),
    ],
  },
  {
    name: 'topic-history',
    rules: ['C9'],
    steps: [
      ...open('s'),
      ...call('s', [1, 'topic.publish', { topic: 'builds.a', data: 1 }], { rev: '$first' }),
      ...call('s', [2, 'topic.publish', { topic: 'builds.b', data: 2 }], { rev: int }),
      ...call('s', [3, 'topic.publish', { topic: 'builds.a', data: 3 }], { rev: int }),
      ...open('v', '$viewer'),
      ...call('v', [1, 'topic.history', { topic: 'builds.a' }], {
        messages: [
          { rev: int, e: 'message', t: 'builds.a', d: { data: 1, from: text } },
          { rev: int, e: 'message', t: 'builds.a', d: { data: 3 } },
        ],
        gap: absent,
        next: absent,
      }),
      ...call('v', [2, 'topic.history', { topic: 'builds.*', limit: 2 }], {
        messages: [
          { rev: int, t: 'builds.a' },
          { rev: int, t: 'builds.b' },
        ],
        next: '$next',
      }),
      ...call('v', [3, 'topic.history', { topic: 'builds.*', since: '$next' }], {
        messages: [{ t: 'builds.a', d: { data: 3 } }],
        next: absent,
      }),
      ...call('v', [4, 'topic.history', { topic: 'other' }], { messages: [] }),
    ],
  },
];
