/**
 * One lock that this client holds: what the server said of it, and until when its holder may count on it.
 *
 * LH1 Nobody counts on a lock for longer than its time after something that the server is known to have heard was sent, less one
 *     percent and 50 ms: by this client's own monotonic clock, so that no clock of another machine matters.
 * LH2 A lock of which several use the same one is released when the last of them lets go.
 */
import { isMap } from '../../protocol/wire/codec.ts';
import { LOCK_MODES, type LockMember, type LockMode } from '../../protocol/wire/locks.ts';
import { ERROR_CODES } from '../../protocol/wire/codes.ts';
import type { Value, ValueMap } from '../../protocol/wire/types.ts';
import { serverError, type MusterError } from './errors.ts';

/** Of what the server says of a lock what the client relies on. */
export interface LockSeen {
  readonly id: string;
  readonly token: string;
  readonly members: readonly LockMember[];
  readonly ttlMs: number;
  readonly expiresInMs: number;
  /** It lasts as long as its owner is there. */
  readonly lasting: boolean;
  /** Its owner is not there: it is no session's that lives. */
  readonly away: boolean;
}

function memberOf(value: Value | undefined): LockMember | undefined {
  if (value === undefined || !isMap(value)) return undefined;
  const { path, mode } = value;
  const known = LOCK_MODES.find((one) => one === mode);
  return typeof path === 'string' && known !== undefined ? { path, mode: known } : undefined;
}

/** A lock as the server shows it; undefined: that is none. */
export function readLock(value: Value | undefined): LockSeen | undefined {
  if (value === undefined || !isMap(value)) return undefined;
  const { id, token, ttlMs, expiresInMs, autoRefresh, state, members } = value;
  if (typeof id !== 'string' || typeof token !== 'string') return undefined;
  if (typeof ttlMs !== 'number' || typeof expiresInMs !== 'number') return undefined;
  const listed: readonly Value[] = Array.isArray(members) ? members : [value];
  const found = listed.map(memberOf).filter((one) => one !== undefined);
  if (found.length !== listed.length) return undefined;
  return { id, token, members: found, ttlMs, expiresInMs, lasting: autoRefresh === true, away: state === 'grace' };
}

/** Why a request ended without a grant. */
export function refusalOf({ code, cycle }: ValueMap): MusterError {
  const named = typeof code === 'string' ? code : 'CANCELLED';
  const row = Object.entries(ERROR_CODES).find(([known]) => known === named)?.[1];
  return serverError({
    code: named,
    type: row?.type ?? 'conflict',
    message: row?.message ?? 'The lock was not granted.',
    retryable: row?.retryable ?? false,
    ...(cycle === undefined ? {} : { details: { cycle } }),
  });
}

/** What of a time can be counted on (LH1). */
export function safely(ms: number): number {
  return ms * 0.99 - 50;
}

const WITHIN: { readonly [M in LockMode]: readonly LockMode[] } = {
  intent_shared: ['intent_shared'],
  intent_exclusive: ['intent_shared', 'intent_exclusive'],
  shared: ['intent_shared', 'shared'],
  shared_intent_exclusive: ['intent_shared', 'intent_exclusive', 'shared', 'shared_intent_exclusive'],
  exclusive: LOCK_MODES,
};

/** Whoever holds `strong` has what `weak` gives. */
export function coversMode(strong: LockMode, weak: LockMode): boolean {
  return WITHIN[strong].includes(weak);
}

/** Who uses a lock. None of these may throw. */
export interface LockUser {
  granted(): void;
  /** It was not granted, and will not be. */
  failed(error: MusterError): void;
  /** It is held no more, or nobody may count on it. */
  lost(error: MusterError): void;
  /** The client is being closed: the work under it is to end. */
  closing(error: MusterError): void;
  /** It may be lost soon: there is no connection, or the server does not answer. */
  jeopardised(is: boolean): void;
  /** An administrator asks for it. */
  revoke(request: RevokeRequest): void;
}

export interface RevokeRequest {
  readonly by: string;
  readonly message: string;
  /** It is taken away after so long. */
  readonly graceMs: number;
}

export class HeldLock {
  readonly id: string;
  token: string;
  members: readonly LockMember[];
  /** It lasts as long as its owner is there; else as long as it is extended. */
  readonly lasting: boolean;
  readonly ttlMs: number;
  readonly progressMs: number | undefined;
  readonly users = new Set<LockUser>();
  /** How often it was acquired, and is to be released. */
  owned = 1;
  /** Counts fresh sessions and gaps: what was held before the newest must stand in the snapshot. */
  since: number;
  /** Monotonic: when what was answered last was said by which it lasts, and showed progress. */
  extendedAt: number;
  progressAt: number;
  extending = false;
  jeopardy = false;
  /** Why it is not held any more. */
  over: MusterError | undefined;
  /** The server knows too. */
  gone = false;

  constructor(
    seen: LockSeen,
    terms: { readonly at: number; readonly since: number; readonly progressMs: number | undefined },
  ) {
    this.id = seen.id;
    this.token = seen.token;
    this.members = seen.members;
    this.lasting = seen.lasting;
    this.ttlMs = seen.ttlMs;
    this.progressMs = terms.progressMs;
    this.since = terms.since;
    this.extendedAt = terms.at;
    this.progressAt = terms.at;
  }

  /** Without what only the one who works under it can do. `provenAt`: when the server last heard this session, for certain. */
  renewedUntil(provenAt: number): number {
    return (this.lasting ? provenAt : this.extendedAt) + safely(this.ttlMs);
  }

  /** LH1 */
  validUntil(provenAt: number): number {
    const renewed = this.renewedUntil(provenAt);
    return this.progressMs === undefined ? renewed : Math.min(renewed, this.progressAt + safely(this.progressMs));
  }

  /** It was acquired once more, or in a stronger mode. */
  adopt({ token, members }: Pick<LockSeen, 'token' | 'members'>): void {
    this.token = token;
    this.members = members;
  }
}
