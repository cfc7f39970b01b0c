/** The records that the state is made of. Immutable; absolute facts only (instants, chosen agents), never "in 5 s". */
import type { Missed, Overlap, ScheduleRun, ScheduleStatus } from '../../protocol/wire/schedules.ts';
import type { TaskTree } from './trees/tree-records.ts';
import type { PlainStrategy, RuleOnError } from '../../protocol/wire/rules.ts';
import type { Concurrency, Sticky } from '../../protocol/wire/placing.ts';
import type {
  AgentStatus,
  DeclaredStatus,
  DeliveryMode,
  OnLost,
  RetryPolicy,
  Role,
  Strategy,
  TaskCreate,
  TaskError,
  TaskStatus,
  Value,
} from '../../protocol/wire/types.ts';
import type {
  AttemptError,
  LetterEdit,
  LetterFilter,
  LetterRunView,
  LetterState,
} from '../../protocol/wire/letters.ts';
import type { LockMember } from '../../protocol/wire/locks.ts';
import type { FindingCode } from '../../protocol/wire/observing.ts';
import type { LockWork } from './locks/lock-records.ts';
import type { Notified } from './notifications/notification-records.ts';
import type { SessionPrincipal } from './port.ts';
import type { WorkspaceWork } from './workspaces/workspace-records.ts';
import type { TaskControl } from './tasks/control-record.ts';
import type { RuleTree } from './rules/tree.ts';

type Labels = { readonly [key: string]: string };

export interface TaskRecord {
  readonly id: string;
  readonly type: string;
  readonly status: TaskStatus;
  /** 0 low … 3 critical. */
  readonly priority: number;
  readonly parameters: Value;
  /** What parameters and control take in memory, roughly. */
  readonly bytes: number;
  /** Sorted, distinct. */
  readonly requirements: readonly string[];
  /** Requirements joined; names the group of agents that can take the task. */
  readonly group: string;
  readonly labels: Labels | undefined;
  readonly strategy: Strategy;
  /** Which rules apply to it. Undefined: there were none when it was asked. */
  readonly ruling: Ruling | undefined;
  readonly mode: DeliveryMode;
  readonly agentId: string | undefined;
  /** Of the newest assignment; 0 before the first. */
  readonly token: number;
  /** Of the newest assignment: failures before it + 1; 0 before the first. */
  readonly attempt: number;
  readonly failures: number;
  readonly losses: number;
  readonly retry: RetryPolicy;
  readonly timeoutMs: number | undefined;
  readonly progressTimeoutMs: number | undefined;
  readonly deadlineAt: number | undefined;
  readonly runAt: number | undefined;
  readonly percent: number | undefined;
  readonly progressText: string | undefined;
  readonly result: Value | undefined;
  readonly error: TaskError | undefined;
  readonly dead: boolean;
  /** Its failures, oldest first, as far as they are kept. Undefined: none. */
  readonly errors: readonly AttemptError[] | undefined;
  /** Agents that rejected it, and those that did not confirm an order, as long as they stay attached: `<id>@<attachedRev>`. */
  readonly excluded: readonly string[];
  /** Agents whose attempts failed: others are asked first. Undefined: none. */
  readonly failedOn: readonly string[] | undefined;
  /** What it asks of the labels of an agent, in one order. Undefined: nothing. */
  readonly selectors: readonly string[] | undefined;
  readonly sticky: Sticky | undefined;
  readonly concurrency: Concurrency | undefined;
  /** What it needs locked whenever somebody has it, in one order, each path once. Undefined: nothing. */
  readonly locks: readonly LockMember[] | undefined;
  /** The lock that it has on all of them; without it nobody is given a task that needs locks. */
  readonly lockId: string | undefined;
  /** Undefined until it is paused, steered, asks or hands something out. */
  readonly control: TaskControl | undefined;
  readonly workspaceId: string | undefined;
  readonly parentId: string | undefined;
  readonly retryOf: string | undefined;
  /** The schedule that made it, and for which instant. */
  readonly schedule: { readonly id: string; readonly at: number } | undefined;
  /** Undefined: it stands below no other task and waits for none. */
  readonly tree: TaskTree | undefined;
  readonly createdBy: string;
  /** `task.<id>`. */
  readonly topic: string;
  /** Who hears of it: the session that watches it, if one does, and the topic. One array for all its events. */
  readonly to: readonly string[];
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When it began to wait, if it was changed since then and waits on. Undefined: see `waitingSince`. */
  readonly pendingAt: number | undefined;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  readonly rev: number;
}

