/** Encoding and decoding: nothing is lost, integers stay integers, what the profile does not know is refused. */
import * as fc from 'fast-check';
import { Packr, Unpackr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import {
  concatFrames,
  decodeFrames,
  decodeValue,
  EncodeError,
  encodeFrame,
  encodeFrameParts,
  encodeValue,
  readMessage,
  requestHash,
  valueHash,
} from '../../protocol/wire/codec.ts';
import { Decoder } from '../../protocol/wire/decode.ts';
import { Encoder } from '../../protocol/wire/encode.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type Frame, type Value } from '../../protocol/wire/types.ts';
import { frame, map, number, text, value } from './arbitrary.ts';
import { fromHex, toHex } from './hex.ts';

const hexOf = (one: unknown): string => toHex(encodeValue(one));

/** Value, canonical bytes. */
const CANONICAL: readonly (readonly [unknown, string])[] = [
  [null, 'c0'],
  [undefined, 'c0'],
  [false, 'c2'],
  [true, 'c3'],
  [0, '00'],
  [-0, '00'],
  [127, '7f'],
  [128, 'cc80'],
  [255, 'ccff'],
  [256, 'cd0100'],
  [65_535, 'cdffff'],
  [65_536, 'ce00010000'],
  [2 ** 31 - 1, 'ce7fffffff'],
  [2 ** 31, 'ce80000000'],
  [2 ** 32 - 1, 'ceffffffff'],
  [2 ** 32, 'cf0000000100000000'],
  [
    1_767_000_000_000,
    'cf0000019b68ca1e00'.replace('68ca1e00', (1_767_000_000_000 % 2 ** 32).toString(16).padStart(8, '0')),
  ],
  [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
  [-1, 'ff'],
  [-32, 'e0'],
  [-33, 'd0df'],
  [-128, 'd080'],
  [-129, 'd1ff7f'],
  [-32_768, 'd18000'],
  [-32_769, 'd2ffff7fff'],
  [-(2 ** 31), 'd280000000'],
  [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
  [Number.MIN_SAFE_INTEGER, 'd3ffe0000000000001'],
  [1.5, 'cb3ff8000000000000'],
  [5.0, '05'],
  [2 ** 60, 'cb43b0000000000000'],
  ['', 'a0'],
  ['abc', 'a3616263'],
  ['é', 'a2c3a9'],
  ['a'.repeat(31), `bf${'61'.repeat(31)}`],
  ['a'.repeat(32), `d920${'61'.repeat(32)}`],
  ['é'.repeat(16), `d920${'c3a9'.repeat(16)}`],
  ['a'.repeat(255), `d9ff${'61'.repeat(255)}`],
  ['a'.repeat(256), `da0100${'61'.repeat(256)}`],
  ['é'.repeat(128), `da0100${'c3a9'.repeat(128)}`],
  ['a'.repeat(65_536), `db00010000${'61'.repeat(65_536)}`],
  [new Uint8Array(0), 'c400'],
  [Uint8Array.of(1, 2), 'c4020102'],
  [new Uint8Array(256), `c50100${'00'.repeat(256)}`],
  [new Uint8Array(65_536), `c600010000${'00'.repeat(65_536)}`],
  [[], '90'],
  [[1, undefined], '9201c0'],
  [Array.from({ length: 16 }, () => 0), `dc0010${'00'.repeat(16)}`],
  [{}, '80'],
  [{ a: 1, b: undefined, c: 2 }, '82a16101a16302'],
  [
    Object.fromEntries(Array.from({ length: 16 }, (_none, i) => [String.fromCharCode(97 + i), 0])),
    `de0010${Array.from({ length: 16 }, (_none, i) => `a1${(0x61 + i).toString(16)}00`).join('')}`,
  ],
];

describe('values', () => {
  it.each(CANONICAL)('%j', (one, hex) => {
    expect(hexOf(one)).toBe(hex);
  });

  it('come back as they went', () => {
    fc.assert(
      fc.property(value, (one) => {
        expect(decodeValue(encodeValue(one))).toEqual(one);
      }),
    );
  });

  it('numbers and texts at every edge come back', () => {
    fc.assert(
      fc.property(number, (one) => {
        expect(decodeValue(encodeValue(one))).toBe(one);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(text, (one) => {
        expect(decodeValue(encodeValue(one))).toBe(one);
      }),
      { numRuns: 1_000 },
    );
  });

  it('and texts are the same on a platform without Buffer', () => {
    const decoder = new Decoder(true);
    const encoder = new Encoder(true);
    const texts = fc.oneof(text, fc.string({ unit: 'binary', maxLength: 300 }));
    // Halves of surrogate pairs too, which become U+FFFD everywhere.
    const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 100 });
    const halves = units.map((codes) => String.fromCharCode(...codes));
    fc.assert(
      fc.property(fc.oneof(texts, halves), (one) => {
        encoder.begin();
        encoder.value([one, { a: one }]);
        const bytes = encoder.finish();
        expect(toHex(bytes)).toBe(hexOf([one, { a: one }]));
        decoder.open(bytes);
        expect(decoder.at(0)).toEqual(decodeValue(bytes));
        decoder.close();
      }),
      { numRuns: 2_000 },
    );
    expect(toHex(encodeValue('\ud800'.repeat(33)))).toBe(`d963${'efbfbd'.repeat(33)}`);
  });

  it('that came before are told from those that differ in one place', () => {
    for (const size of [1, 2, 3, 4, 5, 8, 13, 31, 32, 33]) {
      const base = 'a'.repeat(size);
      const near = [base, ...Array.from(base, (_letter, i) => `${base.slice(0, i)}b${base.slice(i + 1)}`), `${base}a`];
      for (let round = 0; round < 4; round += 1) {
        for (const one of near) {
          expect(decodeValue(encodeValue([one, one, { [one]: one }]))).toEqual([one, one, { [one]: one }]);
        }
      }
    }
  });

  it('are read by another library as they were meant', () => {
    const other = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });
    fc.assert(
      fc.property(map, (one) => {
        expect(bytesAsPlain(other.unpack(encodeValue(one)) as Value)).toEqual(one);
      }),
    );
  });

  it('of another library are read as they were meant, its float64 integers too', () => {
    const other = new Packr({ useRecords: false });
    fc.assert(
      fc.property(frame, (one) => {
        const bytes = other.pack(
          one.meta === undefined ? [one.op, one.id, one.body] : [one.op, one.id, one.body, one.meta],
        );
        expect(decodeFrames(bytes)).toEqual({ ok: true, value: [one] });
      }),
    );
  });

  it('hold nothing of the bytes that they came from', () => {
    const bytes = encodeFrame({ op: 5, id: 1, body: { data: Uint8Array.of(1, 2, 3), text: 'abc' } }).slice();
    const decoded = decodeFrames(bytes);
    bytes.fill(0);
    expect(decoded).toEqual({
      ok: true,
      value: [{ op: 5, id: 1, body: { data: Uint8Array.of(1, 2, 3), text: 'abc' } }],
    });
    const data = decoded.ok ? decoded.value[0]?.body['data'] : undefined;
    expect(data instanceof Uint8Array && data.buffer.byteLength).toBe(3);
  });

  it.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol('a')],
    ['a date', new Date(0)],
    ['a Map', new Map()],
    ['a class', new URL('http://localhost')],
    ['another typed array', new Uint16Array(1)],
    ['__proto__ as a key', JSON.parse('{"__proto__": 1}')],
    ['constructor as a key', { constructor: 1 }],
    ['prototype as a key', { prototype: 1 }],
    ['a key of 129 bytes', { ['k'.repeat(129)]: 1 }],
    ['a key of 43 characters and 129 bytes', { ['€'.repeat(43)]: 1 }],
    ['a circle', circle()],
  ])('refuses %s', (_name, one) => {
    expect(() => encodeValue({ deep: [one] })).toThrow(EncodeError);
    expect(hexOf({ a: 1 })).toBe('81a16101');
  });

  it('takes keys of 128 bytes and objects without a prototype', () => {
    const bare: { [key: string]: number } = Object.assign(Object.create(null) as object, { ['k'.repeat(128)]: 1 });
    expect(decodeValue(encodeValue(bare))).toEqual({ ['k'.repeat(128)]: 1 });
  });

  it('replaces lone surrogates, which UTF-8 cannot carry', () => {
    expect(decodeValue(encodeValue('a\ud800b'))).toBe('a\ufffdb');
    expect(decodeValue(encodeValue(`${'x'.repeat(80)}\udc00`))).toBe(`${'x'.repeat(80)}\ufffd`);
  });

  it('refuses trailing and missing bytes of our own', () => {
    expect(() => decodeValue(fromHex('0101'))).toThrow('more bytes');
    expect(() => decodeValue(fromHex('92'))).toThrow('too early');
    expect(() => decodeValue(fromHex('d90561'))).toThrow('too early');
    expect(() => decodeValue(fromHex('c7010000'))).toThrow('outside the profile');
  });
});

