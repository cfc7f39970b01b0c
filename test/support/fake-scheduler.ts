/**
 * A Scheduler that a test steps by hand. Nothing runs before `turn`, `settle` or `advance` is called, and
 * nothing runs inside `defer` or `after`.
 */
import type { Scheduler } from '../../src/base/scheduler.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

export class FakeScheduler implements Scheduler {
  #wall: number;
  #mono = 0;
  #order = 0;
  #deferred: (() => void)[] = [];
  readonly #timers = new Set<Timer>();

  constructor(wall = 1_700_000_000_000) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }

  mono(): number {
    return this.#mono;
  }

  defer(fn: () => void): void {
    this.#deferred.push(fn);
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#mono + Math.max(0, ms), order: this.#order, fn };
    this.#order += 1;
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that were set and have neither fired nor been cancelled. */
  get timers(): number {
    return this.#timers.size;
  }

  get deferred(): number {
    return this.#deferred.length;
  }

  /** Ends the turn: runs what was deferred before this call. */
  turn(): void {
    const due = this.#deferred;
    this.#deferred = [];
    for (const fn of due) fn();
  }

  /** Ends turns until nothing is deferred. */
  settle(turnsMax = 100_000): void {
    for (let turns = 0; this.#deferred.length > 0; turns += 1) {
      if (turns >= turnsMax) throw new Error(`still not settled after ${turnsMax} turns`);
      this.turn();
    }
  }

  /** Moves both clocks, fires what is due in order, and settles after each. */
  advance(ms: number): void {
    const end = this.#mono + ms;
    this.settle();
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#timers.delete(timer);
      this.#moveTo(Math.max(timer.at, this.#mono));
      timer.fn();
      this.settle();
    }
    this.#moveTo(end);
  }

  /** The wall clock jumps; the monotonic one and the timers do not notice. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  #moveTo(mono: number): void {
    this.#wall += mono - this.#mono;
    this.#mono = mono;
  }

  #next(end: number): Timer | undefined {
    let best: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (best === undefined || timer.at < best.at || (timer.at === best.at && timer.order < best.order)) best = timer;
    }
    return best;
  }
}
