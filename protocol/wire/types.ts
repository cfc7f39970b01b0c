/**
 * The shapes of protocol v1 that server, SDK and engine share.
 *
 * Owns: frames, public entity shapes, params and results of every method.
 * Does not own: checking (protocol/schema), encoding (codec.ts), prose (PROTOCOL.md).
 */
import type { AttemptError, LetterParams, LetterResults } from './letters.ts';
import type { NotificationParams, NotificationPushes, NotificationResults } from './notifications.ts';
import type { LockParams, LockPushes, LockResults, LockView, TaskLocks, TaskLocksView } from './locks.ts';
import type { Concurrency, Sticky } from './placing.ts';
import type { RuleParams, RuleResults, RuleVerdict } from './rules.ts';
import type { ScheduleParams, ScheduleResults } from './schedules.ts';
import type { BackupParams, BackupResults } from './backup.ts';
import type { JobParams, JobResults } from './jobs.ts';
import type { NodeParams, NodeResults } from './nodes.ts';
import type { ObservingParams, ObservingResults, WorkloadView } from './observing.ts';
import type { Control, ControlParams, ControlPushes, ControlResults, ControlView, TaskOrder } from './control.ts';
import type { CommentParams, CommentResults } from './comments.ts';
import type { BlobParams, BlobResults } from './blobs.ts';
import type { DocumentParams, DocumentResults } from './documents.ts';
import type { WorkspaceParams, WorkspaceResults } from './workspaces.ts';
import type { ChildCounts, ChildPolicy, Distribution, TaskTreeView, TreeParams, TreeResults } from './trees.ts';

/** Any value that a frame may carry. Maps are plain objects with string keys. */
export type Value =
  null | boolean | number | string | Uint8Array | readonly Value[] | { readonly [key: string]: Value };

/** What may be written: a value, or a plain object of a named shape that holds only values. */
export type Data = Value | object;

export type ValueMap = { readonly [key: string]: Value };

/** Operation numbers of frames. Odd: must be understood; even: may be ignored. */
export const Op = {
  HELLO: 1,
  NOTICE: 2,
  WELCOME: 3,
  REQUEST: 5,
  RESULT: 7,
  ERROR: 9,
  PUSH: 11,
  GOAWAY: 13,
  PING: 15,
  PONG: 17,
  REAUTH: 19,
  BYE: 21,
} as const;
export type Op = (typeof Op)[keyof typeof Op];

export interface Meta {
  /** Idempotency key, at most 64 bytes of UTF-8; holds for the principal for 24 h. */
  readonly k?: string;
  /** W3C traceparent. */
  readonly tp?: string;
  /** Remaining milliseconds that the caller will wait. */
  readonly dl?: number;
  /** Answers to all requests up to this id were received: their outcomes may be forgotten. */
  readonly ack?: number;
}

/** `[op, id, body]` or `[op, id, body, meta]` after decoding. */
export interface Frame {
  readonly op: number;
  readonly id: number;
  readonly body: ValueMap;
  readonly meta?: Meta | undefined;
}

export const TASK_STATUSES = [
  'scheduled',
  'pending',
  'offered',
  'assigned',
  'accepted',
  'in_progress',
  'paused',
  'completed',
  'failed',
  'cancelled',
  'timed_out',
] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

export const PRIORITIES = ['low', 'normal', 'high', 'critical'] as const;
export type Priority = (typeof PRIORITIES)[number];

