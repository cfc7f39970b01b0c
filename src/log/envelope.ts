/**
 * The stored bytes of a log entry, a snapshot chunk and a record of a driver, and the chain over entries.
 *
 * Owns: the layout below, its checks, the chain. Does not own: where the bytes are kept, what a payload means.
 *
 *     offset  size  field (big-endian)
 *     0       1     version, 1
 *     1       1     kind: 1 entry, 2 snapshot chunk, 3 record of a driver
 *     2       2     key id, 0 = the payload is in the clear
 *     4       4     epoch
 *     8       8     ts, wall ms
 *     16      4     length of the payload
 *     20      n     payload
 *     20+n    4     CRC-32 of everything before it
 *
 * E1 The chain is over the stored bytes, so that it can be verified without a key.
 * E2 The CRC stands last in every version: damage is told from an unknown version.
 */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { LogFaultName } from './port.ts';

export const EnvelopeKind = { entry: 1, chunk: 2, record: 3 } as const;
export type EnvelopeKind = (typeof EnvelopeKind)[keyof typeof EnvelopeKind];

export const headerBytes = 20;
export const trailerBytes = 4;
export const overheadBytes = headerBytes + trailerBytes;
export const chainBytes = 32;

const version = 1;
const keyClear = 0;
const two32 = 2 ** 32;

/** What the header says beside the payload. */
export interface Stamp {
  readonly kind: EnvelopeKind;
  readonly epoch: number;
  readonly ts: number;
}

export interface Envelope extends Stamp {
  readonly payload: Uint8Array;
}

/** Completes an envelope around a payload that stands already at `offset + headerBytes` of `target`. */
export function sealInPlace(target: Uint8Array, at: { offset: number; payloadBytes: number }, stamp: Stamp): void {
  const { offset, payloadBytes } = at;
  const end = offset + headerBytes + payloadBytes;
  assert(end + trailerBytes <= target.length, 'an envelope must fit its buffer');
  assert(Number.isSafeInteger(stamp.ts) && stamp.ts >= 0, 'ts is a non-negative integer');
  assert(stamp.epoch >= 0 && stamp.epoch < two32 && Number.isInteger(stamp.epoch), 'epoch is a uint32');
  const view = new DataView(target.buffer, target.byteOffset + offset, overheadBytes + payloadBytes);
  view.setUint8(0, version);
  view.setUint8(1, stamp.kind);
  view.setUint16(2, keyClear);
  view.setUint32(4, stamp.epoch);
  view.setUint32(8, Math.floor(stamp.ts / two32));
  view.setUint32(12, stamp.ts % two32);
  view.setUint32(16, payloadBytes);
  view.setUint32(headerBytes + payloadBytes, crc32(target.subarray(offset, end)));
}

export function seal(stamp: Stamp, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(overheadBytes + payload.length);
  bytes.set(payload, headerBytes);
  sealInPlace(bytes, { offset: 0, payloadBytes: payload.length }, stamp);
  return bytes;
}

/** The envelope in `bytes`, with the payload as a view of them; or why they are not one. */
export function unseal(kind: EnvelopeKind, bytes: Uint8Array): Result<Envelope, LogFaultName> {
  if (bytes.length < overheadBytes) return err('CORRUPT');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = bytes.length - trailerBytes;
  if (view.getUint32(end) !== crc32(bytes.subarray(0, end))) return err('CORRUPT');
  if (view.getUint8(0) !== version || view.getUint16(2) !== keyClear) return err('VERSION'); // E2
  if (view.getUint8(1) !== kind || view.getUint32(16) !== end - headerBytes) return err('CORRUPT');
  return ok({
    kind,
    epoch: view.getUint32(4),
    ts: view.getUint32(8) * two32 + view.getUint32(12),
    payload: bytes.subarray(headerBytes, end),
  });
}

/** The chain before the first entry. */
export function chainStart(logId: string): Uint8Array {
  return sha256(new TextEncoder().encode(logId));
}

/** The chain after an entry, of the chain before it and the entry's stored bytes. */
export function chainNext(previous: Uint8Array, stored: Uint8Array): Uint8Array {
  assert(previous.length === chainBytes, 'a chain has 32 bytes');
  const both = new Uint8Array(chainBytes + stored.length);
  both.set(previous);
  both.set(stored, chainBytes);
  return sha256(both);
}

/** Computes chains without memory of its own for each: for walks over many entries. */
export class Chainer {
  #scratch = new Uint8Array(4096);

  /** As `chainNext`. */
  next(previous: Uint8Array, stored: Uint8Array): Uint8Array {
    const end = chainBytes + stored.length;
    if (end > this.#scratch.length) this.#scratch = new Uint8Array(2 * end);
    this.#scratch.set(previous);
    this.#scratch.set(stored, chainBytes);
    return sha256(this.#scratch.subarray(0, end));
  }
}

/** As `chainNext`, of a buffer in which the chain before and the stored bytes stand side by side. */
export function chainOf(previousAndStored: Uint8Array): Uint8Array {
  return sha256(previousAndStored);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}
