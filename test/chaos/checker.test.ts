/** Plants every failure that the chaos run looks for in an otherwise good journal, and sees it reported. */
import { describe, expect, it } from 'vitest';
import { check } from './checker.ts';
import type { ViolationKind } from './violation.ts';
import { parseJournal } from './journal.ts';
import type { Line } from './journal.ts';

const OPTIONS = { awayMs: 10_000 };

/** Two agents of two processes, two tasks; one of the tasks lives through a cut connection. */
function good(): Line[] {
  return [
    { kind: 'born', at: 0, life: 'p1', agents: [{ name: 'a', capacity: 1 }] },
    { kind: 'born', at: 0, life: 'p2', agents: [{ name: 'b', capacity: 1 }] },
    { kind: 'up', at: 1, life: 'p1', agent: 'a', resumed: false },
    { kind: 'up', at: 1, life: 'p2', agent: 'b', resumed: false },
    { kind: 'submitterUp', at: 1, submitter: 'x', resumed: false },
    { kind: 'submitted', at: 2, number: 1 },
    { kind: 'submitted', at: 2, number: 2 },
    { kind: 'created', at: 3, number: 1, task: 't1' },
    { kind: 'created', at: 3, number: 2, task: 't2' },
    { kind: 'wire', at: 1, connection: 'c1', frame: 'welcome', rev: 10 },
    { kind: 'wire', at: 4, connection: 'c1', frame: 'push', rev: 11, event: 'task.assigned', task: 't1' },
    { kind: 'start', at: 5, life: 'p1', agent: 'a', task: 't1', token: '100', attempt: 1 },
    { kind: 'start', at: 5, life: 'p2', agent: 'b', task: 't2', token: '101', attempt: 1 },
    { kind: 'down', at: 6, life: 'p1', agent: 'a' },
    { kind: 'up', at: 7, life: 'p1', agent: 'a', resumed: true },
    { kind: 'submitterUp', at: 7, submitter: 'x', resumed: true },
    { kind: 'end', at: 8, life: 'p1', agent: 'a', task: 't1', token: '100', outcome: 'completed' },
    { kind: 'end', at: 8, life: 'p2', agent: 'b', task: 't2', token: '101', outcome: 'completed' },
    { kind: 'accepted', at: 9, connection: 'c1', task: 't1', token: '100' },
    { kind: 'accepted', at: 9, connection: 'c2', task: 't2', token: '101' },
    { kind: 'wire', at: 9, connection: 'c3', frame: 'welcome', rev: 10 },
    { kind: 'wire', at: 10, connection: 'c3', frame: 'push', rev: 12, event: 'task.completed', task: 't1' },
    { kind: 'wire', at: 10, connection: 'c3', frame: 'push', rev: 13, event: 'task.completed', task: 't2' },
    { kind: 'told', at: 11, number: 1, task: 't1' },
    { kind: 'told', at: 11, number: 2, task: 't2' },
    { kind: 'final', task: 't1', number: 1, status: 'completed', attempt: 1, by: { life: 'p1', token: '100' } },
    { kind: 'final', task: 't2', number: 2, status: 'completed', attempt: 1, by: { life: 'p2', token: '101' } },
  ];
}

function without(lines: readonly Line[], drop: (line: Line) => boolean): Line[] {
  return lines.filter((line) => !drop(line));
}

const again = { life: 'p2', agent: 'b', task: 't1', token: '200', attempt: 2 } as const;

/** A third task, apart from when it was executed: by `a`, to its end. */
const THIRD: readonly Line[] = [
  { kind: 'submitted', at: 2, number: 3 },
  { kind: 'created', at: 3, number: 3, task: 't5' },
  { kind: 'told', at: 11, number: 3, task: 't5' },
  { kind: 'final', task: 't5', number: 3, status: 'completed', attempt: 1, by: { life: 'p1', token: '300' } },
];

interface Plant {
  readonly name: string;
  readonly plant: (lines: Line[]) => Line[];
  readonly expected: readonly ViolationKind[];
}

