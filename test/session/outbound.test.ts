import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrameParts } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type Frame } from '../../protocol/wire/types.ts';
import { Outbound } from '../../src/session/outbound.ts';
import { FakeConnection, framesOf, pushOf } from '../support/session-rig.ts';

function blocked(): { connection: FakeConnection; out: Outbound } {
  const connection = new FakeConnection();
  connection.reading = false;
  connection.held = LIMITS.socketBytes;
  return { connection, out: new Outbound(connection) };
}

function unblock(connection: FakeConnection): void {
  connection.held = 0;
  connection.reading = true;
}

const names = (frames: readonly Frame[]): unknown[] =>
  frames.map((one) => (one.op === Op.PUSH ? one.body['d'] : (one.body['name'] ?? one.op)));

const control = (name: string): Uint8Array => encodeFrameParts(Op.NOTICE, 0, { name });

describe('order', () => {
  test('classes leave by rank, each in the order of arrival, in one message', () => {
    const { connection, out } = blocked();
    out.push(pushOf({ class: 'ephemeral', d: 'e1' }));
    out.push(pushOf({ class: 'latest', key: 'k', d: 'l1' }));
    out.push(pushOf({ class: 'reliable', rev: 1, d: 'r1' }));
    out.push(pushOf({ class: 'grant', rev: 2, d: 'g2' }));
    out.push(pushOf({ class: 'reliable', rev: 3, d: 'r3' }));
    out.answer(control('a1'));
    out.control(control('c1'));
    out.push(pushOf({ class: 'latest', key: 'k', d: 'l2' }));
    out.push(pushOf({ class: 'ephemeral', d: 'e2' }));
    out.answer(control('a2'));
    out.control(control('c2'));
    unblock(connection);
    expect(out.flush()).toBe(false);
    expect(connection.written.length).toBe(1);
    expect(names(connection.frames())).toEqual(['c1', 'c2', 'a1', 'a2', 'r1', 'g2', 'r3', 'l2', 'e1', 'e2']);
    expect(out.empty).toBe(true);
    expect(out.queuedBytes).toBe(0);
  });

  test('a message has at most so many frames and bytes', () => {
    const { connection, out } = blocked();
    for (let rev = 1; rev <= 200; rev += 1) out.push(pushOf({ class: 'reliable', rev, size: rev > 130 ? 10_000 : 1 }));
    unblock(connection);
    out.flush();
    expect(connection.written.map((message) => framesOf(message).length).slice(0, 2)).toEqual([64, 64]);
    for (const message of connection.written) expect(message.length).toBeLessThanOrEqual(LIMITS.socketBytes);
    expect(connection.frames().length).toBe(200);
  });

  test('a large answer is not overtaken by what stands behind it', () => {
    const { connection, out } = blocked();
    const large = (name: string): Uint8Array => encodeFrameParts(Op.NOTICE, 0, { name, fill: 'x'.repeat(200_000) });
    out.answer(large('a1'));
    out.answer(large('a2'));
    out.push(pushOf({ class: 'reliable', rev: 1, d: 'r1' }));
    out.push(pushOf({ class: 'grant', rev: 2, d: 'g2' }));
    out.push(pushOf({ class: 'latest', key: 'k', d: 'l' }));
    out.push(pushOf({ class: 'ephemeral', d: 'e' }));
    unblock(connection);
    out.flush();
    expect(names(connection.frames())).toEqual(['a1', 'a2', 'r1', 'g2', 'l', 'e']);
  });

  test('a large push is not overtaken by what stands behind it', () => {
    const { connection, out } = blocked();
    out.push(pushOf({ class: 'reliable', rev: 1, size: 200_000 }));
    out.push(pushOf({ class: 'reliable', rev: 2, size: 200_000 }));
    out.push(pushOf({ class: 'latest', key: 'k', d: 'l' }));
    out.push(pushOf({ class: 'ephemeral', d: 'e' }));
    unblock(connection);
    out.flush();
    expect(connection.frames().map((one) => one.body['rev'] ?? one.body['d'])).toEqual([1, 2, 'l', 'e']);
  });

  test('a socket that holds much gets nothing, and is filled no further than a message above its bound', () => {
    const { connection, out } = blocked();
    for (let rev = 1; rev <= 100; rev += 1) out.push(pushOf({ class: 'reliable', rev, size: 10_000 }));
    expect(out.flush()).toBe(true);
    expect(connection.written).toEqual([]);
    connection.held = LIMITS.socketBytes - 1;
    expect(out.flush()).toBe(true);
    expect(connection.written.length).toBe(1);
    expect(connection.held).toBeLessThan(LIMITS.socketBytes * 2);
  });
});

