/**
 * Somebody who works on the same server all the time: an agent and a submitter of the SDK, each in a process of its own, at a
 * steady rate. How long a task takes, from when it was due until its end was told, is what the fuzzers must not change.
 */
import { Child } from '../../bench/harness/child.ts';
import type { Cleanup } from '../../bench/harness/cleanup.ts';
import { percentiles } from '../../bench/harness/statistics.ts';
import type { WorkerCalls } from '../../bench/dispatch/roles.ts';
import type { SteadyCalls } from '../../bench/recovery/steady-roles.ts';

export interface Latencies {
  readonly p50: number;
  readonly p99: number;
  readonly samples: number;
}

export class Neighbour {
  readonly #submitter: Child<SteadyCalls>;
  readonly #worker: Child<WorkerCalls>;
  readonly #rate: number;
  #next = 0;
  #untold = 0;
  #toldAgain = 0;

  private constructor(submitter: Child<SteadyCalls>, worker: Child<WorkerCalls>, rate: number) {
    this.#submitter = submitter;
    this.#worker = worker;
    this.#rate = rate;
  }

  static async start(of: {
    readonly url: string;
    readonly key: string;
    /** Tasks in a second. */
    readonly rate: number;
    readonly cleanup: Cleanup;
  }): Promise<Neighbour> {
    const { url, key, rate, cleanup } = of;
    const base = import.meta.url;
    const worker = await Child.start<WorkerCalls>({
      module: '../../bench/dispatch/muster-worker-role.ts',
      base,
      cleanup,
    });
    await worker.call('connect', { url, key });
    const module = '../../bench/recovery/steady-submitter-role.ts';
    const submitter = await Child.start<SteadyCalls>({ module, base, cleanup });
    await submitter.call('connect', { url, key });
    return new Neighbour(submitter, worker, rate);
  }

  /** Works for so long; the latencies of the tasks whose end was told, in ms. */
  async work(forMs: number): Promise<Float64Array> {
    const { to, latencyMs, repeated } = await this.#submitter.call('run', {
      rate: this.#rate,
      forMs,
      from: this.#next,
    });
    this.#next = to;
    this.#toldAgain = repeated;
    const told = latencyMs.filter((ms) => !Number.isNaN(ms));
    this.#untold += latencyMs.length - told.length;
    return told;
  }

  /** Of all tasks so far. */
  async account(): Promise<{
    readonly lost: number;
    readonly doubled: number;
    readonly untold: number;
    readonly toldAgain: number;
  }> {
    const { missing, repeated } = await this.#worker.call('executions', { from: 0, to: this.#next });
    return { lost: missing, doubled: repeated, untold: this.#untold, toldAgain: this.#toldAgain };
  }

  async leave(): Promise<void> {
    await this.#submitter.stop();
    await this.#worker.stop();
  }
}

export function latenciesOf(windows: readonly Float64Array[]): Latencies {
  const all = Float64Array.from(windows.flatMap((window) => [...window]));
  if (all.length === 0) return { p50: Number.NaN, p99: Number.NaN, samples: 0 };
  const { p50, p99, count } = percentiles(all);
  return { p50, p99, samples: count };
}
