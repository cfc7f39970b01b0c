/**
 * Which upgrade requests are taken at all, by how many connections there are: one for all ports of a node.
 *
 * Owns: the bounds of sockets (of the node and of an address), of those that have not shown who they are, and the
 * answer at the bound. Does not own: the rate (a port, since counters may be shared), what a request must look like (upgrade.ts),
 * bounds of principals and tenants (session/census.ts).
 *
 * G1 A refusal says 503 and when to come again, and costs nothing beyond its answer.
 * G2 A stranger is a connection whose HELLO was not taken yet. They have a bound of their own, so that whoever never says who
 *    he is cannot keep out those who do.
 * G3 What is remembered is bounded by the sockets that are open.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { assert } from '../base/assert.ts';
import { addressGroup } from '../base/address.ts';
import type { Refusal } from './upgrade.ts';

/** 0: no bound. */
export interface GateLimits {
  readonly sockets: number;
  readonly ofAddress: number;
  readonly strangers: number;
  readonly strangersOfAddress: number;
}

/** Why a request was not taken: labels of a metric. */
export type Turned = 'sockets' | 'address' | 'strangers' | 'rate' | 'memory';

export interface GateOptions {
  readonly limits?: Partial<GateLimits>;
  /** Counts one more from this address, and says after how many ms it may come again; 0: it is taken now. */
  readonly rate?: (address: string) => number;
  /** The process has so little memory left that nobody new is let in. */
  readonly short?: () => boolean;
  readonly onTurned?: (why: Turned) => void;
}

/** Sockets of one group of addresses. */
interface Group {
  open: number;
  strangers: number;
}

const BUSY_MS = 5_000;

export class Gate {
  readonly #limits: GateLimits;
  readonly #options: GateOptions;
  readonly #groups = new Map<string, Group>();
  #open = 0;
  #strangers = 0;

  constructor(options: GateOptions = {}) {
    this.#options = options;
    const { address, strangers, strangersOfAddress } = LIMITS.connections;
    this.#limits = {
      sockets: LIMITS.connectionsMax,
      ofAddress: address,
      strangers,
      strangersOfAddress,
      ...options.limits,
    };
  }

  /** Sockets that may be open at once. */
  get most(): number {
    return this.#limits.sockets === 0 ? Number.MAX_SAFE_INTEGER : this.#limits.sockets;
  }

  get open(): number {
    return this.#open;
  }

  get strangers(): number {
    return this.#strangers;
  }

  /** Undefined: one more may come from this address. */
  ask(address: string): Refusal | undefined {
    const group = addressGroup(address);
    const known = this.#groups.get(group);
    const { sockets, ofAddress, strangers, strangersOfAddress } = this.#limits;
    if (isFull(this.#open, sockets)) return this.#turn('sockets', BUSY_MS);
    if (this.#options.short?.() === true) return this.#turn('memory', BUSY_MS);
    if (known !== undefined && isFull(known.open, ofAddress)) return this.#turn('address', BUSY_MS);
    if (isFull(this.#strangers, strangers)) return this.#turn('strangers', BUSY_MS);
    if (known !== undefined && isFull(known.strangers, strangersOfAddress)) return this.#turn('strangers', BUSY_MS);
    const waitMs = this.#options.rate?.(address) ?? 0;
    return waitMs > 0 ? this.#turn('rate', waitMs) : undefined;
  }

  /** A socket is open. */
  enter(address: string): void {
    const group = this.#groups.get(addressGroup(address)) ?? { open: 0, strangers: 0 };
    this.#groups.set(addressGroup(address), group);
    group.open += 1;
    group.strangers += 1;
    this.#open += 1;
    this.#strangers += 1;
  }

  /** Its HELLO was taken. */
  greeted(address: string): void {
    const group = this.#groups.get(addressGroup(address));
    assert(group !== undefined && group.strangers > 0, 'greeted once, while it is open');
    group.strangers -= 1;
    this.#strangers -= 1;
  }

  /** It is gone. */
  leave(address: string, stranger: boolean): void {
    if (stranger) this.greeted(address);
    const name = addressGroup(address);
    const group = this.#groups.get(name);
    assert(group !== undefined && group.open > 0, 'leaves once');
    group.open -= 1;
    this.#open -= 1;
    if (group.open === 0) this.#groups.delete(name); // G3
  }

  #turn(why: Turned, waitMs: number): Refusal {
    this.#options.onTurned?.(why);
    const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
    const message = why === 'rate' ? 'Too many connections in a short time.' : 'Too many connections.';
    return { status: 503, message, headers: { 'Retry-After': String(seconds) } };
  }
}

function isFull(count: number, max: number): boolean {
  return max > 0 && count >= max;
}
