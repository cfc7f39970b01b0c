/**
 * Time that stands still until it is told to move, in a process that goes on.
 *
 * Owns: the timers of everything in the test server. Does not own: the turns of the event loop; what is deferred runs in the
 * process's own next turn, so that promises between client and server resolve without anybody's help.
 *
 * V1 Timers fire in the order of their times, and of their setting where these are equal; each sees its own time.
 * V2 Between two timers everything that is ready runs, until nothing is deferred for some turns.
 * V3 A lane that has ended runs nothing any more: what dies with a process dies with its lane.
 */
import type { Scheduler } from '../base/scheduler.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/** Taken when the module is loaded: whoever fakes timers in a test fakes their own. */
const nextTurn = setImmediate;
/** So many turns in a row without anything deferred, and what is going on goes on elsewhere. */
const QUIET_TURNS = 4;
const TURNS_MAX = 1_000_000;

export class VirtualClock {
  readonly #start: number;
  readonly #timers = new Set<Timer>();
  #mono = 0;
  #order = 0;
  #deferred = 0;
  #moving: Promise<void> = Promise.resolve();

  constructor(start: number) {
    this.#start = start;
  }

  now(): number {
    return this.#start + this.#mono;
  }

  /** A scheduler of whatever lives and dies together. */
  lane(): Lane {
    return new Lane(this);
  }

  /** Moves on by `ms`; calls during a move wait for their turn. */
  advance(ms: number): Promise<void> {
    const moved = this.#moving.then(() => this.#advance(ms));
    // The next move begins whatever became of this one.
    this.#moving = moved.catch(() => undefined);
    return moved;
  }

  /** V2 */
  async settle(): Promise<void> {
    for (let turns = 0, quiet = 0; quiet < QUIET_TURNS; turns += 1) {
      if (turns > TURNS_MAX) throw new Error(`The server is still busy after ${TURNS_MAX} turns.`);
      await new Promise((resolve) => nextTurn(resolve));
      quiet = this.#deferred === 0 ? quiet + 1 : 0;
    }
  }

  mono(): number {
    return this.#mono;
  }

  defer(fn: () => void): void {
    this.#deferred += 1;
    nextTurn(() => {
      this.#deferred -= 1;
      fn();
    });
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#mono + Math.max(0, ms), order: this.#order, fn };
    this.#order += 1;
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  async #advance(ms: number): Promise<void> {
    const end = this.#mono + ms;
    await this.settle();
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#timers.delete(timer);
      this.#mono = Math.max(timer.at, this.#mono);
      timer.fn();
      await this.settle();
    }
    this.#mono = end;
  }

  /** V1 */
  #next(end: number): Timer | undefined {
    let best: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (best === undefined || timer.at < best.at || (timer.at === best.at && timer.order < best.order)) best = timer;
    }
    return best;
  }
}

export class Lane implements Scheduler {
  readonly #clock: VirtualClock;
  readonly #cancels = new Set<() => void>();
  #ended = false;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  now(): number {
    return Math.floor(this.#clock.now());
  }

  mono(): number {
    return this.#clock.mono();
  }

  defer(fn: () => void): void {
    this.#clock.defer(() => {
      if (!this.#ended) fn(); // V3
    });
  }

  after(ms: number, fn: () => void): () => void {
    if (this.#ended) return () => undefined;
    const stop = this.#clock.after(ms, () => {
      this.#cancels.delete(cancel);
      fn();
    });
    const cancel = (): void => {
      this.#cancels.delete(cancel);
      stop();
    };
    this.#cancels.add(cancel);
    return cancel;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** V3 */
  end(): void {
    this.#ended = true;
    for (const cancel of this.#cancels) cancel();
  }
}
