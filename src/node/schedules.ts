/**
 * Proposes the occurrences of schedules: the engine asks by having schedules that wait, and takes what fits (S1).
 *
 * N1 What is missing after a start, or after a proposal that was lost, is proposed again: nothing is kept here.
 * N2 A few are computed in a turn: at midnight thousands may wait, and an expression can take a millisecond.
 */
import { isMap } from '../../protocol/wire/codec.ts';
import type { Rejection } from '../../protocol/wire/codes.ts';
import type { Method, Params, Value } from '../../protocol/wire/types.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { keepFor, type Calendar, type Timed } from '../calendar/index.ts';
import type { Foreseen } from '../engine/port.ts';
import type { State } from '../engine/kernel/state.ts';
import type { Tenant } from './tenant.ts';

interface Parts {
  readonly tenant: Tenant;
  readonly scheduler: Scheduler;
  readonly calendar: Calendar;
}

/** Proposals under way. */
const BUSY_MAX = 16;
/** After a proposal that was refused. */
const AGAIN_MS = 1_000;

type Known = Timed & { readonly version: number; readonly cursor: number };

/** The wall clock as the log has it: it does not go back. */
function wallNow(parts: Omit<Parts, 'calendar'>): number {
  return Math.max(parts.scheduler.now(), parts.tenant.engine.state.counters.now);
}

export class Schedules {
  readonly #parts: Parts;
  readonly #busy = new Set<string>();
  #again: (() => void) | undefined;
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#stopped = true;
    this.#again?.();
  }

  /** Proposes what waits for it. */
  look(): void {
    const { tenant } = this.#parts;
    if (this.#stopped || !tenant.serving) return;
    for (const schedule of tenant.engine.state.awaitingSchedules) {
      if (this.#busy.size >= BUSY_MAX) return;
      if (!this.#busy.has(schedule.id)) this.#propose(schedule.id);
    }
  }

  #propose(id: string): void {
    const { tenant, calendar } = this.#parts;
    const schedule = tenant.engine.state.schedules.get(id);
    if (schedule === undefined) return;
    this.#busy.add(id);
    const { version, cursor } = schedule;
    const outlook = calendar.outlook(timedOf(schedule), { cursor, now: wallNow(this.#parts), keep: keepFor(schedule) });
    const found =
      'path' in outlook
        ? { due: [], missed: 0, fault: `${outlook.path} ${outlook.reason}` }
        : {
            due: outlook.due,
            missed: outlook.missed,
            ...(outlook.next === undefined ? undefined : { next: outlook.next }),
          };
    tenant.submit({ kind: 'schedule.plan', id, version, cursor, ...found }, ({ reply }) => {
      this.#busy.delete(id);
      if (reply.ok) this.look();
      else this.#later();
    });
  }

  #later(): void {
    this.#again ??= this.#parts.scheduler.after(AGAIN_MS, () => {
      this.#again = undefined;
      this.look();
    });
  }
}

function timedOf(schedule: {
  readonly [K in keyof Required<Timed>]: Timed[K] | undefined;
}): Timed {
  const { at, everyMs, cron, timeZone, anchor = 0, startAt, endAt } = schedule;
  return {
    anchor,
    startAt,
    endAt,
    ...(at === undefined ? undefined : { at }),
    ...(everyMs === undefined ? undefined : { everyMs }),
    ...(cron === undefined ? undefined : { cron }),
    ...(timeZone === undefined ? undefined : { timeZone }),
  };
}

/** What is to come of a schedule. */
export function upcoming(parts: Parts, asked: { readonly id: string; readonly count: number }): readonly number[] {
  const schedule = parts.tenant.engine.state.schedules.get(asked.id);
  if (schedule?.status !== 'active') return [];
  const { next, cursor, runs, maxRuns = Infinity } = schedule;
  const count = Math.min(asked.count, Math.max(0, maxRuns - runs));
  const after = next === undefined ? Math.max(cursor, wallNow(parts)) : next - 1;
  return parts.calendar.upcoming(timedOf(schedule), { after, count });
}

/** The first occurrence of an expression in a request; a rejection if it is wrong; undefined if there is no expression. */
export function foresee(
  parts: Parts,
  request: { readonly method: Method; readonly params: Value },
): NonNullable<Foreseen['foreseen']> | Rejection | undefined {
  const known = knownBefore(parts.tenant.engine.state, request);
  const timed = timedAfter(known, request);
  if (timed?.cron === undefined) return undefined;
  const fault = parts.calendar.check(timed);
  if (fault !== undefined) return wrong(fault);
  const after = Math.max(wallNow(parts), known?.cursor ?? 0);
  const [next] = parts.calendar.upcoming(timed, { after, count: 1 });
  if (next === undefined) return wrong({ path: 'cron', reason: 'has no occurrence in the time that the schedule has' });
  return { version: known === undefined ? 1 : known.version + 1, next };
}

function knownBefore(
  state: State,
  { method, params }: { readonly method: Method; readonly params: Value },
): Known | undefined {
  if (method === 'schedule.create') return undefined;
  const id = isMap(params) ? params['id'] : undefined;
  const schedule = typeof id === 'string' ? state.schedules.get(id) : undefined;
  if (schedule === undefined) return undefined;
  return { ...timedOf(schedule), version: schedule.version, cursor: schedule.cursor };
}

/** When the schedule will run, once the request is done. */
function timedAfter(
  known: Known | undefined,
  { method, params }: { readonly method: Method; readonly params: Value },
): Timed | undefined {
  if (method === 'schedule.resume') return known;
  const given: Given = isGiven(params) ? params : {};
  const { at, delayMs, everyMs, cron, timeZone } = given;
  const [startAt, endAt] = [given.startAt ?? undefined, given.endAt ?? undefined];
  const window = {
    anchor: 0,
    startAt: given.startAt === undefined ? known?.startAt : startAt,
    endAt: given.endAt === undefined ? known?.endAt : endAt,
  };
  if (cron !== undefined) return { ...window, cron, ...(timeZone === undefined ? undefined : { timeZone }) };
  if (at !== undefined || delayMs !== undefined || everyMs !== undefined || known === undefined) return undefined;
  return { ...known, ...window };
}

type Given = Partial<Omit<Params['schedule.update'], 'id'>>;

/** They were checked against the method's schema. */
function isGiven(params: Value): params is Value & Given {
  return isMap(params);
}

function wrong({ path, reason }: { readonly path: string; readonly reason: string }): Rejection {
  return { code: 'INVALID_PARAMS', message: `${path} ${reason}`, details: [{ path, reason }] };
}
