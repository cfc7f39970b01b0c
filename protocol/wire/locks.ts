/**
 * Locks: the shapes of acquiring, holding, waiting for and looking at them.
 *
 * A lock is held on one path, or on several at once under one token. Paths form a tree: whoever holds something holds an intent
 * on everything above it.
 */
import type { ValueMap } from './types.ts';

/** Weak to strong, as far as they can be compared: `shared` and `intent_exclusive` cannot. */
export const LOCK_MODES = [
  'intent_shared',
  'intent_exclusive',
  'shared',
  'shared_intent_exclusive',
  'exclusive',
] as const;
export type LockMode = (typeof LOCK_MODES)[number];

export const LOCK_SCOPES = ['session', 'agent'] as const;
export type LockScope = (typeof LOCK_SCOPES)[number];

/** Segments `[A-Za-z0-9_:-]{1,64}` separated by `/`, at most 8. */
export type LockPath = string;

export interface LockMember {
  readonly path: LockPath;
  readonly mode: LockMode;
}

/** What a task needs locked; `exclusive` unless it is said. */
export type TaskLocks = readonly { readonly path: LockPath; readonly mode?: LockMode }[];

/** A path that a task has locked while somebody works on it. */
export interface TaskLock extends LockMember {
  /** Of the lock, which is one for all paths of the task. */
  readonly id: string;
  /** Larger than those of all who had the path before: for whoever guards what it names. */
  readonly token: string;
}

export interface LockView {
  readonly id: string;
  /** Of a lock on several paths the first. */
  readonly path: LockPath;
  readonly mode: LockMode;
  /** Larger than every token before it in the tenant. */
  readonly token: string;
  /** The session, agent or task that holds it. */
  readonly owner: string;
  /** How often it was acquired and not released. */
  readonly count: number;
  /** grace: its owner is away, and may come back. */
  readonly state: 'held' | 'grace';
  /** How long it holds, in live time, after it was extended last, or after the last sign of life of its owner. */
  readonly ttlMs: number;
  /** It does not end before so much live time, unless its owner or an administrator ends it. */
  readonly expiresInMs: number;
  /** It lasts as long as its owner is there. False: as long as it is extended. */
  readonly autoRefresh: boolean;
  /** Of a lock on several paths. */
  readonly members?: readonly LockMember[];
  readonly metadata?: ValueMap;
  readonly acquiredAt: number;
}

/** What may be said of a lock that is acquired. */
export interface LockOptions {
  /** How long to wait, in live time; 0 (default): not at all. */
  readonly waitMs?: number;
  /** It lasts so long after it was acquired or extended; absent: as long as its owner is there. */
  readonly ttlMs?: number;
  readonly autoRefresh?: boolean;
  /** How long the owner may be away. */
  readonly graceMs?: number;
  /** How long nobody else gets it after it ended against the owner's will, if it allowed to write. */
  readonly lockDelayMs?: number;
  /** What it guards is not this server's: `lockDelayMs` is 15 s unless it is said. */
  readonly external?: boolean;
  /** It ends when it was not extended for so long, though its owner is there. */
  readonly progressTimeoutMs?: number;
  readonly scope?: LockScope;
  readonly metadata?: ValueMap;
}

/** Why a lock ended that its owner did not release. */
export type LockLossReason =
  'expired' | 'away' | 'progressTimeout' | 'forced' | 'revoked' | 'deregistered' | 'replaced';

type Held = { readonly id: string; readonly token: string };
type Page = { readonly limit?: number; readonly cursor?: string };

export interface LockParams {
  'lock.acquire': { readonly path: LockPath; readonly mode?: LockMode } & LockOptions;
  'lock.acquireAll': {
    readonly locks: readonly { readonly path: LockPath; readonly mode?: LockMode }[];
  } & LockOptions;
  'lock.extend': Held & { readonly ttlMs?: number };
  /** `all`: however often it was acquired. `paths`: only these of a lock on several. */
  'lock.release': Held & { readonly all?: boolean; readonly paths?: readonly LockPath[] };
  /** `path`: of a lock on several. */
  'lock.convert': Held & { readonly mode: LockMode; readonly path?: LockPath; readonly waitMs?: number };
  'lock.cancel': { readonly requestId: string };
  'lock.forceUnlock': {
    readonly path: LockPath;
    readonly reason: string;
    readonly expectToken?: string;
    /** The holder is asked first, and has so long. */
    readonly graceMs?: number;
  };
  'lock.get': { readonly path: LockPath; readonly limit?: number };
  'lock.list': { readonly owner?: string; readonly prefix?: string } & Page;
  'lock.validate': Held;
  'lock.graph': { readonly prefix?: string } & Page;
}

