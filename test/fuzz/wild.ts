/**
 * Values that no honest client sends, and honest ones made a little wrong.
 *
 * W1 Everything is drawn from the generator that is given: the same seed, the same values, but for ids that a server gave.
 */
import type { Random } from '../chaos/random.ts';
import type { Known } from './known.ts';

/** More than the protocol can carry: what cannot stand in MessagePack's profile, or in JSON at all. */
export type Wild =
  null | boolean | number | bigint | string | Uint8Array | Date | readonly Wild[] | { readonly [key: string]: Wild };

export type WildMap = { readonly [key: string]: Wild };

const NUMBERS: readonly number[] = [
  -1,
  0,
  -0,
  1,
  1.5,
  255,
  256,
  65_536,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 40,
  2 ** 53 - 1,
  -(2 ** 53 - 1),
  1e308,
  5e-324,
];

/** The profile refuses these, each with the whole message. */
const UNLAWFUL_NUMBERS: readonly (number | bigint)[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  2n ** 63n,
  2n ** 64n - 1n,
  -(2n ** 63n),
];

const TEXTS: readonly string[] = [
  '',
  ' ',
  '\0',
  'a\nb',
  '\u001b[31m',
  '\ufeff',
  '\u202e',
  '🦔',
  'é'.repeat(129),
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '$bin',
  '$where',
  '../../etc/passwd',
  '%s%n%x',
  '*',
  '**',
  'a.*.b',
  'a..b',
  '>',
  '#',
  '-1',
  '1e3',
  '99999999999999999999',
  '0x10',
  'null',
  'NaN',
  "' OR 1=1 --",
  '<script>alert(1)</script>',
  '2026-01-01T00:00:00Z',
  '0 0 31 2 *',
  '* * * * * *',
  'Antarctica/Troll',
];

const UNLAWFUL_TEXTS: readonly string[] = ['\ud800', '\udc00x', 'a\udfff'];

const KEYS: readonly string[] = ['', 'a', '$$bin', 'toJSON', 'then', 'length', 'k'.repeat(128), 'é'];

const UNLAWFUL_KEYS: readonly string[] = ['__proto__', 'constructor', 'prototype', 'k'.repeat(129), '\ud800'];

/** Whether what is drawn keeps to the profile, so that it is looked at further than that. */
export type Law = 'lawful' | 'any';

const DEEP_MAX = { lawful: 24, any: 40 };
const LONG_MAX = 70_000;
const MANY_MAX = 2_000;

export function isMap(value: Wild): value is WildMap {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof Date)
  );
}

function isList(value: Wild): value is readonly Wild[] {
  return Array.isArray(value);
}

export interface Draws {
  readonly random: Random;
  readonly known: Known;
  readonly law: Law;
}

/** A value out of nothing. */
export function strange(draws: Draws): Wild {
  const { random, known, law } = draws;
  const unlawful = law === 'any' && random.chance(0.3);
  switch (random.between(0, 11)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
    case 3:
      return random.pick(unlawful ? UNLAWFUL_NUMBERS : NUMBERS);
    case 4:
    case 5:
      return random.pick(unlawful ? UNLAWFUL_TEXTS : TEXTS);
    case 6:
      return random.pick(['x', 'é', '🦔', '\0']).repeat(spread(random, LONG_MAX) / 4);
    case 7:
      return nested(random.between(1, DEEP_MAX[law]), random.chance(0.5));
    case 8:
      return many(random, spread(random, MANY_MAX));
    case 9:
      return unlawful ? new Date(random.between(0, 2 ** 40)) : bytes(random, spread(random, 1_000));
    default:
      return known.any(random);
  }
}

/** The same with one thing changed somewhere. */
export function mutated(value: Wild, draws: Draws): Wild {
  const { random } = draws;
  if (isMap(value)) return random.chance(0.08) ? strange(draws) : mutatedMap(value, draws);
  if (isList(value) && value.length > 0 && random.chance(0.8)) return mutatedList(value, draws);
  if (typeof value === 'string' && random.chance(0.4)) return mutatedText(random, value);
  if (typeof value === 'number' && random.chance(0.5)) {
    return random.pick([-value, value + 1, value - 1, value * 1_000, value + 0.5]);
  }
  return strange(draws);
}

function mutatedMap(value: WildMap, draws: Draws): WildMap {
  const { random, law } = draws;
  const members = Object.entries(value);
  const draw = random.unit();
  if (members.length === 0 || draw < 0.12) {
    const keys = law === 'any' && random.chance(0.5) ? UNLAWFUL_KEYS : KEYS;
    members.push([random.chance(0.5) ? random.pick(keys) : `key${random.between(0, 99)}`, strange(draws)]);
  } else {
    const at = random.between(0, members.length - 1);
    const [key, member] = members[at] ?? ['', null];
    if (draw < 0.24) members.splice(at, 1);
    else if (draw < 0.3) members[at] = [`${key}${random.pick(['', ' ', '\0', 's', 'X'])}`, member];
    else members[at] = [key, mutated(member, draws)];
  }
  return fromMembers(members);
}

/** By definition and not by assignment: `__proto__` is a key like others. */
export function fromMembers(members: readonly (readonly [string, Wild])[]): WildMap {
  return Object.fromEntries(members);
}

function mutatedList(value: readonly Wild[], draws: Draws): readonly Wild[] {
  const { random } = draws;
  const list = [...value];
  const at = random.between(0, list.length - 1);
  const chosen = list[at] ?? null;
  const draw = random.unit();
  if (draw < 0.2) list.splice(at, 1);
  else if (draw < 0.35) list.splice(at, 0, chosen);
  else if (draw < 0.45) return Array.from({ length: spread(random, MANY_MAX) }, () => chosen);
  else list[at] = mutated(chosen, draws);
  return list;
}

function mutatedText(random: Random, value: string): string {
  const at = random.between(0, value.length);
  const draw = random.unit();
  if (draw < 0.3) return value.slice(0, at);
  if (draw < 0.6) return value.slice(0, at) + random.pick(TEXTS) + value.slice(at);
  if (draw < 0.8) return value.repeat(spread(random, 300));
  return value.toUpperCase();
}

/** Between 1 and `max`, each order of magnitude as likely as another. */
export function spread(random: Random, max: number): number {
  return Math.round(max ** random.unit());
}

function nested(depth: number, inMaps: boolean): Wild {
  let value: Wild = 1;
  for (let level = 0; level < depth; level += 1) value = inMaps ? { a: value } : [value];
  return value;
}

function many(random: Random, count: number): Wild {
  if (random.chance(0.5)) return Array.from({ length: count }, (_none, at) => at);
  return fromMembers(Array.from({ length: count }, (_none, at) => [`k${at}`, at]));
}

export function bytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.between(0, 255));
}
