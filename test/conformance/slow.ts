/**
 * What a session does about a peer that does not read, over every transport: each class of frames at its bound, what is said
 * about it, and the end.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type Frame } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import type { Scheduler } from '../../src/base/scheduler.ts';
import { createSessionManager, type SessionManager } from '../../src/session/manager.ts';
import { NO_METRICS } from '../../src/session/observer.ts';
import { FakeNode, frameOf, framesOf, hello, pushOf, type FakeAttached } from '../support/session-rig.ts';
import type { Peer, TransportFixture, TransportUnderTest } from './transport.ts';

/** More than kernels hold for a peer on loopback. */
const STUFFING_BYTES = 16 * 1024 * 1024;
const SIZE = 8_000;
const FIRST_REV = 100;

/** A session with what it is handed: ordered pushes as long as they are taken, and again when there is room. */
interface Line {
  readonly peer: Peer;
  readonly attached: FakeAttached;
  rev: number;
}

export function slowReaders(transport: TransportUnderTest, { speed }: { readonly speed: number }): void {
  describe(`who does not read, over ${transport.name}`, () => {
    let fixture: TransportFixture;
    let node: FakeNode;
    let manager: SessionManager;
    let ends: string[];
    let dropped: number;
    let haste: Haste;
    let head: number;

    beforeEach(async () => {
      ends = [];
      dropped = 0;
      head = FIRST_REV;
      node = new FakeNode();
      fixture = await transport.open((connection) => manager.accept(connection));
      haste = new Haste(fixture.scheduler);
      manager = createSessionManager({
        node,
        scheduler: haste,
        metrics: {
          ...NO_METRICS,
          dropped: (count) => (dropped += count),
          connectionClosed: (reason) => void ends.push(reason),
        },
      });
    });
    afterEach(() => fixture.close());

    async function line(): Promise<Line> {
      const peer = await fixture.dial();
      peer.send(hello());
      await fixture.until(() => node.hellos.length > 0);
      const made: Line = { peer, attached: node.welcome(FIRST_REV), rev: FIRST_REV };
      made.attached.onDrained = () => hand(made);
      await fixture.until(() => frames(peer).length > 0);
      return made;
    }

    /** Every fourth is an order. */
    function hand(to: Line): void {
      for (let rev = to.rev + 1; rev <= head; rev += 1) {
        const kind = rev % 4 === 0 ? 'grant' : 'reliable';
        if (!to.attached.delivery.push(pushOf({ class: kind, rev, size: SIZE }))) return;
        to.rev = rev;
      }
    }

    /** Until the socket of `slow` takes nothing more and its queue is full, while the neighbour has everything. */
    async function stuff(slow: Line, brisk: Line): Promise<void> {
      for (let sent = 0; sent < STUFFING_BYTES; sent += 50 * SIZE) {
        head += 50;
        hand(slow);
        hand(brisk);
        await fixture.until(() => revsOf(brisk.peer).at(-1) === head);
      }
      expect(slow.rev).toBeLessThan(head);
      expect(queuedBytes()).toBeLessThan(5 * LIMITS.outboundBytes);
    }

    const queuedBytes = (): number => Math.max(...manager.list().map((info) => info.queuedBytes));

    test('keeps orders and events by position, the newest of each key, and the last of what is not kept', async () => {
      const slow = await line();
      const brisk = await line();
      slow.peer.pause();
      await stuff(slow, brisk);
      const { delivery } = slow.attached;
      const extra = 10;
      for (let n = 0; n < 100; n += 1) expect(delivery.push(latest('same', n))).toBe(true);
      for (let n = 0; n < LIMITS.outboundFrames + extra; n += 1) expect(delivery.push(latest(`k${n}`, n))).toBe(true);
      expect(delivery.push(latest(`k${extra}`, 'newer'))).toBe(true);
      for (let n = 0; n < LIMITS.outboundFrames + extra; n += 1) expect(delivery.push(ephemeral(n))).toBe(true);
      expect(queuedBytes()).toBeLessThan(5 * LIMITS.outboundBytes);
      // The key of before all others, and the ten oldest of them; and the ten oldest of what is not kept.
      expect(dropped).toBe(1 + extra + extra);
      slow.peer.send(frameOf(Op.PING));
      slow.peer.resume();
      await fixture.until(() => revsOf(slow.peer).at(-1) === head && saidBy(slow.peer, 'e').length > 0);
      await fixture.until(() => frames(slow.peer).some(({ op }) => op === Op.PONG));
      const all = Array.from({ length: head - FIRST_REV }, (_, at) => FIRST_REV + 1 + at);
      expect(revsOf(slow.peer)).toEqual(all);
      expect(revsOf(brisk.peer)).toEqual(all);
      const kept = Array.from({ length: LIMITS.outboundFrames }, (_, at) => at + extra);
      expect(saidBy(slow.peer, 'l')).toEqual(kept.map((n) => (n === extra ? 'newer' : n)));
      expect(saidBy(slow.peer, 'e')).toEqual(kept);
      const notices = noticesOf(slow.peer);
      expect(notices[0]).toMatchObject({ kind: 'slow', dropped: 0 });
      expect(notices.filter((notice) => notice['dropped'] === 1)).toHaveLength(1);
      expect(noticesOf(brisk.peer)).toEqual([]);
      expect(ends).toEqual([]);
    }, 60_000);

    test('is closed, resumably, when it takes nothing for long, however much it says; nobody else is', async () => {
      const slow = await line();
      const brisk = await line();
      slow.peer.pause();
      await stuff(slow, brisk);
      haste.go(speed);
      const began = haste.mono();
      let said = began;
      while (ends.length === 0) {
        for (const { peer } of [slow, brisk]) peer.send(frameOf(Op.PONG));
        said = haste.mono();
        await fixture.until(() => ends.length > 0 || haste.mono() - said > 1_000);
        expect(said - began, 'it was closed long ago').toBeLessThan(4 * LIMITS.slowMs);
      }
      expect(ends).toEqual(['SLOW']);
      expect(slow.attached.calls).toContain('detach');
      expect(brisk.attached.calls).not.toContain('detach');
      head += 1;
      hand(brisk);
      await fixture.until(() => revsOf(brisk.peer).at(-1) === head);
    }, 60_000);
  });
}

