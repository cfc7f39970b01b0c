/**
 * When requests that are work for many are let into the log: beside others at most a quarter of the time, together.
 *
 * N1 What one session asks waits only while others ask, and only for the rest that follows the last large request.
 * N2 The rest is three times what that request took, at most 20 ms: from then on nobody who asks something small meets
 *    large ones back to back.
 * N3 First come, first served; at most one request of a session waits here, since those behind it wait for it.
 */
import type { Scheduler } from '../base/scheduler.ts';

/** Others ask if the last request of another session is no longer ago than this. */
const OTHERS_MS = 50;
const REST = 3;
const REST_MS_MAX = 20;

interface Asked {
  readonly session: string;
  readonly at: number;
}

interface Waiting {
  readonly session: string;
  readonly go: () => void;
}

export class Turns {
  readonly #scheduler: Scheduler;
  readonly #waiting: Waiting[] = [];
  /** The last request, and the last of another session. */
  #last: Asked | undefined;
  #other: Asked | undefined;
  /** A large one is in the log or on its way there. */
  #busy = false;
  #freeAt = -Infinity;
  #timer: (() => void) | undefined;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** A session asks something. */
  asked(session: string): void {
    const at = this.#scheduler.mono();
    if (this.#last?.session !== session) this.#other = this.#last;
    this.#last = { session, at };
  }

  /** Something large: `go` is called now or in its turn; `done` must be told when it was decided. */
  large(session: string, go: () => void): void {
    if (this.#waiting.length === 0 && !this.#mustWait(session)) return this.#go(go);
    this.#waiting.push({ session, go });
    this.#arm();
  }

  /** It was decided, which took so long. */
  done(tookMs: number): void {
    this.#busy = false;
    this.#freeAt = this.#scheduler.mono() + Math.min(REST * tookMs, REST_MS_MAX);
    this.#arm();
  }

  /** Nothing waits any longer. */
  stop(): void {
    this.#timer?.();
    this.#timer = undefined;
    for (const { go } of this.#waiting.splice(0)) go();
  }

  #go(go: () => void): void {
    this.#busy = true;
    go();
  }

  #mustWait(session: string): boolean {
    return this.#othersAsk(session) && (this.#busy || this.#scheduler.mono() < this.#freeAt);
  }

  #othersAsk(session: string): boolean {
    const since = this.#scheduler.mono() - OTHERS_MS;
    return [this.#last, this.#other].some((one) => one !== undefined && one.session !== session && one.at >= since);
  }

  /** While one is under way, its end arms. */
  #arm(): void {
    if (this.#timer !== undefined || this.#busy || this.#waiting.length === 0) return;
    const ms = Math.max(1, Math.ceil(this.#freeAt - this.#scheduler.mono()));
    this.#timer = this.#scheduler.after(ms, () => {
      this.#timer = undefined;
      const next = this.#waiting.shift();
      if (next !== undefined) this.#go(next.go);
    });
  }
}