describe('the memory of results', () => {
  it('is not written again, however much follows', () => {
    const first = Array.from({ length: 3_000 }, (_none, i) => ({
      i,
      bytes: encodeFrameParts(Op.RESULT, i, { rev: i, text: 'x'.repeat(i % 200) }),
    }));
    encodeValue('y'.repeat(200_000));
    for (const { i, bytes } of first) {
      expect(decodeFrames(bytes)).toEqual({
        ok: true,
        value: [{ op: Op.RESULT, id: i, body: { rev: i, text: 'x'.repeat(i % 200) } }],
      });
    }
  });

  it('is right for results larger than a block, and after a refusal', () => {
    for (const size of [60_000, 65_530, 65_536, 200_000, 1_000_000]) {
      expect(() => encodeValue([1, Number.NaN])).toThrow(EncodeError);
      const bytes = new Uint8Array(size).fill(7);
      const numbers = Array.from({ length: 1_000 }, (_none, k) => k);
      const [text, same, list] = decodeValue(encodeValue(['é'.repeat(size), bytes, numbers])) as readonly Value[];
      expect(text === 'é'.repeat(size)).toBe(true);
      expect(Buffer.compare(same as Uint8Array, bytes)).toBe(0);
      expect(list).toEqual(numbers);
      expect(hexOf(1)).toBe('01');
    }
  });
});

