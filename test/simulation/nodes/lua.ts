/**
 * As much of Lua as the scripts in Redis use, so that a simulated Redis runs their very text.
 *
 * Owns: what a chunk means. Does not own: what `redis.call` does (redis-data.ts).
 *
 * LU1 What is not understood is an error when the chunk is read, never another meaning.
 * LU2 Strings are bytes, one UTF-16 unit each, as Lua's are. Numbers that become text are integers: anything else is an error, since Lua would
 *    write it in its own way.
 * LU3 A function returns one value, and a local function lives as long as the run of its chunk.
 */
import { LuaReader, type Expression, type Statement } from './lua-read.ts';

export type Lua = undefined | boolean | number | string | LuaTable | LuaFunction;
export type LuaFunction = (...args: readonly Lua[]) => Lua;

export class LuaTable {
  /** Its elements from 1 on. */
  readonly list: Lua[];
  readonly fields: Map<string, Lua>;

  constructor(list: Lua[] = [], fields: Iterable<readonly [string, Lua]> = []) {
    this.list = list;
    this.fields = new Map(fields);
  }

  get(key: Lua): Lua {
    if (typeof key === 'number') return this.list[key - 1];
    return typeof key === 'string' ? this.fields.get(key) : undefined;
  }

  set(key: Lua, value: Lua): void {
    if (typeof key === 'string') this.fields.set(key, value);
    else if (typeof key === 'number' && key >= 1 && key <= this.list.length + 1) this.list[key - 1] = value;
    else throw new LuaError('a table has whole numbers from 1 on, and names');
  }
}

export class LuaError extends Error {
  override readonly name = 'LuaError';
}

/** The values of the names that a function can see; those of the function around it behind them. */
class Scope {
  readonly values = new Map<string, Lua>();
  readonly around: Scope | undefined;

  constructor(around?: Scope) {
    this.around = around;
  }

  holder(name: string): Scope | undefined {
    return this.values.has(name) ? this : this.around?.holder(name);
  }
}

/** A value that was returned; undefined: the block ran to its end. */
type Left = { readonly value: Lua } | undefined;

export function compileLua(text: string): (globals: ReadonlyMap<string, Lua>) => Lua {
  const block = new LuaReader(text).chunk();
  return (globals) => {
    const scope = new Scope();
    for (const [name, value] of globals) scope.values.set(name, value);
    return run(block, scope)?.value;
  };
}

function run(block: readonly Statement[], scope: Scope): Left {
  for (const statement of block) {
    const left = step(statement, scope);
    if (left !== undefined) return left;
  }
  return undefined;
}

function step(statement: Statement, scope: Scope): Left {
  switch (statement.kind) {
    case 'local': {
      const values = statement.values.map((value) => evaluate(value, scope));
      for (const [i, name] of statement.names.entries()) scope.values.set(name, values[i]);
      return undefined;
    }
    case 'function': {
      const { params, body } = statement;
      scope.values.set(statement.name, (...args) => {
        const inner = new Scope(scope);
        for (const [i, name] of params.entries()) inner.values.set(name, args[i]);
        return run(body, inner)?.value;
      });
      return undefined;
    }
    case 'assign': {
      const values = statement.values.map((value) => evaluate(value, scope));
      for (const [i, target] of statement.targets.entries()) assign(target, values[i], scope);
      return undefined;
    }
    case 'call':
      evaluate(statement.call, scope);
      return undefined;
    case 'return':
      return { value: statement.value === undefined ? undefined : evaluate(statement.value, scope) };
    case 'if': {
      const branch = statement.branches.find(({ when }) => when === undefined || isTrue(evaluate(when, scope)));
      return branch === undefined ? undefined : run(branch.body, new Scope(scope));
    }
    case 'count':
      return count(statement, scope);
    case 'each':
      return each(statement, scope);
  }
}

function count(loop: Extract<Statement, { kind: 'count' }>, scope: Scope): Left {
  const [from, to, by] = [loop.from, loop.to, loop.by].map((one) =>
    one === undefined ? 1 : numberOf(evaluate(one, scope)),
  );
  if (from === undefined || to === undefined || by === undefined || by <= 0)
    throw new LuaError('a loop counts upwards');
  for (let i = from; i <= to; i += by) {
    const inner = new Scope(scope);
    inner.values.set(loop.name, i);
    const left = run(loop.body, inner);
    if (left !== undefined) return left;
  }
  return undefined;
}

function each(loop: Extract<Statement, { kind: 'each' }>, scope: Scope): Left {
  const { list } = tableOf(evaluate(loop.over, scope));
  for (let i = 0; i < list.length && list[i] !== undefined; i += 1) {
    const inner = new Scope(scope);
    inner.values.set(loop.index, i + 1);
    inner.values.set(loop.value, list[i]);
    const left = run(loop.body, inner);
    if (left !== undefined) return left;
  }
  return undefined;
}

