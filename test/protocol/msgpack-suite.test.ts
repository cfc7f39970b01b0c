/**
 * Every encoding of the package msgpack-test-suite, put into a frame, is taken or refused as PROTOCOL.md says (M1, M6), by
 * the decoder and by a session, which never throws.
 *
 * What is expected comes from the value that the suite names and from the first byte, not from the code.
 */
import { describe, expect, it } from 'vitest';
import suite from 'msgpack-test-suite' with { type: 'json' };
import { z } from 'zod';
import { decodeFrames, valueHash } from '../../protocol/wire/codec.ts';
import { Op, type Value } from '../../protocol/wire/types.ts';
import { openRig } from '../support/session-rig.ts';
import { fromHex } from './hex.ts';

type Plain = string | number | boolean | null | Plain[] | { [key: string]: Plain };
const Plain: z.ZodType<Plain> = z.json();
const Row = z.strictObject({
  msgpack: z.array(z.string()),
  nil: z.null().optional(),
  bool: z.boolean().optional(),
  binary: z.string().optional(),
  number: z.number().optional(),
  bignum: z.string().optional(),
  string: z.string().optional(),
  array: z.array(Plain).optional(),
  map: z.record(z.string(), Plain).optional(),
  timestamp: z.array(z.number()).optional(),
  ext: z.tuple([z.number(), z.string()]).optional(),
});
const groups = z.record(z.string(), z.array(Row)).parse(suite);

type Expected = { readonly taken: Value } | { readonly refused: string };

const bytesOf = (dashed: string): Uint8Array => fromHex(dashed.replaceAll('-', ''));
const FLOAT32 = 0xca;
const FLOAT64 = 0xcb;

function expected(row: z.infer<typeof Row>, bytes: Uint8Array): Expected {
  const [first] = bytes;
  if (row.ext !== undefined || row.timestamp !== undefined) return { refused: 'extension' };
  if (first === FLOAT32) return { refused: 'float32' };
  const number = row.bignum === undefined ? row.number : Number(row.bignum);
  if (number !== undefined) {
    const fits = Number.isSafeInteger(number) || Math.abs(number) === 2 ** 53;
    return fits || first === FLOAT64 ? { taken: number } : { refused: 'int_out_of_range' };
  }
  if (row.binary !== undefined) return { taken: bytesOf(row.binary) };
  const value = row.nil ?? row.bool ?? row.string ?? row.array ?? row.map;
  return { taken: value ?? null };
}

/** `[98, 0, {v: …}]`: of an operation that nobody knows, which a session takes and ignores (F4). */
function framed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([0x93, 98, 0, 0x81, 0xa1, 0x76, ...bytes]);
}

const cases = Object.entries(groups).flatMap(([group, rows]) =>
  rows.flatMap((row) => row.msgpack.map((hex) => ({ group, hex, row }))),
);

describe('the suite', () => {
  it('has what it is known to have', () => {
    expect(cases).toHaveLength(233);
    const outcomes = cases.map(({ row, hex }) => expected(row, bytesOf(hex)));
    const refused = outcomes.flatMap((one) => ('refused' in one ? [one.refused] : []));
    expect(new Set(refused)).toEqual(new Set(['extension', 'float32', 'int_out_of_range']));
    expect(outcomes.length - refused.length).toBeGreaterThan(150);
  });
});

describe.each(cases)('$group: $hex', ({ hex, row }) => {
  const bytes = framed(bytesOf(hex));
  const outcome = expected(row, bytesOf(hex));

  it('is decoded or refused', () => {
    const frames = decodeFrames(bytes);
    if ('refused' in outcome) {
      expect(frames).toMatchObject({ ok: false, error: { code: 'INVALID_FRAME', reason: outcome.refused } });
    } else {
      expect(frames.ok).toBe(true);
      const value = frames.ok ? frames.value[0]?.body['v'] : undefined;
      expect(value).toEqual(outcome.taken);
      expect(valueHash(value ?? null)).toBe(valueHash(outcome.taken));
    }
  });

  it('goes through a session', () => {
    const { connection, handler, scheduler } = openRig();
    connection.frames();
    handler.message(bytes);
    scheduler.settle();
    const errors = connection.frames().filter(({ op }) => op === Op.ERROR);
    expect(errors.map(({ body }) => body['code'])).toEqual('refused' in outcome ? ['INVALID_FRAME'] : []);
  });
});