/** What the rules said of a task, and of what they said it: it holds as long as none of that is other. */
export interface Ruling {
  /** Of the rules, which counts their changes. */
  readonly version: number;
  readonly priority: number;
  readonly failures: number;
  /** The names of those that apply and matter to it, in their order. */
  readonly rules: readonly string[];
}

/** Since when a pending task waits. */
export function waitingSince({ pendingAt, updatedAt }: Pick<TaskRecord, 'pendingAt' | 'updatedAt'>): number {
  return pendingAt ?? updatedAt;
}

/** A record that nobody else has seen yet. */
export type Draft<R> = { -readonly [K in keyof R]: R[K] };

/**
 * A copy to be changed before anybody else sees it. Member by member: a spread of so many members takes four times
 * as long and leaves three times the garbage (Node 20).
 */
export function copyOfTask(task: TaskRecord): Draft<TaskRecord> {
  return {
    id: task.id,
    type: task.type,
    status: task.status,
    priority: task.priority,
    parameters: task.parameters,
    bytes: task.bytes,
    requirements: task.requirements,
    group: task.group,
    labels: task.labels,
    strategy: task.strategy,
    ruling: task.ruling,
    mode: task.mode,
    agentId: task.agentId,
    token: task.token,
    attempt: task.attempt,
    failures: task.failures,
    losses: task.losses,
    retry: task.retry,
    timeoutMs: task.timeoutMs,
    progressTimeoutMs: task.progressTimeoutMs,
    deadlineAt: task.deadlineAt,
    runAt: task.runAt,
    percent: task.percent,
    progressText: task.progressText,
    result: task.result,
    error: task.error,
    dead: task.dead,
    errors: task.errors,
    excluded: task.excluded,
    failedOn: task.failedOn,
    selectors: task.selectors,
    sticky: task.sticky,
    concurrency: task.concurrency,
    locks: task.locks,
    lockId: task.lockId,
    control: task.control,
    workspaceId: task.workspaceId,
    parentId: task.parentId,
    retryOf: task.retryOf,
    schedule: task.schedule,
    tree: task.tree,
    createdBy: task.createdBy,
    topic: task.topic,
    to: task.to,
    createdAt: task.createdAt,
    updatedAt: task.updatedAt,
    pendingAt: task.pendingAt,
    startedAt: task.startedAt,
    finishedAt: task.finishedAt,
    rev: task.rev,
  };
}

/** A slot in use: a current assignment, or one whose holder was told to stop and has not said that it did. */
export interface AssignmentRecord {
  /** `<task>` for a current one; `<task>#<token>` for a stopping one. */
  readonly key: string;
  readonly task: string;
  readonly agent: string;
  readonly token: number;
  readonly attempt: number;
  readonly state: 'current' | 'stopping';
  readonly control: 'cancel' | 'leaseLost' | undefined;
  /** When it was given; undefined in logs of the first version. */
  readonly at: number | undefined;
}

/** How one attempt ended, for the agent that made it. */
export interface Outcome {
  readonly type: string;
  readonly ok: boolean;
  readonly ms: number;
}

/** What became of the probe of an agent in quarantine; `again`: nothing that it caused. */
export type ProbeEnd = 'passed' | 'failed' | 'again';

/** What an agent did of one type: exponentially weighted averages, in integers. */
export interface Rating {
  readonly type: string;
  readonly count: number;
  /** Share of successes, in millionths. */
  readonly ok: number;
  /** Time of an attempt that succeeded; undefined before the first. */
  readonly ms: number | undefined;
}

