/**
 * The history of one run: what the clients saw, what the server's log and views showed, which faults were made.
 *
 * Plain data that survives JSON. The order of `events` is the order in which things happened; `at` (the harness' own
 * clock, ms, never falling) is only used for durations after the faults have stopped and in reports.
 *
 * What a harness must keep to, so that verdicts are sound:
 * H1 One `log.append` before the `log.durable` that covers it, that before the `applied` of the entry.
 * H2 An `applied` lists every task, agent and session that is not as it was after the entry before (a change of
 *    `AgentView.active` or of a status included). Applying an entry again after a restart repeats its `applied`.
 *    An assignment that begins and ends within one entry is told by a second observation of the task, or by its order
 *    in `pushes` with taskId, agentId and token.
 * H3 A frame is recorded when the client processes it; a request when it is handed to the connection: the first time
 *    as `invoke`, each further time as `send`.
 * H4 Each logical `task.create` (each item of a batch) carries a string of its own in `parameters.mark`, each
 *    reliable `topic.publish` in `data.mark`: effects are counted by it. A request that is sent again under another id
 *    with the same `k` keeps its mark.
 * H5 A `fault` after which frames may get lost or stand still has `severs: true` and names its connection or client;
 *    without a name it excuses everybody.
 */
import type { LockView, LockWaitView } from '../../../protocol/wire/locks.ts';
import type { RuleView } from '../../../protocol/wire/rules.ts';
import type { AgentView, Role, SessionSnapshot, TaskView } from '../../../protocol/wire/types.ts';

export interface History {
  readonly format: 1;
  /** Bounds in which the run differed from the protocol's defaults. */
  readonly options?: Partial<CheckOptions>;
  readonly events: readonly HistoryEvent[];
}

/** The bounds that the verdicts depend on; the defaults are those of protocol/wire/limits.ts. */
export interface CheckOptions {
  readonly leaseMs: number;
  readonly recoveryGraceMs: number;
  readonly stopMs: number;
  readonly resumeWindowMs: number;
  readonly liveGapMs: number;
  readonly ringPushes: number;
  readonly remembered: number;
  readonly idempotencyMs: number;
  readonly progressMs: number;
  readonly lossesMax: number;
  readonly excludedMax: number;
  readonly treeDepthMax: number;
  readonly childrenMax: number;
  readonly treeTasksMax: number;
  readonly delegationsMax: number;
  /** Without a frame for so long a connection counts as dead. */
  readonly pingTimeoutMs: number;
  readonly lockGraceMs: number;
  readonly lockDelayMs: number;
  readonly lockTtlMs: number;
  readonly notificationsKept: number;
  readonly documentVersionsKept: number;
  /** How late, in the clock of the timer, a timer may fire before it counts as overdue. */
  readonly timerSlackMs: number;
  /** How long after the last entry a pending timer may wait at the end before it counts as forgotten. */
  readonly idleSlackMs: number;
  /** After so many violations the rest is not looked at. */
  readonly violationsMax: number;
}

/** `at`: the harness' clock in ms; never falls. */
interface At {
  readonly at: number;
}

/** A client process begins. A restarted process has the same `client` and the next `incarnation`. */
export interface ClientStart extends At {
  readonly kind: 'client.start';
  readonly client: string;
  readonly incarnation: number;
  readonly tenant: string;
  /** True for the real SDK: its duties are checked too. False for a client that misbehaves on purpose. */
  readonly sdk: boolean;
  readonly agent?: { readonly name: string; readonly instance?: string };
}

export interface ClientKill extends At {
  readonly kind: 'client.kill';
  readonly client: string;
  readonly incarnation: number;
}

/** A connection was opened; `conn` is unique in the history. */
export interface Connect extends At {
  readonly kind: 'connect';
  readonly conn: string;
  readonly client: string;
  readonly incarnation: number;
}

