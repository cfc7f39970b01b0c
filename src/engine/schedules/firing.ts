/**
 * What a schedule does when its time has come.
 *
 * S1 Which instants are occurrences is computed outside and proposed by a command that names the schedule's version and
 *    cursor; one that is proposed late, twice or for an earlier version changes nothing.
 * S2 Each occurrence is dealt with once: in the command that deals with it the cursor passes it. Its task is made there.
 * S3 A schedule that is active either waits for a proposal or has a timer for its next occurrence.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { ScheduleRun } from '../../../protocol/wire/schedules.ts';
import { accepted, rejected, type Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Timer } from '../kernel/timers.ts';
import type { Reply, SystemCommand } from '../port.ts';
import type { ScheduleRecord } from '../records.ts';
import { adoptionOf, createOwn } from '../tasks/create.ts';
import { isTerminal } from '../tasks/transitions.ts';
import type { Adoption } from '../trees/subtasks.ts';

export type Plan = Extract<SystemCommand, { readonly kind: 'schedule.plan' }>;

/** Tells the topic of the schedule. */
export function tellSchedule(
  c: Context,
  schedule: ScheduleRecord,
  happened: { readonly what: string; readonly run?: ScheduleRun },
): void {
  const topic = `schedule.${schedule.id}`;
  const { reason } = schedule;
  c.events.push({
    kind: 'pushed',
    event: `schedule.${happened.what}`,
    to: [`t:${topic}`],
    topic,
    data: {
      id: schedule.id,
      status: schedule.status,
      ...(happened.run === undefined ? undefined : { run: happened.run }),
      ...(reason === undefined ? undefined : { reason }),
    },
  });
}

/** Its next occurrence, with the timer for it; with none it has ended. */
export function arm(c: Context, schedule: ScheduleRecord, next: number | undefined): ScheduleRecord {
  if (next === undefined || (schedule.endAt !== undefined && next > schedule.endAt)) return end(c, schedule);
  const late = schedule.jitterMs === undefined ? 0 : c.random.below(schedule.jitterMs + 1);
  c.events.push({ kind: 'timerSet', timer: 'occur', entity: schedule.id, due: next + late });
  return { ...schedule, next };
}

export function end(c: Context, schedule: ScheduleRecord, reason?: string): ScheduleRecord {
  const ended: ScheduleRecord = { ...schedule, status: 'ended', next: undefined, reason, updatedAt: c.now };
  const due = c.now + LIMITS.scheduleEndedMs;
  c.events.push({ kind: 'timerSet', timer: 'occur', entity: schedule.id, due });
  tellSchedule(c, ended, { what: 'ended' });
  return ended;
}

export function put(c: Context, schedule: ScheduleRecord): ScheduleRecord {
  const record = { ...schedule, rev: c.state.rev };
  c.events.push({ kind: 'scheduleChanged', record });
  return record;
}

/** The timer: an occurrence that is on time is dealt with at once, one that is late with all that were missed. */
export function occur(s: State, c: Context, timer: Timer): void {
  const schedule = s.schedules.get(timer.entity);
  if (schedule === undefined) return;
  if (schedule.status === 'ended') return void c.events.push({ kind: 'scheduleRemoved', id: schedule.id });
  const { next } = schedule;
  if (schedule.status !== 'active' || next === undefined) return;
  const waiting: ScheduleRecord = { ...schedule, next: undefined };
  if (c.now - timer.due > LIMITS.scheduleLateMs) return void put(c, waiting);
  put(c, finished(c, { ...run(s, c, { schedule: waiting, at: next }), cursor: next }));
}

/** S1 */
export function planSchedule(s: State, c: Context, plan: Plan): Reply {
  const schedule = s.schedules.get(plan.id);
  if (schedule === undefined) return rejected('NOT_FOUND', 'No such schedule.');
  const { status, next, version, cursor } = schedule;
  if (status !== 'active' || next !== undefined || version !== plan.version || cursor !== plan.cursor) {
    return rejected('INVALID_TRANSITION', 'The schedule is not the one that this was computed for.');
  }
  const newest = plan.due.at(-1) ?? cursor;
  if (newest > c.now) return rejected('INVALID_TRANSITION', 'An occurrence is not due yet.');
  if (plan.fault !== undefined) return accepted({ status: put(c, end(c, schedule, plan.fault)).status });
  const { runs, missed } = split(c, schedule, plan);
  let after: ScheduleRecord = schedule;
  if (missed > 0) {
    after = note(c, after, {
      at: plan.due.find((at) => !runs.includes(at)) ?? cursor,
      firedAt: c.now,
      outcome: 'missed',
      count: missed,
    });
  }
  const now = isAlone(schedule) ? runs.slice(0, 1) : runs;
  const adoption = adoptionOf(s);
  for (const at of now) after = run(s, c, { schedule: after, at, adoption });
  const isAll = now.length === runs.length;
  after = finished(c, { ...after, cursor: isAll ? newest : (now.at(-1) ?? cursor) });
  // Those that are left are proposed again (S3).
  put(c, after.status === 'active' && isAll ? arm(c, after, plan.next) : after);
  return accepted({ status: after.status });
}

