/**
 * Who is connected to this node: connections of each tenant and principal, their bounds, and what a principal may still ask for.
 *
 * Owns: the counts. Does not own: connections of the node (manager.ts), of addresses (transport), the rates themselves
 * (access).
 *
 * C1 At a bound a HELLO is refused with UNAVAILABLE and told to come later; who is connected does not notice.
 * C2 Who resumes is let in above the bound, for the connection that it replaces may still be counted; with WELCOME that one is
 *    gone, and the bound holds for those who were welcomed. So many as may be connected may resume at a time.
 * C3 All connections of a principal share one rate.
 * C4 A fresh session takes from that rate: with HELLO, or, if it could not be resumed, when that is known.
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
  /** Whose HELLO was taken. */
  open: number;
  /** Of these, those that were welcomed. */
  settled: number;
}

interface Member extends Group {
  readonly tenant: Group;
  readonly rates: SessionRates | undefined;
}

/** Where a connection is counted. */
export interface Seat {
  readonly member: Member;
  readonly resumes: boolean;
  settled: boolean;
}

export class Census {
  readonly #limits: CensusLimits;
  readonly #ratesOf: ((principal: Principal) => SessionRates) | undefined;
  readonly #tenants = new Map<string, Group>();
  readonly #principals = new Map<string, Member>();

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
    const tenant = this.#tenants.get(principal.tenant) ?? { key: principal.tenant, open: 0, settled: 0 };
    const known = this.#principals.get(key);
    const times = resumes ? 2 : 1; // C2
    if (isFull(known?.open ?? 0, times * this.#limits.principal)) return full('principal');
    if (isFull(tenant.open, times * this.#limits.tenant)) return full('tenant');
    const member = known ?? { key, open: 0, settled: 0, tenant, rates: this.#ratesOf?.(principal) };
    const refused = resumes ? undefined : tooFast(member);
    if (refused !== undefined) return refused;
    member.open += 1;
    tenant.open += 1;
    this.#principals.set(key, member);
    this.#tenants.set(tenant.key, tenant);
    return { member, resumes, settled: false };
  }

  /** C2: WELCOME is about to be said. Undefined: it may be. */
  settle(seat: Seat, resumed: boolean): Rejection | undefined {
    assert(!seat.settled, 'is welcomed once');
    const { member } = seat;
    if (isFull(member.settled, this.#limits.principal)) return full('principal');
    if (isFull(member.tenant.settled, this.#limits.tenant)) return full('tenant');
    const refused = seat.resumes && !resumed ? tooFast(member) : undefined; // C4
    if (refused !== undefined) return refused;
    seat.settled = true;
    member.settled += 1;
    member.tenant.settled += 1;
    return undefined;
  }

  leave({ member, settled }: Seat): void {
    const { tenant } = member;
    assert(member.open > 0 && tenant.open > 0, 'leaves once');
    member.open -= 1;
    tenant.open -= 1;
    if (settled) {
      member.settled -= 1;
      tenant.settled -= 1;
    }
    if (member.open === 0) this.#principals.delete(member.key);
    if (tenant.open === 0) this.#tenants.delete(tenant.key);
  }
}

/** C4 */
function tooFast({ rates }: Member): Rejection | undefined {
  const waitMs = rates?.open() ?? 0;
  if (waitMs === 0) return undefined;
  return { code: 'UNAVAILABLE', message: 'Too many fresh sessions of this principal.', retryAfterMs: waitMs };
}

function isFull(count: number, max: number): boolean {
  return max > 0 && count >= max;
}

function full(whose: 'principal' | 'tenant'): Rejection {
  return { code: 'UNAVAILABLE', message: `Too many connections of this ${whose}.`, retryAfterMs: LIMITS.fullRetryMs };
}