export interface Hello extends At {
  readonly kind: 'hello';
  readonly conn: string;
  readonly resume?: { readonly session: string; readonly rev: number };
  readonly agent?: {
    readonly name: string;
    readonly instance?: string;
    readonly running?: readonly { readonly id: string; readonly token: string }[];
  };
  readonly subs?: readonly string[];
  /** The secret, the session or the position was made up: a refusal to resume needs no other reason. */
  readonly forged?: boolean;
}

export interface Welcome extends At {
  readonly kind: 'welcome';
  readonly conn: string;
  readonly session: string;
  readonly rev: number;
  readonly resumed: boolean;
  readonly reason?: string;
  readonly snapshot?: SessionSnapshot;
  readonly agentId?: string;
  readonly tenant: string;
  readonly principal: string;
  readonly role: Role;
}

/** One logical request, written to its connection for the first time. */
export interface Invoke extends At {
  readonly kind: 'invoke';
  /** Unique in the history. Two requests with one (session, reqId) are a repeat made on purpose. */
  readonly opId: string;
  readonly conn: string;
  readonly session: string;
  readonly reqId: number;
  readonly k?: string;
  /** `meta.ack` of the frame. */
  readonly ack?: number;
  readonly method: string;
  readonly params: unknown;
}

/** The same logical request again: on another connection, or (with `k`) under another session and id. */
export interface Send extends At {
  readonly kind: 'send';
  readonly opId: string;
  readonly conn: string;
  readonly session: string;
  readonly reqId: number;
  readonly ack?: number;
}

export interface AnswerOk extends At {
  readonly kind: 'answer';
  readonly conn: string;
  readonly session: string;
  readonly reqId: number;
  readonly ok: true;
  readonly rev: number;
  readonly result: unknown;
}

export interface AnswerFail extends At {
  readonly kind: 'answer';
  readonly conn: string;
  readonly session: string;
  readonly reqId: number;
  readonly ok: false;
  readonly code: string;
  readonly message?: string;
  readonly details?: unknown;
}

/** The caller gave up: no answer is expected any more. */
export interface Info extends At {
  readonly kind: 'info';
  readonly opId: string;
}

export interface PushSeen extends At {
  readonly kind: 'push';
  readonly conn: string;
  /** Absent on `latest` and `ephemeral` pushes. */
  readonly rev?: number;
  readonly event: string;
  readonly topic?: string;
  readonly data: unknown;
}

export interface PingSeen extends At {
  readonly kind: 'ping';
  readonly conn: string;
  readonly rev?: number;
}

export interface NoticeSeen extends At {
  readonly kind: 'notice';
  readonly conn: string;
  readonly notice: string;
}

export interface Bye extends At {
  readonly kind: 'bye';
  readonly conn: string;
  readonly requeue?: boolean;
}

/** The client knows that the connection is gone. */
export interface Disconnect extends At {
  readonly kind: 'disconnect';
  readonly conn: string;
  /** Absent when none arrived. */
  readonly code?: number;
}

/** The agent's program begins to work on a task. */
export interface HandlerStart extends At {
  readonly kind: 'handler.start';
  readonly client: string;
  readonly incarnation: number;
  readonly taskId: string;
  readonly token: string;
  readonly attempt: number;
}

export interface HandlerEnd extends At {
  readonly kind: 'handler.end';
  readonly client: string;
  readonly incarnation: number;
  readonly taskId: string;
  readonly token: string;
}

/** The agent's program hears an order about a task that it works on. */
export interface HandlerOrder extends At {
  readonly kind: 'handler.order';
  readonly client: string;
  readonly incarnation: number;
  readonly taskId: string;
  readonly token: string;
  readonly control: string;
  readonly seq: number;
}

/** The program believes that it holds a lock, until then by the clock of the history; what was asked at `since` told it so. */
export interface LockBelief extends At {
  readonly kind: 'lock.belief';
  readonly client: string;
  readonly incarnation: number;
  readonly lock: LockView;
  readonly since: number;
  readonly until: number;
}

