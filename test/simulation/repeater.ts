/**
 * A client without the SDK that sends everything again, on purpose: the same request under the same id, another one
 * under it, one whose answer it had acknowledged, on the same connection and on a resumed one.
 */
import { decodeFrames, encodeFrame } from '../../protocol/wire/codec.ts';
import { SERVER_FRAME_LIMITS } from '../../protocol/wire/scan.ts';
import { Op, type Frame, type Meta, type ValueMap } from '../../protocol/wire/types.ts';
import type { SocketHandler } from '../../src/client/ports.ts';
import type { SimClient, Surroundings } from './client.ts';
import type { Random } from './random.ts';
import type { Lane } from './scheduler.ts';
import { Wire } from './wire.ts';

/** A round takes so long. */
const ROUND_MS = 2_000;
const ROUNDS = 4;
const TOPIC = 'repeats';

export function repeat(around: Surroundings, of: SimClient, requests: number): void {
  const { token } = of;
  if (token !== undefined) new Repeater(around, { of, token, requests }).start();
}

class Repeater {
  readonly #around: Surroundings;
  readonly #of: SimClient;
  readonly #token: string;
  readonly #requests: number;
  readonly #name: string;
  readonly #lane: Lane;
  readonly #random: Random;
  #wire: Wire | undefined;
  #round = 0;
  #position = 0;

  constructor(
    around: Surroundings,
    what: { readonly of: SimClient; readonly token: string; readonly requests: number },
  ) {
    this.#around = around;
    this.#of = what.of;
    this.#token = what.token;
    this.#requests = what.requests;
    this.#name = `repeater ${around.recorder.newConn()}`;
    this.#lane = around.time.lane(this.#name);
    this.#random = around.random.fork(this.#name);
  }

  start(): void {
    const { recorder } = this.#around;
    recorder.add({
      kind: 'client.start',
      client: this.#name,
      incarnation: 1,
      tenant: this.#of.plan.tenant,
      sdk: false,
    });
    recorder.restless((ROUNDS + 1) * ROUND_MS);
    this.#dial();
    for (let i = 1; i < ROUNDS; i += 1) this.#lane.after(i * ROUND_MS, () => this.#next());
    this.#lane.after(ROUNDS * ROUND_MS, () => this.#end());
  }

  #dial(): void {
    const { network, recorder, observer } = this.#around;
    const { tenant, operator = false } = this.#of.plan;
    const known = this.#wire?.known;
    const handler: SocketHandler = {
      open: () => this.#hello(known),
      message: (bytes) => this.#message(bytes),
      closed: () => undefined,
    };
    const client = { name: this.#name, incarnation: 1, tenant, operator };
    this.#wire = new Wire({ network, recorder, observer, lane: this.#lane, handler, client });
    this.#wire.known = known;
  }

  #hello(known: Wire['known']): void {
    const resume = known === undefined ? {} : { resume: { ...known, rev: this.#position } };
    this.#send(Op.HELLO, 0, {
      v: [1, 0, 0],
      client: { name: this.#name, version: 'simulated' },
      auth: { token: this.#token },
      ...resume,
    });
  }

  #message(bytes: Uint8Array): void {
    const frames = decodeFrames(bytes, SERVER_FRAME_LIMITS);
    for (const frame of frames.ok ? frames.value : []) this.#frame(frame);
  }

  #frame(frame: Frame): void {
    const rev = frame.op === Op.RESULT ? undefined : frame.body['rev'];
    if (frame.op === Op.WELCOME && frame.body['resumed'] !== true) this.#position = 0;
    if (typeof rev === 'number') this.#position = Math.max(this.#position, rev);
    if (frame.op === Op.WELCOME) this.#begin();
    if (frame.op === Op.PING) this.#send(Op.PONG, 0, { rev: this.#position });
  }

  /** The first round asks; every later one asks again what may or may not be known. */
  #begin(): void {
    if (this.#round === 0) {
      for (let id = 1; id <= this.#requests; id += 1) this.#ask(id, 'first');
      return;
    }
    const ack = this.#round === 2 ? { ack: Math.floor(this.#requests / 2) } : {};
    for (let id = 1; id <= this.#requests; id += 1) {
      if (this.#random.chance(0.5)) this.#ask(id, this.#random.chance(0.2) ? 'other' : 'first', ack);
    }
  }

  #next(): void {
    this.#round += 1;
    const wire = this.#wire;
    if (wire?.open === true && wire.known !== undefined && this.#random.chance(0.5)) return this.#begin();
    wire?.close(1000, 'again');
    this.#dial();
  }

  #ask(id: number, which: 'first' | 'other', meta: Meta = {}): void {
    const mark = `${this.#name} ${id}${which === 'first' ? '' : ' other'}`;
    const frame = { op: Op.REQUEST, id, body: { m: 'topic.publish', p: { topic: TOPIC, data: { mark } } } };
    this.#wire?.send(encodeFrame(Object.keys(meta).length === 0 ? frame : { ...frame, meta }));
  }

  #send(op: number, id: number, body: ValueMap): void {
    this.#wire?.send(encodeFrame({ op, id, body }));
  }

  #end(): void {
    if (this.#wire?.open === true) this.#send(Op.BYE, 0, {});
    this.#around.recorder.add({ kind: 'client.kill', client: this.#name, incarnation: 1 });
    this.#lane.kill();
    this.#wire?.died(false);
  }
}
