/**
 * The log: the only truth and the only door for writes. One dense sequence of entries per tenant.
 *
 * Invariants that every driver keeps and the conformance suite checks:
 * L1 seq is dense from 1; a gap, a fork or a damaged entry is a `LogFault` with a name, never a shorter history.
 * L2 chain(n) = SHA-256(chain(n-1) ‖ stored bytes of n); chain(0) = SHA-256(logId). The stored bytes are the
 *    envelope of the payload (with key id, epoch and ts), see envelope.ts. Verified on read.
 * L3 ts is stamped by the log and never falls; it goes on when the wall clock is set back (stamps.ts); epoch never
 *    falls.
 * L4 `append` never applies: the appender learns a position or an outcome; entries reach the node by the tail
 *    only, in order, once, and only when they are durable.
 * L5 Appends of all tenants that are waiting share one group commit.
 *
 * Callbacks, not promises: the simulator steps drivers in one thread. No callback runs inside the call that
 * was given it.
 */

export interface LogEntry {
  readonly seq: number;
  readonly epoch: number;
  /** Wall ms, stamped by the log. */
  readonly ts: number;
  readonly payload: Uint8Array;
  /** Chain after this entry, 32 bytes. */
  readonly chain: Uint8Array;
}

export interface LogHead {
  /** 0 when empty. */
  readonly seq: number;
  readonly ts: number;
  readonly chain: Uint8Array;
}

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly first: number; readonly last: number }
  /** Another incarnation owns the log. */
  | { readonly kind: 'FENCED' }
  /** The log is behind what this node has applied. */
  | { readonly kind: 'REGRESSED' }
  /** No room: nothing was appended. */
  | { readonly kind: 'FULL' }
  /** It may or may not have been appended; the tail will tell. */
  | { readonly kind: 'UNKNOWN' };

export type LogFaultName = 'GAP' | 'FORK' | 'CORRUPT' | 'TRUNCATED' | 'WRONG_LOG' | 'IO' | 'LOCKED' | 'VERSION';

/** A damaged or unusable log. Serving must stop; an operator decides. */
export class LogFault extends Error {
  override readonly name = 'LogFault';
  readonly fault: LogFaultName;

  constructor(fault: LogFaultName, message: string, options?: { cause?: unknown }) {
    super(`${fault}: ${message}`, options);
    this.fault = fault;
  }
}

/** Receives the tail of one tenant. */
export interface TailSink {
  /** Entries in order, each once, all durable. */
  entries(batch: readonly LogEntry[]): void;
  /** Everything that was in the log when the tail was opened has been delivered; called once. */
  caughtUp(head: LogHead): void;
  /** The tail stops for ever. */
  fault(fault: LogFault): void;
}

/** What a node is told of the others that serve the same tenant. */
export interface MembersWatcher {
  /** Other nodes that have something here. */
  nodes(): readonly string[];
  /** These are gone for ever: what they had is free. Told to one of the living; may be told again. */
  gone(nodes: ReadonlySet<string>): void;
  /** This node cannot reach the log for so long that others may take it for dead. */
  cutOff(): void;
  /** What the others are to know of this node, said with each beat; at most `memberTextMax` characters. */
  about(): string;
  /** Up to which entry this node has made durable what it keeps of the log: that need not be there for its sake. */
  kept(): number;
  /** What Redis said to a beat: where the log ends, and who serves the tenant, this node among them. */
  beaten(head: number, members: readonly Member[]): void;
}

export const memberTextMax = 1_024;

/** A node that serves the tenant. */
export interface Member {
  readonly node: string;
  /** Since it was heard of, when it was asked. */
  readonly silentMs: number;
  /** What it said of itself last; empty: nothing yet. */
  readonly about: string;
}