describe('bounds', () => {
  test('grants are kept out neither by events nor by their bound, and nothing is skipped', () => {
    const { out } = blocked();
    let rev = 0;
    for (let i = 0; i < LIMITS.outboundFrames; i += 1)
      expect(out.push(pushOf({ class: 'reliable', rev: (rev += 1) }))).toBe(true);
    expect(out.push(pushOf({ class: 'grant', rev: (rev += 1) }))).toBe(true);
    expect(out.push(pushOf({ class: 'reliable', rev: (rev += 1) }))).toBe(false);
    expect(out.push(pushOf({ class: 'grant', rev: (rev += 1) }))).toBe(false);
    expect(out.push(pushOf({ class: 'latest', key: 'k' })), 'latest is not ordered').toBe(true);
  });

  test('bytes bound the queue too, but one push always fits', () => {
    const { out } = blocked();
    expect(out.push(pushOf({ class: 'reliable', rev: 1, size: 2 * LIMITS.outboundBytes }))).toBe(true);
    expect(out.push(pushOf({ class: 'reliable', rev: 2 }))).toBe(false);
  });

  test('room comes once, when half is free', () => {
    const { connection, out } = blocked();
    let rev = 0;
    while (out.push(pushOf({ class: 'reliable', rev: rev + 1, size: 4_000 }))) rev += 1;
    expect(out.room()).toBe(false);
    let room = false;
    for (let rounds = 0; rounds < 100 && !room; rounds += 1) {
      connection.held = 0;
      out.flush();
      const left = rev - connection.all().length;
      room = out.room();
      expect(room).toBe(left * 4_000 < LIMITS.outboundBytes / 2);
    }
    expect(room).toBe(true);
    expect(out.room()).toBe(false);
  });

  test('the oldest of latest and ephemeral give way, counted', () => {
    const { connection, out } = blocked();
    for (let i = 0; i < LIMITS.outboundFrames + 5; i += 1)
      out.push(pushOf({ class: 'latest', key: `k${i}`, d: `l${i}` }));
    expect(out.dropped).toBe(5);
    for (let i = 0; i < LIMITS.outboundFrames + 7; i += 1) out.push(pushOf({ class: 'ephemeral', d: `e${i}` }));
    expect(out.dropped).toBe(12);
    out.push(pushOf({ class: 'ephemeral', d: 'huge', size: 0 }));
    unblock(connection);
    out.flush();
    const sent = names(connection.frames());
    expect(sent[0]).toBe('l5');
    expect(sent).not.toContain('e7');
    expect(sent).toContain('e8');
    expect(sent.at(-1)).toBe('huge');
  });

  test('one huge value per class is kept, whatever the bound', () => {
    const { out } = blocked();
    out.push(pushOf({ class: 'latest', key: 'a', size: LIMITS.outboundBytes + 1 }));
    out.push(pushOf({ class: 'ephemeral', size: LIMITS.outboundBytes + 1 }));
    expect(out.dropped).toBe(0);
    out.push(pushOf({ class: 'latest', key: 'b', size: LIMITS.outboundBytes + 1 }));
    out.push(pushOf({ class: 'ephemeral', size: LIMITS.outboundBytes + 1 }));
    expect(out.dropped).toBe(2);
  });

  test('a queue that was long and is empty holds nothing', () => {
    const { connection, out } = blocked();
    for (let i = 0; i < 100; i += 1) out.answer(control(`a${i}`));
    for (let rev = 1; rev <= 100; rev += 1) out.push(pushOf({ class: 'reliable', rev }));
    unblock(connection);
    out.flush();
    expect(out.empty).toBe(true);
    expect([out.queuedBytes, out.answerBytes]).toEqual([0, 0]);
  });

  test('a frame that waits is copied once, however often more comes', () => {
    let copies = 0;
    class Counted extends Uint8Array {
      override slice(): Counted {
        copies += 1;
        return new Counted(this);
      }
    }
    const { connection, out } = blocked();
    for (let i = 0; i < 50; i += 1) {
      out.answer(new Counted(control(`a${i}`)));
      out.control(new Counted(control(`c${i}`)));
      expect(out.flush()).toBe(true);
    }
    expect(copies).toBe(100);
    unblock(connection);
    out.flush();
    for (let i = 0; i < 3; i += 1) out.answer(new Counted(control(`b${i}`)));
    connection.held = LIMITS.socketBytes;
    out.flush();
    expect(copies).toBe(103);
  });

  test('what waits long has memory of its own', () => {
    const { connection, out } = blocked();
    const block = new Uint8Array(64 * 1024);
    const frame = encodeFrameParts(Op.NOTICE, 0, { name: 'x' });
    block.set(frame);
    out.answer(block.subarray(0, frame.length));
    expect(out.flush()).toBe(true);
    unblock(connection);
    out.flush();
    expect(connection.written[0]?.buffer.byteLength).toBeLessThan(1_000);
  });
});

