/**
 * Messages made to hurt a careless decoder. Each must be refused (or taken) with work in proportion to its bytes:
 * counted as reads of the message, since a count is the same on every machine, and as memory that stays.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { decodeFrames } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { scanMessage, SERVER_FRAME_LIMITS, type ScanReason } from '../../protocol/wire/scan.ts';
import { fromHex, toHex } from './hex.ts';
import { BOMBS } from './vectors/faults.ts';

const MIB = 1024 * 1024;

/** `{"k00000": nil, …}` with as many keys as given, all distinct, in a frame. */
function manyKeys(count: number): Uint8Array {
  const keys = Array.from(
    { length: count },
    (_none, i) => `a6${toHex(new TextEncoder().encode(`k${String(i).padStart(5, '0')}`))}c0`,
  );
  return fromHex(`930501 df${count.toString(16).padStart(8, '0')} ${keys.join('')}`);
}

/** 16 keys of 128 bytes that differ only where a quick look does not: the dearest comparison that there is. */
function alikeKeys(): Uint8Array {
  const keys = Array.from({ length: 16 }, (_none, i) => `d980 61*120 ${(0x61 + i).toString(16)} 61*7 c0`);
  return fromHex(`930501 de0010 ${keys.join(' ')}`);
}

const ALL: readonly { readonly name: string; readonly bytes: Uint8Array; readonly reason: ScanReason | 'ok' }[] = [
  ...BOMBS.map(({ name, hex, reason }) => ({ name, bytes: fromHex(hex), reason })),
  { name: 'as many keys as are allowed', bytes: manyKeys(4_997), reason: 'ok' },
  { name: 'more keys than are allowed', bytes: manyKeys(5_000), reason: 'too_many_items' },
  { name: '16 long keys that are nearly the same', bytes: alikeKeys(), reason: 'ok' },
  { name: 'a message over a megabyte', bytes: new Uint8Array(MIB + 1).fill(0x93), reason: 'message_too_large' },
];

describe('bombs', () => {
  it.each(ALL)('$name: $reason', ({ bytes, reason }) => {
    const counted = countReads(bytes);
    const scan = scanMessage(counted.bytes);
    expect(scan.ok ? 'ok' : scan.error.reason).toBe(reason);
    // A key may be compared with fifteen others; nothing else is looked at more than a few times.
    expect(counted.reads()).toBeLessThanOrEqual(bytes.length * 20 + 64);
  });

  it('that are refused for what they declare are refused at once', () => {
    const refused = ALL.filter(({ reason }) =>
      ['frame_shape', 'too_many_items', 'truncated', 'message_too_large', 'too_deep', 'extension'].includes(reason),
    );
    expect(refused.length).toBeGreaterThan(12);
    for (const { bytes, name } of refused) {
      const counted = countReads(bytes);
      scanMessage(counted.bytes);
      expect(counted.reads(), name).toBeLessThan(400);
    }
  });

  it('leave no memory behind, whichever comes', () => {
    const before = usedBytes();
    for (let round = 0; round < 20; round += 1) for (const { bytes } of ALL) decodeFrames(bytes);
    expect(usedBytes() - before).toBeLessThan(MIB);
  });

  it('do not unsettle the scan of the next message', () => {
    const good = fromHex('93050181a16101');
    for (const { bytes } of ALL) {
      scanMessage(bytes);
      expect(scanMessage(good).ok).toBe(true);
      expect(decodeFrames(good)).toEqual({ ok: true, value: [{ op: 5, id: 1, body: { a: 1 } }] });
    }
  });

  it('of the largest message that is allowed cost one pass over it', () => {
    const frame = `93050181a170 db0003ff00 61*261888`;
    const bytes = fromHex(`${frame} ${frame} ${frame} ${frame}`);
    expect(bytes.length).toBeLessThanOrEqual(LIMITS.messageBytes);
    const counted = countReads(bytes);
    expect(scanMessage(counted.bytes, SERVER_FRAME_LIMITS).ok).toBe(true);
    // Long texts are read four bytes at a time, past the count: what is counted is heads and keys.
    expect(counted.reads()).toBeLessThan(200);
  });
});

/** A view of the bytes that counts how often one is looked at. */
function countReads(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly reads: () => number } {
  let reads = 0;
  const proxy = new Proxy(bytes, {
    get: (target, key) => {
      if (typeof key === 'string' && key.charCodeAt(0) < 0x3a) reads += 1;
      return Reflect.get(target, key);
    },
  });
  return { bytes: proxy, reads: () => reads };
}

/** After a collection, which V8 makes on demand when told before that it may be asked to. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('no garbage collector to call');
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