function latest(key: string, value: number | string): ReturnType<typeof pushOf> {
  return pushOf({ class: 'latest', key, d: { l: value } });
}

function ephemeral(value: number): ReturnType<typeof pushOf> {
  return pushOf({ class: 'ephemeral', d: { e: value } });
}

const read = new WeakMap<Peer, { messages: number; readonly frames: Frame[] }>();

/** All frames that the peer has received. */
function frames(peer: Peer): readonly Frame[] {
  let known = read.get(peer);
  if (known === undefined) read.set(peer, (known = { messages: 0, frames: [] }));
  for (; known.messages < peer.received.length; known.messages += 1) {
    known.frames.push(...framesOf(must(peer.received[known.messages], 'a message')));
  }
  return known.frames;
}

function revsOf(peer: Peer): number[] {
  return frames(peer).flatMap(({ op, body }) =>
    op === Op.PUSH && typeof body['rev'] === 'number' ? [body['rev']] : [],
  );
}

function saidBy(peer: Peer, member: 'l' | 'e'): unknown[] {
  return frames(peer).flatMap(({ op, body }) => {
    const { d } = body;
    return op === Op.PUSH && typeof d === 'object' && d !== null && member in d ? [Reflect.get(d, member)] : [];
  });
}

function noticesOf(peer: Peer): Frame['body'][] {
  return frames(peer).flatMap(({ op, body }) => (op === Op.NOTICE ? [body] : []));
}

/** A clock that can be made to go faster than the one behind it; timers that run already keep their time. */
class Haste implements Scheduler {
  readonly #scheduler: Scheduler;
  #speed = 1;
  #mono: number;
  #since: number;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.#mono = scheduler.mono();
    this.#since = this.#mono;
  }

  go(speed: number): void {
    this.#mono = this.mono();
    this.#since = this.#scheduler.mono();
    this.#speed = speed;
  }

  now(): number {
    return this.#scheduler.now();
  }

  mono(): number {
    return this.#mono + (this.#scheduler.mono() - this.#since) * this.#speed;
  }

  defer(fn: () => void): void {
    this.#scheduler.defer(fn);
  }

  after(ms: number, fn: () => void): () => void {
    return this.#scheduler.after(ms / this.#speed, fn);
  }
}