export const ROLES = ['operator', 'admin', 'member', 'agent', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

/** What an agent or an operator may say that an agent is; that it is offline shows by itself. */
export const DECLARED_STATUSES = [
  'starting',
  'active',
  'draining',
  'inactive',
  'maintenance',
  'error',
  'stopping',
] as const;
export type DeclaredStatus = (typeof DECLARED_STATUSES)[number];

export const AGENT_STATUSES = ['offline', ...DECLARED_STATUSES] as const;
export type AgentStatus = (typeof AGENT_STATUSES)[number];

export type OnLost = 'requeue' | 'hold' | 'fail';
export type DeliveryMode = 'assign' | 'offer';
export const STRATEGY_NAMES = [
  'least_loaded',
  'capability_match',
  'round_robin',
  'random',
  'cost_optimised',
  'performance',
  'rule_based',
] as const;
export type Strategy = (typeof STRATEGY_NAMES)[number];

export type PublishKind = 'reliable' | 'latest' | 'ephemeral';

export type Capability = string | { readonly name: string; readonly weight: number };

/** HELLO `agent` and the params of `agent.register`. */
export interface AgentShape {
  readonly name: string;
  readonly type?: string;
  readonly capabilities: readonly Capability[];
  /** Slots; default 1. */
  readonly capacity?: number;
  /** Micro-units per task. */
  readonly cost?: number;
  readonly labels?: { readonly [key: string]: string };
  readonly metadata?: ValueMap;
  readonly endpoint?: string;
  /** Tells several copies of one agent apart; default "". `agent.id` is per (name, instance). */
  readonly instance?: string;
  readonly onLost?: OnLost;
  readonly acceptMs?: number;
  /** What a fresh session of a known instance still runs; the rest is requeued at once. */
  readonly running?: readonly { readonly id: string; readonly token: string }[];
}

export interface AgentView {
  readonly id: string;
  readonly name: string;
  readonly instance: string;
  readonly type?: string;
  readonly status: AgentStatus;
  /** What it will be when it is back; while it is offline. */
  readonly declared?: DeclaredStatus;
  /** Why it is what it is, as it was said. */
  readonly statusReason?: string;
  readonly capabilities: readonly { readonly name: string; readonly weight: number }[];
  readonly capacity: number;
  /** Slots in use, by current and by stopping assignments. */
  readonly active: number;
  /** It failed too often and is given nothing until a probe; `probing`: one task now. */
  readonly quarantine?: { readonly times: number; readonly probing: boolean };
  /** What it did so far, by type: the newest count most. */
  readonly ratings?: readonly {
    readonly type: string;
    readonly count: number;
    readonly ok: number;
    readonly ms?: number;
  }[];
  readonly cost?: number;
  readonly labels?: { readonly [key: string]: string };
  readonly metadata?: ValueMap;
  readonly endpoint?: string;
  readonly onLost: OnLost;
  readonly acceptMs: number;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly rev: number;
}

/** Why a task is where it is. */
export type TaskVerdict =
  | 'held'
  | 'scheduled'
  /** Nobody holds it, and it is given to nobody until it is resumed. */
  | 'paused'
  | 'finished'
  /** The holder is done, and tasks below it have not ended. */
  | 'waitsForChildren'
  /** It is distributed and not decided. */
  | 'waitsForParts'
  /** It needs locks that others have, or are to have before it. */
  | 'locks'
  /** Its concurrency key is full. */
  | 'concurrency'
  | 'noAgents'
  /** Nobody has one of the capabilities that it requires. */
  | 'noCapability'
  /** An agent can take it now. */
  | 'ready'
  /** No agent that fits has a free slot, or can take it for the reason named. */
  | 'full'
  | 'quarantined'
  | 'excluded'
  | 'sticky'
  | 'notActive'
  | 'away'
  | 'offline'
  /** No agent that fits may work in its workspace, or that is archived. */
  | 'workspace'
  /** No single agent has all that it requires, or the labels that it asks for. */
  | 'selector'
  | 'capability'
  /** A rule keeps every agent from it that fits. */
  | 'rule';

export type AgentState = 'offline' | 'away' | 'notActive' | 'excluded' | 'quarantined' | 'full' | 'sticky';

export interface AgentVerdict {
  readonly agentId: string;
  readonly name: string;
  readonly verdict: 'holds' | 'ready' | 'capability' | 'selector' | 'workspace' | 'rule' | AgentState;
  /** Required capabilities that it lacks. */
  readonly missing?: readonly string[];
  /** Selectors that its labels do not meet. */
  readonly refused?: readonly string[];
  /** The first rule whose filter it does not pass. */
  readonly rule?: string;
  /** What would keep it from the task if it fitted. */
  readonly also?: AgentState;
  /** Its place in the order of the strategy, from 1, among those that could take it. */
  readonly rank?: number;
  readonly score?: {
    readonly active: number;
    readonly capacity: number;
    readonly weight: number;
    readonly cost?: number;
    readonly ok?: number;
    readonly ms?: number;
    readonly failedBefore?: true;
    /** What the rules' `prefer` came to, in their order; null: it failed. For tasks of strategy `rule_based`. */
    readonly prefer?: readonly (number | null)[];
  };
}

export interface ExplainView extends Pick<ControlView, 'paused' | 'controls'> {
  readonly task: {
    readonly id: string;
    readonly type: string;
    readonly status: TaskStatus;
    /** Absent when the task has ended and left memory. */
    readonly strategy?: Strategy;
  };
  readonly verdict: TaskVerdict;
  /** How long it has been pending. */
  readonly waitingMs: number;
  /** Who holds it or could take it, then the nearest misses. */
  readonly agents: readonly AgentVerdict[];
  /** How many agents have each verdict. */
  readonly counts: { readonly [verdict: string]: number };
  /** Required capabilities that no agent has. */
  readonly missing?: readonly string[];
  readonly concurrency?: { readonly key: string; readonly max: number; readonly held: number };
  /** Of a task that needs locks. */
  readonly locks?: TaskLocksView;
  /** Active rules for tasks like this one, in their order. Absent: there are none. */
  readonly rules?: readonly RuleVerdict[];
  /** The tasks directly below it. */
  readonly children?: ChildCounts;
  readonly distribution?: Distribution;
}

export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  /** Growth per attempt, an integer ≥ 1. */
  readonly factor: number;
}

