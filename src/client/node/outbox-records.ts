/**
 * The bytes of an outbox file.
 *
 *     header   "MUSTEROB" and the version as 4 bytes, big-endian
 *     record   length of the payload (4 bytes), CRC-32 of the payload (4 bytes), payload
 *     payload  MessagePack: [1, key, method, params] to put, [2, key] to drop
 */
import { crc32 } from 'node:zlib';
import { decodeValue, encodeValue } from '../../../protocol/wire/codec.ts';
import type { Value } from '../../../protocol/wire/types.ts';
import type { StoredRequest } from '../outbox.ts';

const VERSION = 1;
export const HEADER = Uint8Array.of(...new TextEncoder().encode('MUSTEROB'), 0, 0, 0, VERSION);
const HEAD = 8;
const PUT = 1;
const DROP = 2;

export interface LiveRecord {
  readonly request: StoredRequest;
  /** The whole record, for a file that is written anew. */
  readonly bytes: Uint8Array;
}

export function putRecord(request: StoredRequest): Uint8Array {
  return record([PUT, request.key, request.method, request.params]);
}

export function dropRecord(key: string): Uint8Array {
  return record([DROP, key]);
}

/** True for an empty file and for a header that was not written to its end, too: both are outboxes in the making. */
export function startsAsOutbox(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, HEADER.length);
  for (let i = 0; i < length; i += 1) if (bytes[i] !== HEADER[i]) return false;
  return true;
}

/** What was put and not dropped, and where the last whole record ends. */
export function readRecords(bytes: Uint8Array): {
  readonly records: ReadonlyMap<string, LiveRecord>;
  readonly end: number;
} {
  const records = new Map<string, LiveRecord>();
  if (bytes.length < HEADER.length) return { records, end: 0 };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = HEADER.length;
  while (end + HEAD <= bytes.length) {
    const next = end + HEAD + view.getUint32(end);
    if (next > bytes.length) break;
    const payload = bytes.subarray(end + HEAD, next);
    if (crc32(payload) !== view.getUint32(end + 4)) break;
    if (!apply(records, payload, bytes.slice(end, next))) break;
    end = next;
  }
  return { records, end };
}

function apply(records: Map<string, LiveRecord>, payload: Uint8Array, bytes: Uint8Array): boolean {
  const value = decode(payload);
  if (!Array.isArray(value)) return false;
  const [kind, key, method, params] = value as readonly Value[];
  if (typeof key !== 'string') return false;
  if (kind === DROP) {
    records.delete(key);
    return true;
  }
  if (kind !== PUT || typeof method !== 'string' || params === undefined) return false;
  records.set(key, { request: { key, method, params }, bytes });
  return true;
}

/** A length of 0 has a CRC of 0: a stretch of zeros, as a torn file may end in, is no record. */
function decode(payload: Uint8Array): Value | undefined {
  if (payload.length === 0) return undefined;
  try {
    return decodeValue(payload);
  } catch {
    return undefined;
  }
}

function record(value: readonly Value[]): Uint8Array {
  const payload = encodeValue(value);
  const bytes = new Uint8Array(HEAD + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length);
  view.setUint32(4, crc32(payload));
  bytes.set(payload, HEAD);
  return bytes;
}
