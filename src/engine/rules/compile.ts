/**
 * From a checked tree to a function: the small interpreter of rules.
 *
 * I1 Deterministic and without effects: the same tree, task and agent give the same value on every node.
 * I2 Bounded: a tree has at most `ruleNodesMax` nodes; what repeats or reads texts is paid for in steps, of which an
 *    evaluation has `ruleStepsMax`.
 */
import { must, unreachable } from '../../base/assert.ts';
import type { AgentRecord, TaskRecord } from '../records.ts';
import { AGENT_FIELDS, TASK_FIELDS } from './fields.ts';
import { call } from './functions.ts';
import { childrenOf, type Binary, type Macro, type RuleTree } from './tree.ts';
import {
  add,
  arithmetic,
  compare,
  equals,
  exhausted,
  index,
  isIn,
  isMap,
  isObject,
  keyOf,
  lookUp,
  Mishap,
  negate,
  noOverload,
  noSuchKey,
  rangeOf,
  spend,
  type CelKey,
  type CelList,
  type CelValue,
} from './values.ts';

/** What an expression is about, and what it has done so far. */
interface Scope {
  readonly task: TaskRecord | undefined;
  readonly agent: AgentRecord | undefined;
  readonly variables: CelValue[];
  steps: number;
}

type Run = (scope: Scope) => CelValue;

export interface Expression {
  evaluate(of: { readonly task?: TaskRecord | undefined; readonly agent?: AgentRecord | undefined }): CelValue;
  /** It looks at the task. */
  readonly readsTask: boolean;
  /** It looks at what changes of an agent while it works. */
  readonly moves: boolean;
}

export function compile(tree: RuleTree): Expression {
  const run = compiled(tree, []);
  const reads = readsOf(tree);
  return {
    evaluate: ({ task, agent }) => run({ task, agent, variables: [], steps: 0 }),
    ...reads,
  };
}

function readsOf(tree: RuleTree): Pick<Expression, 'readsTask' | 'moves'> {
  if (tree[0] === 'f' || tree[0] === 'hasf') {
    const ofTask = tree[1] === 'task';
    return { readsTask: ofTask, moves: !ofTask && AGENT_FIELDS[tree[2]]?.moves === true };
  }
  let [readsTask, moves] = [false, false];
  for (const child of childrenOf(tree)) {
    const reads = readsOf(child);
    readsTask ||= reads.readsTask;
    moves ||= reads.moves;
  }
  return { readsTask, moves };
}

export function nodesOf(tree: RuleTree): number {
  return childrenOf(tree).reduce((sum, child) => sum + nodesOf(child), 1);
}

/** `names`: the variables of the macros around it, each in its slot. */
function compiled(tree: RuleTree, names: readonly string[]): Run {
  switch (tree[0]) {
    case 'k': {
      const [, value] = tree;
      return () => value;
    }
    case 'i': {
      const value = BigInt(tree[1]);
      return () => value;
    }
    case 'd': {
      const [, value] = tree;
      return () => value;
    }
    case 'f':
    case 'hasf':
      return tree[0] === 'f' ? field(tree[1], tree[2]) : hasField(field(tree[1], tree[2]));
    case 'v': {
      const slot = names.lastIndexOf(tree[1]);
      return ({ variables }) => variables[slot] ?? null;
    }
    case '.':
    case 'has':
      return member(tree, names);
    case '[]':
      return binary(compiled(tree[1], names), compiled(tree[2], names), (_, a, b) => index(a, b));
    case 'label':
      return binary(compiled(tree[1], names), compiled(tree[2], names), (_, labels, key) => label(labels, key));
    case '!':
    case 'neg':
      return unary(tree[0], compiled(tree[1], names));
    case '?:':
      return choice(compiled(tree[1], names), compiled(tree[2], names), compiled(tree[3], names));
    case '&&':
    case '||':
      return logical(
        tree[0] === '&&',
        childrenOf(tree).map((one) => compiled(one, names)),
      );
    case '+':
      return sum(childrenOf(tree).map((one) => compiled(one, names)));
    case 'list':
      return all(childrenOf(tree).map((one) => compiled(one, names)));
    case 'map':
      return made(all(childrenOf(tree).map((one) => compiled(one, names))), (_, values) => mapOf(values));
    case 'call': {
      const [, name] = tree;
      return made(all(childrenOf(tree).map((one) => compiled(one, names))), (scope, args) => call(scope, name, args));
    }
    case 'each':
      return macro(tree, names);
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
    case 'in':
    case '-':
    case '*':
    case '/':
    case '%':
      return binary(compiled(tree[1], names), compiled(tree[2], names), operator(tree[0]));
  }
}

function field(of: 'task' | 'agent', name: string): Run {
  if (of === 'task') {
    const known = must(TASK_FIELDS[name], 'the edge let known fields pass');
    return ({ task }) => found(known.read(must(task, 'an expression about a task has one')), name);
  }
  const known = must(AGENT_FIELDS[name], 'the edge let known fields pass');
  return ({ agent }) => found(known.read(must(agent, 'an expression about an agent has one')), name);
}

/** Null is a value. */
function found(value: CelValue | undefined, key: CelKey): CelValue {
  return value === undefined ? noSuchKey(key) : value;
}

/** Reading a field of a record fails only where the record has none. */
function hasField(read: Run): Run {
  return (scope) => !(read(scope) instanceof Mishap);
}

function member(tree: Extract<RuleTree, readonly ['.' | 'has', ...unknown[]]>, names: readonly string[]): Run {
  const [op, of, name] = tree;
  const run = compiled(of, names);
  return (scope) => {
    const value = run(scope);
    if (value instanceof Mishap) return value;
    if (!isMap(value) && !isObject(value)) return noOverload();
    const one = lookUp(value, name);
    return op === 'has' ? one !== undefined : found(one, name);
  };
}

