/** Conversations of who operates a fleet: rules and schedules; seeing.ts has the rest. Source of protocol/vectors/sessions.json. */
import type { Transcript } from '../transcript.ts';
import type { Json } from './json-form.ts';
import { SEEING } from './seeing.ts';
import { absent, assigned, call, expect, fails, int, open, order, submit, text, worker } from './steps.ts';

const SECOND = {
  agent: { name: 'second', capabilities: ['resize'], capacity: 1, labels: { zone: 'eu' } },
};

const RULES: readonly Transcript[] = [
  {
    name: 'rules',
    rules: ['R1', 'R4', 'R5'],
    steps: [
      ...open('s'),
      ...call('s', [1, 'rule.add', { name: 'near', filter: 'agent.labels.zone == "eu"' }], {
        rule: { name: 'near', order: 10, onError: 'ignore', enabled: true, createdAt: int, createdBy: text },
      }),
      ...call('s', [2, 'rule.add', { name: 'idle', type: 'resize', prefer: '-agent.load', strategy: 'round_robin' }], {
        rule: { name: 'idle', order: 20, type: 'resize', prefer: '-agent.load', strategy: 'round_robin' },
      }),
      ...fails('s', [3, 'rule.add', { name: 'near', filter: 'true' }], 'ALREADY_EXISTS'),
      // A faulty rule is refused with the place of the fault.
      ...fails('s', [4, 'rule.add', { name: 'bad', filter: 'agent.labels.zone = "eu"' }], 'INVALID_PARAMS', [
        { path: 'filter', reason: text, line: 1, column: 19, offset: 18 },
      ]),
      ...fails(
        's',
        [5, 'rule.add', { name: 'bad', filter: 'agent.free > 0 &&\n  agent.colour == "red"' }],
        'INVALID_PARAMS',
        [{ path: 'filter', reason: text, line: 2, column: 9, offset: 26 }],
      ),
      ...fails('s', [6, 'rule.add', { name: 'bad', condition: 'agent.free > 0', prefer: '1' }], 'INVALID_PARAMS', [
        { path: 'condition', reason: text, line: 1, column: 1, offset: 0 },
      ]),
      ...fails('s', [7, 'rule.add', { name: 'bad', filter: 'agent.load' }], 'INVALID_PARAMS', [
        { path: 'filter', reason: text },
      ]),
      ...fails('s', [8, 'rule.add', { name: 'bad' }], 'INVALID_PARAMS'),
      ...call('s', [9, 'rule.list', {}], {
        rules: [
          { name: 'near', order: 10 },
          { name: 'idle', order: 20 },
        ],
        cursor: absent,
      }),
      ...call('s', [10, 'rule.reorder', { names: ['idle'] }], { names: ['idle', 'near'] }),
      ...fails('s', [11, 'rule.reorder', { names: ['nobody'] }], 'RULE_NOT_FOUND'),
      ...call('s', [12, 'rule.list', { limit: 1 }], { rules: [{ name: 'idle', order: 10 }], cursor: '$cursor' }),
      ...call('s', [13, 'rule.list', { limit: 1, cursor: '$cursor' }], { rules: [{ name: 'near', order: 20 }] }),
      ...call('s', [14, 'rule.update', { name: 'idle', strategy: null, enabled: false }], {
        rule: { name: 'idle', prefer: '-agent.load', strategy: absent, enabled: false, order: 10 },
      }),
      ...fails('s', [15, 'rule.update', { name: 'idle', prefer: null }], 'INVALID_PARAMS'),
      ...call('s', [16, 'rule.get', { name: 'idle' }], {
        rule: { enabled: false, prefer: '-agent.load', errors: absent },
      }),
      ...call('s', [17, 'rule.remove', { name: 'idle' }], { name: 'idle' }),
      ...fails('s', [18, 'rule.remove', { name: 'idle' }], 'RULE_NOT_FOUND'),
      ...open('v', '$viewer'),
      ...call('v', [1, 'rule.list', {}], { rules: [{ name: 'near' }] }),
      ...fails('v', [2, 'rule.remove', { name: 'near' }], 'UNAUTHORIZED'),
    ],
  },
  {
    name: 'a-rule-keeps-a-task-from-an-agent',
    rules: ['R1', 'R3'],
    steps: [
      ...open('s'),
      ...open('a', '$agent', worker({ labels: { zone: 'us' } })),
      ...call(
        's',
        [1, 'rule.add', { name: 'big', condition: 'task.parameters.size > 9.0', filter: 'agent.free > 1' }],
        {
          rule: { order: 10 },
        },
      ),
      ...call('s', [2, 'rule.add', { name: 'near', type: 'resize', filter: 'agent.labels.zone == task.labels.zone' }], {
        rule: { order: 20 },
      }),
      ...submit('s', 3, '$task', { parameters: { size: 1 }, labels: { zone: 'eu' } }),
      ...call('s', [4, 'task.explain', { id: '$task' }], {
        explanation: {
          task: { id: '$task', status: 'pending' },
          verdict: 'rule',
          waitingMs: int,
          agents: [{ name: 'resizer', verdict: 'rule', rule: 'near', score: { active: 0, capacity: 1 } }],
          counts: { rule: 1 },
          rules: [
            { name: 'big', applies: false },
            { name: 'near', applies: true, excludes: 1 },
          ],
        },
      }),
      ...call('s', [5, 'rule.update', { name: 'near', filter: 'agent.labels.zone in ["eu", "us"]' }], {
        rule: { name: 'near' },
      }),
      assigned('a', '$task', '$token'),
      ...call('s', [6, 'task.explain', { id: '$task' }], {
        explanation: { verdict: 'held', agents: [{ name: 'resizer', verdict: 'holds' }], counts: { holds: 1 } },
      }),
      ...call('a', [1, 'task.complete', { id: '$task', token: '$token' }], { task: { status: 'completed' } }),
      ...call('s', [7, 'task.explain', { id: '$task' }], { explanation: { verdict: 'finished' } }),
    ],
  },
  {
    name: 'rules-say-who-is-first',
    rules: ['R2', 'J20'],
    steps: [
      ...open('s'),
      ...open('a', '$agent', worker({ labels: { zone: 'us' } })),
      ...open('b', '$admin', SECOND),
      ...call('s', [1, 'rule.add', { name: 'near', prefer: 'agent.labels.zone == "eu"' }], { rule: { name: 'near' } }),
      ...submit('s', 2, '$first', { strategy: 'rule_based' }),
      assigned('b', '$first', '$token'),
      ...submit('s', 3, '$next', { strategy: 'rule_based' }),
      assigned('a', '$next', '$token2'),
      ...submit('s', 4, '$last', { strategy: 'rule_based' }),
      ...call('s', [5, 'task.explain', { id: '$last', limit: 2 }], {
        explanation: {
          task: { strategy: 'rule_based' },
          verdict: 'full',
          agents: {
            $has: [
              { name: 'second', verdict: 'full', score: { prefer: [1] } },
              { name: 'resizer', verdict: 'full', score: { prefer: [0] } },
            ],
          },
          rules: [{ name: 'near', applies: true, orders: 'prefer' }],
        },
      }),
      ...fails('s', [6, 'task.explain', { id: 'tsk_none' }], 'TASK_NOT_FOUND'),
    ],
  },
];

