/**
 * Requests over connections that break at random: a small model of a server, cut links, lost and delayed messages.
 * Checked: every request is answered once, every write is executed once, ids and order are as promised.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reply } from '../../src/client/core.ts';
import { decode, encode, seeded, welcome, World, type FrameIn, type Link } from './peer.ts';

interface ModelSession {
  readonly id: string;
  secrets: string[];
  /** Outcomes of writes by request id. */
  readonly outcomes: Map<number, { readonly body: string; readonly frame: FrameIn }>;
  high: number;
}

/** What the protocol says of a server, as far as requests go: outcomes by session and id, and by key. */
class ModelServer {
  readonly sessions = new Map<string, ModelSession>();
  readonly keys = new Map<string, FrameIn>();
  /** How often each write was executed. */
  readonly executed = new Map<string, number>();
  /** What each session executed or read for the first time, in order. */
  readonly order: string[][] = [];
  readonly faults: string[] = [];
  #count = 0;

  hello(body: Record<string, unknown>, forget: boolean): { readonly session: ModelSession; readonly frame: FrameIn } {
    const resume = body['resume'] as { session: string; secret: string } | undefined;
    const known = resume === undefined ? undefined : this.sessions.get(resume.session);
    this.#count += 1;
    const secret = `secret_${this.#count}`;
    if (known !== undefined && resume !== undefined && !forget && known.secrets.includes(resume.secret)) {
      // The newest that was issued, and the newest that was proved.
      known.secrets = [resume.secret, secret];
      return { session: known, frame: welcome({ session: known.id, secret, resumed: true, rev: 100 }) };
    }
    const session: ModelSession = { id: `ses_${this.#count}`, secrets: [secret], outcomes: new Map(), high: 0 };
    this.sessions.set(session.id, session);
    this.order.push([]);
    return { session, frame: welcome({ session: session.id, secret, resumed: false, reason: 'expired', rev: 100 }) };
  }

  request(session: ModelSession, [, id, body, meta]: FrameIn): FrameIn {
    const name = String((body['p'] as Record<string, unknown>)['id']);
    const text = JSON.stringify(body);
    const known = session.outcomes.get(id);
    if (known !== undefined) {
      if (known.body !== text) this.faults.push(`id ${id} of ${session.id} was used for two bodies`);
      return known.frame;
    }
    if (id <= session.high && body['m'] !== 'task.get')
      this.faults.push(`id ${id} of ${session.id} came after ${session.high}`);
    session.high = Math.max(session.high, id);
    this.order.at(-1)?.push(name);
    if (body['m'] === 'task.get') return [7, id, { rev: 1, r: { name } }];
    const key = meta?.['k'];
    const first = typeof key === 'string' ? this.keys.get(key) : undefined;
    const frame: FrameIn = first === undefined ? [7, id, { rev: 1, r: { name } }] : [7, id, first[2]];
    if (first === undefined) this.executed.set(name, (this.executed.get(name) ?? 0) + 1);
    if (typeof key === 'string' && first === undefined) this.keys.set(key, frame);
    session.outcomes.set(id, { body: text, frame });
    return frame;
  }
}

/** Moves messages both ways, late and never, as it is told. */
class Wire {
  readonly link: Link;
  readonly #server: ModelServer;
  readonly #toServer: Uint8Array[] = [];
  readonly #toClient: Uint8Array[] = [];
  #taken = 0;
  #session: ModelSession | undefined;
  #opened = false;
  #last: Uint8Array | undefined;

  constructor(link: Link, server: ModelServer) {
    this.link = link;
    this.#server = server;
  }

  collect(): void {
    this.#toServer.push(...this.link.messages.slice(this.#taken));
    this.#taken = this.link.messages.length;
  }

  /** One step of this connection. */
  step(forget: boolean): void {
    if (this.link.ended) return;
    if (!this.#opened) {
      this.#opened = true;
      this.link.handler.open();
      this.collect();
      return;
    }
    const up = this.#toServer.shift();
    if (up !== undefined) {
      this.#serve(up, forget);
      return;
    }
    const down = this.#toClient.shift();
    if (down === undefined) return;
    this.#last = down;
    this.link.handler.message(down);
  }

