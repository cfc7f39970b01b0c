/** What property tests draw: values, frames, and damaged bytes. */
import * as fc from 'fast-check';
import type { Frame, Value, ValueMap } from '../../protocol/wire/types.ts';

/** Numbers at the edges of every format, beside any others. -0 has no integer format and comes back as 0. */
export const number: fc.Arbitrary<number> = fc
  .oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(...edges()),
  )
  .map((one) => (one === 0 ? 0 : one));

function edges(): number[] {
  const around = [0, 2 ** 5, 2 ** 7, 2 ** 8, 2 ** 15, 2 ** 16, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53 - 2];
  return around.flatMap((edge) => [edge - 1, edge, edge + 1, -edge - 1, -edge, -edge + 1]);
}

/** Well-formed text, short and long, ASCII and not. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.constantFrom(
    '',
    'a'.repeat(31),
    'a'.repeat(32),
    'é'.repeat(16),
    '\uffff',
    '🦔'.repeat(70),
    `${'x'.repeat(300)}é`,
    '\ufeff',
  ),
);

const key = fc
  .oneof(
    // Few and alike, so that damage makes two of them equal.
    fc.constantFrom('', 'a', 'b', 'ab', 'aab', 'abb', 'bab'),
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'grapheme', maxLength: 10 }),
    fc.string({ minLength: 40, maxLength: 50 }),
  )
  .filter((one) => !['__proto__', 'constructor', 'prototype'].includes(one));

export const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<Value[]>(null, true, false),
    number,
    text,
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
})).value;

export const map: fc.Arbitrary<ValueMap> = fc.dictionary(key, value, { maxKeys: 20, noNullPrototype: true });

export const frame: fc.Arbitrary<Frame> = fc
  .record({
    op: fc.integer({ min: 1, max: 127 }),
    id: fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 0xffff_ffff })),
    body: map,
    meta: fc.option(fc.record({ k: fc.string({ maxLength: 20 }), ack: fc.nat() }, { requiredKeys: [] }), {
      nil: undefined,
    }),
  })
  .map(({ meta, ...rest }) => (meta === undefined ? rest : { ...rest, meta }));

/** The bytes with a few of them changed, removed or added. */
export function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.nat({ max: Math.max(0, bytes.length - 1) }),
    to: fc.integer({ min: 0, max: 255 }),
    how: fc.constantFrom('set', 'drop', 'add'),
  });
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) => {
    const all = [...bytes];
    for (const { at, to, how } of changes) {
      if (how === 'set') all[Math.min(at, all.length - 1)] = to;
      else if (how === 'drop') all.splice(at, 1);
      else all.splice(at, 0, to);
    }
    return Uint8Array.from(all);
  });
}
