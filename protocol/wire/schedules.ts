/**
 * Schedules: tasks that are made at their time.
 *
 * Owns: their shapes, params and results of their methods. types.ts joins them to the others.
 */
import type { TaskCreate, TaskView } from './types.ts';

export const OVERLAPS = ['skip', 'allow', 'buffer'] as const;
/** What becomes of an occurrence while the task of the one before has not ended. */
export type Overlap = (typeof OVERLAPS)[number];

export const MISSED_POLICIES = ['once', 'skip', 'all'] as const;
/** What becomes of occurrences whose time passed while nobody served. */
export type Missed = (typeof MISSED_POLICIES)[number];

export const SCHEDULE_STATUSES = ['active', 'paused', 'ended'] as const;
export type ScheduleStatus = (typeof SCHEDULE_STATUSES)[number];

/** When: an instant, a distance, or an expression by the clock of a zone. */
export interface ScheduleTiming {
  readonly at?: number;
  readonly everyMs?: number;
  readonly cron?: string;
  /** With cron, an IANA name; default UTC. */
  readonly timeZone?: string;
}

export interface ScheduleCreate extends ScheduleTiming {
  /** As `at`, from now on. */
  readonly delayMs?: number;
  readonly name?: string;
  /** What each occurrence creates; `watch` has no meaning here. */
  readonly task: TaskCreate;
  readonly overlap?: Overlap;
  readonly missed?: Missed;
  /** With missed `all`: the newest so many. */
  readonly missedMax?: number;
  /** Each occurrence is late by a random part of this. */
  readonly jitterMs?: number;
  /** No occurrence before, and none after. */
  readonly startAt?: number;
  readonly endAt?: number;
  readonly maxRuns?: number;
}

export interface ScheduleRun {
  /** The instant of the occurrence, and when it was dealt with. */
  readonly at: number;
  readonly firedAt: number;
  /** created: a task. skipped: by `overlap`. buffered: waits for the task before. missed: by `missed`. refused: no task could be created. */
  readonly outcome: 'created' | 'skipped' | 'buffered' | 'missed' | 'refused';
  readonly taskId?: string;
  /** Of missed ones. */
  readonly count?: number;
  /** Why it was refused. */
  readonly code?: string;
}

export interface ScheduleView extends ScheduleTiming {
  readonly id: string;
  readonly name?: string;
  readonly status: ScheduleStatus;
  readonly task: TaskCreate;
  readonly overlap: Overlap;
  readonly missed: Missed;
  readonly missedMax: number;
  readonly jitterMs?: number;
  readonly startAt?: number;
  readonly endAt?: number;
  readonly maxRuns?: number;
  /** Absent when it is not active, and for a moment after each occurrence. */
  readonly nextAt?: number;
  /** Tasks that it made. */
  readonly runs: number;
  /** The newest occurrences, oldest first. */
  readonly recent: readonly ScheduleRun[];
  /** Why it has ended, if that was an error. */
  readonly reason?: string;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly rev: number;
}

type ScheduleResult = { readonly schedule: ScheduleView };

export interface ScheduleParams {
  'schedule.create': ScheduleCreate;
  'schedule.get': { readonly id: string; readonly upcoming?: number };
  'schedule.list': {
    readonly status?: ScheduleStatus;
    readonly name?: string;
    readonly type?: string;
    readonly limit?: number;
    readonly cursor?: string;
  };
  'schedule.update': Omit<Partial<ScheduleCreate>, 'jitterMs' | 'startAt' | 'endAt' | 'maxRuns'> & {
    readonly id: string;
    /** Null: without one. */
    readonly jitterMs?: number | null;
    readonly startAt?: number | null;
    readonly endAt?: number | null;
    readonly maxRuns?: number | null;
  };
  'schedule.pause': { readonly id: string };
  'schedule.resume': { readonly id: string };
  'schedule.trigger': { readonly id: string };
  'schedule.delete': { readonly id: string };
}

export interface ScheduleResults {
  'schedule.create': ScheduleResult;
  'schedule.get': ScheduleResult & { readonly upcoming: readonly number[] };
  'schedule.list': { readonly schedules: readonly ScheduleView[]; readonly cursor?: string };
  'schedule.update': ScheduleResult;
  'schedule.pause': ScheduleResult;
  'schedule.resume': ScheduleResult;
  'schedule.trigger': { readonly task: TaskView };
  'schedule.delete': { readonly id: string };
}
