/**
 * The network: connections between clients and whichever server listens, and what happens to messages on their way.
 *
 * Owns: delays, traps for single messages, which link is whose. Does not own: what a stream is (src/transport).
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { SERVER_FRAME_LIMITS, scanMessage } from '../../protocol/wire/scan.ts';
import { Op } from '../../protocol/wire/types.ts';
import type { Accept } from '../../src/session/port.ts';
import {
  memoryTransport,
  type Fate,
  type MemoryFaults,
  type MemoryLink,
  type MemoryTransport,
  type Side,
} from '../../src/transport/memory.ts';
import type { Fault, Trap } from './plan.ts';
import type { Mark } from './marks.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import type { Lane, VirtualTime } from './scheduler.ts';

/** Whose connection a link is. */
export interface Owner {
  readonly client: string;
  readonly conn: string;
}

type ArmedTrap = Extract<Fault, { readonly do: 'trap' }> & { readonly client: string; left: number };

const FROM: { readonly [T in Trap]: Side } = {
  hello: 'client',
  request: 'client',
  welcome: 'server',
  result: 'server',
  push: 'server',
};

const OPS: { readonly [T in Trap]: number } = {
  hello: Op.HELLO,
  request: Op.REQUEST,
  welcome: Op.WELCOME,
  result: Op.RESULT,
  push: Op.PUSH,
};

const LOST: { readonly [T in Trap]?: Mark } = { hello: 'lost HELLO', welcome: 'lost WELCOME', result: 'lost RESULT' };
/** A delay from which on the other side may think that a connection stands still. */
const SEVERE_MS = 1_000;

/** After so long both sides have noticed that a connection stands still. */
export function noticedMs(): number {
  return LIMITS.pingIntervalMs + LIMITS.pingTimeoutMs + 3_000;
}

export interface NetworkOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly recorder: Recorder;
  readonly latencyMs: readonly [min: number, max: number];
}

export class Network implements MemoryFaults {
  readonly #options: NetworkOptions;
  readonly #lane: Lane;
  readonly #owners = new WeakMap<MemoryLink, Owner>();
  readonly #delays = new WeakMap<MemoryLink, { readonly [S in Side]: Random }>();
  readonly #traps: ArmedTrap[] = [];
  #transport: MemoryTransport | undefined;
  #links = 0;
  #healed = false;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#lane = options.time.lane('network');
  }

  /** A server listens. */
  listen(accept: Accept): void {
    this.#transport = memoryTransport({ scheduler: this.#lane, accept, faults: this });
  }

  /** Nobody listens any more. `links` are those that were open. */
  unlisten(): readonly MemoryLink[] {
    const links = this.#transport?.links() ?? [];
    this.#transport = undefined;
    return links;
  }

  get links(): readonly MemoryLink[] {
    return this.#transport?.links() ?? [];
  }

  /** Undefined: refused, because nobody listens. */
  dial(owner: Owner, client: Accept): MemoryLink | undefined {
    const link = this.#transport?.dial(client);
    if (link === undefined) return undefined;
    this.#owners.set(link, owner);
    this.#links += 1;
    const random = this.#options.random.fork(`link ${this.#links}`);
    this.#delays.set(link, { client: random.fork('client'), server: random.fork('server') });
    return link;
  }

  ownerOf(link: MemoryLink): Owner | undefined {
    return this.#owners.get(link);
  }

  trap(client: string, trap: Extract<Fault, { readonly do: 'trap' }>): void {
    if (!this.#healed) this.#traps.push({ ...trap, client, left: trap.skip });
  }

  heal(): void {
    this.#healed = true;
    this.#traps.length = 0;
  }

  message(link: MemoryLink, from: Side, bytes: Uint8Array): Fate {
    const owner = this.#owners.get(link);
    const trapped = owner === undefined ? undefined : this.#trapped(owner, from, bytes);
    if (trapped !== undefined) return trapped;
    const [min, max] = this.#options.latencyMs;
    if (max === 0) return { kind: 'deliver' };
    const ms = this.#delays.get(link)?.[from].between(min, max) ?? 0;
    return ms === 0 ? { kind: 'deliver' } : { kind: 'delay', ms };
  }

  #trapped(owner: Owner, from: Side, bytes: Uint8Array): Fate | undefined {
    const trap = this.#traps.find(
      (one) => one.client === owner.client && FROM[one.on] === from && carries(bytes, OPS[one.on]),
    );
    if (trap === undefined) return undefined;
    trap.left -= 1;
    if (trap.left >= 0) return undefined;
    this.#traps.splice(this.#traps.indexOf(trap), 1);
    const { recorder } = this.#options;
    const severs = trap.fate !== 'delay' || trap.ms >= SEVERE_MS;
    recorder.fault(`${trap.fate} at ${trap.on}`, { conn: owner.conn, severs });
    const mark = LOST[trap.on];
    recorder.restless(trap.fate === 'delay' ? trap.ms : noticedMs());
    if (trap.fate === 'delay') return { kind: 'delay', ms: trap.ms };
    if (mark !== undefined) recorder.marks.count(mark);
    if (trap.fate === 'silence') recorder.marks.count('half-open connection');
    return { kind: trap.fate };
  }
}

function carries(bytes: Uint8Array, op: number): boolean {
  const spans = scanMessage(bytes, SERVER_FRAME_LIMITS);
  return spans.ok && spans.value.some((span) => span.op === op);
}
