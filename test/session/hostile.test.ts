import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLOSE } from '../../protocol/wire/codes.ts';
import { concatFrames, encodeFrame } from '../../protocol/wire/codec.ts';
import { OPERATIONS } from '../../protocol/wire/operations.ts';
import { Op, type Value } from '../../protocol/wire/types.ts';
import { FakeConnection, anyRequest, frameOf, hello, openRig, request, rig, type Rig } from '../support/session-rig.ts';

const documented = new Set<number>(Object.values(CLOSE).map((row) => row.code));

/** The other connection of the same node asks and gets its answer. */
function expectNeighbourServed(made: Rig): void {
  const connection = new FakeConnection('neighbour');
  const handler = made.manager.accept(connection);
  handler.message(hello());
  const attached = made.node.welcome();
  handler.message(anyRequest(1));
  attached.reply({ ok: true, rev: 1, result: { agents: [] } });
  made.scheduler.settle();
  expect(connection.all().map((one) => one.op)).toEqual([Op.WELCOME, Op.RESULT]);
  handler.closed(1000);
}

function expectDocumented(connection: FakeConnection): void {
  for (const close of connection.closes) expect(documented.has(close.code)).toBe(true);
  expect(connection.closes.length).toBeLessThanOrEqual(1);
  expect(connection.destroyed).toBe(false);
  // Reads every frame as a client would: throws if one is not valid.
  for (const one of connection.all()) {
    expect([Op.WELCOME, Op.RESULT, Op.ERROR, Op.PUSH, Op.GOAWAY, Op.PING, Op.PONG, Op.NOTICE]).toContain(one.op);
  }
}

const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ maxLength: 40 }),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.string({ maxLength: 10 }).filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key)),
      tie('value'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value;

const map = fc.dictionary(
  fc.constantFrom('v', 'client', 'auth', 'token', 'agent', 'm', 'p', 'rev', 'now', 'requeue', 'id', 'name', 'x'),
  value,
  { noNullPrototype: true },
);

/** Frames that are well formed: the state machine and the schemas have to cope, not the scan. */
const wellFormed = fc
  .record({ op: fc.integer({ min: 1, max: 127 }), id: fc.integer({ min: 0, max: 0xffff_ffff }), body: map })
  .map((one) => encodeFrame(one));
const anyMeta = fc.record(
  {
    k: fc.string({ maxLength: 80 }),
    ack: fc.double({ noNaN: true, noDefaultInfinity: true }),
    dl: fc.integer(),
    tp: fc.string({ maxLength: 200 }),
  },
  { requiredKeys: [] },
);
const plausible = fc
  .record({
    m: fc.oneof(fc.constantFrom(...Object.keys(OPERATIONS)), fc.string({ maxLength: 20 })),
    p: value,
    id: fc.nat(),
    meta: fc.option(anyMeta, { nil: undefined }),
  })
  .map(({ m, p, id, meta }) => request(id, meta === undefined ? { m, p } : { m, p, meta }));
const bytes = fc.uint8Array({ maxLength: 200 });

/** A real message with some bytes changed, cut or added. */
const mutated = fc
  .record({
    base: fc.constantFrom(
      hello(),
      anyRequest(1),
      frameOf(Op.PING, 0, { now: 1 }),
      concatFrames([anyRequest(1), anyRequest(2), frameOf(Op.BYE)]),
    ),
    edits: fc.array(fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) }), { maxLength: 4 }),
    cut: fc.option(fc.nat(), { nil: undefined }),
  })
  .map(({ base, edits, cut }) => {
    const copy = Uint8Array.from(base);
    for (const { at, to } of edits) copy[at % copy.length] = to;
    return cut === undefined ? copy : copy.subarray(0, cut % (copy.length + 1));
  });

const message = fc.oneof(
  wellFormed,
  plausible,
  bytes,
  mutated,
  fc.array(fc.oneof(wellFormed, plausible), { minLength: 1, maxLength: 70 }).map((frames) => concatFrames(frames)),
);

describe('any message, in any phase: a documented answer, never a throw, and the neighbour is served', () => {
  for (const phase of ['awaitingHello', 'opening', 'open'] as const) {
    test(`while ${phase}`, () => {
      fc.assert(
        fc.property(fc.array(message, { minLength: 1, maxLength: 12 }), (messages) => {
          const made = phase === 'open' ? openRig() : rig();
          if (phase === 'opening') made.handler.message(hello());
          for (const one of messages) made.handler.message(one);
          made.scheduler.settle();
          expectDocumented(made.connection);
          if (made.node.hellos.length > 0 && phase !== 'open') {
            made.node.welcome();
            made.scheduler.settle();
            expectDocumented(made.connection);
          }
          expectNeighbourServed(made);
          made.handler.closed(1006);
          made.scheduler.settle();
          expect(made.scheduler.timers).toBe(0);
        }),
        { numRuns: 300 },
      );
    });
  }
});

describe('bombs', () => {
  const bombs: { readonly [name: string]: Uint8Array } = {
    'an array of four billion': Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff),
    'a hundred thousand nested arrays': new Uint8Array(100_000).fill(0x91),
    'a megabyte of empty maps': new Uint8Array(1_048_576).fill(0x80),
    'more than a message': new Uint8Array(1_048_577).fill(0x93),
    'a pointer extension': Uint8Array.of(0x93, 0x05, 0x01, 0xd4, 0x70, 0x00),
    'a prototype': encodeRaw('__proto__'),
  };
  test.each(Object.keys(bombs))('%s', (name) => {
    const made = openRig();
    const start = performance.now();
    made.handler.message(bombs[name]!);
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(made.connection.closes).toMatchObject([{ code: CLOSE.PROTOCOL_ERROR.code }]);
    expectNeighbourServed(made);
  });
});

test('a bug tells nothing of itself', () => {
  const made = rig();
  made.node.authenticate = () => {
    throw new Error('the inside, with s3cret');
  };
  made.handler.message(hello());
  made.scheduler.settle();
  expect(made.connection.closes).toEqual([{ code: CLOSE.UNAVAILABLE.code, reason: CLOSE.UNAVAILABLE.reason }]);
  const said = Buffer.concat(made.connection.written).toString('latin1');
  expect(said).not.toMatch(/inside|s3cret/);
  expectNeighbourServed(openRig());
});

/** `[5, 1, {key: 1}]`, by hand, since the encoder refuses such a key. */
function encodeRaw(key: string): Uint8Array {
  return Uint8Array.from([0x93, 0x05, 0x01, 0x81, 0xa0 | key.length, ...new TextEncoder().encode(key), 0x01]);
}
