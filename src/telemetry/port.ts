/**
 * What the parts tell about themselves. They get it by constructor; a part that is told nothing works the same.
 *
 * No text that a user chose becomes a label or a field name: names of tenants, tasks and agents are unbounded. The one
 * exception are the types and capabilities of a backlog, which whoever starts agents needs to know, at most so many.
 */
import type { ErrorCode } from '../../protocol/wire/codes.ts';
import type { JobsView } from '../../protocol/wire/jobs.ts';
import type { NodeView } from '../../protocol/wire/nodes.ts';
import type { OperationClass } from '../../protocol/wire/operations.ts';
import type { AgentStatus, Method, TaskStatus } from '../../protocol/wire/types.ts';
import type { WorkspaceResource } from '../../protocol/wire/workspaces.ts';

export type LogFields = { readonly [name: string]: string | number | boolean | undefined | Error };

/** `event` is a short constant text: what happened. Everything that varies is a field. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** One connection and its requests. */
export interface EdgeMetrics {
  connectionOpened(): void;
  /** `reason`: the name of our close code, or that the peer went. */
  connectionClosed(reason: string): void;
  received(frames: number, bytes: number): void;
  sent(frames: number, bytes: number): void;
  /** One answered request; `code` undefined: it succeeded. */
  operation(method: Method, outcome: { readonly code: ErrorCode | undefined; readonly ms: number }): void;
  /** A frame that never became a request. */
  fault(code: ErrorCode): void;
  /** Latest or ephemeral pushes that made room for newer ones. */
  dropped(count: number): void;
  /** A slow reader's queue is full: it will be caught up. */
  refused(): void;
  /** An upgrade was answered with 503. `why`: a constant of the transport. */
  turnedAway(why: string): void;
  /** A request was refused because its principal had asked too often. */
  rateLimited(operationClass: OperationClass): void;
}

export type PushClass = 'grant' | 'reliable' | 'latest' | 'ephemeral';

/** told: again, to an agent that came back. crowded: gave way to another one before all had it. */
export type NotificationOutcome = 'sent' | 'told' | 'expired' | 'crowded' | 'refused';
export type LockOutcome = 'granted' | 'timedOut' | 'deadlock' | 'forced' | 'expired' | 'passedOver';

/** The path of a write behind the edge. */
export interface NodeMetrics {
  /** One entry came back by the tail: its commands, and how long that took since it was handed to the log. */
  appended(entry: { readonly commands: number; readonly bytes: number; readonly ms: number }): void;
  /** The engine applied one entry. */
  applied(ms: number): void;
  /** A task was assigned so long after it could have been. */
  dispatched(waitMs: number): void;
  /** Something became of a notification. */
  notification(what: NotificationOutcome): void;
  /** Something became of a lock or of a request for one; a grant had waited so long, in live time. */
  lock(what: LockOutcome, waitedMs?: number): void;
  pushed(pushClass: PushClass, count: number): void;
  checkpoint(run: { readonly ms: number; readonly bytes: number }): void;
  /** Moves of work that nobody had begun were proposed, and so many of them done. */
  moved(moves: { readonly proposed: number; readonly applied: number }): void;
  /** Rows of the read store turned out to be damaged, and count as dropped. */
  storeDamaged(): void;
  /** A snapshot of the state cannot be used or removed. */
  snapshotTrouble(): void;
  /** The state of a tenant was another one on another node. */
  stateDiffered(): void;
}

/** How it stands with the Redis that has the log. */
export interface RedisFigures {
  readonly connected: boolean;
  /** Settings by which it may lose what it acknowledged, a sentence each. */
  readonly unsafe: readonly string[];
  readonly warnings: readonly string[];
  readonly repaired: number;
  readonly connections: number;
  /** Messages between nodes that are not kept. */
  readonly talk: { readonly said: number; readonly heard: number; readonly lost: number };
}

/** The nodes that serve from the same log, this one first. */
export type NodesFigures = readonly NodeView[];

