/** Work for one server: a submitter and a worker in processes of their own, and the proof that each task was done once. */
import type { SubmitterCalls, SubmitterNotes, WorkerCalls } from '../dispatch/roles.ts';
import { Child } from '../harness/child.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import type { Muster } from '../harness/muster-server.ts';
import { BenchError } from '../harness/scenario.ts';
import type { SteadyCalls, SteadyResult } from './steady-roles.ts';

export class Load {
  readonly #worker: Child<WorkerCalls>;
  readonly #closed: Child<SubmitterCalls, SubmitterNotes>;
  readonly #steady: Child<SteadyCalls>;
  #next = 0;

  private constructor(roles: {
    readonly worker: Child<WorkerCalls>;
    readonly closed: Child<SubmitterCalls, SubmitterNotes>;
    readonly steady: Child<SteadyCalls>;
  }) {
    this.#worker = roles.worker;
    this.#closed = roles.closed;
    this.#steady = roles.steady;
  }

  static async start(server: Muster, cleanup: Cleanup): Promise<Load> {
    const target = { url: server.url, key: server.key };
    const options = { base: import.meta.url, cleanup };
    const worker = await Child.start<WorkerCalls>({ ...options, module: '../dispatch/muster-worker-role.ts' });
    const closed = await Child.start<SubmitterCalls, SubmitterNotes>({
      ...options,
      module: '../dispatch/muster-submitter-role.ts',
    });
    const steady = await Child.start<SteadyCalls>({ ...options, module: './steady-submitter-role.ts' });
    await worker.call('connect', target);
    await closed.call('connect', target);
    await steady.call('connect', target);
    return new Load({ worker, closed, steady });
  }

  get pids(): ReadonlyMap<string, number> {
    return new Map([
      ['worker', this.#worker.pid],
      ['submitter', this.#steady.pid],
    ]);
  }

  /** As much as the server takes with 512 tasks in flight; tasks per second after `warmMs`. */
  async flood(warmMs: number, measureMs: number): Promise<number> {
    const from = this.#next;
    const result = await this.#closed.call('run', { inFlight: 512, from, warmMs, measureMs });
    this.#next = result.to;
    await this.#verify({ from, to: result.to, missing: result.missing, repeated: result.repeated });
    return (result.completed / result.measuredMs) * 1_000;
  }

  async steady(rate: number, forMs: number): Promise<SteadyResult> {
    const from = this.#next;
    const result = await this.#steady.call('run', { rate, forMs, from });
    this.#next = result.to;
    const missing = result.latencyMs.filter((ms) => Number.isNaN(ms)).length;
    await this.#verify({ from, to: result.to, missing, repeated: result.repeated });
    return result;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#closed.stop(), this.#steady.stop(), this.#worker.stop()]);
  }

  async #verify(run: {
    readonly from: number;
    readonly to: number;
    readonly missing: number;
    readonly repeated: number;
  }): Promise<void> {
    const { from, to, missing, repeated } = run;
    if (missing > 0 || repeated > 0)
      throw new BenchError(`${missing} of ${to - from} tasks were never told, ${repeated} more than once.`);
    const executions = await this.#worker.call('executions', { from, to });
    if (executions.once !== to - from)
      throw new BenchError(
        `${executions.missing} of ${to - from} tasks were never executed, ${executions.repeated} more than once.`,
      );
  }
}