export interface Health {
  /** A bit for each of the last outcomes, the newest lowest; 1 is a failure. */
  readonly outcomes: number;
  readonly count: number;
  /** In quarantine for so many times in a row. */
  readonly times: number;
  /** Live instant at which its quarantine ends by a probe; undefined: it is not in quarantine. */
  readonly until: number | undefined;
  /** It may be given a task as a probe. */
  readonly probing: boolean;
  /** The token of the probe that it has. */
  readonly probe: number | undefined;
}

export interface WeightedCapability {
  readonly name: string;
  readonly weight: number;
}

export interface AgentRecord {
  readonly id: string;
  /** The audience of its orders, one array for all of them. */
  readonly to: readonly string[];
  readonly name: string;
  readonly instance: string;
  readonly type: string | undefined;
  readonly status: AgentStatus;
  /** What it is while it is reachable, `status` being this or `offline`; undefined: active. */
  readonly declared: DeclaredStatus | undefined;
  readonly statusReason: string | undefined;
  /** Its session is attached: orders reach it now. */
  readonly attached: boolean;
  /** When that began: an order that it did not confirm is not held against it after it came back. */
  readonly attachedRev: number;
  /** Sorted by name, distinct. */
  readonly capabilities: readonly WeightedCapability[];
  readonly capacity: number;
  readonly cost: number | undefined;
  readonly labels: Labels | undefined;
  readonly metadata: Value | undefined;
  readonly endpoint: string | undefined;
  readonly onLost: OnLost;
  readonly acceptMs: number;
  /** The session that speaks for it, attached or in its grace. */
  readonly session: string | undefined;
  /** The workspaces whose tasks it may be given, sorted; the same array as long as it says the same. Undefined: none. */
  readonly workspaces?: readonly string[] | undefined;
  /** Assignments of it, current and stopping; always the count of its assignment records. */
  readonly active: number;
  /** Undefined: it has finished nothing. */
  readonly ratings: readonly Rating[] | undefined;
  readonly health: Health | undefined;
  /** What it has of what was said to it. Undefined: nothing could be said yet when it changed last. */
  readonly notified?: Notified | undefined;
  /** Token of its newest assignment: whoever waits longest is first among equals. */
  readonly lastToken: number;
  readonly principal: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly rev: number;
}

export function declaredOf(agent: AgentRecord): DeclaredStatus {
  return agent.declared ?? 'active';
}

/** As `copyOfTask`: every assignment and every end of one changes the load of an agent. */
export function withLoad(
  agent: AgentRecord,
  load: {
    readonly active: number;
    readonly lastToken: number;
    readonly ratings: readonly Rating[] | undefined;
    readonly health: Health | undefined;
  },
): AgentRecord {
  const { active, lastToken, ratings, health } = load;
  return {
    id: agent.id,
    to: agent.to,
    name: agent.name,
    instance: agent.instance,
    type: agent.type,
    status: agent.status,
    declared: agent.declared,
    statusReason: agent.statusReason,
    attached: agent.attached,
    attachedRev: agent.attachedRev,
    capabilities: agent.capabilities,
    capacity: agent.capacity,
    cost: agent.cost,
    labels: agent.labels,
    metadata: agent.metadata,
    endpoint: agent.endpoint,
    onLost: agent.onLost,
    acceptMs: agent.acceptMs,
    session: agent.session,
    workspaces: agent.workspaces,
    active,
    ratings,
    health,
    notified: agent.notified,
    lastToken,
    principal: agent.principal,
    createdAt: agent.createdAt,
    lastSeenAt: agent.lastSeenAt,
    rev: agent.rev,
  };
}