/** Whether a task of it may be made depends on those before it, so each command makes one. */
function isAlone({ task: { concurrency } }: ScheduleRecord): boolean {
  return concurrency !== undefined && concurrency.policy !== undefined && concurrency.policy !== 'queue';
}

/** Which of the due occurrences are run: those on time, and of the late ones what `missed` says. */
function split(
  c: Context,
  schedule: ScheduleRecord,
  plan: Plan,
): { readonly runs: readonly number[]; readonly missed: number } {
  const { due } = plan;
  const since = c.now - LIMITS.scheduleLateMs - (schedule.jitterMs ?? 0);
  const fresh = due.filter((at) => at >= since);
  const late = due.filter((at) => at < since);
  const caughtUp =
    schedule.missed === 'all'
      ? late.slice(-schedule.missedMax)
      : schedule.missed === 'once' && fresh.length === 0
        ? late.slice(-1)
        : [];
  return { runs: [...caughtUp, ...fresh], missed: plan.missed + late.length - caughtUp.length };
}

/** The task that an occurrence waited for has ended. */
export function unbuffer(s: State, c: Context, id: string): void {
  const schedule = s.schedules.get(id);
  if (schedule?.buffered === undefined || isRunning(s, schedule)) return;
  put(c, finished(c, run(s, c, { schedule: { ...schedule, buffered: undefined }, at: schedule.buffered })));
}

function isRunning(s: State, { last }: ScheduleRecord): boolean {
  const task = last === undefined ? undefined : s.tasks.get(last);
  return task !== undefined && !isTerminal(task.status);
}

/** Ends a schedule that has made all its tasks. */
function finished(c: Context, schedule: ScheduleRecord): ScheduleRecord {
  const { maxRuns, runs, status } = schedule;
  return status === 'active' && maxRuns !== undefined && runs >= maxRuns ? end(c, schedule) : schedule;
}

/** One occurrence, by the policy of overlap: a task, or why there is none. */
function run(
  s: State,
  c: Context,
  due: { readonly schedule: ScheduleRecord; readonly at: number; readonly adoption?: Adoption | undefined },
): ScheduleRecord {
  const { schedule, at, adoption } = due;
  const { maxRuns, overlap, runs } = schedule;
  if (maxRuns !== undefined && runs >= maxRuns) return schedule;
  // What this command made is not in the state yet: it runs.
  const running =
    isRunning(s, schedule) || (schedule.last !== undefined && schedule.last !== s.schedules.get(schedule.id)?.last);
  if (running && overlap === 'buffer' && schedule.buffered === undefined) {
    return note(c, { ...schedule, buffered: at }, { at, firedAt: c.now, outcome: 'buffered' });
  }
  if (running && overlap !== 'allow') return note(c, schedule, { at, firedAt: c.now, outcome: 'skipped' });
  const made = createOwn(s, c, {
    params: schedule.task,
    member: schedule.member,
    origin: { by: schedule.createdBy, schedule: { id: schedule.id, at } },
    ahead: adoption === undefined ? 0 : runs - (s.schedules.get(schedule.id)?.runs ?? runs),
    adoption,
  });
  if ('ok' in made) {
    return note(c, schedule, { at, firedAt: c.now, outcome: 'refused', code: made.rejection.code });
  }
  const next = { ...schedule, runs: runs + 1, last: made.id };
  return note(c, next, { at, firedAt: c.now, outcome: 'created', taskId: made.id });
}

/** Keeps what became of an occurrence, and tells it. */
export function note(c: Context, schedule: ScheduleRecord, one: ScheduleRun): ScheduleRecord {
  tellSchedule(c, schedule, { what: 'ran', run: one });
  return { ...schedule, recent: [...schedule.recent, one].slice(-LIMITS.scheduleRunsKept) };
}