export type LockAcquired =
  | { readonly granted: true; readonly lock: LockView }
  /** The grant, or why there is none, is pushed. */
  | { readonly granted: false; readonly requestId: string };

export interface LockWaitView {
  readonly requestId: string;
  readonly owner: string;
  readonly path: LockPath;
  readonly mode: LockMode;
  readonly members?: readonly LockMember[];
  readonly waitedMs: number;
  /** Its owner is away: others are granted first, and it keeps its place. */
  readonly away?: true;
}

/** What a request waits for; the owner of a lock, or a request before it. */
export interface LockBlocker {
  readonly path: LockPath;
  readonly owner: string;
  readonly mode: LockMode;
  readonly requestId?: string;
}

export interface LockResults {
  'lock.acquire': LockAcquired;
  'lock.acquireAll': LockAcquired;
  'lock.extend': { readonly lock: LockView };
  /** `remaining`: how often it is still held; 0: it is free. */
  'lock.release': { readonly remaining: number };
  'lock.convert': LockAcquired;
  'lock.cancel': { readonly outcome: 'cancelled' | 'released' };
  /** Locks that ended, and such whose holders were asked to release them. */
  'lock.forceUnlock': { readonly forced: number; readonly asked: number };
  'lock.get': {
    readonly path: LockPath;
    /** Somebody holds this path itself. */
    readonly locked: boolean;
    /** In the order in which they got it, at most `limit` of `holderCount`. */
    readonly holders: readonly LockView[];
    readonly holderCount: number;
    /** Locks below, by the intents that they have here. */
    readonly below: { readonly shared: number; readonly exclusive: number };
    readonly queueLength: number;
    /** In their order, at most `limit`. */
    readonly queue: readonly LockWaitView[];
    /** How long nobody but its last owner gets it. */
    readonly delayMs?: number;
  };
  'lock.list': { readonly locks: readonly LockView[]; readonly cursor?: string };
  'lock.validate': { readonly valid: boolean; readonly lock?: LockView };
  'lock.graph': {
    readonly waits: readonly (LockWaitView & { readonly blockedBy: readonly LockBlocker[] })[];
    readonly cursor?: string;
  };
}

/** How a task stands with the locks that it needs. */
export interface TaskLocksView {
  readonly members: readonly LockMember[];
  /** It has them. */
  readonly held: boolean;
  /** Of one that waits for them: its request, its place among those that want the same, from 1, and what is before it. */
  readonly requestId?: string;
  readonly place?: number;
  readonly blockedBy?: readonly LockBlocker[];
}

/** One request of a cycle: it waits for the owner, or the request, that is next; the last for the first. */
export interface LockCycleItem {
  readonly requestId: string;
  readonly owner: string;
  readonly path: LockPath;
  readonly mode: LockMode;
}

/** To owners; what watchers of `lock.<path>` are told has a topic. */
export interface LockPushes {
  'lock.granted': { readonly requestId: string; readonly lock: LockView };
  'lock.refused': {
    readonly requestId: string;
    readonly code: LockRefusal;
    readonly cycle?: readonly LockCycleItem[];
  };
  'lock.lost': {
    readonly id: string;
    readonly path: LockPath;
    readonly token: string;
    readonly reason: LockLossReason;
    /** The request that it was granted to, if it had waited. */
    readonly requestId?: string;
    /** All of them, if it was granted to several that had waited. */
    readonly requestIds?: readonly string[];
    readonly by?: string;
    readonly message?: string;
  };
  'lock.revokeRequested': {
    readonly id: string;
    readonly path: LockPath;
    readonly token: string;
    readonly by: string;
    readonly message: string;
    readonly graceMs: number;
  };
}

/** How a wait ends that is not granted. */
export type LockRefusal =
  | 'WAIT_TIMEOUT'
  | 'CANCELLED'
  | 'DEADLOCK'
  | 'SESSION_EXPIRED'
  | 'NOT_HELD'
  | 'REENTRY_LIMIT'
  | 'RESOURCE_GONE'
  | 'LIMIT_EXCEEDED';

const SEGMENT = /^[A-Za-z0-9_:-]{1,64}$/;

/** Why a path is refused, or undefined. */
export function lockPathFault(
  path: string,
  bounds: { readonly bytes: number; readonly segments: number },
): string | undefined {
  const segments = path.split('/');
  if (!segments.every((one) => SEGMENT.test(one)))
    return 'must be segments of 1 to 64 characters A–Z a–z 0–9 _ : - separated by /';
  if (segments.length > bounds.segments) return `must have at most ${bounds.segments} segments`;
  return path.length > bounds.bytes ? `must be at most ${bounds.bytes} bytes` : undefined;
}

/** The topic on which is told what becomes of a path. */
export function lockTopic(path: LockPath): string {
  return `lock.${path.replaceAll('/', '.')}`;
}