export interface SessionRecord {
  readonly id: string;
  /** `s:<id>`: one text for all that is pushed to it. */
  readonly audience: string;
  readonly principal: SessionPrincipal;
  readonly agentId: string | undefined;
  /** Of the newest secret that was issued. */
  readonly issuedHash: string;
  /** Of the newest secret that a client proved to have. */
  readonly provenHash: string | undefined;
  readonly attached: boolean;
  /** Grows with each attachment; only the connection of the current one speaks. */
  readonly attach: number;
  readonly node: string;
  /** The grace is over: the agent's assignments were given up. */
  readonly graceOver: boolean;
  readonly subs: number;
  /** The session whose locks it took over: it owns all its own under that name. */
  readonly lockOwner?: string | undefined;
  readonly openedRev: number;
  readonly createdAt: number;
}

export interface SubscriptionRecord {
  /** `<session> <topic>`. */
  readonly key: string;
  readonly session: string;
  readonly topic: string;
  /** Pushes after this rev are the subscriber's. */
  readonly rev: number;
}

export interface LatestRecord {
  /** `<topic> <key>`. */
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly data: Value;
  readonly rev: number;
}

/** Which agent tasks with a key go to, until when. */
export interface StickyRecord {
  readonly key: string;
  readonly agent: string;
  readonly until: number;
}

/** The strategy of tasks that name none, by what they are: `tenant`, `type <name>`, `workspace <id>`. */
export interface StrategyRecord {
  readonly key: string;
  readonly strategy: Strategy;
}

/** When tasks are made, and of what kind. Which instants those are is computed outside and proposed (S1). */
export interface ScheduleRecord {
  readonly id: string;
  readonly name: string | undefined;
  readonly status: ScheduleStatus;
  /** One of these: an instant; a distance from `anchor`; an expression, by the clock of a zone. */
  readonly at: number | undefined;
  readonly everyMs: number | undefined;
  readonly cron: string | undefined;
  readonly timeZone: string | undefined;
  /** Occurrences of `everyMs` are whole multiples of it after this. */
  readonly anchor: number;
  readonly task: TaskCreate;
  /** What it takes in memory, roughly. */
  readonly bytes: number;
  readonly overlap: Overlap;
  readonly missed: Missed;
  readonly missedMax: number;
  readonly jitterMs: number | undefined;
  readonly startAt: number | undefined;
  readonly endAt: number | undefined;
  readonly maxRuns: number | undefined;
  /** Grows with each change of what is to come: a proposal for an earlier one changes nothing. */
  readonly version: number;
  /** Occurrences up to here are dealt with. */
  readonly cursor: number;
  /** The next occurrence; undefined while active: it waits for a proposal. */
  readonly next: number | undefined;
  /** Tasks that were made. */
  readonly runs: number;
  /** The newest ones, oldest first. */
  readonly recent: readonly ScheduleRun[];
  /** The newest task that it made. */
  readonly last: string | undefined;
  /** An occurrence that waits for the end of `last`. */
  readonly buffered: number | undefined;
  /** Why it has ended, if that was an error. */
  readonly reason: string | undefined;
  readonly createdBy: string;
  /** In a workspace: the member who answers for what it makes; undefined: an administrator, or it is of an engine before 6. */
  readonly member?: string | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly rev: number;
}

/** What was done with a dead letter; the letter itself is in the archive and does not change. */
export interface LetterRecord {
  /** Of the task. */
  readonly id: string;
  readonly state: LetterState;
  /** Of an open one. */
  readonly edit: LetterEdit | undefined;
  readonly replayedAs: string | undefined;
  /** What it takes in memory, roughly. */
  readonly bytes: number;
  readonly at: number;
  readonly by: string;
  /** By then the archive has forgotten the letter. */
  readonly until: number;
}

/** Many letters, handled from the newest down: those above the cursor are done. */
export interface LetterRunRecord {
  readonly id: string;
  readonly kind: 'replay' | 'discard';
  readonly state: LetterRunView['state'];
  readonly filter: LetterFilter;
  readonly edit: LetterEdit | undefined;
  readonly perSecond: number | undefined;
  readonly max: number | undefined;
  readonly cursor: string | undefined;
  /** The rate allows the next one from then on, in microseconds. */
  readonly dueUs: number;
  readonly handled: number;
  readonly refused: number;
  readonly code: string | undefined;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly endedAt: number | undefined;
}

