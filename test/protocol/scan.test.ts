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

const reasonOf = (bytes: Uint8Array, limits = CLIENT_FRAME_LIMITS): ScanReason | 'ok' => {
  const scan = scanMessage(bytes, limits);
  return scan.ok ? 'ok' : scan.error.reason;
};

/** `[5, 1, {a: VALUE}]` with the value in hexadecimal. */
const around = (hex: string): Uint8Array => fromHex(`93 05 01 81 a161 ${hex}`);

/** Message in hexadecimal, reason, offset of the fault. */
const REFUSED: readonly (readonly [name: string, hex: string, reason: ScanReason, offset: number])[] = [
  ['nothing', '', 'empty', 0],
  ['not an array', '80', 'frame_shape', 0],
  ['a bare integer', '05', 'frame_shape', 0],
  ['two elements', '920501', 'frame_shape', 0],
  ['five elements', '950501808080', 'frame_shape', 0],
  ['array 16 of two', 'dc00020501', 'frame_shape', 0],
  ['array 32 of 2^32-1', 'ddffffffff', 'frame_shape', 0],
  ['array head cut', 'dc00', 'truncated', 0],
  ['op missing', '93', 'truncated', 1],
  ['op 0', '93000180', 'bad_op', 1],
  ['op 128', '93cc800180', 'bad_op', 1],
  ['op negative', '93ff0180', 'bad_op', 1],
  ['op text', '93a1610180', 'bad_op', 1],
  ['op fraction', '93cb3ff80000000000000180', 'bad_op', 1],
  ['op not finite', '93cb7ff00000000000000180', 'not_finite', 1],
  ['id negative', '9305ff80', 'bad_id', 2],
  ['id above 2^32-1', '9305cf000000010000000080', 'bad_id', 2],
  ['id above 2^53', '9305cf7fffffffffffffff80', 'int_out_of_range', 2],
  ['id nil', '9305c080', 'bad_id', 2],
  ['id text', '9305a13180', 'bad_id', 2],
  ['body nil', '930501c0', 'bad_body', 3],
  ['body array', '93050190', 'bad_body', 3],
  ['body missing', '930501', 'truncated', 3],
  ['meta nil', '94050180c0', 'bad_meta', 4],
  ['meta array', '9405018090', 'bad_meta', 4],
  ['meta missing', '94050180', 'truncated', 4],
  ['bytes after the last frame', '93050180c0', 'frame_shape', 4],
  ['second frame cut', '9305018093', 'truncated', 5],
  ['key integer', '93050181 01 c0', 'key_not_string', 4],
  ['key nil', '93050181 c0 c0', 'key_not_string', 4],
  ['key binary', '93050181 c40161 c0', 'key_not_string', 4],
  ['key __proto__', '93050181 a95f5f70726f746f5f5f 80', 'key_denied', 4],
  ['key constructor', '93050181 ab636f6e7374727563746f72 80', 'key_denied', 4],
  ['key prototype', '93050181 a970726f746f74797065 80', 'key_denied', 4],
  ['key __proto__ in a long head', '93050181 d9095f5f70726f746f5f5f 80', 'key_denied', 4],
  ['key __proto__ in meta', '94050180 81 a95f5f70726f746f5f5f 80', 'key_denied', 5],
  ['key twice', '93050182 a161 01 a161 02', 'key_duplicate', 7],
  ['key twice in two heads', '93050182 a161 01 d90161 02', 'key_duplicate', 7],
  ['key twice inside', '93050181 a162 82 a161 01 a161 02', 'key_duplicate', 10],
  ['empty key twice', '93050182 a0 01 a0 02', 'key_duplicate', 6],
  ['key of 129 bytes', '93050181 d981 61*129 c0', 'key_too_long', 4],
  ['key cut', '93050181 a361', 'truncated', 4],
  ['value missing', '93050181 a161', 'truncated', 6],
  ['nil where two values are due', '93050182 a161 c0', 'truncated', 3],
  ['text cut', toHex(around('a261')), 'truncated', 6],
  ['text of 2^32-1', toHex(around('dbffffffff')), 'truncated', 6],
  ['binary of 2^32-1', toHex(around('c6ffffffff')), 'truncated', 6],
  ['binary cut', toHex(around('c40261')), 'truncated', 6],
  ['array of 2^32-1', toHex(around('ddffffffff')), 'too_many_items', 6],
  ['map of 2^32-1', toHex(around('dfffffffff')), 'too_many_items', 6],
  ['array of more than there is', toHex(around('dc0010 c0')), 'truncated', 6],
  ['map of more than there is', toHex(around('de0002 a161 c0')), 'truncated', 6],
  ['float64 cut', toHex(around('cb00')), 'truncated', 6],
  ['NaN', toHex(around('cb7ff8000000000000')), 'not_finite', 6],
  ['-NaN', toHex(around('cbfff8000000000001')), 'not_finite', 6],
  ['Infinity', toHex(around('cb7ff0000000000000')), 'not_finite', 6],
  ['-Infinity', toHex(around('cbfff0000000000000')), 'not_finite', 6],
  ['float32', toHex(around('ca3fc00000')), 'float32', 6],
  ['2^53+1', toHex(around('cf0020000000000001')), 'int_out_of_range', 6],
  ['-2^53-1', toHex(around('d3ffdfffffffffffff')), 'int_out_of_range', 6],
  ['2^63 unsigned', toHex(around('cf8000000000000000')), 'int_out_of_range', 6],
  ['-2^63', toHex(around('d38000000000000000')), 'int_out_of_range', 6],
  ['0xc1', toHex(around('c1')), 'reserved_byte', 6],
  ['timestamp', toHex(around('d6ff00000000')), 'extension', 6],
  ['fixext 1 of type 0x70, a pointer of msgpackr', toHex(around('d47001')), 'extension', 6],
  ['fixext 1 of type 0x72, a record definition of msgpackr', toHex(around('d47240')), 'extension', 6],
  ['ext 8', toHex(around('c7014200')), 'extension', 6],
  ['ext 32 of 2^32-1', toHex(around('c9ffffffff42')), 'extension', 6],
  ['UTF-8: continuation missing', toHex(around('a2c328')), 'invalid_utf8', 7],
  ['UTF-8: lone continuation', toHex(around('a180')), 'invalid_utf8', 7],
  ['UTF-8: overlong /', toHex(around('a2c0af')), 'invalid_utf8', 7],
  ['UTF-8: overlong of three', toHex(around('a3e08080')), 'invalid_utf8', 7],
  ['UTF-8: overlong of four', toHex(around('a4f0808080')), 'invalid_utf8', 7],
  ['UTF-8: surrogate', toHex(around('a3eda080')), 'invalid_utf8', 7],
  ['UTF-8: above U+10FFFF', toHex(around('a4f4908080')), 'invalid_utf8', 7],
  ['UTF-8: cut in the string', '93050181a161a2e282', 'invalid_utf8', 7],
  ['UTF-8: in a key', '93050181 a2c328 c0', 'invalid_utf8', 5],
  ['UTF-8: late in a long text', `93050181a161 d964 61*99 ff`, 'invalid_utf8', 107],
];

