/**
 * The values of CEL and what is done with two of them.
 *
 * V1 int is a bigint, double a number, so that neither is taken for the other. Numbers inside `parameters` and `metadata`
 *    are doubles, as in JSON.
 * V2 What goes wrong is a value (`Mishap`), never thrown: operators hand it on, `&&` and `||` may do without it.
 */
import { byCodeUnits } from '../../base/order.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';

export class Mishap {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export type CelKey = string | bigint | boolean;
export type CelMap = ReadonlyMap<CelKey, CelValue>;
// Interfaces, since a type alias may not name itself.
export interface CelList extends ReadonlyArray<CelValue> {}
export interface CelObject {
  readonly [key: string]: CelValue;
}
export type CelValue = null | boolean | bigint | number | string | Uint8Array | CelList | CelMap | CelObject | Mishap;

/** What one evaluation may still do. */
export interface Effort {
  steps: number;
}

export const exhausted = (): Mishap => new Mishap('the expression takes too many steps');
export const noOverload = (): Mishap =>
  new Mishap('no such overload: the operands are of types that do not go together');
const overflow = (): Mishap => new Mishap('integer overflow');
const byZero = (): Mishap => new Mishap('division by zero');
const longList = (): Mishap => new Mishap(`a list has more than ${LIMITS.ruleListMax} elements`);
const longText = (): Mishap => new Mishap(`a text has more than ${LIMITS.ruleTextMax} characters`);

export function isList(value: CelValue): value is CelList {
  return Array.isArray(value);
}

export function isMap(value: CelValue): value is CelMap {
  return value instanceof Map;
}

export function isObject(value: CelValue): value is CelObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Map) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof Mishap)
  );
}

export function typeOf(value: CelValue): string {
  if (value === null) return 'null_type';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'double';
  if (typeof value === 'string') return 'string';
  return value instanceof Uint8Array ? 'bytes' : isList(value) ? 'list' : 'map';
}

const INT_MAX = (1n << 63n) - 1n;
const INT_MIN = -(1n << 63n);

export function isInt(value: bigint): boolean {
  return value <= INT_MAX && value >= INT_MIN;
}

function int(value: bigint): CelValue {
  return isInt(value) ? value : overflow();
}

/** Spends steps; false: there are none left. */
export function spend(effort: Effort, steps: number): boolean {
  effort.steps += steps;
  return effort.steps <= LIMITS.ruleStepsMax;
}

/** What reading so much text costs: a step, and one more for each 64 characters. */
export function textSteps(length: number): number {
  return 1 + (length >>> 6);
}

export function negate(value: CelValue): CelValue {
  if (typeof value === 'bigint') return int(-value);
  if (typeof value === 'number') return -value;
  return value instanceof Mishap ? value : noOverload();
}

export function add(effort: Effort, a: CelValue, b: CelValue): CelValue {
  if (typeof a === 'bigint' && typeof b === 'bigint') return int(a + b);
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (typeof a === 'string' && typeof b === 'string') {
    if (a.length + b.length > LIMITS.ruleTextMax) return longText();
    return spend(effort, textSteps(a.length + b.length)) ? a + b : exhausted();
  }
  if (isList(a) && isList(b)) {
    if (a.length + b.length > LIMITS.ruleListMax) return longList();
    return spend(effort, a.length + b.length) ? [...a, ...b] : exhausted();
  }
  return noOverload();
}

export function arithmetic(op: '-' | '*' | '/' | '%', a: CelValue, b: CelValue): CelValue {
  if (typeof a === 'bigint' && typeof b === 'bigint') {
    if (op === '-') return int(a - b);
    if (op === '*') return int(a * b);
    if (b === 0n) return byZero();
    return int(op === '/' ? a / b : a % b);
  }
  if (typeof a === 'number' && typeof b === 'number' && op !== '%') {
    return op === '-' ? a - b : op === '*' ? a * b : a / b;
  }
  return noOverload();
}

function isNumber(value: CelValue): value is bigint | number {
  return typeof value === 'bigint' || typeof value === 'number';
}

