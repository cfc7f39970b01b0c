/**
 * Values as the vectors write them in JSON: binaries as `{"$bin": base64}`, long texts as `{"$repeat": [text, n]}`,
 * long arrays as `{"$fill": [value, n]}`, maps of many members as `{"$keys": [prefix, n, value]}`.
 */
import type { Value } from '../../../protocol/wire/types.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export function toJson(value: Value): Json {
  if (value instanceof Uint8Array) return { $bin: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map((one: Value) => toJson(one));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toJson(member)]));
}

export function fromJson(json: Json): Value {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map((one: Json) => fromJson(one));
  const map = json as { readonly [key: string]: Json };
  const { $bin, $repeat, $fill, $keys } = map;
  if (typeof $bin === 'string') return Uint8Array.from(Buffer.from($bin, 'base64'));
  if (Array.isArray($repeat)) return String($repeat[0]).repeat(Number($repeat[1]));
  if (Array.isArray($fill)) return Array.from({ length: Number($fill[1]) }, () => fromJson($fill[0] as Json));
  if (Array.isArray($keys)) {
    const names = Array.from({ length: Number($keys[1]) }, (_none, i) => `${String($keys[0])}${i}`);
    return Object.fromEntries(names.map((name) => [name, fromJson($keys[2] as Json)]));
  }
  return Object.fromEntries(Object.entries(map).map(([key, member]) => [key, fromJson(member)]));
}
