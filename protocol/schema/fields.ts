/** The kinds of fields that params are made of, with the reason that a fault in each is given. */
import { z } from 'zod';
import { LIMITS } from '../wire/limits.ts';
import type { Value, ValueMap } from '../wire/types.ts';
import { fits } from './size.ts';
import { isFence, isName, isText, subscriptionFault, topicFault } from './text.ts';

export const REASON = {
  name: (max: number) => `must be 1 to ${max} bytes of UTF-8 without control characters`,
  text: (max: number) => `must be at most ${max} bytes of UTF-8`,
  fence: `must be 1 to ${LIMITS.tokenDigits} decimal digits`,
  payload: (max: number) => `is larger than ${max} bytes`,
  map: 'must be a map',
  distinct: 'must not repeat an element',
} as const;

export function name(max: number): z.ZodType<string> {
  return z.string().refine((one) => isName(one, max), { error: REASON.name(max) });
}

/** Free text, also of several lines. */
export function text(max: number): z.ZodType<string> {
  return z.string().refine((one) => isText(one, max), { error: REASON.text(max) });
}

export const id = name(LIMITS.idBytes);
export const fence: z.ZodType<string> = z.string().refine(isFence, { error: REASON.fence });
export const cursor = name(LIMITS.cursorBytes);

export const topic = withoutFault(topicFault);
/** A topic or a pattern. */
export const subscription = withoutFault(subscriptionFault);

function withoutFault(faultOf: (text: string) => string | undefined): z.ZodType<string> {
  return z.string().check((check) => {
    const reason = faultOf(check.value);
    if (reason !== undefined) check.issues.push({ code: 'custom', message: reason, input: check.value });
  });
}

/** An integer; JavaScript has no other kind of number for 5.0. */
export function int(min: number, max: number): z.ZodType<number> {
  return z.int().min(min).max(max);
}

/** A page holds at most this many; fewer if they would not fit a frame. */
export const limit = int(1, LIMITS.pageMax);
/** Since the epoch, ms. */
export const instant = int(1, Number.MAX_SAFE_INTEGER);
export const position = int(0, Number.MAX_SAFE_INTEGER);

/** Any value; larger than `payloadBytes` it is TOO_LARGE. */
export const payload: z.ZodType<Value> = z
  .custom<Value>((value) => value !== undefined)
  .refine((value) => fits(value, LIMITS.payloadBytes), {
    error: REASON.payload(LIMITS.payloadBytes),
    params: { code: 'TOO_LARGE' },
  });

export function isPlainMap(value: unknown): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

export const metadata: z.ZodType<ValueMap> = z
  .custom<ValueMap>(isPlainMap, { error: REASON.map })
  .refine((value) => fits(value, LIMITS.metadataBytes), {
    error: REASON.payload(LIMITS.metadataBytes),
    params: { code: 'TOO_LARGE' },
  });

export const labels = z
  .record(name(LIMITS.keyBytes), text(LIMITS.labelBytes))
  .refine((map) => Object.keys(map).length <= LIMITS.labelsMax, {
    error: `must have at most ${LIMITS.labelsMax} members`,
  });

/** An array of up to `max` elements that differ in `key`. */
export function distinct<T extends z.ZodType>(
  element: T,
  max: number,
  key: (one: z.output<T>) => string,
): z.ZodType<z.output<T>[]> {
  return z
    .array(element)
    .max(max)
    .refine((all) => new Set(all.map(key)).size === all.length, { error: REASON.distinct });
}

export const capability = z.union(
  [name(LIMITS.typeBytes), z.object({ name: name(LIMITS.typeBytes), weight: int(1, LIMITS.weightMax) })],
  {
    error: `must be 1 to ${LIMITS.typeBytes} bytes of UTF-8 without control characters, or {name, weight: 1 to ${LIMITS.weightMax}}`,
  },
);