const PLANTS: readonly Plant[] = [
  { name: 'nothing', plant: (lines) => lines, expected: [] },
  {
    name: 'a task that does not exist at the end',
    plant: (lines) => without(lines, (line) => line.kind === 'final' && line.number === 2),
    expected: ['lost'],
  },
  {
    name: 'an execution of a task that does not exist at the end',
    plant: (lines) => [
      ...lines,
      { kind: 'start', at: 15, life: 'p1', agent: 'a', task: 't9', token: '300', attempt: 1 },
      { kind: 'end', at: 16, life: 'p1', agent: 'a', task: 't9', token: '300', outcome: 'completed' },
    ],
    expected: ['lost'],
  },
  {
    name: 'a creation that was never answered',
    plant: (lines) => without(lines, (line) => line.kind === 'created' && line.number === 2),
    expected: ['lost'],
  },
  {
    name: 'a task that exists under another id than was promised',
    plant: (lines) =>
      lines.map((line) => (line.kind === 'created' && line.number === 2 ? { ...line, task: 't9' } : line)),
    expected: ['lost'],
  },
  {
    name: 'a task that was created twice',
    plant: (lines) => [
      ...lines,
      { kind: 'final', task: 't3', number: 2, status: 'completed', attempt: 1, by: { life: 'p2', token: '101' } },
    ],
    expected: ['duplicated', 'unfounded'],
  },
  {
    name: 'a task that nobody submitted',
    plant: (lines) => without(lines, (line) => 'number' in line && line.number === 2 && line.kind !== 'final'),
    expected: ['duplicated'],
  },
  {
    name: 'a task that is still in progress at the end',
    plant: (lines) =>
      lines.map((line) => (line.kind === 'final' && line.number === 2 ? { ...line, status: 'in_progress' } : line)),
    expected: ['broken', 'stuck'],
  },
  {
    name: 'a task that failed for good',
    plant: (lines) =>
      lines.map((line) => (line.kind === 'final' && line.number === 2 ? { ...line, status: 'failed' } : line)),
    expected: ['broken', 'stuck'],
  },
  {
    name: 'a completion accepted under two tokens',
    plant: (lines) => [...lines, { kind: 'accepted', at: 9, connection: 'c4', task: 't1', token: '200' }],
    expected: ['acceptedTwice', 'unfounded'],
  },
  {
    name: 'a completion announced at two positions',
    plant: (lines) => [
      ...lines,
      { kind: 'wire', at: 12, connection: 'c3', frame: 'push', rev: 14, event: 'task.completed', task: 't1' },
    ],
    expected: ['acceptedTwice'],
  },
  {
    name: 'a result that no execution gave',
    plant: (lines) =>
      lines.map((line) =>
        line.kind === 'final' && line.number === 2 ? { ...line, by: { life: 'p1', token: '101' } } : line,
      ),
    expected: ['unfounded'],
  },
  {
    name: 'a completed task without a result',
    plant: (lines) =>
      lines.map((line) =>
        line.kind === 'final' && line.number === 2
          ? { kind: 'final', task: 't2', number: 2, status: 'completed', attempt: 1 }
          : line,
      ),
    expected: ['unfounded'],
  },
  {
    name: 'the result of an execution that failed',
    plant: (lines) =>
      lines.map((line) => (line.kind === 'end' && line.task === 't2' ? { ...line, outcome: 'failed' } : line)),
    expected: ['unfounded'],
  },
  {
    name: 'a second execution although the first process lived and resumed',
    plant: (lines) => [
      ...lines,
      { kind: 'start', at: 8.5, ...again },
      { kind: 'end', at: 8.6, ...again, outcome: 'stopped' },
    ],
    expected: ['executedTwice'],
  },
  {
    name: 'an order executed twice by one process',
    plant: (lines) => [
      ...lines,
      { kind: 'start', at: 8.1, life: 'p1', agent: 'a', task: 't1', token: '100', attempt: 1 },
    ],
    expected: ['executedTwice'],
  },
  {
    name: 'an execution of a task that was complete, by the restarted process',
    plant: (lines) => [
      ...lines,
      { kind: 'died', killedAt: 8.1, at: 8.2, life: 'p1' },
      { kind: 'start', at: 12, ...again },
      { kind: 'end', at: 13, ...again, outcome: 'stopped' },
    ],
    expected: ['executedTwice'],
  },
  {
    name: 'a second execution before the first process was killed',
    plant: (lines) => [
      ...lines,
      { kind: 'start', at: 8.5, ...again },
      { kind: 'end', at: 8.6, ...again, outcome: 'stopped' },
      { kind: 'died', killedAt: 20, at: 21, life: 'p1' },
    ],
    expected: ['executedTwice'],
  },
  {
    name: 'more tasks at once than the capacity',
    plant: (lines) => [
      ...lines,
      ...THIRD,
      { kind: 'start', at: 5.5, life: 'p1', agent: 'a', task: 't5', token: '300', attempt: 1 },
      { kind: 'end', at: 5.6, life: 'p1', agent: 'a', task: 't5', token: '300', outcome: 'completed' },
    ],
    expected: ['capacity'],
  },
  {
    name: 'an order beyond the capacity, which the client did not begin before it had a slot',
    plant: (lines) => [
      ...lines,
      ...THIRD,
      { kind: 'wire', at: 7, connection: 'c9', frame: 'welcome', rev: 1 },
      {
        kind: 'wire',
        at: 7.5,
        connection: 'c9',
        frame: 'push',
        rev: 12,
        event: 'task.assigned',
        task: 't5',
        token: '300',
      },
      { kind: 'start', at: 8.5, life: 'p1', agent: 'a', task: 't5', token: '300', attempt: 1 },
      { kind: 'end', at: 8.6, life: 'p1', agent: 'a', task: 't5', token: '300', outcome: 'completed' },
    ],
    expected: ['capacity'],
  },
  {
    name: 'a position that does not rise',
    plant: (lines) => [
      ...lines,
      { kind: 'wire', at: 12, connection: 'c3', frame: 'push', rev: 13, event: 'task.assigned', task: 't7' },
    ],
    expected: ['rev'],
  },
  {
    name: 'a push at or below the position of WELCOME',
    plant: (lines) => [
      ...lines,
      { kind: 'wire', at: 12, connection: 'c4', frame: 'welcome', rev: 20 },
      { kind: 'wire', at: 12, connection: 'c4', frame: 'push', rev: 20, event: 'task.assigned' },
    ],
    expected: ['rev'],
  },
  {
    name: 'a push that a bookmark had already passed',
    plant: (lines) => [
      ...lines,
      { kind: 'wire', at: 12, connection: 'c3', frame: 'ping', rev: 30 },
      { kind: 'wire', at: 13, connection: 'c3', frame: 'push', rev: 25, event: 'task.assigned' },
    ],
    expected: ['rev'],
  },
  {
    name: 'a push before WELCOME',
    plant: (lines) => [
      ...lines,
      { kind: 'wire', at: 12, connection: 'c4', frame: 'push', rev: 20, event: 'task.assigned' },
    ],
    expected: ['rev'],
  },
  {
    name: 'a completion that the submitter was never told',
    plant: (lines) => without(lines, (line) => line.kind === 'told' && line.number === 2),
    expected: ['untold'],
  },
  {
    name: 'a completion that the submitter was told twice',
    plant: (lines) => [...lines, { kind: 'told', at: 12, number: 2, task: 't2' }],
    expected: ['toldTwice'],
  },
  {
    name: 'an agent that could not resume',
    plant: (lines) => [...lines, { kind: 'up', at: 20, life: 'p1', agent: 'a', resumed: false }],
    expected: ['notResumed'],
  },
  {
    name: 'a submitter that could not resume',
    plant: (lines) => [...lines, { kind: 'submitterUp', at: 20, submitter: 'x', resumed: false }],
    expected: ['notResumed'],
  },
  {
    name: 'what must not happen at all',
    plant: (lines) => [...lines, { kind: 'fault', at: 1, by: 'x', message: 'a creation was refused' }],
    expected: ['fault'],
  },
];