function assign(target: Expression, value: Lua, scope: Scope): void {
  if (target.kind === 'name') {
    const holder = scope.holder(target.name);
    if (holder === undefined) throw new LuaError(`${target.name} is a global variable, which Redis refuses`);
    holder.values.set(target.name, value);
  } else if (target.kind === 'index') {
    tableOf(evaluate(target.of, scope)).set(evaluate(target.key, scope), value);
  } else throw new LuaError('only names and members are assigned');
}

function evaluate(expression: Expression, scope: Scope): Lua {
  switch (expression.kind) {
    case 'value':
      return expression.value;
    case 'name': {
      const holder = scope.holder(expression.name);
      if (holder === undefined) throw new LuaError(`nothing is named ${expression.name}`);
      return holder.values.get(expression.name);
    }
    case 'index':
      return tableOf(evaluate(expression.of, scope)).get(evaluate(expression.key, scope));
    case 'table':
      return new LuaTable(expression.items.map((item) => evaluate(item, scope)));
    case 'call': {
      const called = evaluate(expression.called, scope);
      if (typeof called !== 'function') throw new LuaError('what is called is no function');
      return called(...expression.args.map((arg) => evaluate(arg, scope)));
    }
    case 'not':
      return !isTrue(evaluate(expression.of, scope));
    case 'length':
      return lengthOf(evaluate(expression.of, scope));
    case 'and': {
      const left = evaluate(expression.left, scope);
      return isTrue(left) ? evaluate(expression.right, scope) : left;
    }
    case 'or': {
      const left = evaluate(expression.left, scope);
      return isTrue(left) ? left : evaluate(expression.right, scope);
    }
    case 'binary':
      return binary(expression.operator, evaluate(expression.left, scope), evaluate(expression.right, scope));
  }
}

function binary(operator: string, left: Lua, right: Lua): Lua {
  switch (operator) {
    case '==':
      return left === right;
    case '~=':
      return left !== right;
    case '..':
      return luaText(left) + luaText(right);
    case '<':
      return isBefore(left, right);
    case '>':
      return isBefore(right, left);
    case '<=':
      return !isBefore(right, left);
    case '>=':
      return !isBefore(left, right);
    case '+':
      return numberOf(left) + numberOf(right);
    case '-':
      return numberOf(left) - numberOf(right);
    case '*':
      return numberOf(left) * numberOf(right);
    case '/':
      return numberOf(left) / numberOf(right);
    default:
      throw new LuaError(`there is no operator ${operator}`);
  }
}

function isBefore(left: Lua, right: Lua): boolean {
  if (typeof left === 'number' && typeof right === 'number') return left < right;
  if (typeof left === 'string' && typeof right === 'string') return left < right;
  throw new LuaError(`attempt to compare ${typeof left} with ${typeof right}`);
}

function lengthOf(value: Lua): number {
  return typeof value === 'string' ? value.length : tableOf(value).list.length;
}

function isTrue(value: Lua): boolean {
  return value !== undefined && value !== false;
}

function tableOf(value: Lua): LuaTable {
  if (value instanceof LuaTable) return value;
  throw new LuaError(`attempt to index a ${value === undefined ? 'nil' : typeof value} value`);
}

export function numberOf(value: Lua): number {
  const number = toNumber(value);
  if (number === undefined) throw new LuaError(`attempt to perform arithmetic on a ${typeof value} value`);
  return number;
}

function toNumber(value: Lua): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  const number = Number(value);
  return Number.isNaN(number) ? undefined : number;
}

/** LU2 */
export function luaText(value: Lua): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  throw new LuaError(`attempt to concatenate a ${typeof value} value`);
}

/** What Lua brings with it, as far as it is used. */
export const LIBRARY: readonly (readonly [string, Lua])[] = [
  ['tonumber', (value) => toNumber(value)],
  [
    'math',
    new LuaTable(
      [],
      [
        ['max', (...args) => Math.max(...args.map(numberOf))],
        ['min', (...args) => Math.min(...args.map(numberOf))],
        ['floor', (value) => Math.floor(numberOf(value))],
      ],
    ),
  ],
  [
    'string',
    new LuaTable(
      [],
      [
        ['format', (form, value) => formatted(luaText(form), value)],
        ['match', (text, pattern) => matched(luaText(text), luaText(pattern))],
        [
          'sub',
          (text, from, to) => luaText(text).slice(numberOf(from) - 1, to === undefined ? undefined : numberOf(to)),
        ],
      ],
    ),
  ],
  [
    'table',
    new LuaTable(
      [],
      [
        [
          'sort',
          (table) => {
            const { list } = tableOf(table);
            list.sort((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
            return undefined;
          },
        ],
      ],
    ),
  ],
];

function formatted(form: string, value: Lua): string {
  if (form !== '%.0f') throw new LuaError(`the form ${form} is not known`); // LU1
  return numberOf(value).toFixed(0);
}

/** One text between two anchors: the only kind of pattern that is used. */
function matched(text: string, pattern: string): Lua {
  const found = /^\^([\w:]*)\(\.\+\)\$$/.exec(pattern);
  if (found === null) throw new LuaError(`the pattern ${pattern} is not known`); // LU1
  const [, before = ''] = found;
  return text.startsWith(before) && text.length > before.length ? text.slice(before.length) : undefined;
}
