/** The strict scan: what it refuses and where, that it agrees with the reference, that bombs cost nothing. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFrames, encodeFrame } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import {
  CLIENT_FRAME_LIMITS,
  scanMessage,
  SCAN_REASONS,
  SERVER_FRAME_LIMITS,
  type ScanReason,
} from '../../protocol/wire/scan.ts';
import { Op } from '../../protocol/wire/types.ts';
import { damaged, frame, value } from './arbitrary.ts';
import { fromHex, toHex } from './hex.ts';
import { readMessage } from './reference.ts';
import { REFUSED, TAKEN } from './vectors/faults.ts';

const reasonOf = (bytes: Uint8Array, limits = CLIENT_FRAME_LIMITS): ScanReason | 'ok' => {
  const scan = scanMessage(bytes, limits);
  return scan.ok ? 'ok' : scan.error.reason;
};

describe('the scan refuses', () => {
  it.each(REFUSED)('$name', ({ hex, reason, offset }) => {
    const scan = scanMessage(fromHex(hex));
    expect(scan).toEqual({ ok: false, error: { code: 'INVALID_FRAME', reason, offset } });
    expect(readMessage(fromHex(hex).length === 0 ? Uint8Array.of(0xc1) : fromHex(hex))).toBeUndefined();
  });

  it('for every reason that there is', () => {
    const elsewhere: ScanReason[] = ['message_too_large', 'too_many_frames', 'frame_too_large', 'too_deep'];
    const ofText: ScanReason[] = ['json_syntax', 'bad_bin'];
    const found = new Set([...REFUSED.map(({ reason }) => reason), ...elsewhere]);
    expect(SCAN_REASONS.filter((reason) => !found.has(reason))).toEqual(ofText);
    expect(ofText.filter((reason) => found.has(reason))).toEqual([]);
  });
});

describe('the scan takes', () => {
  it.each(TAKEN)('$name', ({ hex }) => {
    expect(reasonOf(fromHex(hex))).toBe('ok');
    expect(readMessage(fromHex(hex))).toBeDefined();
  });

  it('and tells where the frames lie', () => {
    const scan = scanMessage(fromHex('93050180 94cb4014000000000000 07 81a161c0 81a16b a178'));
    expect(scan.ok && scan.value).toEqual([
      { start: 0, end: 4, op: 5, id: 1, bodyStart: 3, bodyEnd: 4 },
      { start: 4, end: 24, op: 5, id: 7, bodyStart: 15, bodyEnd: 19 },
    ]);
  });
});

describe('limits of the scan', () => {
  const nested = (levels: number): Uint8Array => fromHex(`93050181a161 91*${levels} c0`);

  it('depth: the frame is level 1, its body level 2', () => {
    expect(reasonOf(nested(LIMITS.depthMax - 2))).toBe('ok');
    expect(reasonOf(nested(LIMITS.depthMax - 1))).toBe('too_deep');
    expect(reasonOf(nested(LIMITS.depthMax - 1), SERVER_FRAME_LIMITS)).toBe('ok');
    expect(reasonOf(nested(SERVER_FRAME_LIMITS.depthMax - 1), SERVER_FRAME_LIMITS)).toBe('too_deep');
  });

  it('items: the frame, its elements, keys and values', () => {
    // The frame and its three elements, the key, the array.
    const room = LIMITS.itemsMax - 6;
    const array = (count: number): Uint8Array =>
      fromHex(`93050181a161 dd${count.toString(16).padStart(8, '0')} c0*${count}`);
    expect(reasonOf(array(room))).toBe('ok');
    expect(reasonOf(array(room + 1))).toBe('too_many_items');
    expect(reasonOf(array(room + 1), SERVER_FRAME_LIMITS)).toBe('ok');
  });

  it('frames of a message', () => {
    expect(scanMessage(fromHex('(93050080)*65'))).toMatchObject({ error: { reason: 'too_many_frames', offset: 256 } });
  });

  it('bytes of a frame and of a message', () => {
    const frameOf = (size: number): Uint8Array =>
      fromHex(`93050181a161 c6${(size - 11).toString(16).padStart(8, '0')} 00*${size - 11}`);
    expect(frameOf(100)).toHaveLength(100);
    expect(reasonOf(frameOf(LIMITS.frameBytes))).toBe('ok');
    expect(reasonOf(frameOf(LIMITS.frameBytes + 1))).toBe('frame_too_large');
    expect(scanMessage(fromHex('93050080*1048577'))).toMatchObject({
      error: { reason: 'message_too_large', offset: LIMITS.messageBytes },
    });
  });

  it('keys: as many as fit are told apart', () => {
    const many = Object.fromEntries(Array.from({ length: 3_000 }, (_none, i) => [`key${i}`, i]));
    const bytes = encodeFrame({ op: Op.REQUEST, id: 1, body: many });
    expect(reasonOf(bytes)).toBe('ok');
    const last = bytes.lastIndexOf(0x39); // the 9 of key2999 becomes an 8: key2998 twice
    const twice = bytes.slice();
    twice[last] = 0x38;
    expect(reasonOf(twice)).toBe('key_duplicate');
  });
});

describe('keys of one hash', () => {
  // "Aa" and "BB" weigh the same, and so does everything made of as many of them.
  const alike = Array.from({ length: 64 }, (_none, i) =>
    Array.from({ length: 6 }, (_bit, bit) => ((i >> bit) & 1 ? 'Aa' : 'BB')).join(''),
  );

  it.each([2, 16, 31, 32, 33, 64])('are told apart, %i in a map', (count) => {
    const keys = alike.slice(0, count);
    const body = (names: readonly string[]): string =>
      `930501 de${names.length.toString(16).padStart(4, '0')} ${names.map((key) => `ac${toHex(new TextEncoder().encode(key))}01`).join('')}`;
    expect(reasonOf(fromHex(body(keys)))).toBe('ok');
    expect(reasonOf(fromHex(body([...keys, keys[0] ?? ''])))).toBe('key_duplicate');
    expect(reasonOf(fromHex(body([...keys, keys[count - 1] ?? ''])))).toBe('key_duplicate');
  });

  it('are a map of its own each, inside and after one another', () => {
    expect(reasonOf(fromHex('93050183 a161 81a16101 a162 81a16101 a163 c0'))).toBe('ok');
    expect(reasonOf(fromHex('93050183 a161 81a16101 a162 c0 a161 c0'))).toBe('key_duplicate');
  });
});

describe('the scan and the reference', () => {
  it('agree on what frames say', () => {
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 3 }), (frames) => {
        const bytes = fromHex(frames.map((one) => toHex(encodeFrame(one))).join(''));
        expect(decodeFrames(bytes)).toEqual({ ok: true, value: frames });
        expect(readMessage(bytes)).toEqual(frames);
      }),
    );
  });

  it('agree on damaged frames', () => {
    fc.assert(
      fc.property(
        frame.chain((one) => damaged(encodeFrame(one))),
        (bytes) => {
          const scan = bytes.length === 0 ? undefined : decodeFrames(bytes, { ...CLIENT_FRAME_LIMITS, itemsMax: 1e9 });
          const reference = bytes.length === 0 ? undefined : readMessage(bytes);
          // Types inside meta are beyond the profile: the reference does not look at them.
          fc.pre(scan?.ok !== false || scan.error.reason !== 'bad_meta');
          expect(scan?.ok === true ? scan.value : undefined).toEqual(reference);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('agree on arbitrary bytes', () => {
    const bytes = fc
      .uint8Array({ minLength: 1, maxLength: 12 })
      .map((tail) => Uint8Array.of(0x93, 5, 1, 0x81, 0xa1, 0x61, ...tail));
    fc.assert(
      fc.property(bytes, (message) => {
        const decoded = decodeFrames(message, { ...CLIENT_FRAME_LIMITS, itemsMax: 1e9 });
        expect(decoded.ok ? decoded.value : undefined).toEqual(readMessage(message));
      }),
      { numRuns: 3_000 },
    );
  });

  it('refuse every frame that is cut', () => {
    fc.assert(
      fc.property(value, (one) => {
        const bytes = encodeFrame({ op: 5, id: 1, body: { a: one } });
        for (let end = 1; end < bytes.length; end += Math.max(1, bytes.length >> 6)) {
          const scan = scanMessage(bytes.slice(0, end));
          expect(scan).toMatchObject({ ok: false, error: { reason: 'truncated' } });
        }
      }),
    );
  });
});