export interface TaskError {
  readonly code: string;
  readonly message: string;
}

export interface TaskView extends ControlView {
  readonly id: string;
  readonly type: string;
  readonly status: TaskStatus;
  readonly priority: Priority;
  readonly parameters: Value;
  readonly requirements: readonly string[];
  readonly labels?: { readonly [key: string]: string };
  readonly strategy?: Strategy;
  readonly selectors?: readonly string[];
  readonly sticky?: Sticky;
  readonly concurrency?: Concurrency;
  /** What it needs locked whenever somebody has it. */
  readonly locks?: readonly Required<TaskLocks[number]>[];
  readonly mode: DeliveryMode;
  readonly agentId?: string;
  /** Counts from 1 with the first assignment; a failure adds one, an infrastructure loss does not. 0 before. */
  readonly attempt: number;
  /** Assignments that ended because an agent was lost or did not confirm. */
  readonly losses: number;
  readonly retry: RetryPolicy;
  readonly timeoutMs?: number;
  readonly progressTimeoutMs?: number;
  readonly deadlineAt?: number;
  /** When a scheduled task becomes pending. */
  readonly runAt?: number;
  readonly progress?: { readonly percentComplete: number; readonly status?: string };
  readonly result?: Value;
  readonly error?: TaskError;
  /** Its failures, oldest first; the newest of many. */
  readonly errors?: readonly AttemptError[];
  /** True when retries are used up and the task stands among the dead letters. */
  readonly dead?: boolean;
  readonly workspaceId?: string;
  readonly parentId?: string;
  readonly retryOf?: string;
  /** The schedule that made it, and for which instant. */
  readonly schedule?: { readonly id: string; readonly at: number };
  readonly tree?: TaskTreeView;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly rev: number;
}

export interface TaskCreate {
  readonly type: string;
  readonly priority?: Priority;
  readonly parameters?: Value;
  readonly requirements?: readonly string[];
  readonly labels?: { readonly [key: string]: string };
  readonly strategy?: Strategy;
  /** What it asks of the labels of an agent; all must hold. */
  readonly selectors?: readonly string[];
  readonly sticky?: Pick<Sticky, 'key'> & Partial<Sticky>;
  readonly concurrency?: Pick<Concurrency, 'key' | 'max'> & Partial<Concurrency>;
  /** Acquired, all or none, before it is given to anybody, and released with the end of each attempt. */
  readonly locks?: TaskLocks;
  readonly workspaceId?: string;
  readonly parentId?: string;
  /** The token under which the caller holds the parent: refused if it holds it no more. */
  readonly parentToken?: string;
  readonly timeoutMs?: number;
  readonly progressTimeoutMs?: number;
  readonly deadlineMs?: number;
  readonly delayMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  readonly mode?: DeliveryMode;
  /** The creating session gets the task's events without a subscription; default true. */
  readonly watch?: boolean;
}

export interface ApiKeyView {
  readonly id: string;
  readonly role: Role;
  readonly agent?: string;
  readonly scopes?: readonly string[];
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
}

export interface TenantView {
  readonly id: string;
  readonly createdAt: number;
}

/** What a session that could not be resumed is told that it still holds, taken at WELCOME.rev. */
export interface SessionSnapshot {
  readonly tasks: readonly TaskOrder[];
  readonly locks: readonly LockView[];
  readonly waits: readonly { readonly requestId: string; readonly path: string }[];
  readonly subs: readonly string[];
  /** Cursor for `session.snapshot` when there was more than fits. */
  readonly more?: string;
}

