/** Conversations of who looks at work and at what died of it. Source of protocol/vectors/sessions.json. */
import type { Transcript } from '../transcript.ts';
import { absent, assigned, call, expect, fails, int, open, order, submit, text, worker } from './steps.ts';

const HEAD =
  'id,type,status,priority,agentId,workspaceId,parentId,retryOf,attempt,losses,dead,createdBy,createdAt,startedAt,finishedAt,waitMs,runMs,errorCode,errorMessage,labels\r\n';

const OBSERVING: readonly Transcript[] = [
  {
    name: 'what-became-of-tasks',
    rules: ['J12', 'J15'],
    steps: [
      ...open('a', '$agent', worker({ capacity: 2 })),
      ...open('s'),
      ...submit('s', 1, '$good', { labels: { zone: 'eu' } }),
      expect('a', order('task.assigned', { task: { id: '$good', agentId: '$agt' }, token: '$token' })),
      ...call('a', [1, 'task.start', { id: '$good', token: '$token' }], { task: { status: 'in_progress' } }),
      ...call('a', [2, 'task.complete', { id: '$good', token: '$token', output: 1 }], {
        task: { status: 'completed' },
      }),
      ...submit('s', 2, '$bad', { labels: { zone: 'us' }, retry: { maxAttempts: 1 } }),
      assigned('a', '$bad', '$token2'),
      ...call(
        'a',
        [3, 'task.fail', { id: '$bad', token: '$token2', error: { code: 'DISK', message: '=the disk, full' } }],
        {
          task: { status: 'failed', dead: true },
        },
      ),
      ...submit('s', 3, '$waits', { type: 'render', requirements: ['gpu'] }),

      ...call('s', [4, 'task.timeline', { id: '$good' }], {
        events: [
          { event: 'task.created', status: 'pending', attempt: 0, rev: absent, at: int },
          { event: 'task.assigned', status: 'assigned', attempt: 1, agentId: '$agt', rev: '$rev-1', at: int },
          { event: 'task.started', status: 'in_progress', rev: { $above: '$rev-1' } },
          { event: 'task.completed', status: 'completed', attempt: 1 },
        ],
        gap: absent,
        cursor: absent,
      }),
      ...call('s', [5, 'task.timeline', { id: '$bad', limit: 2 }], {
        events: [{ event: 'task.created' }, { event: 'task.assigned' }],
        cursor: '$more',
      }),
      ...call('s', [6, 'task.timeline', { id: '$bad', cursor: '$more' }], {
        events: [{ event: 'task.failed', status: 'failed', error: { code: 'DISK', message: '=the disk, full' } }],
      }),

      ...call('s', [7, 'task.timeline', { id: '$bad', limit: 1 }], {
        events: [{ event: 'task.created' }],
        cursor: '$next',
      }),
      ...call('s', [8, 'task.timeline', { id: '$bad', limit: 1, cursor: '$next' }], {
        events: [{ event: 'task.assigned' }],
        cursor: '$more',
      }),
      ...call('s', [9, 'task.search', {}], {
        tasks: [{ id: '$waits' }, { id: '$bad' }, { id: '$good' }],
        cursor: absent,
      }),
      ...call('s', [10, 'task.search', { labels: { zone: 'eu' } }], { tasks: [{ id: '$good', status: 'completed' }] }),
      ...call('s', [11, 'task.search', { text: 'the DISK', dead: true }], { tasks: [{ id: '$bad' }] }),
      ...call('s', [12, 'task.search', { errorCode: 'OTHER' }], { tasks: [] }),

      ...call('s', [13, 'task.stats', {}], {
        stats: [
          {
            type: 'resize',
            completed: 1,
            failed: 1,
            timedOut: 0,
            cancelled: 0,
            dead: 1,
            attempts: { ok: 1, failed: 1, returned: 0 },
            successRate: 0.5,
            wait: { count: 2, p50: int, max: int },
            run: { count: 2 },
          },
        ],
        total: { completed: 1, failed: 1 },
        fromAt: int,
        toAt: int,
      }),
      ...call('s', [14, 'task.stats', { by: 'agent', agentId: '$agt' }], {
        stats: [{ agentId: '$agt', completed: 1, failed: 1 }],
      }),

      ...call('s', [15, 'task.report', { type: 'resize', status: 'completed' }], {
        format: 'json',
        count: 1,
        rows: [
          {
            id: '$good',
            type: 'resize',
            status: 'completed',
            priority: 'normal',
            agentId: '$agt',
            attempt: 1,
            losses: 0,
            dead: false,
            waitMs: int,
            runMs: int,
            errorCode: absent,
            labels: { zone: 'eu' },
            parameters: absent,
            result: absent,
          },
        ],
        csv: absent,
      }),
      // The head alone; what follows tells texts that a spreadsheet would take for a formula.
      ...call('s', [16, 'task.report', { type: 'nothing', format: 'csv' }], {
        format: 'csv',
        count: 0,
        csv: HEAD,
        rows: absent,
      }),
      ...call('s', [17, 'task.report', { errorCode: 'DISK', format: 'csv' }], {
        count: 1,
        csv: { $contains: `,DISK,"'=the disk, full","{""zone"":""us""}"\r\n` },
      }),

      ...call('s', [18, 'task.backlog', {}], {
        backlog: {
          waiting: 1,
          oldestMs: int,
          exact: true,
          types: [{ type: 'render', waiting: 1, oldestMs: int }],
          missing: [{ capability: 'gpu', type: 'render', waiting: 1 }],
        },
      }),
      ...fails('s', [19, 'task.timeline', { id: 'tsk_none' }], 'TASK_NOT_FOUND'),
      ...fails('s', [20, 'task.report', { format: 'xml' }], 'INVALID_PARAMS', [{ path: 'format' }]),
    ],
  },
  {
    name: 'inbox',
    rules: ['J17', 'W6', 'H4'],
    steps: [
      ...open('a', '$agent', worker({ capacity: 3 })),
      ...open('s'),
      ...call('a', [1, 'agent.inbox', {}], { items: [] }),
      ...submit('s', 1, '$stops'),
      assigned('a', '$stops', '$token'),
      ...submit('s', 2, '$works', { priority: 'high' }),
      expect('a', order('task.assigned', { task: { id: '$works', agentId: '$agt' }, token: '$token2' })),
      ...call('s', [3, 'task.cancel', { id: '$stops' }], { task: { status: 'cancelled' } }),
      expect('a', order('task.cancelled', { id: '$stops' })),
      ...call('s', [4, 'task.steer', { id: '$works', message: 'left' }], { seq: '$seq' }),
      expect('a', order('task.steered', { id: '$works', seq: '$seq', message: 'left' })),
      ...call('a', [2, 'task.ask', { id: '$works', token: '$token2', question: 'How far?' }], { askId: '$ask' }),
      ...call('a', [3, 'agent.inbox', {}], {
        items: [
          { kind: 'control', id: '$stops', token: '$token', control: 'cancel' },
          { kind: 'task', id: '$works', type: 'resize', attempt: 1, token: '$token2', priority: 'high', at: int },
          { kind: 'control', id: '$works', token: '$token2', control: 'steer', seq: '$seq' },
          { kind: 'question', id: '$works', token: '$token2', askId: '$ask' },
        ],
        cursor: absent,
      }),
      ...open('v', '$viewer'),
      // Tokens are for the agent itself, and for admins.
      ...call('v', [1, 'agent.inbox', { id: '$agt' }], {
        items: [
          { kind: 'control', id: '$stops', token: absent },
          { kind: 'task', id: '$works', token: absent },
          { kind: 'control', token: absent },
          { kind: 'question', token: absent },
        ],
      }),
      ...call('a', [4, 'task.acknowledge', { id: '$stops', token: '$token', control: 'cancel' }], {}),
      ...call('a', [5, 'task.acknowledge', { id: '$works', token: '$token2', control: 'steer', seq: '$seq' }], {}),
      ...call('a', [6, 'agent.inbox', {}], {
        items: [
          { kind: 'task', id: '$works' },
          { kind: 'question', id: '$works' },
        ],
      }),
      ...fails('s', [5, 'agent.inbox', { id: 'agt_none' }], 'AGENT_NOT_FOUND'),
    ],
  },
];