describe('frames', () => {
  it('come back as they went, alone and back to back', () => {
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 5 }), (frames) => {
        const message = concatFrames(frames.map((one) => encodeFrame(one)));
        expect(decodeFrames(message)).toEqual({ ok: true, value: frames });
      }),
    );
  });

  it('are told apart by their spans', () => {
    const frames: Frame[] = [
      { op: 5, id: 1, body: { m: 'a' } },
      { op: 5, id: 2, body: { m: 'b' }, meta: { ack: 1 } },
    ];
    const message = concatFrames(frames.map((one) => encodeFrame(one)));
    const { frames: read } = readMessage(message);
    expect(read.map(({ start, end }) => decodeFrames(message.subarray(start, end)))).toEqual(
      frames.map((one) => ({ ok: true, value: [one] })),
    );
  });

  it('with an ill-typed meta are refused', () => {
    for (const meta of [{ k: 1 }, { tp: null }, { dl: '5' }, { ack: true }]) {
      const bytes = encodeValue([5, 1, {}, meta]);
      expect(decodeFrames(bytes)).toEqual({
        ok: false,
        error: { code: 'INVALID_FRAME', offset: 4, reason: 'bad_meta' },
      });
    }
    expect(decodeFrames(encodeValue([5, 1, {}, { later: [] }])).ok).toBe(true);
  });

  it('with undefined members leave them out', () => {
    expect(toHex(encodeFrameParts(Op.ERROR, 3, { code: 'X', details: undefined }))).toBe('93090381a4636f6465a158');
  });

  it('are never empty messages', () => {
    expect(concatFrames([])).toHaveLength(0);
    expect(decodeFrames(concatFrames([]))).toMatchObject({ error: { reason: 'empty' } });
  });
});

describe('hashes', () => {
  it('of bytes tell one changed byte', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (bytes, at, change) => {
          const other = bytes.slice();
          const i = at % bytes.length;
          other[i] = (other[i] ?? 0) ^ change;
          expect(requestHash(other, 0, other.length)).not.toBe(requestHash(bytes, 0, bytes.length));
        },
      ),
    );
  });

  it('of bytes depend on the range alone, not on what stands around it', () => {
    const bytes = fromHex('ff 93050180 ff');
    expect(requestHash(bytes, 1, 5)).toBe(requestHash(fromHex('93050180'), 0, 4));
    expect(requestHash(bytes, 1, 4)).not.toBe(requestHash(bytes, 1, 5));
    expect(requestHash(fromHex('00'), 0, 1)).not.toBe(requestHash(fromHex('0000'), 0, 2));
  });

  it('of values do not know the order of keys or the format of numbers', () => {
    fc.assert(
      fc.property(map, (one) => {
        const turned = Object.fromEntries(Object.entries(one).toReversed());
        expect(valueHash(turned)).toBe(valueHash(one));
        expect(valueHash(decodeValue(encodeValue(one)))).toBe(valueHash(one));
      }),
    );
  });

  it('of values tell unequal ones apart', () => {
    const unequal: Value[] = [
      null,
      false,
      true,
      0,
      1,
      -1,
      0.5,
      2 ** 40,
      '',
      '0',
      'a',
      'b',
      'ab',
      'ba',
      [],
      [[]],
      {},
      [{}],
      [1, 2],
      [2, 1],
      { a: 1 },
      { a: '1' },
      { b: 1 },
      { a: { b: 1 } },
      { a: 1, b: 2 },
      { a: 2, b: 1 },
      new Uint8Array(0),
      Uint8Array.of(0),
      [0],
    ];
    expect(new Set(unequal.map(valueHash)).size).toBe(unequal.length);
  });

  it('do not collide among many small bodies, and are exact integers', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 20_000; i += 1) {
      const bytes = encodeValue({ m: 'task.complete', p: { id: `tsk_${i}`, token: String(i) } });
      seen.add(requestHash(bytes, 0, bytes.length));
      seen.add(valueHash({ id: `tsk_${i}`, token: String(i) }));
    }
    expect(seen.size).toBe(40_000);
    expect([...seen].every((hash) => Number.isSafeInteger(hash) && hash >= 0 && hash < 2 ** 52)).toBe(true);
  });
});

function circle(): object {
  const ring: { [key: string]: unknown } = {};
  ring['self'] = ring;
  return ring;
}

/** Buffers as plain arrays of bytes, so that they compare with what we decode. */
function bytesAsPlain(one: Value): Value {
  if (one instanceof Uint8Array) return Uint8Array.from(one);
  if (Array.isArray(one)) return one.map(bytesAsPlain);
  if (typeof one !== 'object' || one === null) return one;
  return Object.fromEntries(Object.entries(one).map(([key, member]) => [key, bytesAsPlain(member)]));
}

it('the limit of keys is the one that the encoder keeps', () => {
  expect(LIMITS.keyBytes).toBe(128);
});