type Held = { readonly id: string; readonly token: string };

/** Params by method. */
export interface Params
  extends
    ScheduleParams,
    LetterParams,
    LockParams,
    NotificationParams,
    ObservingParams,
    ControlParams,
    RuleParams,
    BackupParams,
    JobParams,
    NodeParams,
    TreeParams,
    BlobParams,
    DocumentParams,
    CommentParams,
    WorkspaceParams {
  'session.snapshot': { readonly cursor?: string };
  'agent.register': AgentShape;
  'agent.get': { readonly id: string };
  'agent.list': {
    readonly status?: AgentStatus;
    readonly capability?: string;
    readonly name?: string;
    /** All of these, with these values. */
    readonly labels?: { readonly [key: string]: string };
    /** True: reachable, active and with a free slot; false: the others. */
    readonly available?: boolean;
    /** active / capacity is no more than this, 0 to 1. */
    readonly maxLoad?: number;
    readonly limit?: number;
    readonly cursor?: string;
  };
  'agent.update': {
    readonly id?: string;
    readonly capabilities?: readonly Capability[];
    readonly capacity?: number;
    readonly cost?: number;
    readonly labels?: { readonly [key: string]: string };
    readonly metadata?: ValueMap;
    readonly endpoint?: string;
    readonly onLost?: OnLost;
    readonly acceptMs?: number;
  };
  'agent.status': { readonly id?: string; readonly status: DeclaredStatus; readonly reason?: string };
  'agent.drain': { readonly id?: string; readonly deadlineMs?: number; readonly reason?: string };
  'agent.workload': { readonly id?: string };
  'agent.heartbeat': Record<string, never>;
  'agent.deregister': { readonly id?: string };
  'task.create': TaskCreate;
  'task.createBatch': { readonly tasks: readonly TaskCreate[] };
  'task.get': { readonly id: string };
  'task.explain': { readonly id: string; readonly limit?: number };
  'task.list': {
    readonly status?: TaskStatus;
    readonly type?: string;
    readonly agentId?: string;
    readonly workspaceId?: string;
    readonly limit?: number;
    readonly cursor?: string;
  };
  'task.accept': Held;
  'task.reject': Held & { readonly reason: string };
  'task.start': Held;
  'task.progress': Held & { readonly percentComplete: number; readonly status?: string };
  'task.complete': Held & { readonly output?: Value; readonly children?: ChildPolicy };
  'task.fail': Held & { readonly error: TaskError; readonly retryable?: boolean };
  'task.release': Held & { readonly delayMs?: number };
  'task.cancel': { readonly id: string; readonly reason?: string; readonly children?: 'cancel' | 'leave' };
  'task.retry': { readonly id: string; readonly parameters?: Value };
  'topic.subscribe': { readonly topic: string; readonly since?: number };
  'topic.unsubscribe': { readonly topic: string };
  'topic.publish': { readonly topic: string; readonly data: Value; readonly kind?: PublishKind; readonly key?: string };
  'topic.history': {
    readonly topic: string;
    readonly since?: number;
    readonly until?: number;
    readonly limit?: number;
  };
  'apiKey.create': {
    readonly role: Exclude<Role, 'operator'>;
    readonly agent?: string;
    readonly expiresAt?: number;
    readonly scopes?: readonly string[];
    /** An operator's: the key is of this tenant. */
    readonly tenant?: string;
  };
  'apiKey.list': { readonly limit?: number; readonly cursor?: string };
  'apiKey.revoke': { readonly id: string };
  'tenant.create': { readonly id: string };
  'tenant.list': { readonly limit?: number; readonly cursor?: string };
}

type TaskResult = { readonly task: TaskView };
type Page<K extends string, V> = { readonly [key in K]: readonly V[] } & { readonly cursor?: string };