/** This node among those that serve the same tenant. */
export interface Members {
  /** It serves no more, and the others are to know at once. */
  leave(): void;
  /** Once it has read the log. Alone: nobody else serves; the node opens the tenant, and calls `opened` when it has. */
  join(done: (how: 'alone' | 'beside') => void): void;
  opened(): void;
  /**
   * The state is to go over to what all nodes can decide, at most `engine`. `upTo`: what that is, and from now on no node is
   * let in that cannot; 0 if it is not known now.
   */
  raise(engine: number, done: (upTo: number) => void): void;
  watch(watcher: MembersWatcher): void;
  /** Entries up to here were forgotten, as far as it is known: a node begins behind them. */
  readonly base: number;
  /** Place of this node among those that live; 0 until that is known. */
  readonly rank: number;
  /** Nothing more is asked or told. */
  end(): void;
}

/** What nodes say to each other beside the log: it reaches those that are connected now, at most once, in the order of each node. */
export interface Talk {
  /** False: it was not said, since the others cannot be reached, or too much waits. */
  say(bytes: Uint8Array): boolean;
  /** What other nodes say from now on. Once. */
  hear(heard: (bytes: Uint8Array) => void): void;
}

export interface TenantLog {
  readonly tenant: string;
  readonly logId: string;
  readonly epoch: number;
  /** Undefined: no other node serves the tenant beside this one. */
  readonly members?: Members | undefined;
  readonly talk?: Talk | undefined;
  /** Adds payloads as consecutive entries, all or none. The caller leaves them unchanged from here on. */
  append(payloads: readonly Uint8Array[], done: (outcome: AppendOutcome) => void): void;
  /** Begins delivery of everything after `seq`, whose chain is `chain` (undefined only for seq 0). Once. */
  tail(from: { readonly seq: number; readonly chain?: Uint8Array }, sink: TailSink): void;
  /** Entries in [from, from+limit), for readers other than the tail (export, doctor, tests). */
  read(from: number, limit: number, done: (result: readonly LogEntry[] | LogFault) => void): void;
  /** Forgets entries up to and including `seq`, which a verified snapshot covers, if no node that lives needs them. */
  trim(seq: number, done: () => void): void;
}

export interface SnapshotMeta {
  /** The entry after whose application it was taken. */
  readonly seq: number;
  readonly chain: Uint8Array;
  readonly epoch: number;
  readonly engineVersion: number;
  /** Hash of the engine's state at seq, hex. */
  readonly stateHash: string;
  readonly createdAt: number;
}

/** The largest chunk of a snapshot. */
export const snapshotChunkBytes = 256 * 1024;

/**
 * Writes one snapshot; it counts only when `commit` has called back without a fault. A fault is one of this snapshot:
 * the log goes on.
 */
export interface SnapshotWriter {
  /** At most `snapshotChunkBytes` each; `done` says that the next may come. */
  chunk(bytes: Uint8Array, done: (fault?: LogFault) => void): void;
  commit(done: (fault?: LogFault) => void): void;
  abort(): void;
}

export interface SnapshotStore {
  begin(tenant: string, meta: SnapshotMeta): SnapshotWriter;
  /** Newest first. */
  list(tenant: string, done: (metas: readonly SnapshotMeta[]) => void): void;
  /** Chunks in order, verified against the hash taken when they were written. */
  read(
    snapshot: { readonly tenant: string; readonly seq: number },
    onChunk: (bytes: Uint8Array) => void,
    done: (fault?: LogFault) => void,
  ): void;
  /** Drops all but the `keep` newest. */
  prune(tenant: string, keep: number, done: () => void): void;
}

export interface LogDriver {
  readonly name: 'memory' | 'sqlite' | 'redis';
  /** Ids of tenants that have a log, in code-unit order. */
  tenants(done: (ids: readonly string[]) => void): void;
  /** Opens or creates the log of a tenant. */
  open(tenant: string, done: (result: TenantLog | LogFault) => void): void;
  readonly snapshots: SnapshotStore;
  /** Free bytes and percent of the disk, or undefined where there is none; cheap, may be a few seconds old. */
  disk(): { readonly freeBytes: number; readonly freePercent: number } | undefined;
  /** Waits for what was appended, then releases everything. */
  close(done: () => void): void;
}