describe('the verdict', () => {
  it.each(PLANTS)('finds $name', ({ plant, expected }) => {
    const { violations } = check(plant(good()), OPTIONS);
    expect([...new Set(violations.map(({ kind }) => kind))].sort()).toEqual([...expected].sort());
  });
});

/** A first execution of t1 by p1 that ended otherwise, and a second by p2 that completed it. */
function repeated(first: readonly Line[]): Line[] {
  const rest = without(good(), (line) => (line.kind === 'end' || line.kind === 'accepted') && line.task === 't1').map(
    (line): Line =>
      line.kind === 'final' && line.task === 't1' ? { ...line, by: { life: 'p2', token: '200' } } : line,
  );
  return [
    ...rest,
    ...first,
    { kind: 'start', at: 30_000, ...again },
    { kind: 'end', at: 30_001, ...again, outcome: 'completed' },
    { kind: 'accepted', at: 30_002, connection: 'c2', task: 't1', token: '200' },
  ];
}

describe('excuses for a second execution', () => {
  it.each([
    { excuse: 'killed', first: [{ kind: 'died', killedAt: 8, at: 9, life: 'p1' }] },
    {
      excuse: 'failed',
      first: [{ kind: 'end', at: 9, life: 'p1', agent: 'a', task: 't1', token: '100', outcome: 'failed' }],
    },
    {
      excuse: 'notResumed',
      first: [
        { kind: 'end', at: 20, life: 'p1', agent: 'a', task: 't1', token: '100', outcome: 'stopped' },
        { kind: 'down', at: 9, life: 'p1', agent: 'a' },
        { kind: 'up', at: 10, life: 'p1', agent: 'a', resumed: false },
      ],
    },
    {
      excuse: 'away',
      first: [
        { kind: 'down', at: 9, life: 'p1', agent: 'a' },
        { kind: 'up', at: 10_009, life: 'p1', agent: 'a', resumed: true },
        { kind: 'end', at: 10_010, life: 'p1', agent: 'a', task: 't1', token: '100', outcome: 'stopped' },
      ],
    },
    {
      excuse: 'away',
      first: [{ kind: 'down', at: 9, life: 'p1', agent: 'a' }],
    },
  ] as const satisfies readonly { excuse: string; first: readonly Line[] }[])('takes: $excuse', ({ excuse, first }) => {
    const { violations, marks } = check(repeated(first), OPTIONS);
    // That a session could not be resumed excuses the execution; it is a broken promise of its own.
    expect(violations.map(({ kind }) => kind)).toEqual(excuse === 'notResumed' ? ['notResumed'] : []);
    expect(marks.reexecuted).toEqual({ killed: 0, failed: 0, notResumed: 0, away: 0, [excuse]: 1 });
  });

  it.each([
    {
      why: 'nothing was wrong',
      first: [{ kind: 'end', at: 9, life: 'p1', agent: 'a', task: 't1', token: '100', outcome: 'stopped' }],
    },
    {
      why: 'it was away for a shorter time than a lease',
      first: [
        { kind: 'down', at: 9, life: 'p1', agent: 'a' },
        { kind: 'up', at: 9_000, life: 'p1', agent: 'a', resumed: true },
        { kind: 'end', at: 9_001, life: 'p1', agent: 'a', task: 't1', token: '100', outcome: 'stopped' },
      ],
    },
    {
      why: 'it failed only after the second had begun',
      first: [{ kind: 'end', at: 30_001, life: 'p1', agent: 'a', task: 't1', token: '100', outcome: 'failed' }],
    },
    {
      why: 'the session was lost before the first began',
      first: [
        { kind: 'up', at: 4, life: 'p1', agent: 'a', resumed: false },
        { kind: 'end', at: 9, life: 'p1', agent: 'a', task: 't1', token: '100', outcome: 'stopped' },
      ],
    },
    {
      why: 'another process was killed',
      first: [
        { kind: 'born', at: 0, life: 'p3', agents: [{ name: 'c', capacity: 1 }] },
        { kind: 'died', killedAt: 8, at: 9, life: 'p3' },
        { kind: 'end', at: 9, life: 'p1', agent: 'a', task: 't1', token: '100', outcome: 'stopped' },
      ],
    },
  ] as const satisfies readonly { why: string; first: readonly Line[] }[])('refuses when $why', ({ first }) => {
    const { violations } = check(repeated(first), OPTIONS);
    const kinds = violations.map(({ kind }) => kind).filter((kind) => kind !== 'notResumed');
    expect(kinds).toEqual(['executedTwice']);
  });
});

