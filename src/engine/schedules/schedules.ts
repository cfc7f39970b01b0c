/** Schedules as people make and change them: created, updated, paused, resumed, run by hand, deleted. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { ScheduleView } from '../../../protocol/wire/schedules.ts';
import type { Params, Value } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { weigh } from '../kernel/weigh.ts';
import {
  MENDED_VERSION,
  SCHEDULE_MEMBERS_VERSION,
  type Foreseen,
  type Prepared,
  type Refusal,
  type SessionPrincipal,
} from '../port.ts';
import type { ScheduleRecord, Draft } from '../records.ts';
import { createOwn } from '../tasks/create.ts';
import { workspaceFor } from '../workspaces/access.ts';
import { userOf } from '../workspaces/roles.ts';
import { arm, note, put, tellSchedule } from './firing.ts';

/** A schedule without its template. */
const SCHEDULE_BYTES = 2_000;

export function scheduleView(schedule: ScheduleRecord): ScheduleView {
  const view: Draft<ScheduleView> = {
    id: schedule.id,
    status: schedule.status,
    task: schedule.task,
    overlap: schedule.overlap,
    missed: schedule.missed,
    missedMax: schedule.missedMax,
    runs: schedule.runs,
    recent: schedule.recent,
    createdBy: schedule.createdBy,
    createdAt: schedule.createdAt,
    updatedAt: schedule.updatedAt,
    rev: schedule.rev,
  };
  const { name, at, everyMs, cron, timeZone, jitterMs, startAt, endAt, maxRuns, next, reason } = schedule;
  if (name !== undefined) view.name = name;
  if (at !== undefined) view.at = at;
  if (everyMs !== undefined) view.everyMs = everyMs;
  if (cron !== undefined) view.cron = cron;
  if (timeZone !== undefined) view.timeZone = timeZone;
  if (jitterMs !== undefined) view.jitterMs = jitterMs;
  if (startAt !== undefined) view.startAt = startAt;
  if (endAt !== undefined) view.endAt = endAt;
  if (maxRuns !== undefined) view.maxRuns = maxRuns;
  if (next !== undefined) view.nextAt = next;
  if (reason !== undefined) view.reason = reason;
  return view;
}

/** Who answers for what a schedule makes in a workspace: the member who said last that it is to go on. */
function memberBehind(
  s: State,
  who: SessionPrincipal,
  task: ScheduleRecord['task'],
): Pick<ScheduleRecord, 'member'> | undefined {
  if (s.counters.engineVersion < SCHEDULE_MEMBERS_VERSION) return undefined;
  const isOfMember = who.role !== 'admin' && workspaceFor(s, task) !== undefined;
  return { member: isOfMember ? userOf(who) : undefined };
}

type Timing = Pick<ScheduleRecord, 'at' | 'everyMs' | 'cron' | 'timeZone' | 'anchor'>;

/** What the params say of when; undefined: nothing. */
function timingOf(
  c: Context,
  params: Pick<Params['schedule.update'], 'at' | 'delayMs' | 'everyMs' | 'cron' | 'timeZone'>,
  startAt: number | undefined,
): Timing | undefined {
  const { everyMs, cron, delayMs } = params;
  const at = delayMs === undefined ? params.at : c.now + delayMs;
  if (at === undefined && everyMs === undefined && cron === undefined) return undefined;
  const timeZone = cron === undefined ? undefined : (params.timeZone ?? 'UTC');
  // With a start the first occurrence is there, else a distance from now.
  const anchor = everyMs === undefined || startAt === undefined ? c.now : startAt - everyMs;
  return { at, everyMs, cron, timeZone, anchor };
}

/** The first occurrence after the cursor, where that is plain; undefined: it is to be proposed. */
function first(c: Context, schedule: ScheduleRecord, { foreseen }: Foreseen): number | undefined {
  const { at, everyMs, anchor, cursor, startAt = 0 } = schedule;
  // It may have been dealt with while the request was under way.
  const isMended = c.state.counters.engineVersion >= MENDED_VERSION;
  if (foreseen?.version === schedule.version) return isMended && foreseen.next <= cursor ? undefined : foreseen.next;
  if (at !== undefined && at > cursor && at >= startAt) return at;
  const isAhead = everyMs !== undefined && anchor + everyMs >= cursor + (isMended ? 1 : 0);
  if (isAhead && anchor + everyMs >= startAt) return anchor + everyMs;
  return undefined;
}

