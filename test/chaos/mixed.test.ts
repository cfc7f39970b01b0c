/** Plants what must not happen to tasks of each kind in an otherwise good journal, and sees it reported. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { check } from './checker.ts';
import type { Line, LineOf } from './journal.ts';
import { answerOf, curedOf, KEYS, keyOf, kindOf, MESSAGES, modeOf, PARTS, zoneOf } from './kinds.ts';
import type { Kind } from './kinds.ts';

const OPTIONS = { awayMs: 10_000 };
const LIMIT = 100_000;

function* numbersOf(kind: Kind, fits: (number: number) => boolean = () => true): Generator<number> {
  for (let number = 0; number < LIMIT; number += 1) if (kindOf(number) === kind && fits(number)) yield number;
}

function first(kind: Kind, fits?: (number: number) => boolean): number {
  return must(firsts(1, numbersOf(kind, fits))[0], 'a number of this kind');
}

function firsts(count: number, numbers: Generator<number>): readonly number[] {
  const found: number[] = [];
  for (const number of numbers) if (found.push(number) === count) break;
  return found;
}

interface Story {
  readonly number: number;
  readonly part?: number;
  readonly status?: string;
  readonly answer?: string;
  readonly startedAt?: number;
  readonly delayMs?: number;
  readonly dead?: true;
}

let tokens = 100;

/** A task of one execution by the agent `a`, from its submission to its end. */
function storyOf(story: Story): readonly Line[] {
  const { number, part, status = 'completed', startedAt = 10, answer, delayMs, dead } = story;
  const task = part === undefined ? `t${number}` : `t${number}.${part}`;
  const token = String((tokens += 1));
  const about = { life: 'p1', agent: 'a', task, token };
  const whole = kindOf(number) === 'whole' && part === undefined;
  const completed = status === 'completed' && !whole;
  const lines: Line[] = [];
  if (part === undefined)
    lines.push(
      { kind: 'submitted', at: 2, number, ...(delayMs === undefined ? {} : { delayMs }) },
      { kind: 'created', at: 3, number, task },
      { kind: 'told', at: 90, number, task, status },
    );
  if (!whole)
    lines.push(
      { kind: 'start', at: startedAt, ...about, attempt: 1 },
      {
        kind: 'end',
        at: startedAt + 1,
        ...about,
        outcome: completed ? 'completed' : status === 'failed' ? 'failed' : 'stopped',
      },
    );
  lines.push({
    kind: 'final',
    task,
    number,
    ...(part === undefined ? {} : { part }),
    status,
    attempt: 1,
    ...(dead === undefined ? {} : { dead }),
    ...(completed ? { by: { life: 'p1', token } } : {}),
    ...(answer === undefined ? {} : { answer }),
  });
  return lines;
}

const BORN: readonly Line[] = [
  { kind: 'born', at: 0, life: 'p1', agents: [{ name: 'a', capacity: 50, zone: zoneOf(first('zoned')) }] },
  { kind: 'up', at: 1, life: 'p1', agent: 'a', resumed: false },
];

function startOf(lines: readonly Line[]): LineOf<'start'> {
  return must(
    lines.find((line) => line.kind === 'start'),
    'an execution',
  );
}

function heardBy(lines: readonly Line[], messages: readonly number[]): readonly Line[] {
  const { life, agent, task, token } = startOf(lines);
  return messages.map((message) => ({ kind: 'heard', at: 10.5, life, agent, task, token, message }));
}

/** A first execution that saved `step` and failed, and a second one that was given `given`. */
function savedStory(given: number | undefined): readonly Line[] {
  const second = storyOf({ number: first('saved'), startedAt: 40 });
  const { task } = startOf(second);
  const about = { life: 'p1', agent: 'a', task, token: '50' };
  return [
    { kind: 'start', at: 10, ...about, attempt: 1 },
    { kind: 'saved', at: 11, ...about, step: 3 },
    { kind: 'end', at: 12, ...about, outcome: 'failed' },
    ...second.map((line) => (line.kind === 'start' && given !== undefined ? { ...line, step: given } : line)),
  ];
}

function wholeStory(number: number, partStatus: (part: number) => string): readonly Line[] {
  const parts = Array.from({ length: PARTS }, (_, part) => storyOf({ number, part, status: partStatus(part) }));
  return [...storyOf({ number }), ...parts.flat()];
}