/** Results by method (`RESULT.r`). */
export interface Results
  extends
    ScheduleResults,
    LetterResults,
    LockResults,
    NotificationResults,
    ObservingResults,
    ControlResults,
    RuleResults,
    BackupResults,
    JobResults,
    NodeResults,
    TreeResults,
    WorkspaceResults,
    CommentResults,
    BlobResults,
    DocumentResults {
  'session.snapshot': { readonly snapshot: SessionSnapshot; readonly rev: number };
  'agent.register': { readonly agent: AgentView };
  'agent.get': { readonly agent: AgentView };
  'agent.list': Page<'agents', AgentView>;
  'agent.update': { readonly agent: AgentView };
  'agent.status': { readonly agent: AgentView };
  'agent.drain': { readonly agent: AgentView };
  'agent.workload': { readonly workload: WorkloadView };
  'agent.heartbeat': { readonly now: number };
  'agent.deregister': { readonly id: string };
  'task.create': TaskResult;
  /** In the order of the params. Views would not fit into a frame; `task.get` gives them. */
  'task.createBatch': { readonly tasks: readonly { readonly id: string; readonly status: TaskStatus }[] };
  'task.get': TaskResult;
  'task.explain': { readonly explanation: ExplainView };
  'task.list': Page<'tasks', TaskView>;
  'task.accept': TaskResult;
  'task.reject': TaskResult;
  'task.start': TaskResult;
  'task.progress': TaskResult;
  'task.complete': TaskResult;
  'task.fail': TaskResult;
  'task.release': TaskResult;
  'task.cancel': TaskResult;
  'task.retry': TaskResult;
  'topic.subscribe': {
    readonly rev: number;
    /** The session had the subscription already: pushes come from there on. */
    readonly from?: number;
    /** `topic` is there when a pattern was subscribed to. */
    readonly latest?: readonly { readonly topic?: string; readonly key: string; readonly data: Value }[];
    /** There were more latest values than fit; with `since`: there was more than is kept or fits. */
    readonly gap?: boolean;
    /** With `since`: what was published between it and the subscription. `t` is there when a pattern was subscribed to. */
    readonly missed?: readonly { readonly rev: number; readonly e: string; readonly t?: string; readonly d: Value }[];
    /** With `missed`: there is more, which is read by asking again with this as `since`. */
    readonly until?: number;
  };
  'topic.unsubscribe': { readonly rev: number };
  'topic.publish': { readonly rev: number };
  'topic.history': {
    readonly messages: readonly { readonly rev: number; readonly e: string; readonly t: string; readonly d: Value }[];
    /** Some after `since` is no longer kept. */
    readonly gap?: boolean;
    /** There is more, which is read by asking again with this as `since`. */
    readonly next?: number;
  };
  'apiKey.create': { readonly id: string; readonly key?: string };
  'apiKey.list': Page<'keys', ApiKeyView>;
  'apiKey.revoke': { readonly id: string };
  'tenant.create': { readonly tenant: TenantView; readonly id?: string; readonly key?: string };
  'tenant.list': Page<'tenants', TenantView>;
}

export type Method = keyof Params;

/** Data of pushes by event name. An order to a holder has no topic; an event for watchers has one. */
export interface PushData extends ControlPushes, LockPushes, NotificationPushes {
  'task.assigned': TaskOrder;
  'task.offered': TaskOrder;
  'task.cancelled': { readonly id: string; readonly attempt: number; readonly token: string; readonly reason?: string };
  'task.leaseLost': {
    readonly id: string;
    readonly attempt: number;
    readonly token: string;
    readonly reason: LeaseLostReason;
  };
}

export type LeaseLostReason =
  | 'timeout'
  | 'progressTimeout'
  | 'deadline'
  | 'acceptTimeout'
  | 'lost'
  | 'replaced'
  | 'deregistered'
  | 'drained'
  | 'paused'
  /** It had not begun, and another agent is to have it. */
  | 'rebalanced'
  /** An administrator ended the locks that the task needs. */
  | 'unlocked'
  /** The agent may not work in the workspace of the task any more. */
  | 'removed';

/** Data of an event for watchers (`task.<status>` names): never parameters or outputs. */
export interface TaskEventData {
  readonly id: string;
  readonly status: TaskStatus;
  readonly attempt: number;
  readonly agentId?: string;
  readonly progress?: { readonly percentComplete: number; readonly status?: string };
  readonly error?: TaskError;
  readonly reason?: string;
  /** Of a question, or of an order that was acknowledged or is overdue. */
  readonly askId?: string;
  readonly control?: Control;
  readonly seq?: number;
}

export type { ErrorBody, GoawayBody, HelloBody, WelcomeBody, WelcomeLimits } from './bodies.ts';
export type { WorkloadView } from './observing.ts';
