/**
 * A push as bytes: `[to, event, topic, order, data]`, MessagePack. Made once for each push, when its entry was
 * applied; ring and history keep these bytes and not the push, so what is kept for those who come back is no work
 * for the garbage collector.
 */
import { decodeValue, encodeBy } from '../../protocol/wire/codec.ts';
import type { Data, Value } from '../../protocol/wire/types.ts';
import { assert } from '../base/assert.ts';
import type { PackedPush, StoredPush } from './port.ts';

/** What of a push is kept; the engine's pushes have it, and more. */
interface Kept {
  readonly rev: number;
  readonly to: readonly string[];
  readonly event: string;
  readonly topic?: string | undefined;
  readonly order?: unknown;
  readonly data: Data;
}

export function packPush({ rev, to, event, topic, order, data }: Kept): PackedPush {
  const record = encodeBy((write) => {
    write.arrayHead(5);
    write.arrayHead(to.length);
    for (const audience of to) write.string(audience);
    write.string(event);
    write.value(topic ?? null);
    write.value(order === undefined ? null : true);
    write.value(data);
  });
  return { rev, to, record };
}

export function unpackPush(rev: number, record: Uint8Array): StoredPush {
  const value = decodeValue(record);
  assert(Array.isArray(value), 'a record is an array');
  const cells: readonly Value[] = value;
  const [to, event, topic, order, data] = cells;
  assert(isStrings(to) && typeof event === 'string' && data !== undefined, 'a record that was not written here');
  return {
    rev,
    to,
    event,
    data,
    ...(typeof topic === 'string' ? { topic } : undefined),
    ...(order === true ? { order } : undefined),
  };
}

function isStrings(value: Value | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