const all = first('whole', (number) => modeOf(number) === 'all');
const threshold = first('whole', (number) => modeOf(number) === 'threshold');
const doomed = first('doomed');
const steered = storyOf({ number: first('steered') });
const everyMessage = Array.from({ length: MESSAGES }, (_, index) => index + 1);
const ofOneKey = firsts(
  3,
  numbersOf('keyed', (number) => keyOf(number) === keyOf(first('keyed'))),
);
const cancelled = first('cancelled');

const GOOD: readonly (readonly [name: string, lines: readonly Line[]])[] = [
  ['an answer', storyOf({ number: first('asking'), answer: answerOf(first('asking')) })],
  ['a zone', storyOf({ number: first('zoned') })],
  ['a delay', storyOf({ number: first('delayed'), delayMs: 1_000, startedAt: 1_010 })],
  ['a cancelled task', [...storyOf({ number: cancelled, status: 'cancelled' }), cancelOf(cancelled)]],
  ['a cancel that came too late', storyOf({ number: cancelled })],
  ['a dead letter', storyOf({ number: doomed, status: 'failed', dead: true })],
  ['a replay', storyOf({ number: curedOf(doomed) })],
  ['messages', [...steered, ...heardBy(steered, everyMessage)]],
  ['a checkpoint', savedStory(3)],
  ['a whole of all', wholeStory(all, () => 'completed')],
  ['a whole of a few', wholeStory(threshold, (part) => (part < 2 ? 'completed' : 'cancelled'))],
  ['two of a key', ofOneKey.slice(0, 2).flatMap((number) => storyOf({ number }))],
];

const BROKEN: typeof GOOD = [
  ['a wrong answer', storyOf({ number: first('asking'), answer: 'no' })],
  ['no answer', storyOf({ number: first('asking') })],
  ['a wrong zone', storyOf({ number: first('zoned', (number) => zoneOf(number) !== zoneOf(first('zoned'))) })],
  ['a begin before its time', storyOf({ number: first('delayed'), delayMs: 1_000, startedAt: 900 })],
  ['a cancel that did not hold', [...storyOf({ number: cancelled }), cancelOf(cancelled)]],
  ['a doomed task that is no dead letter', storyOf({ number: doomed, status: 'failed' })],
  ['a dead letter that completed', storyOf({ number: first('plain'), dead: true })],
  ['a message that was lost', [...steered, ...heardBy(steered, everyMessage.slice(0, -1))]],
  ['a message that was heard twice', [...steered, ...heardBy(steered, [1, ...everyMessage])]],
  ['messages out of order', [...steered, ...heardBy(steered, everyMessage.toReversed())]],
  ['a checkpoint that was lost', savedStory(undefined)],
  ['a checkpoint that went back', savedStory(2)],
  [
    'a whole with too few parts that completed',
    wholeStory(threshold, (part) => (part < 1 ? 'completed' : 'cancelled')),
  ],
  [
    'a part that exists twice',
    [...wholeStory(all, () => 'completed'), ...storyOf({ number: all, part: 1, status: 'completed' })],
  ],
  ['three of a key at once', ofOneKey.flatMap((number) => storyOf({ number }))],
  [
    'another end than was told',
    storyOf({ number: first('plain') }).map((line) => (line.kind === 'told' ? { ...line, status: 'failed' } : line)),
  ],
];

function cancelOf(number: number): Line {
  return { kind: 'cancelled', at: 20, number, task: `t${number}` };
}

it('each key has as many tasks as any other', () => {
  // 100,000 tasks: a key with five times the others' share held 100 of them up for ten minutes.
  const counts = new Map<string, number>();
  for (let number = 0; number < 10_000; number += 1)
    if (kindOf(number) === 'keyed') counts.set(keyOf(number), (counts.get(keyOf(number)) ?? 0) + 1);
  expect([...counts.values()]).toEqual(Array.from({ length: KEYS }, () => 900 / KEYS));
});

describe('the verdict on tasks of each kind', () => {
  it.each(GOOD)('accepts %s', (_name, lines) => {
    expect(check([...BORN, ...lines], OPTIONS).violations).toEqual([]);
  });

  it.each(BROKEN)('finds %s', (_name, lines) => {
    const kinds = check([...BORN, ...lines], OPTIONS).violations.map(({ kind }) => kind);
    expect(kinds).toContain('broken');
  });

  it('a part of a whole that needs all of them must complete', () => {
    const lines = wholeStory(all, (part) => (part < 4 ? 'completed' : 'cancelled'));
    expect(check([...BORN, ...lines], OPTIONS).violations.map(({ kind }) => kind)).toContain('stuck');
  });
});