function begin(c: Context, schedule: ScheduleRecord, foreseen: Foreseen): ScheduleRecord {
  const next = first(c, schedule, foreseen);
  if (next !== undefined) return arm(c, schedule, next);
  c.events.push({ kind: 'timerCleared', timer: 'occur', entity: schedule.id });
  return schedule;
}

export const createSchedule: Decide<Prepared['schedule.create']> = (s, c, { session, params }) => {
  if (s.schedules.size >= LIMITS.schedulesMax) {
    return rejected('LIMIT_EXCEEDED', `The tenant has ${s.schedules.size} schedules, which is its limit.`);
  }
  const { task, startAt, endAt } = params;
  const timing = timingOf(c, params, startAt);
  if (timing === undefined) return rejected('INVALID_PARAMS', 'The schedule does not say when.');
  const over = tooLate(c, { at: timing.at, startAt, endAt });
  if (over !== undefined) return over;
  const record: ScheduleRecord = {
    id: c.random.id('sch'),
    name: params.name,
    status: 'active',
    ...timing,
    task,
    bytes: SCHEDULE_BYTES + weigh(task),
    overlap: params.overlap ?? 'skip',
    missed: params.missed ?? 'once',
    missedMax: params.missedMax ?? LIMITS.missedRuns,
    jitterMs: params.jitterMs,
    startAt,
    endAt,
    maxRuns: params.maxRuns,
    version: 1,
    cursor: c.now - 1,
    next: undefined,
    runs: 0,
    recent: [],
    last: undefined,
    buffered: undefined,
    reason: undefined,
    createdBy: session.principal.id,
    ...memberBehind(s, session.principal, task),
    createdAt: c.now,
    updatedAt: c.now,
    rev: s.rev,
  };
  const full = tooHeavy(s, record.bytes);
  if (full !== undefined) return full;
  const made = put(c, begin(c, record, params));
  tellSchedule(c, made, { what: 'created' });
  return accepted({ schedule: scheduleView(made) });
};

function tooHeavy(s: State, more: number): Refusal | undefined {
  if (s.scheduleBytes.sum + more <= LIMITS.schedulesBytesMax) return undefined;
  return rejected(
    'LIMIT_EXCEEDED',
    `The schedules of the tenant take ${LIMITS.schedulesBytesMax} bytes, which is its limit.`,
  );
}

function tooLate(
  c: Context,
  when: { readonly at: number | undefined; readonly startAt: number | undefined; readonly endAt: number | undefined },
): Refusal | undefined {
  const { at, startAt = 0, endAt = Infinity } = when;
  const faults: Value[] = [];
  if (at !== undefined && (at < startAt || at > endAt))
    faults.push({ path: 'at', reason: 'is outside startAt and endAt' });
  if (at !== undefined && at < c.now) faults.push({ path: 'at', reason: 'is over' });
  if (endAt <= c.now) faults.push({ path: 'endAt', reason: 'is over' });
  else if (endAt < startAt) faults.push({ path: 'endAt', reason: 'is before startAt' });
  return faults.length === 0 ? undefined : rejected('INVALID_PARAMS', 'The schedule would never run.', faults);
}

const NONE = rejected('NOT_FOUND', 'No such schedule.');