export interface RuleRecord {
  readonly name: string;
  /** The lowest decides first; of two alike the name. */
  readonly order: number;
  readonly type: string | undefined;
  readonly workspaceId: string | undefined;
  /** Sources, and the trees that were made of them. */
  readonly condition: string | undefined;
  readonly filter: string | undefined;
  readonly prefer: string | undefined;
  readonly trees: RuleTrees;
  readonly strategy: PlainStrategy | undefined;
  readonly onError: RuleOnError;
  readonly enabled: boolean;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly updatedAt: number;
}

export interface RuleTrees {
  readonly condition?: RuleTree;
  readonly filter?: RuleTree;
  readonly prefer?: RuleTree;
}

export interface ApiKeyRecord {
  readonly id: string;
  readonly secretHash: string;
  readonly role: Role;
  readonly agent: string | undefined;
  readonly scopes: readonly string[] | undefined;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
}

/** When it ended, or will by itself; undefined: neither. */
export function endOfKey({ expiresAt, revokedAt }: ApiKeyRecord): number | undefined {
  return expiresAt === undefined || revokedAt === undefined ? (expiresAt ?? revokedAt) : Math.min(expiresAt, revokedAt);
}

export interface TenantRecord {
  readonly id: string;
  readonly createdAt: number;
  readonly createdBy: string;
  /** The request that created it: asked again it gives the same answer. */
  readonly dedupe: string;
  /** The first admin key of the tenant, to be installed in its own log. */
  readonly keyId: string;
  readonly secretHash: string;
}

/** drained: the agent's drain has a deadline, and it is over. unlocked: an administrator ended its locks. removed: the agent may not work in the workspace any more. lost: the grace ended. released: BYE. replaced: a new process of the instance does not run it any more. */
export type LossReason =
  'lost' | 'released' | 'replaced' | 'deregistered' | 'revoked' | 'drained' | 'unlocked' | 'removed';

/** A place in the order in which tasks wait, also of a task that waits no more. */
export type Urgent = Pick<TaskRecord, 'id' | 'priority' | 'createdAt'>;

/** A follow-up: an internal command that waits its turn. */
export type FollowUp =
  /** `after`: the agents up to this id were tried. */
  | { readonly kind: 'place'; readonly task: string; readonly after?: string }
  | { readonly kind: 'fill'; readonly agent: string }
  | { readonly kind: 'unbuffer'; readonly schedule: string }
  | { readonly kind: 'unblock'; readonly key: string; readonly after?: Urgent }
  /** Goes on with the tasks that a filter must be asked about one by one. */
  | { readonly kind: 'seek'; readonly agent: string; readonly after: Urgent }
  /** The rules have changed: the waiting tasks behind this one are judged anew, then the agents with free slots are given some. */
  | { readonly kind: 'rejudge'; readonly version: number; readonly after: string }
  | { readonly kind: 'rematch'; readonly version: number; readonly after: string }
  | { readonly kind: 'match'; readonly agent: string }
  /** Tasks below this one have ended. */
  | { readonly kind: 'settle'; readonly task: string }
  /** The task has ended, and what stands below it is to be cancelled; `after`: up to this one it is. */
  | { readonly kind: 'prune'; readonly task: string; readonly after: string }
  | { readonly kind: 'lose'; readonly task: string; readonly token: number; readonly why: LossReason }
  /** From whoever has it under the token to the agent `to`, if it has not begun. */
  | { readonly kind: 'move'; readonly task: string; readonly token: number; readonly to: string }
  | { readonly kind: 'locks'; readonly work: LockWork }
  | { readonly kind: 'workspaces'; readonly work: WorkspaceWork }
  | { readonly kind: 'mend'; readonly code: FindingCode; readonly entity: string }
  | { readonly kind: 'end'; readonly session: string; readonly why: 'revoked' };