/** How it stands with the background jobs, and with the Redis that has them. */
export type JobsFigures = JobsView;

/** How things stand, over all tenants of the node; read at each scrape. */
export interface NodeFigures {
  readonly tenants: number;
  readonly tenantsHalted: number;
  readonly sessions: number;
  /** Sessions with a connection. */
  readonly attached: number;
  readonly agents: { readonly [S in AgentStatus]?: number };
  readonly tasks: { readonly [S in TaskStatus]?: number };
  readonly deadLetters: number;
  /** Sum of the logs' positions, durable and applied. */
  readonly logHead: number;
  readonly logApplied: number;
  /** Commands that wait for the log. */
  readonly pendingCommands: number;
  readonly ringPushes: number;
  readonly ringBytes: number;
  /** Records in memory, by the table of the state that holds them. */
  readonly records: { readonly [table: string]: number };
  /** Clients that were told of a gap since the start. */
  readonly gaps: number;
  /** Documents that are not in the index as they are. */
  readonly unindexed: number;
}

/** What waits for agents, over all tenants of the node; read at each scrape. */
export interface BacklogFigures {
  readonly types: readonly { readonly type: string; readonly waiting: number; readonly oldestMs: number }[];
  readonly missing: readonly { readonly type: string; readonly capability: string; readonly waiting: number }[];
  /** False: shares of types were estimated. */
  readonly exact: boolean;
}

/** Of all workspaces of the node; read at each scrape. */
export type QuotaFigures = {
  readonly [R in WorkspaceResource]: {
    /** Share that the workspace uses which uses most. */
    readonly most: number;
    readonly near: number;
  };
};

/** Texts of documents and what clients send as blobs, over all tenants of the node; read at each scrape. */
export interface BlobFigures {
  readonly kept: { readonly count: number; readonly bytes: number };
  /** On their way, with the bytes that have come. */
  readonly uploads: { readonly count: number; readonly bytes: number };
  /** Since the start, as the rest. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Reads that found damage, or nothing where something has to be. */
  readonly damaged: number;
}

export interface JobMetrics {
  jobRan(name: string, run: { readonly ok: boolean; readonly ms: number }): void;
}

/** Of a request that went through the log, on the monotonic clock. */
export interface EntryTimes {
  /** Handed to the log. */
  readonly appendedAt: number;
  /** Came back, durable. */
  readonly arrivedAt: number;
  readonly applyBegan: number;
  readonly applyEnded: number;
}

/** One request as it is followed. */
export interface RequestTrace {
  /** All that had to be prepared is: it waits for the log. */
  submitted(at: number): void;
  /** Its entry was applied; `result` is what it was answered, if it was not refused. */
  applied(times: EntryTimes, result: unknown): void;
  /** `code` undefined: it succeeded. */
  ended(at: number, code: ErrorCode | undefined): void;
}

export interface TracedRequest {
  readonly tenant: string;
  readonly session: string;
  readonly method: Method;
  readonly params: unknown;
  /** The caller's, as it was sent. */
  readonly traceparent: string | undefined;
  readonly at: number;
}

export interface TracedOrder {
  readonly tenant: string;
  readonly task: string;
  readonly event: string;
  readonly at: number;
}

/** Something that a task was told of without anybody's request: by a timer, a lost session, a schedule. */
export interface TracedEvent {
  readonly tenant: string;
  readonly event: string;
  /** Of the push. */
  readonly data: unknown;
  readonly at: number;
}

/** Where nothing is traced there is none. It is told what happened and when; nothing waits for it. */
export interface Tracing {
  /** A request came; undefined: this one is not followed. */
  request(request: TracedRequest): RequestTrace | undefined;
  /** An event of a topic, before the orders of its entry are handed over. */
  happened(event: TracedEvent): void;
  /** An order is handed to a task's holder; what it returns goes with it, and is the parent of what the holder does. */
  order(order: TracedOrder): string | undefined;
}

/** What the scrape endpoint needs. */
export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}