/** It stops believing: it gave the lock back, or was told that it has ended. */
export interface LockDoubt extends At {
  readonly kind: 'lock.doubt';
  readonly client: string;
  readonly incarnation: number;
  readonly id: string;
}

export interface ServerStart extends At {
  readonly kind: 'server.start';
}

/** An orderly stop begins: from now on nothing new need be assigned. */
export interface ServerStop extends At {
  readonly kind: 'server.stop';
}

export interface ServerCrash extends At {
  readonly kind: 'server.crash';
}

/** The log of a tenant was opened; `seq`, `chain`: its head as it was found. */
export interface LogOpen extends At {
  readonly kind: 'log.open';
  readonly tenant: string;
  readonly logId: string;
  readonly epoch: number;
  readonly seq: number;
  /** Hex; absent for an empty log. */
  readonly chain?: string;
}

/** An entry stands in the log, perhaps not yet for good. */
export interface LogAppend extends At {
  readonly kind: 'log.append';
  readonly tenant: string;
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
  /** Hex. */
  readonly chain: string;
  /** Any fixed hash of the payload, hex, if its entries are read from copies. */
  readonly payloadHash?: string;
  /** The stored bytes, hex: with them the chain is recomputed. */
  readonly stored?: string;
  /** The entry that opens the tenant. If absent, it is the first one after each start of the server. */
  readonly opening?: boolean;
}

/** Everything up to `seq` is durable. */
export interface LogDurable extends At {
  readonly kind: 'log.durable';
  readonly tenant: string;
  readonly seq: number;
}

/** An entry as any reader of any copy found it. */
export interface LogRead extends At {
  readonly kind: 'log.read';
  readonly tenant: string;
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
  readonly chain: string;
  readonly payloadHash?: string;
}

export interface TaskObservation {
  readonly task: TaskView;
  /** Of the current assignment; present exactly while the task is held. */
  readonly token?: string;
  /** Agents that this task must not go to: ids, and names behind an `@`. If absent the checker keeps its own list. */
  readonly excluded?: readonly string[];
}

export interface SessionObservation {
  readonly id: string;
  readonly principal: string;
  readonly agentId?: string;
  /** A living connection carries it. */
  readonly attached: boolean;
  /** It will never be resumed. */
  readonly ended?: boolean;
}

/** A reliable push as the entry produced it. One of topic, agentId, session says for whom. */
export interface PushObservation {
  readonly rev: number;
  readonly event: string;
  readonly topic?: string;
  readonly agentId?: string;
  readonly session?: string;
  /** For orders. */
  readonly taskId?: string;
  readonly token?: string;
  /** For events of tasks. */
  readonly status?: string;
  /** For orders that are about a lock under its token. */
  readonly lock?: { readonly id: string; readonly token: string };
  /** For notifications, instead of for whom. */
  readonly notice?: NoticeObservation;
  /** Whose readers alone hear of it. */
  readonly workspace?: string;
}

/** A notification as it was said, or as one agent is told it again: to one of these audiences. */
export interface NoticeObservation {
  readonly id: string;
  readonly all?: true;
  readonly agents?: readonly string[];
  readonly capability?: string;
  readonly expiresAt: number;
  /** Of its data. */
  readonly mark?: string;
}

/** A command of the entry, for harnesses that can decode the payload. */
export interface CommandObservation {
  /** Absent for commands of the system. */
  readonly session?: string;
  readonly reqId?: number;
  readonly method: string;
  /** `ok`, `repeat` (an outcome that was remembered) or an error code. */
  readonly outcome: string;
}

/** A write of locks that an entry carried out, or answered again. */
export interface LockCommand {
  readonly session: string;
  readonly reqId: number;
  readonly k?: string;
  readonly method: string;
  readonly params: unknown;
  readonly ok: boolean;
  /** The result, or the details of the refusal. */
  readonly result: unknown;
  readonly code?: string;
}

/** A push about locks as the entry produced it: to owners, or with a topic. */
export interface LockTold {
  readonly event: string;
  readonly topic?: string;
  /** The session or agent. */
  readonly to?: string;
  readonly data: unknown;
}

