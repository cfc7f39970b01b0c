/**
 * The timer table: the truth about when something must happen by itself.
 *
 * Two clocks. `wall` deadlines are instants of the calendar (deadlines, delays, retries). `live` deadlines run
 * on the clock that stops with the log (leases, grace, confirmation), so that an outage expires nobody.
 * A timer is named by kind and entity, so setting it again moves it and there is never a second one.
 */
import { byCodeUnits } from '../../base/order.ts';
import type { Journal } from './journal.ts';
import { OrderIndex, Table } from './table.ts';

export type TimerKind =
  /** live: the agent did not confirm an order. */
  | 'accept'
  /** live: the grace of a lost session is over. */
  | 'grace'
  /** live: a lost session can no longer be resumed. */
  | 'expire'
  /** live: an attempt took too long. */
  | 'timeout'
  /** live: an attempt showed no progress. */
  | 'progress'
  /** live: a holder that was told to stop did not acknowledge. */
  | 'stop'
  /** wall: the whole task is late. */
  | 'deadline'
  /** wall: a scheduled task becomes pending. */
  | 'run';

export type Clock = 'wall' | 'live';

export const CLOCK_OF: { readonly [K in TimerKind]: Clock } = {
  accept: 'live',
  grace: 'live',
  expire: 'live',
  timeout: 'live',
  progress: 'live',
  stop: 'live',
  deadline: 'wall',
  run: 'wall',
};

export interface Timer {
  readonly key: string;
  readonly kind: TimerKind;
  readonly entity: string;
  readonly due: number;
}

function byDue(a: Timer, b: Timer): number {
  return a.due - b.due || byCodeUnits(a.key, b.key);
}

export class Timers {
  readonly table: Table<Timer>;
  readonly #wall: OrderIndex<Timer>;
  readonly #live: OrderIndex<Timer>;

  constructor(journal: Journal) {
    this.table = new Table<Timer>('timers', (timer) => timer.key, journal);
    this.#wall = this.table.index(new OrderIndex<Timer>(byDue, (timer) => CLOCK_OF[timer.kind] === 'wall'));
    this.#live = this.table.index(new OrderIndex<Timer>(byDue, (timer) => CLOCK_OF[timer.kind] === 'live'));
  }

  set(kind: TimerKind, entity: string, due: number): void {
    this.table.put({ key: `${kind}:${entity}`, kind, entity, due });
  }

  clear(kind: TimerKind, entity: string): void {
    this.table.drop(`${kind}:${entity}`);
  }

  get(kind: TimerKind, entity: string): Timer | undefined {
    return this.table.get(`${kind}:${entity}`);
  }

  /** The first timer that is due, live ones first. */
  due(now: number, live: number): Timer | undefined {
    const first = this.#live.set.first();
    if (first !== undefined && first.due <= live) return first;
    const calendar = this.#wall.set.first();
    return calendar !== undefined && calendar.due <= now ? calendar : undefined;
  }

  /** All timers of a live kind, by due time. */
  *pending(kind: TimerKind): IterableIterator<Timer> {
    const order = CLOCK_OF[kind] === 'live' ? this.#live : this.#wall;
    for (const timer of order.set) if (timer.kind === kind) yield timer;
  }

  /** When the next timer of each clock is due. */
  next(): { readonly wall: number | undefined; readonly live: number | undefined } {
    return { wall: this.#wall.set.first()?.due, live: this.#live.set.first()?.due };
  }
}
