/**
 * A closed loop: a fixed number of tasks in flight, a new one for each that is told to be complete.
 *
 * Owns: sequence numbers, the window, latencies, the count of each task's completions.
 * Does not own: how a task is submitted or told.
 *
 * O1 A latency counts iff the task was told within the window.
 * O2 After the window nothing is submitted; the run ends when all was told, or after the time to drain.
 * O3 A window within which nothing was told, since the machine is busy, lasts until something was, or for as long as the time to drain.
 */
import { assert } from '../../src/base/assert.ts';
import { Samples } from '../harness/statistics.ts';
import type { RunOptions, RunResult } from './roles.ts';

const DRAIN_MS = 30_000;

interface Run {
  readonly options: RunOptions;
  readonly latencies: Samples;
  readonly submittedAt: number[];
  readonly told: number[];
  readonly resolve: (result: RunResult) => void;
  next: number;
  outstanding: number;
  repeated: number;
  phase: 'warm' | 'window' | 'drain';
  /** O3 */
  overdue: boolean;
  beganAt: number;
  measuredMs: number;
}

export class ClosedLoop {
  readonly #submit: (sequence: number) => void;
  readonly #mark: (at: 'begin' | 'end') => void;
  #run: Run | undefined;
  #drain: NodeJS.Timeout | undefined;

  constructor(submit: (sequence: number) => void, mark: (at: 'begin' | 'end') => void) {
    this.#submit = submit;
    this.#mark = mark;
  }

  run(options: RunOptions): Promise<RunResult> {
    assert(this.#run === undefined, 'one run at a time');
    return new Promise((resolve) => {
      const run: Run = {
        options,
        latencies: new Samples(),
        submittedAt: [],
        told: [],
        resolve,
        next: options.from,
        outstanding: 0,
        repeated: 0,
        phase: 'warm',
        overdue: false,
        beganAt: 0,
        measuredMs: 0,
      };
      this.#run = run;
      setTimeout(() => this.#begin(run), options.warmMs);
      for (let at = 0; at < options.inFlight; at += 1) this.#submitNext(run);
    });
  }

  /** The system told that the task is complete. */
  told(sequence: number): void {
    const run = this.#run;
    assert(run !== undefined, 'told only during a run');
    const at = sequence - run.options.from;
    const submittedAt = run.submittedAt[at];
    assert(submittedAt !== undefined, `task ${sequence} was submitted in this run`);
    const times = (run.told[at] ?? 0) + 1;
    run.told[at] = times;
    if (times > 1) {
      run.repeated += 1;
      return;
    }
    run.outstanding -= 1;
    if (run.phase === 'window') run.latencies.add(performance.now() - submittedAt); // O1
    if (run.overdue) this.#end(run);
    if (run.phase !== 'drain') this.#submitNext(run);
    else if (run.outstanding === 0) this.#finish(run);
  }

  #submitNext(run: Run): void {
    const sequence = run.next;
    run.next += 1;
    run.outstanding += 1;
    run.told.push(0);
    run.submittedAt.push(performance.now());
    this.#submit(sequence);
  }

  #begin(run: Run): void {
    run.phase = 'window';
    run.beganAt = performance.now();
    this.#mark('begin');
    setTimeout(() => {
      if (run.latencies.length > 0) return this.#end(run);
      run.overdue = true;
      this.#drain = setTimeout(() => this.#end(run), DRAIN_MS);
    }, run.options.measureMs);
  }

  #end(run: Run): void {
    clearTimeout(this.#drain);
    run.overdue = false;
    run.phase = 'drain';
    run.measuredMs = performance.now() - run.beganAt;
    this.#mark('end');
    if (run.outstanding === 0) this.#finish(run);
    else this.#drain = setTimeout(() => this.#finish(run), DRAIN_MS); // O2
  }

  #finish(run: Run): void {
    clearTimeout(this.#drain);
    this.#run = undefined;
    run.resolve({
      to: run.next,
      measuredMs: run.measuredMs,
      completed: run.latencies.length,
      latenciesMs: run.latencies.values(),
      missing: run.outstanding,
      repeated: run.repeated,
    });
  }
}