describe('the scan refuses', () => {
  it.each(REFUSED)('%s', (...[, hex, reason, offset]) => {
    const scan = scanMessage(fromHex(hex));
    expect(scan).toEqual({ ok: false, error: { code: 'INVALID_FRAME', reason, offset } });
    expect(readMessage(fromHex(hex).length === 0 ? Uint8Array.of(0xc1) : fromHex(hex))).toBeUndefined();
  });

  it('for every reason that there is', () => {
    const elsewhere: ScanReason[] = ['message_too_large', 'too_many_frames', 'frame_too_large', 'too_deep'];
    expect(new Set([...REFUSED.map(([, , reason]) => reason), ...elsewhere])).toEqual(new Set(SCAN_REASONS));
  });
});

describe('the scan takes', () => {
  it.each([
    ['the shortest', '93050080'],
    ['a frame with meta', '9405018080'],
    ['array 16', 'dc0003050180'],
    ['array 32', 'dd00000003050180'],
    ['op and id in long formats', '93cd0005ce0000000180'],
    ['op and id as integral floats', '93cb4014000000000000cb41efffffffe0000080'],
    ['op and id as signed integers', '93d005d300000000ffffffff80'],
    ['map 16 and map 32 as body', 'dc0003050180930501de0000930501df00000000'],
    ['2^53', toHex(around('cf0020000000000000'))],
    ['-2^53', toHex(around('d3ffe0000000000000'))],
    ['the largest float', toHex(around('cb7fefffffffffffff'))],
    ['a key of 128 bytes', '93050181 d980 61*128 c0'],
    ['keys that share bytes', '93050183 a3616263 01 a3616463 02 a4616263 63 03'],
    ['one key on two levels', '93050182 a161 81 a161 c0 a162 c0'],
    ['one key in two elements', '93050181 a161 92 81 a161 c0 81 a161 c0'],
    ['a key near __proto__', '93050181 a95f5f70726f746f5f2e c0'],
    ['64 frames', '(93050080)*64'],
  ])('%s', (_name, hex) => {
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
