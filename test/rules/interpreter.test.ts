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

/** Cases of the conformance suite of the specification (`tests/simple`), as far as rules have what they use. */
describe('the conformance suite', () => {
  const parsed = (source: string) => environment().parse(source).ast;

  it.each<[string, unknown]>([
    // basic, integer_math, fp_math
    ['43 + 1', 44n],
    ['40 / 3', 13n],
    ['-5 / 2', -2n],
    ['47 % 5', 2n],
    ['-47 % 5', -2n],
    ['9223372036854775807 + 1', FAILED],
    ['-9223372036854775808 - 1', FAILED],
    ['-(-9223372036854775808)', FAILED],
    ['5000000000 * 5000000000', FAILED],
    ['1 / 0', FAILED],
    ['5 % 0', FAILED],
    ['(-9223372036854775808) / (-1)', FAILED],
    ['2.3e+1 * 3.4e+1', 782],
    ['1.0 / 0.0', Infinity],
    ['-0.0', -0],
    // comparisons
    ['dyn(1) == 1.0', true],
    ['dyn(1.0) == 1', true],
    ['dyn("1") == 1', false],
    ['dyn(null) == false', false],
    ['dyn(1.1) > 1', true],
    ['dyn(9007199254740993) == 9007199254740992.0', false],
    ['[1, 2] == dyn([1.0, 2.0])', true],
    ['{"a": 1} == dyn({"a": 1.0})', true],
    ['{"a": 1} == {"a": 1, "b": 2}', false],
    ['[] == dyn([null])', false],
    ['dyn("a") < 1', FAILED],
    ['false < true', true],
    ['"a" < "aa"', true],
    ['1 in [1.0, 2.0]', true],
    ['"x" in {"x": false}', true],
    ['dyn([]) in {"x": 1}', false],
    // logic
    ['true || 1 / 0 > 1', true],
    ['1 / 0 > 1 || true', true],
    ['1 / 0 > 1 || false', FAILED],
    ['false && dyn(32)', false],
    ['dyn("horses") && false', false],
    ['dyn("horses") && true', FAILED],
    ['dyn(0) || dyn("") ', FAILED],
    ['!dyn(0)', FAILED],
    ['true ? 1 : 1 / 0', 1n],
    ['dyn("a") ? 1 : 2', FAILED],
    // lists, fields, macros
    ['[7, 8, 9][0]', 7n],
    ['[7, 8, 9][dyn(0.0)]', 7n],
    ['[7, 8, 9][dyn(0.1)]', FAILED],
    ['[7, 8, 9][3]', FAILED],
    ['[7, 8, 9][-1]', FAILED],
    ['{"k": 1}["k"]', 1n],
    ['{true: 5}[true]', 5n],
    ['{0: 1}[0]', 1n],
    ['{"k": 1, "k": 2}["k"]', FAILED],
    ['{"k": 1}.k', 1n],
    ['{"k": 1}.z', FAILED],
    ['has({"a": 1, "b": 2}.a)', true],
    ['has({"a": 1}.z)', false],
    ['[1, 2, 3].exists(e, e > 2)', true],
    ['[1, 2, 3].exists(e, e / 0 > 1 || e == 3)', true],
    ['[1, 2, 3].all(e, 6 / (2 - e) == 6)', false],
    ['[1, 2, 3].all(e, e / 0 == 1)', FAILED],
    ['[].all(e, e > 0)', true],
    ['[7, 8].exists_one(a, a == 8)', true],
    ['[8, 8].exists_one(a, a == 8)', false],
    ['[3, 2, 1].exists_one(n, 3 / n == 1 / 0)', FAILED],
    ['[1, 2, 3].map(n, n * n)', [1n, 4n, 9n]],
    ['[1, 2, 3].map(n, n > 1, n * 2)', [4n, 6n]],
    ['[1, 2, 3].filter(x, x % 2 == 1)', [1n, 3n]],
    ['[[1, 2], [3]].map(x, x.map(y, y + 1))', [[2n, 3n], [4n]]],
    ['{"a": 1, "b": 2}.filter(k, k == "a")', ['a']],
    // string, conversions
    ['size("ÿé😀")', 3n],
    ['"".contains("")', true],
    ['"resume" == "résumé"', false],
    ['"abc".startsWith("ab") && "abc".endsWith("")', true],
    ['"TaCoCÆt".lowerAscii()', 'tacocÆt'],
    ['"tacocÆt".upperAscii()', 'TACOCÆT'],
    ['int("987")', 987n],
    ['int("")', FAILED],
    ['int("1.5")', FAILED],
    ['int(2.9) - int(-2.9)', 4n],
    ['int(1e20)', FAILED],
    ['double("123.456")', 123.456],
    ['double("")', FAILED],
    ['string(-67.5)', '-67.5'],
    ['string(true) + string(1)', 'true1'],
    ['bool("t") && !bool("FALSE")', true],
    ['bool("yes")', FAILED],
  ])('%s', (source, expected) => {
    // `dyn()` only leaves the type open.
    const value = compile(lower(parsed(source.replaceAll('dyn(', '(')))).evaluate(CONTEXT);
    expect(value instanceof Mishap ? FAILED : normal(value)).toEqual(expected);
  });
});
