/**
 * Contenders, each of which acquires a lock and releases it at once, again and again.
 *
 * Owns: the window, waits, when locks were held. Does not own: how a lock is acquired and released.
 *
 * O1 A wait counts iff the lock was had within the window.
 * O2 After the window nothing more is acquired; the run ends when every contender has had, and released, what it waited for.
 */
import { assert } from '../../src/base/assert.ts';
import { sharedMs } from '../harness/shared-clock.ts';
import { Samples } from '../harness/statistics.ts';
import type { RunOptions, RunResult } from './roles.ts';

const DRAIN_MS = 30_000;

/** Resolves when the lock is released. */
export type Release = () => Promise<void>;

export interface Contender {
  /** Resolves when the lock is had, however long that takes. */
  acquire(path: string): Promise<Release>;
}

type Phase = 'warm' | 'window' | 'drain';

export class Contention {
  readonly #mark: (at: 'begin' | 'end') => void;
  #phase: Phase = 'drain';
  #released = 0;
  #waits = new Samples();
  #had = new Samples();
  #left = new Samples();

  constructor(mark: (at: 'begin' | 'end') => void) {
    this.#mark = mark;
  }

  async run(contenders: readonly Contender[], { paths, warmMs, measureMs }: RunOptions): Promise<RunResult> {
    assert(this.#phase === 'drain', 'one run at a time');
    this.#phase = 'warm';
    this.#released = 0;
    [this.#waits, this.#had, this.#left] = [new Samples(), new Samples(), new Samples()];
    const loops = paths.map((path, at) => {
      const contender = contenders[at];
      assert(contender !== undefined, 'there is a contender for each path');
      return this.#contend(contender, path);
    });
    await Promise.race([delay(warmMs), ...loops]);
    const beganAt = performance.now();
    this.#enter('window');
    // A loop ends before the window only by failing.
    await Promise.race([delay(measureMs), ...loops]);
    const measuredMs = performance.now() - beganAt;
    this.#enter('drain');
    const released = this.#released;
    await within(DRAIN_MS, Promise.all(loops)); // O2
    return {
      measuredMs,
      released,
      waitsMs: this.#waits.values(),
      hadAt: this.#had.values(),
      leftAt: this.#left.values(),
    };
  }

  #enter(phase: 'window' | 'drain'): void {
    this.#phase = phase;
    this.#mark(phase === 'window' ? 'begin' : 'end');
  }

  /** By a method, since the phase changes while a contender waits. */
  #isIn(phase: Phase): boolean {
    return this.#phase === phase;
  }

  async #contend(contender: Contender, path: string): Promise<void> {
    while (!this.#isIn('drain')) {
      const askedAt = sharedMs();
      const release = await contender.acquire(path);
      const hadAt = sharedMs();
      if (this.#isIn('window')) this.#waits.add(hadAt - askedAt); // O1
      this.#had.add(hadAt);
      this.#left.add(sharedMs());
      await release();
      if (this.#isIn('window')) this.#released += 1;
    }
  }
}

/** Rejects if that takes longer. */
async function within(ms: number, all: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`locks that were asked for were not had within ${ms} ms`)), ms);
  });
  await Promise.race([all, late]).finally(() => clearTimeout(timer));
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