/** All about locks, after an entry that changed something about them. */
export interface LocksObservation {
  readonly held: readonly LockView[];
  readonly waits: readonly LockWaitView[];
  readonly commands: readonly LockCommand[];
  readonly told: readonly LockTold[];
}

/** A section of a document at one version. */
export interface SectionSeen {
  readonly id: string;
  /** Of the document, when the section was changed last. */
  readonly version: number;
  readonly sha256: string;
  readonly bytes: number;
}

/** A document as an entry made it. */
export interface DocumentSeen {
  readonly id: string;
  readonly workspaceId?: string;
  readonly type: string;
  readonly version: number;
  readonly bytes: number;
  readonly by: string;
  readonly sections: readonly SectionSeen[];
}

/** What is kept of an edit that was refused: the hashes of the sections of its texts. */
export interface ConflictSeen {
  readonly id: string;
  readonly document: string;
  readonly by: string;
  readonly baseVersion: number;
  readonly version: number;
  readonly base: readonly string[];
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
}

/** What a document is called, and whether it is archived. */
export interface TitleSeen {
  readonly id: string;
  readonly name: string;
  readonly archived: boolean;
}

/** A version that is kept: the hashes of its sections. */
export interface SnapshotSeen {
  readonly id: string;
  readonly document: string;
  readonly name?: string;
  readonly version: number;
  readonly by: string;
  readonly texts: readonly string[];
}

export interface CommentSeen {
  readonly id: string;
  readonly document: string;
  readonly section?: string;
  readonly replyTo?: string;
  readonly by: string;
  /** Hash of what was said. */
  readonly sha256: string;
  readonly resolvedBy?: string;
}

/** What is kept of documents beside their texts, as far as an entry changed it. */
export interface CareSeen {
  readonly titles: readonly TitleSeen[];
  readonly snapshots: readonly SnapshotSeen[];
  readonly snapshotsGone: readonly string[];
  readonly comments: readonly CommentSeen[];
  readonly commentsGone: readonly string[];
}

/** A write of a family of methods that an entry carried out, or answered again. */
export interface WriteSeen {
  readonly session: string;
  readonly reqId: number;
  readonly k?: string;
  readonly method: string;
  readonly ok: boolean;
  /** The result, or the details of the refusal. */
  readonly result: unknown;
  readonly code?: string;
}

/** What was told on a topic. */
export interface TopicTold {
  readonly rev: number;
  readonly event: string;
  readonly topic: string;
  readonly data: unknown;
}

/** All about documents that an entry did. */
export interface DocumentsObservation {
  /** Every version, in the order in which they were made. */
  readonly versions: readonly DocumentSeen[];
  readonly gone: readonly string[];
  readonly conflicts: readonly ConflictSeen[];
  readonly ended: readonly string[];
  /** If given once for a tenant, it is given for every entry that changed any of it. */
  readonly care?: CareSeen;
  readonly writes: readonly WriteSeen[];
  readonly told: readonly TopicTold[];
}

/** A workspace after an entry. */
export interface SpaceSeen {
  readonly id: string;
  readonly status: string;
  readonly visibility: string;
  /** Of the shared state. */
  readonly version: number;
  readonly quotas: { readonly [resource: string]: number };
  readonly members: readonly { readonly user: string; readonly role: string }[];
  readonly values: { readonly [key: string]: unknown };
  readonly snapshots: readonly {
    readonly id: string;
    readonly version: number;
    readonly values: { readonly [key: string]: unknown };
  }[];
  readonly used: { readonly [resource: string]: number };
}

/** All workspaces, after an entry that had to do with one. */
export interface WorkspacesObservation {
  /** The clock of the server. */
  readonly now: number;
  readonly spaces: readonly SpaceSeen[];
  /** Whatever may be about a workspace, in order. */
  readonly writes: readonly WriteSeen[];
  readonly told: readonly TopicTold[];
}

