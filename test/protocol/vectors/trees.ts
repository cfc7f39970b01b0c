/** Conversations about trees, hands and distributed tasks. Source of protocol/vectors/sessions.json. */
import type { Transcript } from '../transcript.ts';
import { absent, assigned, call, event, expect, expectAll, fails, int, open, order, submit, worker } from './steps.ts';

const SECOND = { agent: { name: 'second', capabilities: ['other'], capacity: 1 } };
const ROOMY = worker({ capacity: 4 });

export const TREES: readonly Transcript[] = [
  {
    name: 'subtasks',
    rules: ['J30', 'J31', 'J32'],
    steps: [
      ...open('a', '$agent', ROOMY),
      ...open('s'),
      ...submit('s', 1, '$root', { watch: true }),
      assigned('a', '$root', '$token'),
      expect('s', event('task.assigned', { id: '$root' })),
      ...call('a', [1, 'task.create', { type: 'resize', parentId: '$root', parentToken: '$token', watch: false }], {
        task: { id: '$child', parentId: '$root', tree: { depth: 1 } },
      }),
      assigned('a', '$child', '$token2'),
      ...fails('a', [2, 'task.create', { type: 'x', parentId: '$root', parentToken: '$token2' }], 'STALE_TOKEN'),
      ...call('a', [3, 'task.complete', { id: '$root', token: '$token', output: 'mine', children: 'wait' }], {
        task: { status: 'in_progress', result: 'mine', tree: { waits: 'children' } },
      }),
      expect('s', event('task.waiting', { id: '$root', status: 'in_progress' })),
      ...call('s', [2, 'task.tree', { id: '$root' }], {
        node: { id: '$root', depth: 0, waits: 'children', children: { total: 1, running: 1, completed: 0 } },
        children: [{ id: '$child', depth: 1, parentId: '$root', status: 'assigned', children: absent }],
      }),
      ...call('a', [4, 'task.complete', { id: '$child', token: '$token2' }], { task: { status: 'completed' } }),
      expect(
        's',
        event('task.childEnded', {
          id: '$root',
          children: { total: 1, running: 0, completed: 1, failed: 0, cancelled: 0, timed_out: 0 },
          ended: [{ id: '$child', status: 'completed' }],
        }),
      ),
      expect('s', event('task.completed', { id: '$root' })),
      ...fails('s', [3, 'task.create', { type: 'x', parentId: '$root' }], 'INVALID_TRANSITION', {
        parentId: '$root',
        status: 'completed',
      }),
    ],
  },
  {
    name: 'a-tree-is-cancelled',
    rules: ['J33', 'J16'],
    steps: [
      ...open('a', '$agent', ROOMY),
      ...open('s'),
      ...submit('s', 1, '$root', { type: 'nobody' }),
      ...submit('s', 2, '$child', { parentId: '$root' }),
      assigned('a', '$child', '$token'),
      ...submit('s', 3, '$grandchild', { parentId: '$child', type: 'nobody', watch: true }),
      ...call('s', [4, 'task.cancel', { id: '$root' }], { task: { status: 'cancelled' } }),
      expect('a', order('task.cancelled', { id: '$child', token: '$token' })),
      // A tree ends in portions: the end of one below is told, and not certain before.
      expect('s', event('task.cancelled', { id: '$grandchild', status: 'cancelled' })),
      ...call('s', [5, 'task.get', { id: '$grandchild' }], { task: { status: 'cancelled' } }),
      ...fails('a', [1, 'task.complete', { id: '$child', token: '$token' }], 'INVALID_TRANSITION', {
        status: 'cancelled',
      }),
    ],
  },
  {
    name: 'delegate',
    rules: ['J34', 'J35'],
    steps: [
      ...open('a', '$agent', worker()),
      ...open('b', '$admin', SECOND),
      ...open('s'),
      ...submit('s', 1, '$task'),
      assigned('a', '$task', '$token'),
      ...fails('a', [1, 'task.delegate', { id: '$task', token: '$token', to: { agent: 'nobody' } }], 'AGENT_NOT_FOUND'),
      ...call('a', [2, 'task.delegate', { id: '$task', token: '$token', to: { agent: 'second' } }], {
        task: { id: '$task', tree: { depth: 0, delegatedBy: ['resizer'] } },
      }),
      assigned('b', '$task', '$token2'),
      expectAll(
        'a',
        event('task.requeued', { id: '$task', reason: 'delegated' }),
        event('task.assigned', { id: '$task' }),
      ),
      ...fails('a', [3, 'task.complete', { id: '$task', token: '$token' }], 'STALE_TOKEN'),
      ...fails(
        'b',
        [1, 'task.delegate', { id: '$task', token: '$token2', to: { agent: 'resizer' } }],
        'DELEGATION_CYCLE',
        { chain: ['resizer', 'second', 'resizer'] },
      ),
      ...call('b', [2, 'task.complete', { id: '$task', token: '$token2' }], { task: { status: 'completed' } }),
      expect('a', event('task.completed', { id: '$task' })),
    ],
  },
  {
    name: 'distribute',
    rules: ['J36', 'J37', 'J38'],
    steps: [
      ...open('a', '$agent', ROOMY),
      ...open('s'),
      ...call(
        's',
        [
          1,
          'task.distribute',
          { type: 'resize', copies: 3, completion: { mode: 'threshold', threshold: 2 }, aggregate: { kind: 'sum' } },
        ],
        {
          task: {
            id: '$whole',
            status: 'in_progress',
            tree: { waits: 'parts', distribution: { mode: 'threshold', need: 2, total: 3, aggregate: 'sum' } },
          },
          parts: [
            { id: '$p0', status: 'pending' },
            { id: '$p1', status: 'pending' },
            { id: '$p2', status: 'pending' },
          ],
        },
      ),
      assigned('a', '$p0', '$t0'),
      assigned('a', '$p1', '$t1'),
      assigned('a', '$p2', '$t2'),
      ...call('a', [1, 'task.complete', { id: '$p2', token: '$t2', output: 5 }], { task: { status: 'completed' } }),
      expect('s', event('task.childEnded', { id: '$whole', children: { total: 3, running: 2, completed: 1 } })),
      ...call('a', [2, 'task.complete', { id: '$p0', token: '$t0', output: 6 }], { task: { status: 'completed' } }),
      expect('a', order('task.cancelled', { id: '$p1', token: '$t1' })),
      expect('s', event('task.childEnded', { id: '$whole', ended: [{ id: '$p0', status: 'completed' }] })),
      expect('s', event('task.completed', { id: '$whole' })),
      expect('s', event('task.childEnded', { id: '$whole', ended: [{ id: '$p1', status: 'cancelled' }] })),
      ...call('s', [2, 'task.get', { id: '$whole' }], {
        task: {
          status: 'completed',
          result: { mode: 'threshold', need: 2, total: 3, completed: 2, failed: 0, value: 11 },
          progress: { percentComplete: 100 },
          rev: int,
        },
      }),
      ...fails('s', [3, 'task.retry', { id: '$whole' }], 'INVALID_TRANSITION', { status: 'completed' }),
    ],
  },
];