function label(labels: CelValue, key: CelValue): CelValue {
  if (typeof key !== 'string') return noOverload();
  return lookUp(labels, key) ?? '';
}

function unary(op: '!' | 'neg', run: Run): Run {
  if (op === 'neg') return (scope) => negate(run(scope));
  return (scope) => {
    const value = run(scope);
    if (typeof value === 'boolean') return !value;
    return value instanceof Mishap ? value : noOverload();
  };
}

type Apply = (scope: Scope, a: CelValue, b: CelValue) => CelValue;

function binary(left: Run, right: Run, apply: Apply): Run {
  return (scope) => {
    const a = left(scope);
    if (a instanceof Mishap) return a;
    const b = right(scope);
    return b instanceof Mishap ? b : apply(scope, a, b);
  };
}

function operator(op: Binary): Apply {
  switch (op) {
    case '==':
      return equals;
    case '!=':
      return (scope, a, b) => {
        const same = equals(scope, a, b);
        return same instanceof Mishap ? same : !same;
      };
    case '<':
    case '<=':
    case '>':
    case '>=':
      return (_, a, b) => compare(op, a, b);
    case 'in':
      return isIn;
    case '-':
    case '*':
    case '/':
    case '%':
      return (_, a, b) => arithmetic(op, a, b);
  }
  return unreachable(op);
}

function choice(condition: Run, yes: Run, no: Run): Run {
  return (scope) => {
    const value = condition(scope);
    if (value === true) return yes(scope);
    if (value === false) return no(scope);
    return value instanceof Mishap ? value : noOverload();
  };
}

/** One operand may settle it, whatever became of the others. */
function logical(and: boolean, operands: readonly Run[]): Run {
  return (scope) => {
    let mishap: Mishap | undefined;
    for (const run of operands) {
      const value = run(scope);
      if (value === !and) return value;
      if (value !== and) mishap ??= value instanceof Mishap ? value : noOverload();
    }
    return mishap ?? and;
  };
}

function sum(operands: readonly Run[]): Run {
  const [first, ...rest] = operands;
  return rest.reduce<Run>((left, right) => binary(left, right, add), must(first, 'a sum has operands'));
}

/** The values of all, or what went wrong with the first that failed. */
function all(operands: readonly Run[]): (scope: Scope) => CelList | Mishap {
  return (scope) => {
    const values: CelValue[] = [];
    for (const run of operands) {
      const value = run(scope);
      if (value instanceof Mishap) return value;
      values.push(value);
    }
    return values;
  };
}

function made(of: (scope: Scope) => CelList | Mishap, make: (scope: Scope, values: CelList) => CelValue): Run {
  return (scope) => {
    const values = of(scope);
    return values instanceof Mishap ? values : make(scope, values);
  };
}

function mapOf(values: CelList): CelValue {
  const map = new Map<CelKey, CelValue>();
  for (let i = 0; i < values.length; i += 2) {
    const key = keyOf(values[i] ?? null);
    if (key === undefined) return noOverload();
    if (map.has(key)) return new Mishap(`the map has the key ${String(key).slice(0, 64)} twice`);
    map.set(key, values[i + 1] ?? null);
  }
  return map;
}

function macro(tree: Extract<RuleTree, readonly ['each', ...unknown[]]>, names: readonly string[]): Run {
  const [, kind, range, name, predicate, transform] = tree;
  const inner = [...names, name];
  const slot = names.length;
  const loop = LOOPS[kind];
  const test = predicate === null ? ALWAYS : compiled(predicate, inner);
  const make = transform === null ? undefined : compiled(transform, inner);
  const source = compiled(range, names);
  const cost = 1 + (predicate === null ? 0 : nodesOf(predicate)) + (transform === null ? 0 : nodesOf(transform));
  return (scope) => {
    const items = rangeOf(scope, source(scope));
    if (items instanceof Mishap) return items;
    const visit = (item: CelValue): boolean => {
      scope.variables[slot] = item;
      return spend(scope, cost);
    };
    return loop({ scope, items, visit, test, make });
  };
}

const ALWAYS: Run = () => true;

interface Loop {
  readonly scope: Scope;
  readonly items: CelList;
  /** Gives the variable its value; false: no steps are left. */
  visit(item: CelValue): boolean;
  readonly test: Run;
  readonly make: Run | undefined;
}

function settles(loop: Loop, on: boolean): CelValue {
  let mishap: Mishap | undefined;
  for (const item of loop.items) {
    if (!loop.visit(item)) return exhausted();
    const value = loop.test(loop.scope);
    if (value === on) return on;
    if (value !== !on) mishap ??= value instanceof Mishap ? value : noOverload();
  }
  return mishap ?? !on;
}

/** Those that pass, each as it is made; what goes wrong with one is the outcome. */
function collect(loop: Loop): CelValue {
  const kept: CelValue[] = [];
  for (const item of loop.items) {
    if (!loop.visit(item)) return exhausted();
    const passes = loop.test(loop.scope);
    if (passes === false) continue;
    if (passes !== true) return passes instanceof Mishap ? passes : noOverload();
    const made = loop.make === undefined ? item : loop.make(loop.scope);
    if (made instanceof Mishap) return made;
    kept.push(made);
  }
  return kept;
}

const LOOPS: { readonly [M in Macro]: (loop: Loop) => CelValue } = {
  all: (loop) => settles(loop, false),
  exists: (loop) => settles(loop, true),
  exists_one: (loop) => {
    const kept = collect(loop);
    return kept instanceof Mishap || !Array.isArray(kept) ? kept : kept.length === 1;
  },
  filter: collect,
  map: collect,
};
