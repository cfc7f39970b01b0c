/**
 * A run of verified entries as one buffer, from the worker to the main thread.
 *
 *     per entry: u32 payload length · u32 epoch · f64 ts · payload · 32 bytes chain, numbers little-endian
 */
import { chainBytes } from '../envelope.ts';
import type { LogEntry } from '../port.ts';

const entryHeaderBytes = 16;

export function packEntries(entries: readonly LogEntry[]): Uint8Array {
  let size = 0;
  for (const { payload } of entries) size += entryHeaderBytes + payload.length + chainBytes;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { payload, epoch, ts, chain } of entries) {
    view.setUint32(at, payload.length, true);
    view.setUint32(at + 4, epoch, true);
    view.setFloat64(at + 8, ts, true);
    at += entryHeaderBytes;
    bytes.set(payload, at);
    at += payload.length;
    bytes.set(chain, at);
    at += chainBytes;
  }
  return bytes;
}

/** The entries in `bytes`, as views of it. */
export function unpackEntries(bytes: Uint8Array, first: number): LogEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: LogEntry[] = [];
  let at = 0;
  while (at < bytes.length) {
    const payloadBytes = view.getUint32(at, true);
    const epoch = view.getUint32(at + 4, true);
    const ts = view.getFloat64(at + 8, true);
    at += entryHeaderBytes;
    const payload = bytes.subarray(at, at + payloadBytes);
    at += payloadBytes;
    entries.push({ seq: first + entries.length, epoch, ts, payload, chain: bytes.subarray(at, at + chainBytes) });
    at += chainBytes;
  }
  return entries;
}
