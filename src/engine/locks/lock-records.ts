/**
 * The records of locks. Owners are named by the id of a session, an agent or a task; which of them it is shows by the prefix.
 *
 * LR1 An owner has at most one lock on one path alone; locks on several paths stand beside it, each with its own token.
 * LR2 A lock lasts either until an instant of live time (`expiresAt`), or as long as its owner is there and `holdMs` beyond.
 */
import type { LockLossReason, LockMember, LockRefusal } from '../../../protocol/wire/locks.ts';
import type { ValueMap } from '../../../protocol/wire/types.ts';
import type { ModeNo } from './modes.ts';

/** What was said of a lock when it was asked for. */
export interface LockTerms {
  /** Of a lease: how long it lasts after it was extended. */
  readonly leaseMs: number | undefined;
  /** LR2. Of all others. */
  readonly holdMs: number | undefined;
  readonly lockDelayMs: number;
  readonly progressTimeoutMs: number | undefined;
  readonly metadata: ValueMap | undefined;
  /** Who asked, as the session's principal. */
  readonly principal: string;
}

export interface LockRecord extends LockTerms {
  readonly id: string;
  readonly owner: string;
  /** Sorted by path; the same array as long as it says the same. */
  readonly members: readonly LockMember[];
  /** It was acquired as a lock on several paths, even if one alone is left. */
  readonly several: boolean;
  readonly token: number;
  readonly count: number;
  /** LR2. Live. */
  readonly expiresAt: number | undefined;
  /** The request that it was last granted to, if that had waited. */
  readonly requestId: string | undefined;
  /** Those that it was granted to before that one, the newest of them; undefined: none. */
  readonly earlier?: readonly string[] | undefined;
  /** An administrator asked its owner to release it. */
  readonly revoking: Revoking | undefined;
  readonly acquiredAt: number;
}

export interface Revoking {
  /** What was said to be unlocked. */
  readonly path: string;
  readonly by: string;
  readonly reason: string;
  /** Live: then it ends. */
  readonly until: number;
}

/** A request that waits. Its place in every queue is its number. */
export interface LockWaitRecord extends LockTerms {
  readonly id: string;
  /** Rises with each request that waits. */
  readonly seq: number;
  readonly owner: string;
  readonly members: readonly LockMember[];
  readonly several: boolean;
  /** The lock that is to get another mode; what is in `members` is what it will have then. */
  readonly converts: string | undefined;
  /** Wall. */
  readonly since: number;
  /** Live. */
  readonly sinceLive: number;
}

/** Nobody but its last owner gets a path, as if that still held it. */
export interface LockDelayRecord {
  /** `<path> <owner>`. */
  readonly id: string;
  readonly member: LockMember;
  readonly owner: string;
  /** Live. */
  readonly until: number;
}

/** Of an owner that is away, or for which another session speaks than the one that it was. */
export interface LockOwnerRecord {
  readonly id: string;
  /** The session that took over from the one that the owner is named after. */
  readonly session: string | undefined;
  /** Live; undefined: it is there. */
  readonly awaySince: number | undefined;
  /** Its locks hold so long at least, whatever their own grace. */
  readonly graceMs: number;
}

export type SurrenderReason = 'released' | Extract<LockLossReason, 'revoked' | 'deregistered'>;

/** What remains to be done about locks, one small step at a time. */
export type LockWork =
  /** Something at this path became weaker by a mode: requests behind `after` may be granted. */
  | { readonly kind: 'pump'; readonly path: string; readonly mode: ModeNo; readonly after: number }
  /** The owner holds more than before, or is back: its own requests behind `after` may be granted. */
  | { readonly kind: 'regrant'; readonly owner: string; readonly after: number }
  /** What the owner holds or waits for has changed: its requests behind `after` may be in a circle. */
  | { readonly kind: 'untangle'; readonly owner: string; readonly after: number }
  /** The owner has been away for too long for some of its locks. */
  | { readonly kind: 'lapse'; readonly owner: string }
  /** Everything ends that the owner had then: locks up to this token, requests up to this number. */
  | {
      readonly kind: 'surrender';
      readonly owner: string;
      readonly why: SurrenderReason;
      readonly token: number;
      readonly seq: number;
    }
  /** Its requests end, its locks stay. */
  | { readonly kind: 'unwait'; readonly owner: string; readonly code: LockRefusal }
  /** Locks on this path that were there when it was said, up to this token. */
  | {
      readonly kind: 'force';
      readonly path: string;
      readonly upTo: number;
      readonly only: number | undefined;
      /** Those alone whose owners were asked for it and had time until then. */
      readonly asked: number | undefined;
      readonly by: string;
      readonly reason: string;
      readonly graceMs: number;
      readonly after: string;
    };

/** For metrics. */
export interface LockFact {
  readonly kind: 'granted' | 'timedOut' | 'deadlock' | 'forced' | 'expired' | 'passedOver';
  /** Of a grant: how long it had waited, in live time. */
  readonly waitedMs?: number;
}