  /** The same answers once more. */
  repeat(): void {
    if (!this.link.ended && this.#last !== undefined && decode(this.#last)[0]?.[0] !== 3) {
      this.link.handler.message(this.#last);
    }
  }

  /** What was under way when the connection ended comes after all, when the client has another one. */
  haunt(): void {
    const late = this.#toClient.shift();
    if (late !== undefined) this.link.handler.message(late);
  }

  get busy(): boolean {
    return !this.#opened || this.#toServer.length > 0 || this.#toClient.length > 0;
  }

  #serve(message: Uint8Array, forget: boolean): void {
    const frames: FrameIn[] = [];
    for (const frame of decode(message)) {
      if (frame[0] === 1) {
        const greeted = this.#server.hello(frame[2], forget);
        this.#session = greeted.session;
        frames.push(greeted.frame);
      } else if (frame[0] === 5 && this.#session !== undefined) frames.push(this.#server.request(this.#session, frame));
    }
    if (frames.length > 0) this.#toClient.push(encode(...frames));
  }
}

type Step =
  | { readonly kind: 'ask'; readonly read: boolean }
  | { readonly kind: 'turn' }
  | { readonly kind: 'move' }
  | { readonly kind: 'cut'; readonly code: number }
  | { readonly kind: 'forget' }
  | { readonly kind: 'repeat' }
  | { readonly kind: 'haunt' }
  | { readonly kind: 'wait'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.boolean().map((read): Step => ({ kind: 'ask', read })) },
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'turn' }) },
  { weight: 10, arbitrary: fc.constant<Step>({ kind: 'move' }) },
  { weight: 2, arbitrary: fc.constantFrom(1006, 4001, 4012, 1000).map((code): Step => ({ kind: 'cut', code })) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'forget' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'repeat' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'haunt' }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 20_000 }).map((ms): Step => ({ kind: 'wait', ms })) },
);

interface Asked {
  readonly name: string;
  readonly read: boolean;
  readonly replies: Reply[];
}

function run(seed: number, steps: readonly Step[]): { readonly asked: readonly Asked[]; readonly server: ModelServer } {
  const world = new World({ entropy: seeded(seed) });
  const server = new ModelServer();
  const wires: Wire[] = [];
  const asked: Asked[] = [];
  let forget = false;
  const current = (): Wire => {
    while (wires.length < world.links.length) wires.push(new Wire(world.links[wires.length]!, server));
    const wire = wires.at(-1)!;
    wire.collect();
    return wire;
  };
  world.sdk.start();
  for (const one of steps) {
    const wire = current();
    switch (one.kind) {
      case 'ask': {
        const entry: Asked = { name: `r${asked.length}`, read: one.read, replies: [] };
        asked.push(entry);
        world.sdk.request({
          method: one.read ? 'task.get' : 'task.cancel',
          params: { id: entry.name },
          done: (reply) => entry.replies.push(reply),
        });
        break;
      }
      case 'turn':
        world.scheduler.turn();
        break;
      case 'move':
        wire.step(forget);
        forget = false;
        break;
      case 'cut':
        // What was on the way in either direction is lost.
        wire.link.end(one.code);
        break;
      case 'forget':
        forget = true;
        break;
      case 'repeat':
        wire.repeat();
        break;
      case 'haunt':
        for (const old of wires) if (old !== wire) old.haunt();
        break;
      case 'wait':
        world.scheduler.advance(one.ms);
        break;
    }
  }
  finish(world, current);
  return { asked, server };
}

/** From here on nothing breaks any more. */
function finish(world: World, current: () => Wire): void {
  for (let round = 0; round < 10_000; round += 1) {
    world.settle();
    const wire = current();
    if (wire.busy && !wire.link.ended && wire.link.left === undefined) wire.step(false);
    else if (world.sdk.core.unanswered === 0) return;
    else world.scheduler.advance(100);
  }
}

describe('requests over broken connections', () => {
  it('each is answered once, each write is executed once, ids rise and order holds', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(step, { minLength: 20, maxLength: 150 }), (seed, steps) => {
        const { asked, server } = run(seed, steps);
        for (const one of asked) {
          expect(one.replies, one.name).toHaveLength(1);
          expect(one.replies[0]).toMatchObject({ ok: true, result: { name: one.name } });
          if (!one.read) expect(server.executed.get(one.name), one.name).toBe(1);
        }
        expect(server.faults).toEqual([]);
        for (const names of server.order) {
          const numbers = [...new Set(names)].map((name) => Number(name.slice(1)));
          expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('notices a client that sends without keys over fresh sessions', () => {
    // The model is able to find a double: the same script with the key left out executes twice.
    const world = new World();
    const server = new ModelServer();
    world.sdk.start();
    const first = new Wire(world.link, server);
    world.sdk.request({ method: 'task.cancel', params: { id: 'r0' }, key: false, done: () => undefined });
    for (let i = 0; i < 3; i += 1) first.step(false);
    world.settle();
    first.collect();
    first.step(false);
    world.link.end();
    world.redial();
    const second = new Wire(world.link, server);
    for (let i = 0; i < 3; i += 1) second.step(true);
    world.settle();
    second.collect();
    second.step(false);
    expect(server.executed.get('r0')).toBe(2);
  });
});
