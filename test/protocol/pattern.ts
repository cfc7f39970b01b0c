/** Placeholders and patterns of transcripts: what is sent is filled in, what comes is matched and remembered. */
import { err, ok, type Result } from '../../src/base/result.ts';
import type { Json } from './vectors/json-form.ts';

export type Bindings = { readonly [placeholder: string]: Json };
type JsonMap = { readonly [key: string]: Json };

/** The value with every bound placeholder replaced. */
export function fill(json: Json, bindings: Bindings): Json {
  if (typeof json === 'string' && json.startsWith('$')) {
    const bound = bindings[json];
    if (bound === undefined) throw new Error(`${json} is not bound`);
    return bound;
  }
  if (Array.isArray(json)) return json.map((one: Json) => fill(one, bindings));
  if (isMap(json) && Array.isArray(json['$join']))
    return json['$join'].map((one: Json) => fill(one, bindings)).join('');
  if (!isMap(json) || Object.keys(json).some((key) => key.startsWith('$'))) return json;
  return Object.fromEntries(Object.entries(json).map(([key, member]) => [key, fill(member, bindings)]));
}

/** The bindings after the match, or where and why it failed. */
export function match(pattern: Json, value: Json | undefined, bindings: Bindings, path = ''): Result<Bindings, string> {
  const at = path === '' ? 'the frame' : path;
  if (isMap(pattern) && pattern['$absent'] === true) return value === undefined ? ok(bindings) : err(`${at} is there`);
  if (value === undefined) return err(`${at} is missing`);
  if (typeof pattern === 'string' && pattern.startsWith('$')) {
    const bound = bindings[pattern];
    if (bound === undefined) return ok({ ...bindings, [pattern]: value });
    return same(bound, value) ? ok(bindings) : err(`${at} is not ${pattern} (${JSON.stringify(bound)})`);
  }
  if (Array.isArray(pattern)) return matchArray(pattern as readonly Json[], value, { bindings, at, path });
  if (!isMap(pattern)) return pattern === value ? ok(bindings) : err(`${at} is not ${JSON.stringify(pattern)}`);
  const special = Object.keys(pattern).find((key) => key.startsWith('$') && key !== '$bin');
  if (special !== undefined) return matchSpecial(pattern, value, { bindings, at, path });
  return matchMap(pattern, value, { bindings, at, path });
}

interface Place {
  readonly bindings: Bindings;
  readonly at: string;
  readonly path: string;
}

function matchArray(pattern: readonly Json[], value: Json, place: Place): Result<Bindings, string> {
  if (!Array.isArray(value)) return err(`${place.at} is no array`);
  const items = value as readonly Json[];
  if (items.length !== pattern.length) return err(`${place.at} has ${items.length} elements, not ${pattern.length}`);
  let { bindings } = place;
  for (const [i, one] of pattern.entries()) {
    const result = match(one, items[i], bindings, `${place.path}.${i}`);
    if (!result.ok) return result;
    bindings = result.value;
  }
  return ok(bindings);
}

/** The members that are named; others may be there (F3). */
function matchMap(pattern: JsonMap, value: Json, place: Place): Result<Bindings, string> {
  if (!isMap(value)) return err(`${place.at} is no map`);
  let { bindings } = place;
  for (const [key, one] of Object.entries(pattern)) {
    const result = match(one, value[key], bindings, `${place.path}.${key}`);
    if (!result.ok) return result;
    bindings = result.value;
  }
  return ok(bindings);
}

const KINDS: { readonly [name: string]: (value: Json) => boolean } = {
  any: () => true,
  int: (value) => Number.isSafeInteger(value),
  str: (value) => typeof value === 'string',
  bool: (value) => typeof value === 'boolean',
  list: (value) => Array.isArray(value),
  map: isMap,
};

function matchSpecial(pattern: JsonMap, value: Json, place: Place): Result<Bindings, string> {
  const { bindings, at } = place;
  const { $is, $above, $differs, $contains, $join, $has, $as } = pattern;
  if (typeof $is === 'string' && KINDS[$is]?.(value) !== true) return err(`${at} is no ${$is}`);
  if ($above !== undefined) {
    const floor = fill($above, bindings);
    if (typeof value !== 'number' || typeof floor !== 'number' || value <= floor)
      return err(`${at} is not above ${JSON.stringify(floor)}`);
  }
  if ($differs !== undefined && same(fill($differs, bindings), value))
    return err(`${at} is ${JSON.stringify(value)} as before`);
  if (typeof $contains === 'string' && !(typeof value === 'string' && value.includes($contains)))
    return err(`${at} does not contain ${JSON.stringify($contains)}`);
  if ($join !== undefined && fill(pattern, bindings) !== value)
    return err(`${at} is not ${JSON.stringify(fill(pattern, bindings))}`);
  let bound = bindings;
  if (Array.isArray($has)) {
    for (const one of $has as readonly Json[]) {
      const found = Array.isArray(value)
        ? (value as readonly Json[]).map((item) => match(one, item, bound)).find((result) => result.ok)
        : undefined;
      if (found?.ok !== true) return err(`${at} does not have ${JSON.stringify(one)}`);
      bound = found.value;
    }
  }
  return typeof $as === 'string' ? ok({ ...bound, [$as]: value }) : ok(bound);
}

function isMap(json: Json | undefined): json is JsonMap {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function same(a: Json, b: Json): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