/** What the public views show after one entry was applied. */
export interface Applied extends At {
  readonly kind: 'applied';
  readonly tenant: string;
  readonly seq: number;
  /** The tenant's position after the entry and all its pushes. */
  readonly rev: number;
  readonly stateHash: string;
  /** Live time after the entry. */
  readonly live?: number;
  /** False while follow-up work of this entry waits for another entry. */
  readonly drained?: boolean;
  /** Changed ones; a task that stands here twice passed through both views in this order. */
  readonly tasks?: readonly TaskObservation[];
  readonly agents?: readonly AgentView[];
  readonly agentsGone?: readonly string[];
  readonly sessions?: readonly SessionObservation[];
  /** What the entry asked to be moved to other agents. */
  readonly moves?: readonly { readonly task: string; readonly token: string }[];
  /** All that are in force, when that changed. */
  readonly rules?: readonly RuleView[];
  /** All reliable pushes of the entry, rising by rev. If given once for a tenant, it is given for every entry. */
  readonly pushes?: readonly PushObservation[];
  readonly commands?: readonly CommandObservation[];
  readonly locks?: LocksObservation;
  readonly documents?: DocumentsObservation;
  readonly workspaces?: WorkspacesObservation;
}

/** A state rebuilt apart from the serving one, from nothing or from the snapshot at `from`, has reached `seq`. */
export interface Replay extends At {
  readonly kind: 'replay';
  readonly tenant: string;
  readonly from: 'zero' | number;
  readonly seq: number;
  readonly stateHash: string;
  readonly rev?: number;
}

export interface SnapshotTaken extends At {
  readonly kind: 'snapshot';
  readonly tenant: string;
  readonly seq: number;
  readonly stateHash: string;
}

export interface LogTrim extends At {
  readonly kind: 'log.trim';
  readonly tenant: string;
  /** Entries up to and including this one were forgotten. */
  readonly seq: number;
}

export interface Caps extends At {
  readonly kind: 'caps';
  readonly readings: readonly { readonly name: string; readonly size: number; readonly cap: number }[];
}

export interface Fault extends At {
  readonly kind: 'fault';
  readonly fault: string;
  readonly conn?: string;
  readonly client?: string;
  /** Frames may get lost or stand still from now on. */
  readonly severs?: boolean;
  /** Whenever the server asks from now on, and before then, the disk is nearly full. */
  readonly noRoomUntil?: number;
}

/** A text is durable where texts are kept, under this name. */
export interface TextKept extends At {
  readonly kind: 'text.kept';
  readonly tenant: string;
  readonly sha256: string;
  readonly text: string;
}

/** A text is kept no longer. */
export interface TextGone extends At {
  readonly kind: 'text.gone';
  readonly tenant: string;
  readonly sha256: string;
}

/** The last fault is over. */
export interface Heal extends At {
  readonly kind: 'heal';
}

export interface End extends At {
  readonly kind: 'end';
  /** The run went on for long enough after `heal` that everything which can end has ended. */
  readonly settled: boolean;
  /** The wall clock of the server at the end. */
  readonly wall?: number;
}

export type HistoryEvent =
  | ClientStart
  | ClientKill
  | Connect
  | Hello
  | Welcome
  | Invoke
  | Send
  | AnswerOk
  | AnswerFail
  | Info
  | PushSeen
  | PingSeen
  | NoticeSeen
  | Bye
  | Disconnect
  | HandlerStart
  | HandlerEnd
  | HandlerOrder
  | LockBelief
  | LockDoubt
  | ServerStart
  | ServerStop
  | ServerCrash
  | LogOpen
  | LogAppend
  | LogDurable
  | LogRead
  | Applied
  | TextKept
  | TextGone
  | Replay
  | SnapshotTaken
  | LogTrim
  | Caps
  | Fault
  | Heal
  | End;

export type EventOf<K extends HistoryEvent['kind']> = Extract<HistoryEvent, { readonly kind: K }>;

export type AnswerSeen = AnswerOk | AnswerFail;
