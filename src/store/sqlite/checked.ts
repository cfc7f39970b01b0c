/** Blobs of the store, each with a CRC-32 behind it: a flipped bit is seen when the blob is read. */
import { crc32 } from 'node:zlib';

const crcBytes = 4;

export function withCheck(bytes: Uint8Array): Uint8Array {
  const stored = new Uint8Array(bytes.length + crcBytes);
  stored.set(bytes);
  new DataView(stored.buffer).setUint32(bytes.length, crc32(bytes));
  return stored;
}

/** What was stored, as a view; undefined if it is damaged. */
export function checked(stored: unknown): Uint8Array | undefined {
  if (!(stored instanceof Uint8Array) || stored.length < crcBytes) return undefined;
  const end = stored.length - crcBytes;
  const bytes = stored.subarray(0, end);
  const crc = new DataView(stored.buffer, stored.byteOffset + end, crcBytes).getUint32(0);
  return crc === crc32(bytes) ? bytes : undefined;
}
