/** Values of options and arguments, from text. */
import { readFileSync } from 'node:fs';
import { usage } from './exit.ts';
import type { Value } from '../client/node.ts';

const UNITS: { readonly [unit: string]: number } = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `500ms`, `30s`, `5m`, `2h`, `1d`, or a number of ms. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  const ms = match === null ? Number.NaN : Math.round(Number(match[1]) * (UNITS[match[2] ?? 'ms'] ?? 1));
  if (!Number.isSafeInteger(ms)) throw usage(`"${text}" is not a duration: say 500ms, 30s, 5m, 2h or 1d.`);
  return ms;
}

/** An instant: ISO 8601 (a date alone is midnight UTC), or ms since the epoch. */
export function instantMs(text: string): number {
  const ms = /^\d{10,}$/.test(text.trim()) ? Number(text) : Date.parse(text);
  if (!Number.isSafeInteger(ms) || ms < 1) throw usage(`"${text}" is not a time: say 2026-01-31 or 2026-01-31T12:00Z.`);
  return ms;
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0) throw usage(`"${text}" is not a whole number.`);
  return value;
}

/** `2026-05-01T09:00:00Z`, with its zone, or ms since 1970. */
export function instant(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : /(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isSafeInteger(ms)) throw usage(`"${text}" is not an instant: say 2026-05-01T09:00:00Z.`);
  return ms;
}

/** Collects an option that may be given several times. */
export function several(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** `name=value` pairs. */
export function pairs(texts: readonly string[]): { [name: string]: string } {
  const found: { [name: string]: string } = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) throw usage(`"${text}" is not of the form name=value.`);
    found[text.slice(0, at)] = text.slice(at + 1);
  }
  return found;
}

/** JSON, `@FILE` with JSON, or `-` for JSON on standard input. */
export function jsonValue(text: string, stdin: () => string = () => readFileSync(0, 'utf8')): Value {
  const [what, source] =
    text === '-'
      ? ['standard input', stdin()]
      : text.startsWith('@')
        ? [text.slice(1), fileText(text.slice(1))]
        : ['the value', text];
  try {
    return restoreBinary(JSON.parse(source));
  } catch (error) {
    throw usage(`${what} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function fileText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw usage(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** `{"$bin": base64}` stands for bytes, as in the protocol's JSON variant. */
export function restoreBinary(value: unknown): Value {
  if (Array.isArray(value)) return value.map(restoreBinary);
  if (typeof value !== 'object' || value === null)
    return typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean' ? value : null;
  const entries = Object.entries(value);
  const [first] = entries;
  if (entries.length === 1 && first?.[0] === '$bin' && typeof first[1] === 'string')
    return new Uint8Array(Buffer.from(first[1], 'base64'));
  return Object.fromEntries(entries.map(([key, member]) => [key, restoreBinary(member)]));
}

/** Takes one of these words. */
export function oneOf<T extends string>(...words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw usage(`"${text}" is none of ${words.join(', ')}.`);
    return found;
  };
}
