/**
 * Submits at a fixed rate, whatever the system does. A latency counts from the instant at which the task was due:
 * a server that stands still for 50 ms delays also those tasks that would have been submitted meanwhile.
 */
import { connect } from '../../src/client/node.ts';
import type { Client } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';
import { CompletionWatch } from '../dispatch/completion-watch.ts';
import { payload } from '../dispatch/execution-counts.ts';
import { PAYLOAD_BYTES, TASK_TYPE } from '../dispatch/roles.ts';
import { playRole } from '../harness/role.ts';
import { sharedMs } from '../harness/shared-clock.ts';
import type { SteadyCalls, SteadyOptions, SteadyResult } from './steady-roles.ts';

const TICK_MS = 1;
const DRAIN_MS = 30_000;

class SteadyRun {
  readonly #options: SteadyOptions;
  readonly #submit: (sequence: number) => void;
  readonly #resolve: (result: Omit<SteadyResult, 'repeated'>) => void;
  readonly #dueAt: Float64Array;
  readonly #latencyMs: Float64Array;
  readonly #beganAt = sharedMs();
  readonly #ticks: NodeJS.Timeout;
  #drain: NodeJS.Timeout | undefined;
  #submitted = 0;
  #told = 0;

  constructor(
    options: SteadyOptions,
    submit: (sequence: number) => void,
    resolve: (result: Omit<SteadyResult, 'repeated'>) => void,
  ) {
    this.#options = options;
    this.#submit = submit;
    this.#resolve = resolve;
    const count = Math.floor((options.rate * options.forMs) / 1_000);
    this.#dueAt = new Float64Array(count);
    this.#latencyMs = new Float64Array(count).fill(Number.NaN);
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
  }

  told(sequence: number): void {
    const at = sequence - this.#options.from;
    this.#latencyMs[at] = sharedMs() - must(this.#dueAt[at], 'a task of this run');
    this.#told += 1;
    if (this.#told === this.#dueAt.length) this.#finish();
  }

  #tick(): void {
    const elapsed = sharedMs() - this.#beganAt;
    const due = Math.min(this.#dueAt.length, Math.floor((elapsed * this.#options.rate) / 1_000));
    for (; this.#submitted < due; this.#submitted += 1) {
      const offset = ((this.#submitted + 1) * 1_000) / this.#options.rate;
      this.#dueAt[this.#submitted] = this.#beganAt + offset;
      this.#submit(this.#options.from + this.#submitted);
    }
    if (this.#submitted < this.#dueAt.length) return;
    clearInterval(this.#ticks);
    this.#drain = setTimeout(() => this.#finish(), DRAIN_MS);
  }

  #finish(): void {
    clearTimeout(this.#drain);
    const to = this.#options.from + this.#submitted;
    this.#resolve({ to, dueAt: this.#dueAt, latencyMs: this.#latencyMs });
  }
}

playRole<SteadyCalls>(() => {
  let client: Client | undefined;
  let run: SteadyRun | undefined;
  const watch = new CompletionWatch((sequence) => run?.told(sequence));
  const submit = async (sequence: number): Promise<void> => {
    const { task } = await must(client, 'connected').task.create({
      type: TASK_TYPE,
      parameters: payload(sequence, PAYLOAD_BYTES),
    });
    watch.created(task.id, sequence);
  };
  return {
    connect: async ({ url, key }) => {
      client = await connect({ url, key, name: 'bench-steady' });
      client.on('push', (push) => watch.push(push));
      return null;
    },
    run: async (options) => {
      const result = await new Promise<Omit<SteadyResult, 'repeated'>>((resolve) => {
        run = new SteadyRun(options, (sequence) => void submit(sequence), resolve);
      });
      return { ...result, repeated: watch.unexplained };
    },
  };
});
