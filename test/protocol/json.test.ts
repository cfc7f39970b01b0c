/** `muster.v1.json`: the reader against its vectors, against MessagePack, and against damage. */
import * as fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromBase64, portableFromBase64, portableToBase64, toBase64 } from '../../protocol/wire/base64.ts';
import { concatFrames, decodeFrames, encodeFrame } from '../../protocol/wire/codec.ts';
import { readJsonMessage } from '../../protocol/wire/json-read.ts';
import { writeJsonMessage } from '../../protocol/wire/json-write.ts';
import { CLIENT_FRAME_LIMITS, SERVER_FRAME_LIMITS, SCAN_REASONS, scanMessage } from '../../protocol/wire/scan.ts';
import { damaged, frame, map } from './arbitrary.ts';
import { fromHex, toHex } from './hex.ts';
import { JSON_BOMBS, JSON_REFUSED } from './vectors/json-faults.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

interface Vectors {
  readonly frames: readonly { readonly name: string; readonly text: string; readonly msgpack: string }[];
  readonly messages: readonly {
    readonly name: string;
    readonly text?: string;
    readonly hex?: string;
    readonly parts?: readonly (string | { readonly $repeat: readonly [string, number] })[];
    readonly msgpack?: string;
    readonly reason?: string;
    readonly offset?: number;
    readonly valid?: true;
  }[];
}
const vectors: Vectors = JSON.parse(readFileSync(new URL('../../protocol/vectors/json.json', import.meta.url), 'utf8'));

function messageOf({ text, hex, parts }: Vectors['messages'][number]): Uint8Array {
  if (hex !== undefined) return fromHex(hex);
  if (parts === undefined) return bytesOf(text ?? '');
  return bytesOf(parts.map((one) => (typeof one === 'string' ? one : one.$repeat[0].repeat(one.$repeat[1]))).join(''));
}

describe('vectors', () => {
  it.each(vectors.frames)('frame $name', ({ text, msgpack }) => {
    const read = readJsonMessage(bytesOf(text), SERVER_FRAME_LIMITS);
    expect(read.ok && toHex(read.value)).toBe(msgpack);
    expect(textOf(writeJsonMessage(fromHex(msgpack)))).toBe(text);
  });

  it.each(vectors.messages)('message $name', (vector) => {
    const read = readJsonMessage(messageOf(vector));
    const { reason, offset, valid = false, msgpack } = vector;
    expect(read.ok ? 'ok' : read.error.reason).toBe(valid ? 'ok' : reason);
    if (offset !== undefined) expect(read.ok || read.error.offset).toBe(offset);
    if (msgpack !== undefined) expect(read.ok && toHex(read.value)).toBe(toHex(fromHex(msgpack)));
  });

  it('of every reason that JSON can have', () => {
    const found = new Set([...JSON_REFUSED, ...JSON_BOMBS].map(({ reason }) => reason));
    const binary = ['key_not_string', 'extension', 'reserved_byte', 'float32'];
    expect(SCAN_REASONS.filter((reason) => !found.has(reason))).toEqual(binary);
  });
});