/** What a random run may do. */
type Step =
  | { readonly kind: 'push'; readonly grant: boolean; readonly size: number; readonly gap: number }
  | { readonly kind: 'latest'; readonly key: number; readonly size: number }
  | { readonly kind: 'ephemeral'; readonly size: number }
  | { readonly kind: 'answer' | 'control' | 'flush' | 'bookmark' }
  | { readonly kind: 'read'; readonly bytes: number };

const size = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 200 }) }, fc.integer({ min: 0, max: 120_000 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('push' as const),
      grant: fc.boolean(),
      size,
      gap: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('latest' as const), key: fc.integer({ min: 0, max: 3 }), size }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ephemeral' as const), size }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('answer' as const, 'control' as const, 'flush' as const, 'bookmark' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('read' as const), bytes: fc.integer({ min: 0, max: 400_000 }) }),
  },
);

/** Plays steps against a model: what was pushed and taken, what was caught up, what arrived. */
function play(steps: readonly Step[]): void {
  const connection = new FakeConnection();
  connection.reading = false;
  const out = new Outbound(connection);
  out.begin(1_000);
  let rev = 1_000;
  /** Every ordered push that the log had, in order; `handed` of them were taken. */
  const log: { readonly rev: number; readonly grant: boolean; readonly size: number }[] = [];
  let handed = 0;
  let caughtUp = true;
  const hand = (): void => {
    for (const one of log.slice(handed)) {
      if (!out.push(pushOf({ class: one.grant ? 'grant' : 'reliable', rev: one.rev, size: one.size }))) {
        caughtUp = false;
        return;
      }
      handed += 1;
    }
    caughtUp = true;
  };
  const answers = { asked: 0 };
  const check = (): void => {
    const sent = connection.all().filter((one) => one.op === Op.PUSH && typeof one.body['rev'] === 'number');
    const revs = sent.map((one) => one.body['rev'] as number);
    expect(revs).toEqual(log.slice(0, revs.length).map((one) => one.rev));
    const position = out.position();
    const behind = log.filter((one) => one.rev <= position).length;
    expect(behind, 'position names nothing that was not handed to the socket').toBeLessThanOrEqual(revs.length);
    expect(position).toBeGreaterThanOrEqual(revs.at(-1) ?? 1_000);
    expect(out.queuedBytes).toBeLessThanOrEqual(4 * LIMITS.outboundBytes + 5 * 130_000);
    for (const message of connection.written)
      expect(framesOf(message).length).toBeLessThanOrEqual(LIMITS.framesPerMessage);
  };
  for (const one of steps) {
    switch (one.kind) {
      case 'push':
        rev += one.gap;
        log.push({ rev, grant: one.grant, size: one.size });
        if (caughtUp) hand();
        break;
      case 'latest':
        out.push(pushOf({ class: 'latest', key: `k${one.key}`, size: one.size }));
        break;
      case 'ephemeral':
        out.push(pushOf({ class: 'ephemeral', size: one.size }));
        break;
      case 'answer':
        answers.asked += 1;
        out.answer(encodeFrameParts(Op.RESULT, answers.asked, { rev: 1, r: {} }));
        break;
      case 'control':
        out.control(encodeFrameParts(Op.PING, 0, { rev: out.position() }));
        break;
      case 'bookmark':
        if (caughtUp) out.bookmark(rev);
        break;
      case 'read':
        connection.held = Math.max(0, connection.held - one.bytes);
        break;
      case 'flush':
        out.flush();
        if (out.room()) hand();
        check();
        break;
    }
  }
  // In the end the reader reads everything, and has everything once and in order.
  for (let rounds = 0; rounds < 1_000 && (!out.empty || !caughtUp); rounds += 1) {
    connection.held = 0;
    out.flush();
    if (out.room()) hand();
  }
  check();
  const all = connection.all();
  expect(all.filter((frame) => frame.op === Op.PUSH && typeof frame.body['rev'] === 'number').length).toBe(log.length);
  expect(all.filter((frame) => frame.op === Op.RESULT).map((frame) => frame.id)).toEqual(
    Array.from({ length: answers.asked }, (_, i) => i + 1),
  );
  pingsAreHonest(all);
}

/** A PING names only what stands before it. */
function pingsAreHonest(frames: readonly Frame[]): void {
  let seen = 1_000;
  for (const frame of frames) {
    const value = frame.body['rev'];
    if (frame.op === Op.PUSH && typeof value === 'number') {
      expect(value, 'a push after a PING that had vouched for it').toBeGreaterThan(seen);
      seen = value;
    } else if (frame.op === Op.PING && typeof value === 'number') seen = Math.max(seen, value);
  }
}

test('whatever is pushed, flushed and read: ordered pushes arrive once, in order, within the bounds', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 150 }), (steps) => play(steps)),
    { numRuns: 300 },
  );
});
