/** The interpreter beside the library that checks for it, and beside cases of the specification's conformance suite. */
import { Environment, EvaluationError } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Value } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { byCodeUnits } from '../../src/base/order.ts';
import type { AgentRecord, TaskRecord } from '../../src/engine/records.ts';
import { compile } from '../../src/engine/rules/compile.ts';
import { AGENT_FIELDS, TASK_FIELDS } from '../../src/engine/rules/fields.ts';
import { Mishap, type CelValue } from '../../src/engine/rules/values.ts';
import { lower } from '../../src/rules/lower.ts';
import { Rig } from '../engine/rig.ts';

interface Pair {
  readonly task: TaskRecord;
  readonly agent: AgentRecord;
}

/** A task and an agent with something in each field. */
function pair(parameters: Value): Pair {
  const rig = new Rig();
  const boss = rig.session();
  const { id } = rig.create(boss, {
    type: 'resize',
    priority: 'high',
    parameters,
    labels: { zone: 'eu', team: 'é😀' },
    requirements: ['gpu', 'resize'],
  });
  const { session, id: agent } = rig.agent('ann', { capabilities: ['gpu', 'other'], capacity: 4 });
  rig.ask(session, 'agent.update', { labels: { zone: 'us', mem: '32' }, cost: 7, metadata: { list: [1, 2.5, 'a'] } });
  return {
    task: must(rig.engine.state.tasks.get(id), 'the task'),
    agent: must(rig.engine.state.agents.get(agent), 'the agent'),
  };
}

const CONTEXT = pair({ n: 3, x: 2.5, text: 'abc', on: true, none: null, list: [1, 2, 3], deep: { a: { b: 'c' } } });

function plain(value: CelValue | undefined): unknown {
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [key, plain(one)]));
  return value;
}

function libraryContext({ task, agent }: Pair): Record<string, Record<string, unknown>> {
  const read = <R>(fields: { readonly [name: string]: { read(record: R): CelValue | undefined } }, record: R) =>
    Object.fromEntries(
      Object.entries(fields).flatMap(([name, field]) => {
        const value = plain(field.read(record));
        return value === undefined ? [] : [[name, value]];
      }),
    );
  return { task: read(TASK_FIELDS, task), agent: read(AGENT_FIELDS, agent) };
}

/** Types are left open, so that values of any type meet any operator. */
function environment(): Environment {
  return new Environment({ homogeneousAggregateLiterals: false, limits: { maxDepth: 500 } })
    .registerVariable('task', 'dyn')
    .registerVariable('agent', 'dyn');
}

const FAILED = Symbol('failed');
/** The library refuses operands of two types, also inside lists, where the specification compares values. */
const STRICT = Symbol('no such overload');

/** Maps as lists of pairs, keys as texts: the library makes objects of them. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (value instanceof Map) return normalPairs([...value]);
  if (typeof value === 'object' && value !== null) return normalPairs(Object.entries(value));
  return value;
}

function normalPairs(pairs: readonly (readonly [unknown, unknown])[]): unknown {
  return pairs
    .map(([key, one]): readonly [string, unknown] => [String(key), normal(one)])
    .toSorted(([a], [b]) => byCodeUnits(a, b));
}

function byLibrary(source: string): unknown {
  try {
    return normal(environment().evaluate(source, libraryContext(CONTEXT)));
  } catch (error) {
    return error instanceof EvaluationError && error.code === 'no_such_overload' ? STRICT : FAILED;
  }
}

function byUs(source: string): unknown {
  const value = compile(lower(environment().parse(source).ast)).evaluate(CONTEXT);
  return value instanceof Mishap ? FAILED : normal(value);
}

const int = fc.integer({ min: -20, max: 20 }).map(String);
const double = fc.constantFrom('0.5', '2.0', '-1.25', '3.0', '1e3');
const text = fc.constantFrom('""', '"a"', '"abc"', '"B"', '"é😀"', '"12"', '"1.5"', '"true"');
const field = fc.constantFrom(
  'task.type',
  'task.priority',
  'task.priorityLevel',
  'task.parameters.n',
  'task.parameters.x',
  'task.parameters.text',
  'task.parameters.none',
  'task.parameters.deep.a.b',
  'task.parameters.missing',
  'task.requirements',
  'task.parameters.list',
  'task.parameters.deep',
  'agent.capacity',
  'agent.load',
  'agent.cost',
  'agent.free',
  'agent.metadata.list',
  'agent.capabilities',
  'agent.labels',
  'agent.successRate',
);
const literal = fc.oneof(int, double, text, fc.constantFrom('true', 'false', 'null'));
const { any } = fc.letrec<{ any: string; bool: string; list: string }>((tie) => ({
  bool: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('true', 'false'),
    fc
      .tuple(tie('any'), fc.constantFrom('==', '!=', '<', '<=', '>', '>=', 'in'), tie('any'))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(tie('bool'), fc.constantFrom('&&', '||'), tie('any')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('any').map((one) => `!(${one})`),
    fc
      .tuple(tie('list'), fc.constantFrom('all', 'exists', 'exists_one'), tie('bool'))
      .map(([list, macro, body]) => `${list}.${macro}(v, ${body} || v == 1)`),
    fc.constantFrom('has(task.parameters.n)', 'has(task.parameters.missing)', 'has(task.parameters.deep.a.x)'),
    fc
      .tuple(tie('any'), fc.constantFrom('contains', 'startsWith', 'endsWith'), text)
      .map(([a, name, b]) => `dyn(${a}).${name}(${b})`.replaceAll('dyn(', '(')),
  ),
  list: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('[1, 2, 3]', 'task.requirements', 'task.parameters.list', 'agent.metadata.list', '[]'),
    fc.array(tie('any'), { maxLength: 3 }).map((all) => `[${all.join(', ')}]`),
    fc.tuple(tie('list'), tie('any')).map(([list, body]) => `${list}.map(v, ${body})`),
    fc.tuple(tie('list'), tie('bool')).map(([list, body]) => `${list}.filter(v, ${body})`),
    fc.constantFrom('([1, 2] + [3])', '(task.requirements + ["a"])'),
  ),
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    literal,
    field,
    tie('bool'),
    tie('list'),
    fc.tuple(tie('any'), fc.constantFrom('+', '-', '*', '/', '%'), tie('any')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(tie('bool'), tie('any'), tie('any')).map(([c, a, b]) => `(${c} ? ${a} : ${b})`),
    tie('any').map((one) => `-(${one})`),
    fc.tuple(tie('list'), fc.integer({ min: -1, max: 3 })).map(([list, i]) => `${list}[${i}]`),
    fc.tuple(text, tie('any'), text).map(([key, value, at]) => `{${key}: ${value}, "k": 1}[${at}]`),
    tie('any').map((one) => `size(${one})`),
    fc.tuple(fc.constantFrom('int', 'double', 'string', 'bool'), literal).map(([name, one]) => `${name}(${one})`),
  ),
}));

describe('the interpreter', () => {
  it('comes to what the library comes to', { timeout: 60_000 }, () => {
    let compared = 0;
    fc.assert(
      fc.property(any, (source) => {
        // A variable outside of its macro, and a type that the library knows before it evaluates, are not about values.
        // Nor is it true that int("") is 0.
        if (source.includes('int("")')) return;
        const checked = environment().check(source);
        if (!checked.valid) return;
        const expected = byLibrary(source);
        if (expected === STRICT) return;
        compared += 1;
        expect(byUs(source), source).toEqual(expected);
      }),
      { numRuns: 20_000 },
    );
    expect(compared).toBeGreaterThan(2_000);
  });
});
