import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  chainNext,
  chainStart,
  EnvelopeKind,
  overheadBytes,
  seal,
  sealInPlace,
  unseal,
} from '../../src/log/envelope.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const stamp = { kind: EnvelopeKind.entry, epoch: 3, ts: 1_700_000_000_123 } as const;

/** What the first release wrote: every later one reads it and writes the same. */
const golden = [
  '01', // version
  '01', // kind: entry
  '0000', // key id: in the clear
  '00000003', // epoch
  '0000018bcfe5687b', // ts
  '00000005', // length of the payload
  '68656c6c6f', // payload
  'fcb7f568', // CRC-32
].join('');

describe('envelope', () => {
  test('the bytes are those of the first release', () => {
    expect(hex(seal(stamp, bytes('hello')))).toBe(golden);
    expect(unseal(EnvelopeKind.entry, Buffer.from(golden, 'hex'))).toEqual({
      ok: true,
      value: { ...stamp, payload: Buffer.from('hello') },
    });
  });

  test('the chain is that of the first release', () => {
    const start = chainStart('log-1');
    expect(hex(start)).toBe('b8260cf725d5deb6f832dd098154d7f7210228babf6243e7b2324998876a31ea');
    expect(hex(chainNext(start, Buffer.from(golden, 'hex')))).toBe(
      '941d0f699a725cbca105d9b9c6b1dd7457c6283a1ed02bf12b9eab0a84f843af',
    );
  });

  test.each([
    ['nothing', '', 0],
    ['an empty payload', '', 1_700_000_000_000],
    ['the largest time', 'x', Number.MAX_SAFE_INTEGER],
  ])('%s goes and comes back', (_, payload, ts) => {
    const sealed = seal({ kind: EnvelopeKind.chunk, epoch: 2 ** 32 - 1, ts }, bytes(payload));
    expect(sealed.length).toBe(overheadBytes + payload.length);
    const opened = unseal(EnvelopeKind.chunk, sealed);
    expect(opened).toMatchObject({ ok: true, value: { kind: 2, epoch: 2 ** 32 - 1, ts } });
  });

  test('an envelope may be completed around a payload inside a larger buffer', () => {
    const area = new Uint8Array(new SharedArrayBuffer(100)).fill(0xee);
    area.set(bytes('hello'), 7 + 20);
    sealInPlace(area, { offset: 7, payloadBytes: 5 }, stamp);
    expect(hex(area.subarray(7, 7 + overheadBytes + 5))).toBe(golden);
    expect([area[6], area[7 + overheadBytes + 5]]).toEqual([0xee, 0xee]);
  });

  test('every flipped bit and every cut is seen', () => {
    const sealed = Buffer.from(golden, 'hex');
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = new Uint8Array(sealed);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(unseal(EnvelopeKind.entry, flipped)).toEqual({ ok: false, error: 'CORRUPT' });
    }
    for (let length = 0; length < sealed.length; length += 1) {
      expect(unseal(EnvelopeKind.entry, sealed.subarray(0, length))).toEqual({ ok: false, error: 'CORRUPT' });
    }
    expect(unseal(EnvelopeKind.entry, Buffer.concat([sealed, Buffer.alloc(1)]))).toEqual({
      ok: false,
      error: 'CORRUPT',
    });
  });

  test.each([
    ['another version', 0, 2],
    ['a key', 3, 1],
  ])('an intact envelope of %s is told from damage', (_, at, value) => {
    const foreign = new Uint8Array(Buffer.from(golden, 'hex'));
    foreign[at] = value;
    const end = foreign.length - 4;
    new DataView(foreign.buffer).setUint32(end, crc32(foreign.subarray(0, end)));
    expect(unseal(EnvelopeKind.entry, foreign)).toEqual({ ok: false, error: 'VERSION' });
  });

  test('an envelope of another kind is refused', () => {
    expect(unseal(EnvelopeKind.chunk, Buffer.from(golden, 'hex'))).toEqual({ ok: false, error: 'CORRUPT' });
  });
});