const LETTERS: readonly Transcript[] = [
  {
    name: 'a-dead-letter-is-discarded',
    rules: ['V1', 'V3'],
    steps: [
      ...open('a', '$agent', worker()),
      ...open('s'),
      ...submit('s', 1, '$task', { retry: { maxAttempts: 1 } }),
      ...fails('s', [2, 'deadLetter.get', { id: '$task' }], 'TASK_NOT_FOUND'),
      assigned('a', '$task', '$token'),
      ...call('a', [1, 'task.fail', { id: '$task', token: '$token', error: { code: 'E', message: 'no' } }], {
        task: { status: 'failed', dead: true },
      }),
      ...call('s', [3, 'deadLetter.list', { code: 'E' }], { tasks: [{ id: '$task', dead: true }], letters: absent }),
      ...call('s', [4, 'deadLetter.list', { code: 'F' }], { tasks: [] }),
      ...call('s', [5, 'deadLetter.edit', { id: '$task', edit: { priority: 'high' } }], {
        letter: { id: '$task', state: 'open', edit: { priority: 'high' }, at: int, by: text },
      }),
      ...call('s', [6, 'deadLetter.list', {}], {
        tasks: [{ id: '$task' }],
        letters: [{ id: '$task', state: 'open', task: absent }],
      }),
      ...fails('s', [7, 'deadLetter.edit', { id: '$task', edit: { priority: 'urgent' } }], 'INVALID_PARAMS'),
      ...call('s', [8, 'deadLetter.discard', { id: '$task' }], { id: '$task' }),
      ...call('s', [9, 'deadLetter.get', { id: '$task' }], {
        letter: { state: 'discarded', replayedAs: absent, task: { id: '$task', status: 'failed' } },
      }),
      ...call('s', [10, 'deadLetter.list', {}], { tasks: [] }),
      ...call('s', [11, 'deadLetter.list', { state: 'discarded' }], { tasks: [{ id: '$task' }] }),
      ...fails('s', [12, 'deadLetter.replay', { id: '$task' }], 'INVALID_TRANSITION', { state: 'discarded' }),
      ...fails('s', [13, 'deadLetter.edit', { id: '$task', edit: { priority: 'low' } }], 'INVALID_TRANSITION', {
        state: 'discarded',
      }),
      ...open('v', '$viewer'),
      ...call('v', [1, 'deadLetter.get', { id: '$task' }], { letter: { state: 'discarded' } }),
      ...fails('v', [2, 'deadLetter.discard', { id: '$task' }], 'UNAUTHORIZED'),
    ],
  },
  {
    name: 'dead-letters-are-replayed-together',
    rules: ['V2', 'V3', 'V4'],
    steps: [
      ...open('a', '$agent', worker()),
      ...open('s'),
      ...submit('s', 1, '$task', { retry: { maxAttempts: 1 }, parameters: { n: 1 } }),
      assigned('a', '$task', '$token'),
      ...call('a', [1, 'task.fail', { id: '$task', token: '$token', error: { code: 'E', message: 'no' } }], {
        task: { dead: true },
      }),
      ...call('s', [2, 'deadLetter.replayMany', { type: 'resize', edit: { parameters: { n: 2 } }, perSecond: 10 }], {
        run: { id: '$run', kind: 'replay', filter: { type: 'resize' }, perSecond: 10, handled: int, refused: 0 },
      }),
      expect(
        'a',
        order('task.assigned', { task: { id: '$again', retryOf: '$task', parameters: { n: 2 } }, token: '$token2' }),
      ),
      ...call('s', [3, 'deadLetter.get', { id: '$task' }], { letter: { state: 'replayed', replayedAs: '$again' } }),
      ...call('s', [4, 'deadLetter.runs', {}], { runs: [{ id: '$run', kind: 'replay', handled: 1, refused: 0 }] }),
      ...fails('s', [5, 'deadLetter.stop', { id: 'run_none' }], 'NOT_FOUND'),
    ],
  },
];

export const SEEING: readonly Transcript[] = [...OBSERVING, ...LETTERS];
