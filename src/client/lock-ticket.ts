/** One who asks for a lock, from the call until it lets go. */
import type { LockMember } from '../../protocol/wire/locks.ts';
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import type { ValueMap } from '../../protocol/wire/types.ts';
import type { HeldLock, LockUser } from './lock-holding.ts';

/** What is asked for. */
export interface LockAsked {
  readonly locks: readonly LockMember[];
  /** All of them or none, as a lock of its own. */
  readonly several: boolean;
  readonly waitMs: number;
  /** Whoever wants the same path for the same owner shares the lock. */
  readonly scope: 'session' | 'agent';
  readonly progressMs: number | undefined;
  /** The other params of the request. */
  readonly terms: ValueMap;
}

export type TicketPhase =
  /** Behind another request of this client for the path. */
  | { readonly kind: 'local' }
  /** Not answered. */
  | { readonly kind: 'asked' }
  | { readonly kind: 'queued'; readonly request: string }
  | { readonly kind: 'confirming' }
  | { readonly kind: 'held'; readonly lock: HeldLock }
  | { readonly kind: 'over' };

export const LOCAL: TicketPhase = { kind: 'local' };
export const ASKED: TicketPhase = { kind: 'asked' };
export const CONFIRMING: TicketPhase = { kind: 'confirming' };
export const OVER: TicketPhase = { kind: 'over' };

/** What this client has of one path. */
export interface Spot {
  readonly key: string;
  held: HeldLock | undefined;
  /** Whose request is on its way. */
  asking: LockTicket | undefined;
  readonly waiting: Set<LockTicket>;
}

export class LockTicket {
  readonly asked: LockAsked;
  readonly user: LockUser;
  readonly spot: Spot | undefined;
  /** Monotonic: when it began to wait. */
  readonly since: number;
  phase: TicketPhase = LOCAL;
  /** Counts requests: answers to all but the newest are undone. */
  attempt = 0;
  /** Counts fresh sessions and gaps: a request from before the newest must stand in the snapshot. */
  fresh = 0;
  cancelTimer: (() => void) | undefined;

  constructor(
    asked: LockAsked,
    of: { readonly user: LockUser; readonly spot: Spot | undefined; readonly since: number },
  ) {
    this.asked = asked;
    this.user = of.user;
    this.spot = of.spot;
    this.since = of.since;
  }

  /** The lock under which its user works. */
  get lock(): HeldLock | undefined {
    return this.phase.kind === 'held' ? this.phase.lock : undefined;
  }

  /** Nothing has become of its newest request yet. */
  awaits(kind: 'asked' | 'confirming', attempt: number): boolean {
    return this.phase.kind === kind && this.attempt === attempt;
  }
}

/** Of what is waited for: how long it will last without a sign of life; Infinity: that long is said for itself. */
export function lastsMs({ ttlMs, graceMs, autoRefresh }: ValueMap): number {
  const own = typeof ttlMs === 'number' ? ttlMs : 0;
  if (autoRefresh === false || (own > 0 && autoRefresh !== true)) return Infinity;
  return Math.max(own, typeof graceMs === 'number' ? graceMs : PEER_LIMITS.lockGraceMs);
}
