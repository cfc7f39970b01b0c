/**
 * When the credential of an open session ends: the warning before, its renewal, and the end.
 *
 * X1 The wall clock decides, looked at again and again, since it may jump.
 * X2 The warning comes once for each credential, when `authWarnPercent` of its life (as it was when it was shown to
 *    us) is left, but at least `authWarnMsMin` before the end, or at once if less is left.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Rejection } from '../../protocol/wire/codes.ts';
import type { Principal } from '../node/port.ts';
import { NOT_SERVED, type HelloContext, type Refusal } from './hello.ts';

export class Expiry {
  #expiresAt: number | undefined;
  #warnAt = 0;
  #warned = false;

  /** `now` is wall ms. */
  constructor(expiresAt: number | undefined, now: number) {
    this.renew(expiresAt, now);
  }

  renew(expiresAt: number | undefined, now: number): void {
    this.#expiresAt = expiresAt;
    this.#warned = false;
    if (expiresAt === undefined) return;
    const share = Math.floor(((expiresAt - now) * LIMITS.authWarnPercent) / 100);
    this.#warnAt = expiresAt - Math.max(share, LIMITS.authWarnMsMin);
  }

  judge(now: number): 'valid' | 'warn' | 'expired' {
    if (this.#expiresAt === undefined) return 'valid';
    if (now >= this.#expiresAt) return 'expired';
    if (this.#warned || now < this.#warnAt) return 'valid';
    this.#warned = true;
    return 'warn';
  }

  view(): { readonly expiresAt?: number } {
    return this.#expiresAt === undefined ? {} : { expiresAt: this.#expiresAt };
  }

  leftMs(now: number): number {
    return Math.max(0, (this.#expiresAt ?? now) - now);
  }

  /** When to judge again, ms from now; never more than a look now and then needs. */
  nextMs(now: number): number {
    if (this.#expiresAt === undefined) return LOOK_MS;
    const due = this.#warned ? this.#expiresAt : Math.min(this.#warnAt, this.#expiresAt);
    return Math.min(LOOK_MS, Math.max(1, due - now));
  }
}

const LOOK_MS = 60_000;

export type ReauthVerdict =
  | { readonly kind: 'renewed'; readonly expiresAt: number | undefined }
  /** Not taken, and the session goes on with the credential that it has. */
  | { readonly kind: 'kept'; readonly rejection: Rejection }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** A new credential for an open session must be of the same principal, with the same rights. */
export function checkReauth(token: string, holder: Principal, context: HelloContext): ReauthVerdict {
  const principal = context.node.authenticate(token);
  if (principal === 'unavailable') return { kind: 'kept', rejection: NOT_SERVED };
  if (principal === undefined) {
    const delayMs = context.guard.failed(context.remote);
    return { kind: 'refused', refusal: { close: 'BAD_AUTH', rejection: { code: 'UNAUTHENTICATED' }, delayMs } };
  }
  const { id, tenant, role, agent, keyId } = principal;
  if (id !== holder.id || tenant !== holder.tenant || role !== holder.role || agent !== holder.agent) {
    const rejection: Rejection = { code: 'UNAUTHORIZED', message: 'The credential is of another principal.' };
    return { kind: 'refused', refusal: { close: 'FORBIDDEN', rejection } };
  }
  if (keyId !== holder.keyId) {
    // Revoking a key ends its sessions, which the node finds by the key that opened them.
    const message = 'This is another key of the same principal: reconnect and resume with it.';
    return { kind: 'kept', rejection: { code: 'UNAUTHORIZED', message } };
  }
  if (!haveSame(principal.scopes, holder.scopes)) {
    const message = 'The credential has other scopes: reconnect and resume with it.';
    return { kind: 'kept', rejection: { code: 'UNAUTHORIZED', message } };
  }
  return { kind: 'renewed', expiresAt: principal.expiresAt };
}

function haveSame(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((one) => b.includes(one));
}
