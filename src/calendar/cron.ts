/**
 * Cron expressions by the clock of a zone. croner reads the fields and steps through local time; what daylight saving
 * makes of a local time is decided here, by the rule of Vixie's cron.
 *
 * D1 A job whose hour begins with `*` counts elapsed time: it runs whenever the clock shows a time that matches, so not
 *    in an hour that is left out, and in both passes of one that is repeated.
 * D2 Any other job is meant once: at a time that is left out it runs as much later as the clock was put forward, and at
 *    one that is repeated the first time only.
 */
import { Cron } from 'croner';
import { changeBetween, type Zone } from './zone.ts';

/** Around a change of the clock by at most this, local times are looked at one by one. */
const CHANGE_MS = 3 * 3_600_000;
/** Beyond it an expression has no occurrence. */
const YEARS_MS = 8 * 366 * 86_400_000;
const NICKNAMES: ReadonlySet<string> = new Set([
  '@yearly',
  '@annually',
  '@monthly',
  '@weekly',
  '@daily',
  '@midnight',
  '@hourly',
]);

export interface CronJob {
  /** The first occurrence after an instant; undefined: there is none in the next eight years. */
  next(after: number): number | undefined;
}

/** The text says what is wrong with the expression. */
export function parseCron(expression: string, zone: Zone): CronJob | string {
  const fields = expression.trim().split(/\s+/);
  const nick = fields.length === 1 && NICKNAMES.has(expression.trim().toLowerCase());
  if (!nick && fields.length !== 5 && fields.length !== 6) {
    return 'must have five fields (minute hour day month weekday), or six with seconds before them';
  }
  let cron: Cron;
  try {
    cron = new Cron(expression.trim(), { paused: true, utcOffset: 0, mode: '5-or-6-parts' });
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).replace(/^CronPattern: /, '');
  }
  const hour = nick ? (expression.trim().toLowerCase() === '@hourly' ? '*' : '0') : fields.at(-4);
  const local = (after: number): number | undefined => cron.nextRun(new Date(after))?.getTime();
  const elapsing = hour?.startsWith('*') === true;
  const step = elapsing
    ? (after: number) => nextElapsing(zone, local, after)
    : (after: number) => nextOnce(zone, local, after);
  return {
    next: (after) => {
      const found = step(after);
      return found === undefined || found > after + YEARS_MS ? undefined : found;
    },
  };
}

type Local = (after: number) => number | undefined;

/** D1: within each stretch of one offset local time is as even as UTC. */
function nextElapsing(zone: Zone, local: Local, after: number): number | undefined {
  for (let from = after; ;) {
    const offset = zone.offset(from);
    const shown = local(from + offset);
    if (shown === undefined) return undefined;
    const at = shown - offset;
    if (zone.offset(at) === offset && !changes(zone, from, at)) return at;
    // The clock is changed before: from there on by the new offset, that instant included.
    const change = changeBetween(zone, from, firstOther(zone, from, at));
    const fresh = zone.offset(change);
    const then = local(change - 1 + fresh);
    if (then === undefined) return undefined;
    if (!changes(zone, change, then - fresh)) return then - fresh;
    from = change;
  }
}

/** Something between two instants has another offset than the first. */
function changes(zone: Zone, from: number, to: number): boolean {
  return firstOther(zone, from, to) <= to;
}

/** An instant after `from`, by days, with another offset; beyond `to` if there is none. */
function firstOther(zone: Zone, from: number, to: number): number {
  const offset = zone.offset(from);
  const day = 86_400_000;
  for (let at = from + day; at < to; at += day) if (zone.offset(at) !== offset) return at;
  return zone.offset(to) === offset ? to + 1 : to;
}

/** D2: local times in their order, each as an instant; around a change the order of the two may differ. */
function nextOnce(zone: Zone, local: Local, after: number): number | undefined {
  const offset = zone.offset(after);
  const calm = isCalm(zone, after);
  let shown = local(after + offset - (calm ? 0 : CHANGE_MS));
  if (shown === undefined) return undefined;
  if (calm) {
    const at = instantOf(zone, shown);
    if (at > after && isCalm(zone, at)) return at;
  }
  let best: number | undefined;
  while (shown !== undefined && (best === undefined || shown < best + zone.offset(best) + CHANGE_MS)) {
    const at = instantOf(zone, shown);
    if (at > after && (best === undefined || at < best)) best = at;
    shown = local(shown);
  }
  return best;
}

/** The clock is not changed within a few hours. */
function isCalm(zone: Zone, at: number): boolean {
  const offset = zone.offset(at);
  return zone.offset(at - CHANGE_MS) === offset && zone.offset(at + CHANGE_MS) === offset;
}

/** When the clock shows a local time first; if never, as much later as the clock was put forward. */
function instantOf(zone: Zone, shown: number): number {
  const before = zone.offset(shown - CHANGE_MS - zone.offset(shown));
  const after = zone.offset(shown + CHANGE_MS - zone.offset(shown));
  if (zone.offset(shown - before) === before) return shown - before;
  const late = shown - after;
  return zone.offset(late) === after ? late : shown - before;
}
