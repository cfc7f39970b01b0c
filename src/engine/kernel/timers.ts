/**
 * The timer table: the truth about when something must happen by itself.
 *
 * Two clocks. `wall` deadlines are instants of the calendar (deadlines, delays, retries). `live` deadlines run
 * on the clock that stops with the log (leases, grace, confirmation), so that an outage expires nobody.
 * A timer is named by kind and entity, so setting it again moves it and there is never a second one.
 */
import { byCodeUnits } from '../../base/order.ts';
import { SlotMap } from '../../base/slot-map.ts';
import { SortedSet } from '../../base/sorted-set.ts';
import type { Journal, Undoable } from './journal.ts';
import type { Watcher } from './table.ts';

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
  /** live: a drain that has not ended hands over what is left. */
  | 'drain'
  /** live: an agent in quarantine gets a task to try. */
  | 'probe'
  /** live: an order was not acknowledged in its time. */
  | 'control'
  /** live: a lock was not extended in its time. */
  | 'lockLease'
  /** live: the owner of a lock showed no progress. */
  | 'lockProgress'
  /** live: an owner has been away for too long for one of its locks. */
  | 'lockGrace'
  /** live: a request for a lock has waited for long enough. */
  | 'lockWait'
  /** live: a lock that was lost keeps others away no more. */
  | 'lockDelay'
  /** live: a holder was asked to release a lock, and did not. */
  | 'lockRevoke'
  /** live: changes of presence in a workspace are told. */
  | 'presence'
  /** wall: a notification is kept no longer. */
  | 'notification'
  /** wall: an api key that ended is kept no longer. */
  | 'apiKey'
  /** wall: nobody answered a question. */
  | 'ask'
  /** wall: a sticky key is bound to its agent no more. */
  | 'unstick'
  /** wall: a schedule has an occurrence, or has ended long ago. */
  | 'occur'
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
  drain: 'live',
  probe: 'live',
  control: 'live',
  lockLease: 'live',
  lockProgress: 'live',
  lockGrace: 'live',
  lockWait: 'live',
  lockDelay: 'live',
  lockRevoke: 'live',
  presence: 'live',
  notification: 'wall',
  apiKey: 'wall',
  ask: 'wall',
  unstick: 'wall',
  occur: 'wall',
  deadline: 'wall',
  run: 'wall',
};

export interface Timer {
  readonly kind: TimerKind;
  readonly entity: string;
  readonly due: number;
}

function byDue(a: Timer, b: Timer): number {
  return a.due - b.due || byCodeUnits(a.kind, b.kind) || byCodeUnits(a.entity, b.entity);
}

/** The timers of one kind: by entity, so that setting and clearing one joins no strings into a key. */
class TimersOfKind implements Undoable {
  readonly byEntity = new SlotMap<string, Timer>();
  readonly order: SortedSet<Timer>;
  readonly #watchers: readonly Watcher<Timer>[];

  constructor(order: SortedSet<Timer>, watchers: readonly Watcher<Timer>[]) {
    this.order = order;
    this.#watchers = watchers;
  }

  replace(entity: string, after: Timer | undefined): Timer | undefined {
    const before = after === undefined ? this.byEntity.take(entity) : this.byEntity.set(entity, after);
    if (before !== undefined) this.order.delete(before);
    if (after !== undefined) this.order.add(after);
    for (const watcher of this.#watchers) watcher(before, after);
    return before;
  }

  undo(key: unknown, before: unknown): void {
    this.replace(key as string, before as Timer | undefined);
  }
}

export class Timers {
  readonly #journal: Journal;
  readonly #wall = new SortedSet<Timer>(byDue);
  readonly #live = new SortedSet<Timer>(byDue);
  readonly #watchers: Watcher<Timer>[] = [];
  readonly #kinds: { readonly [K in TimerKind]: TimersOfKind };

  constructor(journal: Journal) {
    this.#journal = journal;
    const of = (kind: TimerKind): TimersOfKind =>
      new TimersOfKind(CLOCK_OF[kind] === 'live' ? this.#live : this.#wall, this.#watchers);
    this.#kinds = {
      accept: of('accept'),
      grace: of('grace'),
      expire: of('expire'),
      timeout: of('timeout'),
      progress: of('progress'),
      stop: of('stop'),
      drain: of('drain'),
      probe: of('probe'),
      control: of('control'),
      lockLease: of('lockLease'),
      lockProgress: of('lockProgress'),
      lockGrace: of('lockGrace'),
      lockWait: of('lockWait'),
      lockDelay: of('lockDelay'),
      lockRevoke: of('lockRevoke'),
      presence: of('presence'),
      notification: of('notification'),
      apiKey: of('apiKey'),
      ask: of('ask'),
      unstick: of('unstick'),
      occur: of('occur'),
      deadline: of('deadline'),
      run: of('run'),
    };
  }

  /** Told of every change, rollback included. */
  watch(watcher: Watcher<Timer>): void {
    this.#watchers.push(watcher);
  }

  get size(): number {
    return this.#wall.size + this.#live.size;
  }

  set(kind: TimerKind, entity: string, due: number): void {
    const timers = this.#kinds[kind];
    this.#journal.record(timers, entity, timers.replace(entity, { kind, entity, due }));
  }

  clear(kind: TimerKind, entity: string): void {
    const timers = this.#kinds[kind];
    const before = timers.replace(entity, undefined);
    if (before !== undefined) this.#journal.record(timers, entity, before);
  }

  get(kind: TimerKind, entity: string): Timer | undefined {
    return this.#kinds[kind].byEntity.get(entity);
  }

  /** The first timer that is due, live ones first. */
  due(now: number, live: number): Timer | undefined {
    const first = this.#live.first();
    if (first !== undefined && first.due <= live) return first;
    const calendar = this.#wall.first();
    return calendar !== undefined && calendar.due <= now ? calendar : undefined;
  }

  /** All timers of a kind, by due time. */
  *pending(kind: TimerKind): IterableIterator<Timer> {
    for (const timer of this.#kinds[kind].order) if (timer.kind === kind) yield timer;
  }

  /** When the next timer of each clock is due. */
  next(): { readonly wall: number | undefined; readonly live: number | undefined } {
    return { wall: this.#wall.first()?.due, live: this.#live.first()?.due };
  }

  /** References to all timers as they are now, in no order that may matter. */
  hold(): readonly Timer[] {
    return [...this.#live, ...this.#wall];
  }

  /** The same, to be taken whenever there is time: holding them costs next to nothing. */
  held(): IterableIterator<Timer> {
    return chained(Object.values(this.#kinds).map(({ byEntity }) => byEntity.held()));
  }

  /** Takes a timer of a snapshot, outside any command. */
  load(timer: Timer): void {
    this.#kinds[timer.kind].replace(timer.entity, timer);
  }
}

function* chained<T>(parts: readonly Iterable<T>[]): IterableIterator<T> {
  for (const part of parts) yield* part;
}
