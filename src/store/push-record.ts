/**
 * A push as bytes: `[to, order, at, {e, t, d}]`, MessagePack; `at` lacks in what was written first. Made once for each push, when its entry was applied; ring
 * and history keep these bytes and not the push, so what is kept for those who come back is no work for the garbage
 * collector. The members of the map are those of the body of its frame, which is put together from them.
 */
import { decodeValue, encodeBy, isMap, Key } from '../../protocol/wire/codec.ts';
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

const KEYS = { e: new Key('e'), t: new Key('t'), d: new Key('d') };

/** `at`: the time of its entry. */
export function packPush({ rev, to, event, topic, order, data }: Kept, at: number): PackedPush {
  let members = 0;
  const record = encodeBy((write) => {
    write.arrayHead(4);
    write.arrayHead(to.length);
    for (const audience of to) write.string(audience);
    write.value(order === undefined ? null : true);
    write.number(at);
    write.mapHead(topic === undefined ? 2 : 3);
    members = write.written;
    write.keyed(KEYS.e, event);
    if (topic !== undefined) write.keyed(KEYS.t, topic);
    write.keyed(KEYS.d, data);
  });
  // Nobody is of the audience that guards it: it is found by the others.
  return { rev, to: to[0]?.startsWith('g:') === true ? to.slice(1) : to, record, members };
}

export function unpackPush(rev: number, record: Uint8Array): StoredPush {
  const value = decodeValue(record);
  assert(Array.isArray(value), 'a record is an array');
  const cells: readonly Value[] = value;
  const [to, order] = cells;
  const body = cells.at(-1);
  const at = cells.length === 4 ? cells[2] : undefined;
  assert(isStrings(to) && body !== undefined && isMap(body), 'a record that was not written here');
  const { e: event, t: topic, d: data } = body;
  assert(typeof event === 'string' && data !== undefined, 'a record that was not written here');
  return {
    rev,
    to,
    event,
    data,
    ...(typeof at === 'number' ? { at } : undefined),
    ...(typeof topic === 'string' ? { topic } : undefined),
    ...(order === true ? { order } : undefined),
  };
}

function isStrings(value: Value | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
