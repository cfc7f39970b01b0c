/** The reader in one pass: what it takes, the scan takes, with the same values; and it takes what is common. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatFrames, encodeFrame, encodeValue, readByScan } from '../../protocol/wire/codec.ts';
import { Reader } from '../../protocol/wire/reader.ts';
import { CLIENT_FRAME_LIMITS, SERVER_FRAME_LIMITS, type ScanLimits } from '../../protocol/wire/scan.ts';
import { Op, type ValueMap } from '../../protocol/wire/types.ts';
import { damaged, frame } from './arbitrary.ts';
import { fromHex } from './hex.ts';
import { REFUSED, TAKEN } from './vectors/faults.ts';

const readers = [new Reader(), new Reader(true)];

/** True if it was taken. */
function check(bytes: Uint8Array, limits: ScanLimits = CLIENT_FRAME_LIMITS): boolean {
  const strict = readByScan(bytes, limits);
  let taken = false;
  for (const reader of readers) {
    // Twice: the second time its keys are known.
    for (let round = 0; round < 2; round += 1) {
      const frames = reader.frames(bytes, limits);
      if (frames === undefined) continue;
      taken = true;
      expect(strict.fault).toBeUndefined();
      expect(frames).toEqual(strict.frames);
    }
  }
  return taken;
}

const taskOf = (members: ValueMap): Uint8Array =>
  encodeFrame({ op: Op.RESULT, id: 7, body: { rev: 2 ** 41 + 5, r: { task: members } }, meta: { ack: 3 } });

const TASK: ValueMap = {
  id: 'task_0123456789abcdefghijkl',
  type: 'résumé',
  parameters: 'é'.repeat(100),
  requirements: [],
  retry: { baseMs: 1_000, factor: 2.5 },
  createdAt: 1_767_000_000_000,
  dead: true,
  result: null,
};

/** Frames as they mostly are: keys are words. */
const plain = fc.record({
  op: fc.integer({ min: 1, max: 127 }),
  id: fc.nat(),
  body: fc.dictionary(
    fc.constantFrom('a', 'b', 'ab', 'ba', 'task', 'rev'),
    fc.oneof(
      fc.constantFrom(null, true, false, 'completed', 'é'.repeat(40)),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.integer({ min: -0x1_0000_0000, max: 0x1_0000_0000 }), { maxLength: 20 }),
      fc.dictionary(fc.constantFrom('x', 'y', 'xy'), fc.string(), { noNullPrototype: true }),
    ),
    { noNullPrototype: true },
  ),
});

const limits = fc.record({
  messageBytes: fc.integer({ min: 1, max: 400 }),
  framesPerMessage: fc.integer({ min: 1, max: 3 }),
  frameBytes: fc.integer({ min: 1, max: 200 }),
  depthMax: fc.integer({ min: 1, max: 8 }),
  itemsMax: fc.integer({ min: 1, max: 40 }),
  keyBytes: fc.integer({ min: 20, max: 40 }),
});

describe('the reader', () => {
  it('takes what is common', () => {
    const taken = [
      encodeFrame({ op: Op.REQUEST, id: 1, body: { m: 'task.create', p: { type: 'job', parameters: [1, -1, 0.5] } } }),
      encodeFrame({ op: Op.PUSH, id: 0, body: { e: 'task.completed', t: 'task.1', d: { id: '1' }, rev: 2 ** 40 } }),
      taskOf(TASK),
      concatFrames([taskOf(TASK), taskOf({})]),
    ];
    for (const bytes of taken) expect(check(bytes)).toBe(true);
  });

  it.each(TAKEN)('agrees with the scan that takes: $name', ({ hex }) => {
    check(fromHex(hex));
  });

  it.each(REFUSED)('takes nothing that the scan refuses: $name', ({ hex }) => {
    expect(check(fromHex(hex))).toBe(false);
  });

  it('takes no prefix of a message and no message with a byte more', () => {
    const bytes = taskOf(TASK);
    for (let size = 0; size < bytes.length; size += 1) expect(check(bytes.subarray(0, size))).toBe(false);
    expect(check(Uint8Array.of(...bytes, 0xc1))).toBe(false);
  });

  it('agrees with the scan when any byte is another one', () => {
    const bytes = taskOf(TASK);
    for (let at = 0; at < bytes.length; at += 1) {
      for (const byte of [0x00, 0x7f, 0x80, 0x9f, 0xa1, 0xc0, 0xc1, 0xcb, 0xcf, 0xd3, 0xd9, 0xdd, 0xdf, 0xed, 0xff]) {
        const other = bytes.slice();
        other[at] = byte;
        check(other);
      }
    }
  });

  it('takes frames as they mostly are', () => {
    fc.assert(
      fc.property(plain, (one) => {
        expect(check(encodeFrame(one))).toBe(true);
      }),
    );
  });

  it('agrees with the scan on frames and what damage makes of them, within any limits', () => {
    let taken = 0;
    fc.assert(
      fc.property(
        fc
          .array(fc.oneof(frame, plain), { minLength: 1, maxLength: 3 })
          .map((frames) => concatFrames(frames.map((one) => encodeFrame(one))))
          .chain((message) => fc.oneof(fc.constant(message), damaged(message))),
        fc.oneof(fc.constant(CLIENT_FRAME_LIMITS), fc.constant(SERVER_FRAME_LIMITS), limits),
        (message, within) => {
          if (check(message, within)) taken += 1;
        },
      ),
      { numRuns: 3_000 },
    );
    expect(taken).toBeGreaterThan(50);
  });

  it('knows keys that differ in one place, come twice or are not wanted, also behind known ones', () => {
    const body = (...keys: string[]): Uint8Array => {
      const head = [0x93, Op.REQUEST, 1, 0x80 + keys.length];
      return Uint8Array.of(...head, ...keys.flatMap((key) => [...encodeValue(key), 0xc0]));
    };
    for (let round = 0; round < 3; round += 1) {
      expect(check(body('a', 'b', 'c'))).toBe(true);
      expect(check(body('a', 'c', 'b'))).toBe(true);
      expect(check(body('a', 'b', 'a'))).toBe(false);
      expect(check(body('a', 'a'))).toBe(false);
      expect(check(body('a', 'b', '__proto__'))).toBe(false);
      expect(check(body('constructor'))).toBe(false);
      check(body('', 'b'));
      check(body('é', 'b'));
    }
  });

  it('leaves what it does not learn to the scan, and is right again after it has begun anew', () => {
    const wide = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, i]));
    expect(check(taskOf(wide))).toBe(false);
    for (let i = 0; i < 3_000; i += 1)
      check(taskOf({ [`a${i % 15}`]: { [`b${Math.floor(i / 15) % 15}`]: { [`c${i}`]: i } } }));
    let again = false;
    for (let i = 0; i < 3; i += 1) again = check(taskOf(TASK));
    expect(again).toBe(true);
  });
});
