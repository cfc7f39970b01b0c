/**
 * Shapes of what shows how work goes: inboxes, timelines, statistics, search, reports, backlog, findings of a check.
 *
 * Owns: params and results of those methods. types.ts joins them to the others.
 */
import type { Control } from './control.ts';
import type { Priority, TaskError, TaskStatus, TaskView } from './types.ts';

export const REPORT_FORMATS = ['json', 'csv'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

export const STATS_BY = ['type', 'agent'] as const;
export type StatsBy = (typeof STATS_BY)[number];

/**
 * What an agent has before it: a task that it holds or was offered, a control that it has not acknowledged, a question of
 * its own that is not answered.
 */
export interface InboxItem {
  readonly kind: 'task' | 'control' | 'question';
  readonly id: string;
  readonly type: string;
  readonly attempt: number;
  /** Only for the agent itself and for administrators. */
  readonly token?: string;
  /** When it was given to the agent. */
  readonly at?: number;
  /** Of a task. */
  readonly status?: TaskStatus;
  readonly priority?: Priority;
  readonly progress?: { readonly percentComplete: number; readonly status?: string };
  readonly deadlineAt?: number;
  /** What the holder was told and has not acknowledged. */
  readonly control?: Control;
  /** Of a control to a task that it goes on with: by which it is acknowledged. */
  readonly seq?: number;
  /** Of a question. */
  readonly askId?: string;
  readonly expiresAt?: number;
}

/** One thing that happened to a task: what its watchers were told, and when. */
export interface TimelineEvent {
  /** Absent for `task.created`, which is no push. */
  readonly rev?: number;
  /** Absent in histories that were written before times stood in them. */
  readonly at?: number;
  readonly event: string;
  readonly status: TaskStatus;
  readonly attempt: number;
  readonly agentId?: string;
  readonly reason?: string;
  readonly error?: TaskError;
}

/** Which tasks a search or a report is about; everything that is given must hold. */
export interface TaskQuery {
  readonly status?: TaskStatus;
  readonly type?: string;
  readonly agentId?: string;
  readonly workspaceId?: string;
  /** All of these, with these values. */
  readonly labels?: { readonly [key: string]: string };
  /** Of the error that it ended or last failed with. */
  readonly errorCode?: string;
  /** Stands in the type, a label or the error's message; case does not count. */
  readonly text?: string;
  /** Dead letters only, or none. */
  readonly dead?: boolean;
  /** From this instant on, and before that one. */
  readonly createdFrom?: number;
  readonly createdTo?: number;
  readonly finishedFrom?: number;
  readonly finishedTo?: number;
}

/** One task in a report, without parameters and result. */
export interface ReportRow {
  readonly id: string;
  readonly type: string;
  readonly status: TaskStatus;
  readonly priority: Priority;
  readonly agentId?: string;
  readonly workspaceId?: string;
  readonly parentId?: string;
  readonly retryOf?: string;
  readonly attempt: number;
  readonly losses: number;
  readonly dead: boolean;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  /** From its creation to its first start. */
  readonly waitMs?: number;
  /** From its first start to its end. */
  readonly runMs?: number;
  readonly errorCode?: string;
  readonly errorMessage?: string;
  readonly labels?: { readonly [key: string]: string };
}

/** Of many durations; each at most 7 % too high or too low. */
export interface DurationView {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** What became of the tasks of one type, or of those that one agent held, within a window. */
export interface StatsView {
  /** Absent for `other`. */
  readonly type?: string;
  readonly agentId?: string;
  /** Types or agents beyond what is counted apart. */
  readonly other?: true;
  /** Tasks that ended, by how. */
  readonly completed: number;
  readonly failed: number;
  readonly timedOut: number;
  readonly cancelled: number;
  /** Of those that failed or timed out: dead letters. */
  readonly dead: number;
  /** Attempts that ended: well, by a failure, or without either (lost, rejected, released, taken back). */
  readonly attempts: { readonly ok: number; readonly failed: number; readonly returned: number };
  /** Attempts that went well, of those that went well or failed, 0 to 1; absent without any. */
  readonly successRate?: number;
  /** From pending to given to an agent, for each time that it was. */
  readonly wait?: DurationView;
  /** Of attempts that went well or failed. */
  readonly run?: DurationView;
}

export interface BacklogType {
  readonly type: string;
  readonly waiting: number;
  /** How long the one that waits longest has been waiting. */
  readonly oldestMs: number;
}

/** What waits for an agent, for whoever decides how many agents there should be. */
export interface BacklogView {
  readonly waiting: number;
  readonly oldestMs: number;
  /** False: there is so much that the shares of types were estimated from a part of it. */
  readonly exact: boolean;
  /** The types with most waiting. */
  readonly types: readonly BacklogType[];
  /** All other types together. */
  readonly other?: { readonly types: number; readonly waiting: number; readonly oldestMs: number };
  /** Tasks that wait for a capability which no agent that is reachable has. */
  readonly missing: readonly { readonly capability: string; readonly type: string; readonly waiting: number }[];
}

/** What an inspection of a tenant's state can find. */
export const FINDING_CODES = [
  'ASSIGNMENT_ORPHAN',
  'ASSIGNMENT_WITHOUT_AGENT',
  'HELD_WITHOUT_ASSIGNMENT',
  'LOAD',
  'AGENT_SESSION',
  'TIMER_ORPHAN',
  'TIMER_MISSING',
  'SUBSCRIPTION_ORPHAN',
  'STALLED',
  'TASK_LOCKS',
  'LOCK_ORPHAN',
  'FAMILY',
  'FAMILY_MISSING',
  'FAMILY_ORPHAN',
  'FAMILY_WAITS',
  'FAMILY_LEFT',
  'PARTS',
  'LOCK_BOOK',
  'LOCK_OWNER',
  'LOCK_OWNER_ORPHAN',
  'LOCK_CONFLICT',
  'LOCK_REQUEST',
  'LOCK_STALLED',
  'WORKSPACE_OWNER',
  'WORKSPACE_USAGE',
  'WORKSPACE_ORPHAN',
  'END',
  'TOKEN',
] as const;
export type FindingCode = (typeof FINDING_CODES)[number];

export interface FindingView {
  readonly code: FindingCode;
  /** error: work is wrong or does not go on. warning: it is in nobody's way. */
  readonly severity: 'error' | 'warning';
  /** Id of the task, agent, session, lock, request, assignment or workspace, path of locks, or kind and id of a timer or of what is in a workspace. */
  readonly entity: string;
  readonly message: string;
  /** What to do. */
  readonly cure: string;
  /** `tenant.mend` mends it. */
  readonly mendable: boolean;
}

type Page = { readonly limit?: number; readonly cursor?: string };

export interface ObservingParams {
  'agent.inbox': Page & { readonly id?: string };
  'task.timeline': Page & { readonly id: string };
  'task.search': Page & TaskQuery;
  'task.report': Page & TaskQuery & { readonly format?: ReportFormat };
  'task.stats': Page & {
    readonly by?: StatsBy;
    readonly type?: string;
    readonly agentId?: string;
    readonly windowMs?: number;
  };
  'task.backlog': { readonly type?: string; readonly limit?: number };
  'tenant.check': { readonly limit?: number };
  'tenant.mend': Record<string, never>;
}

export interface ObservingResults {
  'agent.inbox': { readonly items: readonly InboxItem[]; readonly cursor?: string };
  'task.timeline': {
    readonly events: readonly TimelineEvent[];
    /** Some of the beginning is no longer kept. */
    readonly gap?: true;
    /** What was reported last: progress is no event that is kept. */
    readonly progress?: { readonly percentComplete: number; readonly status?: string };
    readonly cursor?: string;
  };
  'task.search': { readonly tasks: readonly TaskView[]; readonly cursor?: string };
  'task.report': {
    readonly format: ReportFormat;
    readonly count: number;
    /** With format json. */
    readonly rows?: readonly ReportRow[];
    /** With format csv: lines by RFC 4180; the head is in the first page. */
    readonly csv?: string;
    readonly cursor?: string;
  };
  'task.stats': {
    readonly stats: readonly StatsView[];
    /** Of all tasks of the tenant; in the first page, without `type` and `agentId`. */
    readonly total?: StatsView;
    /** What the window really covers: whole minutes, or hours if it is longer than three. */
    readonly fromAt: number;
    readonly toAt: number;
    readonly cursor?: string;
  };
  'task.backlog': { readonly backlog: BacklogView };
  'tenant.check': {
    readonly findings: readonly FindingView[];
    /** How many there are in all. */
    readonly count: number;
    /** What was looked at. */
    readonly tasks: number;
    readonly agents: number;
    readonly sessions: number;
  };
  /** Faults that it takes care of, and those that are left. */
  'tenant.mend': { readonly mended: number; readonly left: number };
}

/** Of one agent, or of all agents of the tenant together. */
export interface WorkloadView {
  /** Slots: of an agent that is not available none is free. */
  readonly capacity: number;
  readonly active: number;
  readonly free: number;
  /** active / capacity. */
  readonly load: number;
  /** Held tasks by type. */
  readonly byType: readonly { readonly type: string; readonly held: number }[];
  /** Assignments that were taken back and are not acknowledged yet; they count as active. */
  readonly stopping: number;
  /** Pending tasks that the agent's capabilities fit, or of the tenant. */
  readonly queued: number;
}
