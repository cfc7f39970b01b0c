/** A reader that stops reading, on a real socket: bounded memory, nothing lost, nobody else notices. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type Frame } from '../../protocol/wire/types.ts';
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { createSessionManager, type SessionManager } from '../../src/session/manager.ts';
import type { TransportListener } from '../../src/transport/choose.ts';
import { SOCKET_TRANSPORTS, listen } from '../support/listen.ts';
import { FakeNode, framesOf, hello, pushOf, type FakeAttached } from '../support/session-rig.ts';
import { until } from '../support/until.ts';

const COUNT = 20_000;
const SIZE = 1_000;

/** Hands every session the same pushes, each at its own pace. */
class Broadcaster extends FakeNode {
  readonly attached: FakeAttached[] = [];
  head = 100;
  readonly #positions = new Map<FakeAttached, number>();

  override hello(...[asked, done]: Parameters<FakeNode['hello']>): void {
    super.hello(asked, done);
    systemScheduler.defer(() => {
      const attached = this.welcome(100);
      this.#positions.set(attached, 100);
      this.attached.push(attached);
      attached.onDrained = () => this.#hand(attached);
    });
  }

  publish(count: number): void {
    this.head += count;
    for (const attached of this.attached) this.#hand(attached);
  }

  #hand(attached: FakeAttached): void {
    for (let rev = (this.#positions.get(attached) ?? 0) + 1; rev <= this.head; rev += 1) {
      if (!attached.delivery.push(pushOf({ class: 'reliable', rev, size: SIZE }))) return;
      this.#positions.set(attached, rev);
    }
  }
}

interface Reader {
  readonly ws: WebSocket;
  readonly revs: number[];
  notices: number;
}

let node: Broadcaster;
let manager: SessionManager;
let listener: TransportListener;
let readers: Reader[];

beforeEach(async () => {
  node = new Broadcaster();
  manager = createSessionManager({ node, scheduler: systemScheduler });
  readers = [];
});

afterEach(async () => {
  for (const { ws } of readers) ws.terminate();
  await listener.close();
  await until(() => manager.connections === 0);
});

async function reader(): Promise<Reader> {
  const ws = new WebSocket(`ws://127.0.0.1:${listener.port}/v1`, ['muster.v1.msgpack']);
  const made: Reader = { ws, revs: [], notices: 0 };
  readers.push(made);
  ws.on('message', (data) => {
    if (Buffer.isBuffer(data)) for (const one of framesOf(data)) note(made, one);
  });
  const before = node.attached.length;
  await new Promise((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  ws.send(hello());
  await until(() => node.attached.length > before, 'the session');
  return made;
}

function note(made: Reader, one: Frame): void {
  if (one.op === Op.NOTICE) made.notices += 1;
  if (one.op === Op.PUSH && typeof one.body['rev'] === 'number') made.revs.push(one.body['rev']);
}

test.each(SOCKET_TRANSPORTS)(
  '%s: one that stops is held back and caught up in order, while its neighbour gets everything',
  async (name) => {
    listener = await listen(name, { accept: manager.accept });
    const slow = await reader();
    const brisk = await reader();
    slow.ws.pause();
    for (let sent = 0; sent < COUNT; sent += 500) {
      node.publish(500);
      await until(() => brisk.revs.at(-1) === node.head, 'the brisk reader');
      for (const info of manager.list()) expect(info.queuedBytes).toBeLessThan(2 * LIMITS.outboundBytes);
    }
    const all = Array.from({ length: COUNT }, (_, i) => 101 + i);
    expect(brisk.revs).toEqual(all);
    expect(slow.revs.length).toBeLessThan(COUNT);
    slow.ws.resume();
    await until(() => slow.revs.at(-1) === node.head, 'the slow reader to catch up');
    expect(slow.revs).toEqual(all);
    expect(slow.notices).toBeGreaterThan(0);
    expect(brisk.notices).toBe(0);
  },
);