describe('the marks', () => {
  it('count what the run went through', () => {
    const { marks } = check(good(), OPTIONS);
    expect(marks).toMatchObject({
      tasks: 2,
      executions: 2,
      interrupted: 1,
      full: 2,
      lives: 2,
      killedLives: 0,
      resumed: 1,
      notResumed: 0,
      connections: 2,
      pushes: 3,
    });
  });

  it('do not ask for completions of a submitter that lost its session', () => {
    const lines = without(good(), (line) => line.kind === 'told' || (line.kind === 'submitterUp' && line.resumed));
    const { violations } = check([...lines, { kind: 'submitterUp', at: 7, submitter: 'x', resumed: false }], OPTIONS);
    expect(violations.map(({ kind }) => kind)).toEqual(['notResumed']);
  });
});

describe('a journal', () => {
  const line = JSON.stringify({ kind: 'submitted', at: 1, number: 7 });

  it('may end in the middle of a line, when its writer was killed', () => {
    expect(parseJournal(`${line}\n${line.slice(0, 9)}`, 'x')).toEqual([{ kind: 'submitted', at: 1, number: 7 }]);
    expect(parseJournal(`${line}\n${line}`, 'x')).toHaveLength(2);
  });

  it('is refused when it is torn elsewhere', () => {
    expect(() => parseJournal(`${line.slice(0, 9)}\n${line}\n`, 'x.journal')).toThrow(
      'x.journal: line 1 is not a journal line',
    );
  });
});