export function compare(op: '<' | '<=' | '>' | '>=', a: CelValue, b: CelValue): CelValue {
  if (isNumber(a) && isNumber(b)) return ordered(op, a, b);
  if (typeof a === 'string' && typeof b === 'string') return ordered(op, a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return ordered(op, a, b);
  return noOverload();
}

function ordered<T extends bigint | number | string | boolean>(op: '<' | '<=' | '>' | '>=', a: T, b: T): boolean {
  switch (op) {
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
  }
}

/** Numbers of both kinds are compared by value, other types are never equal to each other. */
export function equals(effort: Effort, a: CelValue, b: CelValue): boolean | Mishap {
  if (isNumber(a) && isNumber(b)) return sameNumbers(a, b);
  if (typeof a === 'string' && typeof b === 'string') {
    return spend(effort, textSteps(Math.min(a.length, b.length))) ? a === b : exhausted();
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (!spend(effort, 1)) return exhausted();
  if (isList(a)) return isList(b) ? sameLists(effort, a, b) : false;
  if (a instanceof Uint8Array) return b instanceof Uint8Array && sameBytes(a, b);
  return isList(b) || b instanceof Uint8Array ? false : sameMaps(effort, a, b);
}

function sameNumbers(a: bigint | number, b: bigint | number): boolean {
  if (typeof a === typeof b) return a === b;
  const [whole, double] = typeof a === 'bigint' ? [a, Number(b)] : [BigInt(b), a];
  return Number.isInteger(double) && BigInt(double) === whole;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.length <= LIMITS.ruleTextMax && a.every((byte, i) => byte === b[i]);
}

function sameLists(effort: Effort, a: CelList, b: CelList): boolean | Mishap {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) {
    const same = equals(effort, a[i] ?? null, b[i] ?? null);
    if (same !== true) return same;
    if (!spend(effort, 1)) return exhausted();
  }
  return true;
}

function sameMaps(effort: Effort, a: CelValue, b: CelValue): boolean | Mishap {
  const keys = keysOf(effort, a);
  const others = keysOf(effort, b);
  if (keys instanceof Mishap) return keys;
  if (others instanceof Mishap) return others;
  if (keys.length !== others.length) return false;
  for (const key of keys) {
    const other = lookUp(b, key);
    if (other === undefined) return false;
    const same = equals(effort, lookUp(a, key) ?? null, other);
    if (same !== true) return same;
  }
  return true;
}

/** The keys of a map in one order, whoever made it. */
export function keysOf(effort: Effort, value: CelValue): readonly CelKey[] | Mishap {
  if (isMap(value)) return spend(effort, value.size) ? [...value.keys()] : exhausted();
  if (!isObject(value)) return noOverload();
  const keys = Object.keys(value);
  if (keys.length > LIMITS.ruleListMax) return longList();
  return spend(effort, keys.length) ? keys.toSorted(byCodeUnits) : exhausted();
}

/** A double that is a whole number finds what an int does. */
export function keyOf(value: CelValue): CelKey | undefined {
  if (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean') return value;
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : undefined;
}

/** Undefined: not there, or `value` is no map. */
export function lookUp(value: CelValue, key: CelKey): CelValue | undefined {
  if (isMap(value)) return value.get(key);
  if (typeof key !== 'string' || !isObject(value)) return undefined;
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

export function index(of: CelValue, at: CelValue): CelValue {
  if (isList(of)) {
    const place = keyOf(at);
    if (typeof place !== 'bigint') return noOverload();
    if (place < 0n || place >= BigInt(of.length)) return new Mishap(`the list has no element ${place}`);
    return of[Number(place)] ?? null;
  }
  if (!isMap(of) && !isObject(of)) return noOverload();
  const key = keyOf(at);
  if (key === undefined) return noOverload();
  const found = lookUp(of, key);
  return found === undefined ? noSuchKey(key) : found;
}

export function noSuchKey(key: CelKey): Mishap {
  return new Mishap(`no such key: ${String(key).slice(0, 64)}`);
}

export function isIn(effort: Effort, what: CelValue, of: CelValue): CelValue {
  if (isList(of)) {
    if (of.length > LIMITS.ruleListMax) return longList();
    for (const one of of) {
      const same = equals(effort, what, one);
      if (same !== false) return same;
      if (!spend(effort, 1)) return exhausted();
    }
    return false;
  }
  if (!isMap(of) && !isObject(of)) return noOverload();
  const key = keyOf(what);
  return key !== undefined && lookUp(of, key) !== undefined;
}

/** What a macro goes through: the elements of a list, the keys of a map. */
export function rangeOf(effort: Effort, value: CelValue): CelList | Mishap {
  if (value instanceof Mishap) return value;
  if (!isList(value)) return keysOf(effort, value);
  return value.length > LIMITS.ruleListMax ? longList() : value;
}