export const updateSchedule: Decide<Prepared['schedule.update']> = (s, c, { session, params }) => {
  const known = s.schedules.get(params.id);
  if (known === undefined) return NONE;
  const or = <T>(given: T | null | undefined, was: T | undefined): T | undefined =>
    given === null ? undefined : (given ?? was);
  const [startAt, endAt] = [or(params.startAt, known.startAt), or(params.endAt, known.endAt)];
  const timing = timingOf(c, params, startAt);
  const over = tooLate(c, { at: timing === undefined ? undefined : timing.at, startAt, endAt });
  if (over !== undefined) return over;
  const task = params.task ?? known.task;
  const bytes = SCHEDULE_BYTES + weigh(task);
  const full = bytes > known.bytes ? tooHeavy(s, bytes - known.bytes) : undefined;
  if (full !== undefined) return full;
  const changed: ScheduleRecord = {
    ...known,
    ...timing,
    name: params.name ?? known.name,
    task,
    bytes,
    overlap: params.overlap ?? known.overlap,
    missed: params.missed ?? known.missed,
    missedMax: params.missedMax ?? known.missedMax,
    jitterMs: or(params.jitterMs, known.jitterMs),
    startAt,
    endAt,
    maxRuns: or(params.maxRuns, known.maxRuns),
    ...memberBehind(s, session.principal, task),
  };
  const made = put(c, renew(c, { ...changed, status: known.status === 'paused' ? 'paused' : 'active' }, params));
  tellSchedule(c, made, { what: 'updated' });
  return accepted({ schedule: scheduleView(made) });
};

/** What is to come is computed anew, from now on. */
function renew(c: Context, schedule: ScheduleRecord, foreseen: Foreseen): ScheduleRecord {
  const { version, cursor, maxRuns, runs } = schedule;
  const fresh: ScheduleRecord = {
    ...schedule,
    version: version + 1,
    cursor: Math.max(cursor, c.now - 1),
    next: undefined,
    reason: undefined,
    updatedAt: c.now,
  };
  if (maxRuns !== undefined && runs >= maxRuns) return arm(c, fresh, undefined);
  if (fresh.status === 'active') return begin(c, fresh, foreseen);
  c.events.push({ kind: 'timerCleared', timer: 'occur', entity: schedule.id });
  return fresh;
}

/** What comes while it is paused is not missed; what waited for the task before is given up. */
export const pauseSchedule: Decide<Params['schedule.pause']> = (s, c, { params }) => {
  const known = s.schedules.get(params.id);
  if (known === undefined) return NONE;
  if (known.status === 'paused') return accepted({ schedule: scheduleView(known) });
  if (known.status === 'ended') return rejected('INVALID_TRANSITION', 'The schedule has ended.', { status: 'ended' });
  const { buffered } = known;
  const dropped =
    buffered === undefined
      ? known
      : note(c, { ...known, buffered: undefined }, { at: buffered, firedAt: c.now, outcome: 'skipped' });
  const made = put(c, renew(c, { ...dropped, status: 'paused' }, {}));
  tellSchedule(c, made, { what: 'paused' });
  return accepted({ schedule: scheduleView(made) });
};

export const resumeSchedule: Decide<Prepared['schedule.resume']> = (s, c, { session, params }) => {
  const known = s.schedules.get(params.id);
  if (known === undefined) return NONE;
  if (known.status === 'active') return accepted({ schedule: scheduleView(known) });
  if (known.status === 'ended') return rejected('INVALID_TRANSITION', 'The schedule has ended.', { status: 'ended' });
  const resumed: ScheduleRecord = { ...known, ...memberBehind(s, session.principal, known.task), status: 'active' };
  const made = put(c, renew(c, resumed, params));
  tellSchedule(c, made, { what: 'resumed' });
  return accepted({ schedule: scheduleView(made) });
};

/** One task more, now, whatever the schedule says; it does not count among its runs. */
export const triggerSchedule: Decide<Params['schedule.trigger']> = (s, c, { session, params }) => {
  const known = s.schedules.get(params.id);
  if (known === undefined) return NONE;
  const origin = { by: session.principal.id, schedule: { id: known.id, at: c.now } };
  const task = createOwn(s, c, { params: known.task, origin });
  if ('ok' in task) return task;
  put(c, note(c, known, { at: c.now, firedAt: c.now, outcome: 'created', taskId: task.id }));
  return accepted({ task: s.views.result(task) });
};

/** The tasks that it made go on. */
export const deleteSchedule: Decide<Params['schedule.delete']> = (s, c, { params }) => {
  const known = s.schedules.get(params.id);
  if (known === undefined) return NONE;
  c.events.push({ kind: 'scheduleRemoved', id: known.id }, { kind: 'timerCleared', timer: 'occur', entity: known.id });
  tellSchedule(c, known, { what: 'deleted' });
  return accepted({ id: known.id });
};
