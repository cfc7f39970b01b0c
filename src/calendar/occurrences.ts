/** Which instants a schedule has: those that are due, the next one, the next few. */
import type { Missed, ScheduleTiming } from '../../protocol/wire/schedules.ts';
import { parseCron, type CronJob } from './cron.ts';
import { Zones } from './zone.ts';

/** What of a schedule says when. */
export interface Timed extends ScheduleTiming {
  /** Occurrences of `everyMs` are whole multiples of it after this. */
  readonly anchor: number;
  readonly startAt?: number | undefined;
  readonly endAt?: number | undefined;
}

export interface Outlook {
  /** Oldest first; of more than were asked for the newest. */
  readonly due: readonly number[];
  /** How many more were due; of a cron expression at most as many as were looked at. */
  readonly missed: number;
  readonly next: number | undefined;
}

export interface Fault {
  readonly path: 'cron' | 'timeZone';
  readonly reason: string;
}

/** Steps of a cron expression in one look back; an hour has 3,600 seconds. */
const STEPS_MAX = 5_000;
/** The first look back for the newest that are due. */
const WINDOW_MS = 60_000;
/** Expressions that are kept ready; more are forgotten, all at once. */
const JOBS_MAX = 1_024;

/** The next instant of a kind of schedule, after one. */
type Steps = (after: number) => number | undefined;

export class Calendar {
  readonly #zones = new Zones();
  readonly #jobs = new Map<string, CronJob>();

  /** What is wrong with the expression or the zone. */
  check(timing: Pick<ScheduleTiming, 'cron' | 'timeZone'>): Fault | undefined {
    const { cron, timeZone = 'UTC' } = timing;
    if (cron === undefined) return undefined;
    const job = this.#job(cron, timeZone);
    return 'path' in job ? job : undefined;
  }

  /** Occurrences after `cursor`, seen from `now`: of those that are due the newest `keep`. Or why they cannot be computed. */
  outlook(
    timed: Timed,
    seen: { readonly cursor: number; readonly now: number; readonly keep: number },
  ): Outlook | Fault {
    const steps = this.#steps(timed);
    if (typeof steps !== 'function') return steps;
    const { now, keep } = seen;
    const from = Math.max(seen.cursor, (timed.startAt ?? 0) - 1);
    const { everyMs, anchor, endAt = Infinity } = timed;
    const next = steps(Math.max(from, now));
    const until = { from, now: Math.min(now, endAt), keep };
    const { all, more } = everyMs === undefined ? newest(steps, until) : multiples({ everyMs, anchor }, until);
    return { due: all, missed: more, next: next !== undefined && next <= endAt ? next : undefined };
  }

  /** The first few after an instant. */
  upcoming(timed: Timed, seen: { readonly after: number; readonly count: number }): readonly number[] {
    const steps = this.#steps(timed);
    if (typeof steps !== 'function') return [];
    const { endAt = Infinity, startAt = 0 } = timed;
    const found: number[] = [];
    for (let at = steps(Math.max(seen.after, startAt - 1)); found.length < seen.count; at = steps(at)) {
      if (at === undefined || at > endAt) break;
      found.push(at);
    }
    return found;
  }

  #steps({ at, everyMs, cron, timeZone = 'UTC', anchor }: Timed): Steps | Fault {
    if (at !== undefined) return (after) => (at > after ? at : undefined);
    if (everyMs !== undefined)
      return (after) => anchor + (Math.max(0, Math.floor((after - anchor) / everyMs)) + 1) * everyMs;
    if (cron === undefined) return () => undefined;
    const job = this.#job(cron, timeZone);
    return 'path' in job ? job : (after) => job.next(after);
  }

  #job(cron: string, timeZone: string): CronJob | Fault {
    const key = `${timeZone}\n${cron}`;
    const known = this.#jobs.get(key);
    if (known !== undefined) return known;
    const zone = this.#zones.get(timeZone);
    if (zone === undefined) return { path: 'timeZone', reason: 'is no time zone that is known here' };
    const job = parseCron(cron, zone);
    if (typeof job === 'string') return { path: 'cron', reason: job };
    if (this.#jobs.size >= JOBS_MAX) this.#jobs.clear();
    this.#jobs.set(key, job);
    return job;
  }
}

interface Due {
  readonly from: number;
  readonly now: number;
  readonly keep: number;
}

interface Found {
  readonly all: readonly number[];
  readonly more: number;
}

/** Looks back further and further until there are enough: stepping over an outage of a month would hold everybody up. */
function newest(steps: Steps, { from, now, keep }: Due): Found {
  for (let ms = WINDOW_MS; ; ms *= 2) {
    const since = Math.max(from, now - ms);
    const all: number[] = [];
    for (let at = steps(since); at !== undefined && at <= now && all.length < STEPS_MAX; at = steps(at)) all.push(at);
    if (since === from || all.length > keep) return { all: all.slice(-keep), more: Math.max(0, all.length - keep) };
  }
}

function multiples(
  { everyMs, anchor }: { readonly everyMs: number; readonly anchor: number },
  { from, now, keep }: Due,
): Found {
  const first = Math.max(1, Math.floor((from - anchor) / everyMs) + 1);
  const last = Math.floor((now - anchor) / everyMs);
  const count = Math.max(0, last - first + 1);
  const kept = Math.min(count, keep);
  return { all: Array.from({ length: kept }, (_, i) => anchor + (last - kept + 1 + i) * everyMs), more: count - kept };
}

/** So many are computed: those that may be run by the policy, and those that are hardly late. */
export function keepFor(schedule: { readonly missed: Missed; readonly missedMax: number }): number {
  return Math.max(FRESH, schedule.missed === 'all' ? schedule.missedMax : 1);
}

/** Within the time in which an occurrence counts as punctual there are no more. */
const FRESH = 32;