describe('properties', () => {
  const frames = fc.array(frame, { minLength: 1, maxLength: 5 });

  it('what the server writes, JSON.parse reads, and the reader takes it for what it was', () => {
    fc.assert(
      fc.property(frames, (all) => {
        const message = concatFrames(all.map(encodeFrame));
        const text = writeJsonMessage(message);
        const lines = textOf(text).split('\n');
        expect(lines.map((line): unknown[] => JSON.parse(line)).map(([op]) => op)).toEqual(all.map(({ op }) => op));
        const read = readJsonMessage(text, SERVER_FRAME_LIMITS);
        expect(read.ok && decodeFrames(read.value, SERVER_FRAME_LIMITS)).toEqual(
          decodeFrames(message, SERVER_FRAME_LIMITS),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('maps of one key are never taken for binary values, nor the other way round', () => {
    const key = fc.constantFrom('$bin', '$$bin', '$$$bin', 'bin', '$bi', '$bin ');
    fc.assert(
      fc.property(key, fc.oneof(map, fc.string(), fc.uint8Array()), (name, value) => {
        const message = encodeFrame({ op: 5, id: 1, body: { [name]: value, p: { [name]: value } } });
        const only = encodeFrame({ op: 5, id: 1, body: { [name]: value } });
        for (const bytes of [message, only]) {
          const read = readJsonMessage(writeJsonMessage(bytes), SERVER_FRAME_LIMITS);
          expect(read.ok && toHex(read.value)).toBe(toHex(bytes));
        }
      }),
    );
  });

  it('it takes what JSON.parse takes, but for what the profile refuses', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4, noUnicodeString: false }), (json) => {
        const text = JSON.stringify([5, 1, { p: json }]);
        const read = readJsonMessage(bytesOf(text));
        if (!read.ok) {
          expect(['int_out_of_range', 'key_denied', 'key_too_long', 'bad_bin']).toContain(read.error.reason);
          return;
        }
        const back = decodeFrames(read.value);
        // -0 has no integer format.
        const expected: unknown = JSON.parse(text.replaceAll(/(?<=[:,[])-0(?=[,\]}])/g, '0'));
        expect(back.ok && [5, 1, back.value[0]?.body]).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  it('it refuses what JSON.parse refuses, and never throws', () => {
    const text = frames.map((all) => writeJsonMessage(concatFrames(all.map(encodeFrame))));
    let refused = 0;
    fc.assert(
      fc.property(text.chain(damaged), (bytes) => {
        const read = readJsonMessage(bytes, CLIENT_FRAME_LIMITS);
        if (read.ok) {
          expect(scanMessage(read.value, CLIENT_FRAME_LIMITS).ok).toBe(true);
          const lines = textOf(bytes).replace(/\n$/, '').split('\n');
          expect(() => lines.map((line): unknown => JSON.parse(line))).not.toThrow();
        } else {
          refused += 1;
          expect(read.error.offset).toBeLessThanOrEqual(bytes.length);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it('it never throws, however deep and of whatever the text is', () => {
    const opening = fc.constantFrom('[', '{"a":', '{"$bin":', '{"$$bin":', '{ "$bin" :', '[0,', '{"a":0,"$bin":');
    const layers = fc.array(fc.tuple(opening, fc.nat({ max: 6_000 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(layers, fc.constantFrom('', '"AA=="', '0'), (all, inside) => {
        const text = all.map(([one, times]) => one.repeat(times)).join('');
        for (const body of [`[5,1,${text}`, `[5,1,{"p":${text}${inside}}]`])
          expect(() => readJsonMessage(bytesOf(body))).not.toThrow();
      }),
    );
  });
});

describe('base64', () => {
  const forms = [
    ['of the platform', toBase64, fromBase64],
    ['without one', portableToBase64, portableFromBase64],
  ] as const;
  const ALPHABET = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
  /** What nearly is base64: mostly of the alphabet, and whatever a lenient reader would pass over or take for something else. */
  const near = fc.array(
    fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(...ALPHABET) },
      { weight: 2, arbitrary: fc.constant('=') },
      { weight: 1, arbitrary: fc.constantFrom('-', '_', ' ', '\n', '\0', '\x80', 'é', 'Á', '\u0141', '🦔', '\ud83e') },
    ),
    { maxLength: 12 },
  );

  it.each(forms)('%s is that of Buffer, in one way only', (_name, to, from) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), near, (bytes, other) => {
        const text = to(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64'));
        expect(from(text)).toEqual(bytes);
        const read = from(other.join(''));
        if (read !== undefined) expect(to(read)).toBe(other.join(''));
      }),
      { numRuns: 1_000 },
    );
  });

  it('with and without a platform takes and means the same', () => {
    let taken = 0;
    fc.assert(
      fc.property(near, (chars) => {
        const text = chars.join('');
        const read = fromBase64(text);
        expect(portableFromBase64(text)).toEqual(read);
        if (read !== undefined) taken += 1;
      }),
      { numRuns: 10_000 },
    );
    expect(taken).toBeGreaterThan(1_000);
  });

  it.each(forms)('%s has one char before the padding for what bits there are', (_name, to, from) => {
    for (const [first, pads, bits] of [
      ['A', '==', 2],
      ['AA', '=', 4],
      ['AAA', '', 6],
    ] as const)
      for (const [value, last] of ALPHABET.entries()) {
        const text = first + last + pads;
        const read = from(text);
        expect(read !== undefined, text).toBe(value % 2 ** (6 - bits) === 0);
        if (read !== undefined) expect(to(read)).toBe(text);
      }
  });

  it.each(forms)('%s goes for a view of a larger block, and for 64 KiB', (_name, to, from) => {
    const block = Uint8Array.from({ length: 70_000 }, (_none, i) => (i * 31) ^ (i >> 8));
    const bytes = block.subarray(1_001, 1_001 + 65_536);
    const text = to(bytes);
    expect(text).toBe(Buffer.from(bytes).toString('base64'));
    expect(Buffer.from(from(text) ?? []).equals(bytes)).toBe(true);
  });
});