/** The clock of Berlin leaves out 02:30 on 31 March 2030. */
const MARCH = Date.parse('2030-03-30T12:00:00Z');
const LATER = Date.parse('2030-03-31T01:30:00Z');
const NEXT_DAY = Date.parse('2030-04-01T00:30:00Z');

const TOPIC = { $join: ['schedule.', '$id'] };
const push = (e: string, t: Json, d: Json): Json => [11, 0, { rev: int, e, t, d }];

const SCHEDULES: readonly Transcript[] = [
  {
    name: 'a-schedule-by-the-clock-of-a-zone',
    rules: ['U1', 'U2', 'U3', 'U7'],
    steps: [
      ...open('s'),
      ...call(
        's',
        [
          1,
          'schedule.create',
          {
            cron: '30 2 * * *',
            timeZone: 'Europe/Berlin',
            name: 'nightly',
            startAt: MARCH,
            overlap: 'buffer',
            task: { type: 'resize', parameters: { all: true } },
          },
        ],
        {
          schedule: {
            id: '$id',
            name: 'nightly',
            status: 'active',
            cron: '30 2 * * *',
            timeZone: 'Europe/Berlin',
            overlap: 'buffer',
            missed: 'once',
            startAt: MARCH,
            task: { type: 'resize', parameters: { all: true } },
          },
        },
      ),
      ...call('s', [2, 'schedule.get', { id: '$id', upcoming: 2 }], {
        schedule: { id: '$id' },
        upcoming: [LATER, NEXT_DAY],
      }),
      ...call('s', [3, 'schedule.pause', { id: '$id' }], { schedule: { status: 'paused', nextAt: absent } }),
      ...call('s', [4, 'schedule.list', { status: 'active' }], { schedules: [] }),
      ...call('s', [5, 'schedule.list', { status: 'paused' }], { schedules: [{ id: '$id', cron: '30 2 * * *' }] }),
      ...call('s', [6, 'schedule.resume', { id: '$id' }], { schedule: { status: 'active' } }),
      ...call('s', [7, 'schedule.update', { id: '$id', cron: '30 2 * * *', timeZone: 'UTC' }], {
        schedule: { timeZone: 'UTC', startAt: MARCH },
      }),
      ...call('s', [8, 'schedule.get', { id: '$id', upcoming: 1 }], { upcoming: [Date.parse('2030-03-31T02:30:00Z')] }),
      ...call('s', [9, 'schedule.delete', { id: '$id' }], { id: '$id' }),
      ...fails('s', [10, 'schedule.resume', { id: '$id' }], 'NOT_FOUND'),
      ...call('s', [11, 'schedule.list', {}], { schedules: [] }),
    ],
  },
  {
    name: 'faulty-schedules',
    rules: ['U2'],
    steps: [
      ...open('s'),
      ...fails('s', [1, 'schedule.create', { cron: '0 25 * * *', task: { type: 'x' } }], 'INVALID_PARAMS', [
        { path: 'cron', reason: text },
      ]),
      ...fails(
        's',
        [2, 'schedule.create', { cron: '@daily', timeZone: 'Mars/Olympus', task: { type: 'x' } }],
        'INVALID_PARAMS',
        [{ path: 'timeZone', reason: text }],
      ),
      // The thirtieth of February never comes.
      ...fails('s', [3, 'schedule.create', { cron: '0 0 30 2 *', task: { type: 'x' } }], 'INVALID_PARAMS', [
        { path: 'cron', reason: text },
      ]),
      ...fails('s', [4, 'schedule.create', { cron: '@daily', everyMs: 1_000, task: { type: 'x' } }], 'INVALID_PARAMS'),
      ...call('s', [5, 'schedule.list', {}], { schedules: [] }),
    ],
  },
  {
    name: 'a-schedule-makes-a-task',
    rules: ['U1', 'U7', 'U8', 'U9'],
    steps: [
      ...open('a', '$agent', worker()),
      ...open('s'),
      ...call('s', [1, 'schedule.create', { delayMs: 3_600_000, task: { type: 'resize', parameters: 7 } }], {
        schedule: { id: '$id', status: 'active' },
      }),
      ...call('s', [2, 'topic.subscribe', { topic: TOPIC, since: '$rev-s' }], {
        missed: [{ e: 'schedule.created', d: { id: '$id', status: 'active' } }],
      }),
      ...call('s', [3, 'schedule.update', { id: '$id', delayMs: 0 }], { schedule: { status: 'active', runs: 0 } }),
      expect('s', push('schedule.updated', TOPIC, { id: '$id', status: 'active' })),
      expect(
        'a',
        order('task.assigned', {
          task: { id: '$task', type: 'resize', parameters: 7, schedule: { id: '$id', at: '$at' } },
          token: '$token',
        }),
      ),
      expect('s', push('schedule.ran', TOPIC, { id: '$id', run: { at: '$at', outcome: 'created', taskId: '$task' } })),
      expect('s', push('schedule.ended', TOPIC, { id: '$id', status: 'ended' })),
      ...call('s', [4, 'schedule.get', { id: '$id' }], {
        schedule: {
          status: 'ended',
          runs: 1,
          recent: [{ at: '$at', firedAt: int, outcome: 'created', taskId: '$task' }],
        },
        upcoming: [],
      }),
      ...fails('s', [5, 'schedule.pause', { id: '$id' }], 'INVALID_TRANSITION'),
    ],
  },
];

export const OPERATING: readonly Transcript[] = [...RULES, ...SCHEDULES, ...SEEING];
