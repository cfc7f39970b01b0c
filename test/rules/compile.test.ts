import { describe, expect, it } from 'vitest';
import type { Value } from '../../protocol/wire/types.ts';
import { decodeValue, encodeValue, isMap } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { compileRule, type Sources } from '../../src/rules/index.ts';

function faults(sources: Sources): readonly Value[] {
  const compiled = compileRule(sources);
  if (compiled.ok) return [];
  expect(compiled.error.code).toBe('INVALID_PARAMS');
  return Array.isArray(compiled.error.details) ? compiled.error.details : [];
}

function reason(sources: Sources): string {
  const [first = null] = faults(sources);
  return isMap(first) ? String(first['reason']) : '';
}

describe('what is refused, and where', () => {
  it.each<[string, Sources, object]>([
    ['no expression', { filter: 'agent.load <' }, { path: 'filter', line: 1, column: 13, offset: 12 }],
    ['a sign that is none', { filter: 'agent.name = "a"' }, { path: 'filter', line: 1, column: 12, offset: 11 }],
    ['an unknown field', { filter: 'true &&\n  agent.speed > 1' }, { path: 'filter', line: 2, column: 9, offset: 16 }],
    ['a type that does not fit', { filter: 'agent.name > 1' }, { path: 'filter', line: 1, column: 1 }],
    ['an unknown variable', { filter: 'true || server.load > 1' }, { path: 'filter', column: 9 }],
    ['the agent in a condition', { condition: 'agent.load > 0.5' }, { path: 'condition', column: 1 }],
    ['a condition that is no truth', { condition: 'task.type' }, { path: 'condition', column: 1 }],
    ['a prefer that is no number', { prefer: 'agent.name' }, { path: 'prefer', column: 1 }],
    ['a regular expression', { filter: 'agent.name.matches("a.*")' }, { path: 'filter', column: 1 }],
    ['a time', { filter: 'task.createdAt > 1 && timestamp(5) > timestamp(4)' }, { path: 'filter', column: 23 }],
    ['a uint', { filter: 'agent.capacity > 1 && 2u > 1u' }, { path: 'filter', column: 23 }],
    ['bytes', { filter: 'b"a" == b"b"' }, { path: 'filter', column: 1 }],
    ['a type as a value', { filter: 'type(task.parameters) == map' }, { path: 'filter', column: 1 }],
    ['an integer of 65 bits', { filter: 'agent.capacity < 9223372036854775808' }, { path: 'filter', column: 18 }],
    ['the whole agent', { filter: 'agent == agent' }, { path: 'filter', column: 1 }],
    ['an unknown field in has', { filter: 'has(agent.speed)' }, { path: 'filter' }],
    ['too deep a nest', { filter: `${'!'.repeat(21)}true` }, { path: 'filter' }],
    ['too many nodes', { filter: Array(100).fill('agent.load > 0.1').join(' || ') }, { path: 'filter' }],
    [
      'too costly a nest',
      { filter: 'task.parameters.all(a, task.parameters.all(b, task.parameters.all(c, a == b && b == c)))' },
      { path: 'filter', column: 1 },
    ],
  ])('%s', (_, sources, place) => {
    expect(faults(sources)).toMatchObject([place]);
  });

  it('names all faulty expressions', () => {
    expect(faults({ condition: '1', filter: 'x', prefer: '"a"' })).toMatchObject([
      { path: 'condition', reason: 'must come to true or false, and this is int (line 1, column 1)' },
      { path: 'filter', reason: 'Unknown variable: x (line 1, column 1)' },
      { path: 'prefer', reason: 'must come to a number, or true or false, and this is string (line 1, column 1)' },
    ]);
  });

  it('says what to write instead', () => {
    expect(reason({ filter: 'size(agent) > 1' })).toMatch(/found no matching overload|stands with one of its fields/);
    expect(reason({ filter: '[agent] == []' })).toMatch(/agent stands with one of its fields/);
  });
});

describe('what is taken', () => {
  it('is a tree that stays the same as bytes, within the depth of the codec', () => {
    const deep = `${'!'.repeat(LIMITS.ruleDepthMax - 1)}true`;
    const long = Array(40).fill('agent.load > 0.5').join(' && ');
    const compiled = compileRule({ condition: deep, filter: long, prefer: '-9223372036854775808 + 1 + 2 + 3' });
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
    const command = { a: { b: [compiled.value] } };
    expect(decodeValue(encodeValue(command))).toEqual(command);
    expect(compiled.value.prefer).toEqual(['+', ['i', '-9223372036854775808'], ['i', 1], ['i', 2], ['i', 3]]);
  });

  it('reads labels so that one that is not there is ""', () => {
    const compiled = compileRule({ filter: 'agent.labels.zone == task.labels["zone"] && has(agent.labels.zone)' });
    expect(compiled).toMatchObject({
      value: {
        filter: [
          '&&',
          ['==', ['label', ['f', 'agent', 'labels'], ['k', 'zone']], ['label', ['f', 'task', 'labels'], ['k', 'zone']]],
          ['has', ['f', 'agent', 'labels'], 'zone'],
        ],
      },
    });
  });

  it('nothing at all for what is taken away', () => {
    expect(compileRule({ filter: null })).toEqual({ ok: true, value: {} });
  });
});
