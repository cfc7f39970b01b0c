/** What a map is, and what the meta of a frame must be. */
import type { Meta, Value, ValueMap } from './types.ts';

export function isMap(value: Value): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** The known members have their types; what bounds they have is the schema's. */
export function isMeta(meta: ValueMap): meta is ValueMap & Meta {
  return (
    isAbsentOr('string', meta['k']) &&
    isAbsentOr('string', meta['tp']) &&
    isAbsentOr('number', meta['dl']) &&
    isAbsentOr('number', meta['ack'])
  );
}

function isAbsentOr(type: 'string' | 'number', value: Value | undefined): boolean {
  return value === undefined || typeof value === type;
}
