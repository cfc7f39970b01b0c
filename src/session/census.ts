/**
 * Who is connected to this node: connections of each tenant and principal, their bounds, and what a principal may still ask for.
 *
 * Owns: the counts. Does not own: connections of the node (manager.ts), of addresses (transport), the rates themselves
 * (access).
 *
 * C1 At a bound a HELLO is refused with LIMIT_EXCEEDED and told to come later; who is connected does not notice.
 * C2 Who resumes is let in above the bound, for the connection that it replaces may still be counted; with WELCOME that one is
 *    gone, and the bound holds again. So many as may be connected may resume at a time.
 * C3 All connections of a principal share one rate; it is forgotten with the last of them.
 */
import type { Rejection } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { assert } from '../base/assert.ts';
import type { Principal } from '../node/port.ts';
import type { SessionRates } from './observer.ts';

/** 0: no bound. */
export interface CensusLimits {
  readonly tenant: number;
  readonly principal: number;
}

export interface CensusOptions {
  readonly limits?: Partial<CensusLimits>;
  readonly ratesOf?: ((principal: Principal) => SessionRates) | undefined;
}

/** Connections that count together. */
interface Group {
  readonly key: string;
  open: number;
}

/** Where a connection is counted. */
export interface Seat extends Group {
  readonly tenant: Group;
  readonly rates: SessionRates | undefined;
}

export class Census {
  readonly #limits: CensusLimits;
  readonly #ratesOf: ((principal: Principal) => SessionRates) | undefined;
  readonly #tenants = new Map<string, Group>();
  readonly #principals = new Map<string, Seat>();

  constructor({ limits, ratesOf }: CensusOptions = {}) {
    const { tenant, principal } = LIMITS.connections;
    this.#limits = { tenant, principal, ...limits };
    this.#ratesOf = ratesOf;
  }

  /** Principals that are connected. */
  get principals(): number {
    return this.#principals.size;
  }

  /** A HELLO was taken; whoever gets a seat leaves it. */
  enter(principal: Principal, resumes: boolean): Seat | Rejection {
    const key = `${principal.tenant}/${principal.id}`;
    const tenant = this.#tenants.get(principal.tenant) ?? { key: principal.tenant, open: 0 };
    const known = this.#principals.get(key);
    const times = resumes ? 2 : 1; // C2
    if (isFull(known?.open ?? 0, times * this.#limits.principal)) return full('principal');
    if (isFull(tenant.open, times * this.#limits.tenant)) return full('tenant');
    const seat = known ?? { key, open: 0, tenant, rates: this.#ratesOf?.(principal) };
    seat.open += 1;
    tenant.open += 1;
    this.#principals.set(key, seat);
    this.#tenants.set(tenant.key, tenant);
    return seat;
  }

  /** C2: WELCOME is about to be said. Undefined: it may be. */
  settle(seat: Seat): Rejection | undefined {
    const { principal, tenant } = this.#limits;
    if (principal > 0 && seat.open > principal) return full('principal');
    return tenant > 0 && seat.tenant.open > tenant ? full('tenant') : undefined;
  }

  leave(seat: Seat): void {
    assert(seat.open > 0 && seat.tenant.open > 0, 'leaves once');
    seat.open -= 1;
    seat.tenant.open -= 1;
    if (seat.open === 0) this.#principals.delete(seat.key);
    if (seat.tenant.open === 0) this.#tenants.delete(seat.tenant.key);
  }
}

function isFull(count: number, max: number): boolean {
  return max > 0 && count >= max;
}

function full(whose: 'principal' | 'tenant'): Rejection {
  return { code: 'LIMIT_EXCEEDED', message: `Too many connections of this ${whose}.`, retryAfterMs: 5_000 };
}
