/** What expressions can call. Only what gives the same everywhere: no regular expressions, no time zones, no letters beyond ASCII. */
import { unreachable } from '../../base/assert.ts';
import type { FunctionName } from './tree.ts';
import {
  exhausted,
  isInt,
  isList,
  isMap,
  isObject,
  Mishap,
  noOverload,
  spend,
  textSteps,
  typeOf,
  type CelValue,
  type Effort,
} from './values.ts';

export function call(effort: Effort, name: FunctionName, args: readonly CelValue[]): CelValue {
  const [first = null, second = null] = args;
  switch (name) {
    case 'size':
      return size(effort, first);
    case 'contains':
    case 'startsWith':
    case 'endsWith':
      return search(effort, name, [first, second]);
    case 'lowerAscii':
    case 'upperAscii':
      return inCase(effort, name, first);
    case 'bool':
      return typeof first === 'boolean' ? first : (BOOLS.get(first) ?? failed(first, 'bool'));
    case 'int':
      return toInt(first);
    case 'double':
      return toDouble(first);
    case 'string':
      return toText(first);
  }
  return unreachable(name);
}

function size(effort: Effort, of: CelValue): CelValue {
  if (typeof of === 'string') {
    if (!spend(effort, textSteps(of.length))) return exhausted();
    // In code points, as everywhere in CEL.
    let count = 0n;
    for (const _ of of) count += 1n;
    return count;
  }
  if (isList(of) || of instanceof Uint8Array) return BigInt(of.length);
  if (isMap(of)) return BigInt(of.size);
  return isObject(of) ? BigInt(Object.keys(of).length) : noOverload();
}

function search(
  effort: Effort,
  how: 'contains' | 'startsWith' | 'endsWith',
  [text, part]: readonly [CelValue, CelValue],
): CelValue {
  if (typeof text !== 'string' || typeof part !== 'string') return noOverload();
  if (!spend(effort, textSteps(text.length))) return exhausted();
  if (how === 'contains') return text.includes(part);
  return how === 'startsWith' ? text.startsWith(part) : text.endsWith(part);
}

function inCase(effort: Effort, how: 'lowerAscii' | 'upperAscii', text: CelValue): CelValue {
  if (typeof text !== 'string') return noOverload();
  if (!spend(effort, textSteps(text.length) * 2)) return exhausted();
  return how === 'lowerAscii'
    ? text.replace(/[A-Z]+/g, (part) => part.toLowerCase())
    : text.replace(/[a-z]+/g, (part) => part.toUpperCase());
}

const BOOLS: ReadonlyMap<CelValue, boolean> = new Map([
  ['1', true],
  ['t', true],
  ['true', true],
  ['TRUE', true],
  ['True', true],
  ['0', false],
  ['f', false],
  ['false', false],
  ['FALSE', false],
  ['False', false],
]);

function failed(value: CelValue, to: string): Mishap {
  if (value instanceof Mishap) return value;
  return new Mishap(`no ${to} can be made of this ${typeOf(value)}`);
}

function toInt(value: CelValue): CelValue {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isFinite(value)) {
    const whole = BigInt(Math.trunc(value));
    return isInt(whole) ? whole : failed(value, 'int');
  }
  if (typeof value === 'string' && /^-?[0-9]{1,19}$/.test(value)) {
    const whole = BigInt(value);
    return isInt(whole) ? whole : failed(value, 'int');
  }
  return failed(value, 'int');
}

const DECIMAL = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

function toDouble(value: CelValue): CelValue {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'string' && value.length <= 400 && DECIMAL.test(value)
    ? Number(value)
    : failed(value, 'double');
}

function toText(value: CelValue): CelValue {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'number') return failed(value, 'string');
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
