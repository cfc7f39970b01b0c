/**
 * An operator who pauses, steers and cancels tasks, and the agent that holds them: two connections of one process, so that
 * one clock tells when a call was made and when its order was there.
 */
import { connect } from '../../src/client/node.ts';
import type { Client } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';
import { playRole } from '../harness/role.ts';
import { CONTROLS, type Control, type ControlCalls, type ControlOptions, type ControlResult } from './roles.ts';

const TASK_TYPE = 'controlled';
/** More than are ever under way. */
const CAPACITY = 512;
const TICK_MS = 1;
/** After the last task was begun. */
const DRAIN_MS = 10_000;

class ControlRun {
  readonly #options: ControlOptions;
  readonly #operator: Client;
  readonly #resolve: (result: ControlResult) => void;
  readonly #count: number;
  readonly #result: ControlResult;
  /** What each task of this run waits for, and since when. */
  readonly #waits = new Map<string, { readonly index: number; readonly control: Control; readonly since: number }>();
  readonly #beganAt = performance.now();
  readonly #ticks: NodeJS.Timeout;
  #drain: NodeJS.Timeout | undefined;
  #begun = 0;
  #over = 0;

  constructor(options: ControlOptions, operator: Client, resolve: (result: ControlResult) => void) {
    this.#options = options;
    this.#operator = operator;
    this.#resolve = resolve;
    this.#count = Math.floor((options.rate * options.forMs) / 1_000);
    const none = (): Float64Array => new Float64Array(this.#count).fill(Number.NaN);
    this.#result = { pause: none(), steer: none(), cancel: none() };
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
  }

  /** The handler has a task: its controls begin. */
  holds(id: string): void {
    const index = this.#over;
    this.#over += 1;
    this.#call(id, index, 'pause');
  }

  /** The agent's handler was told. */
  told(id: string, control: Control): void {
    const wait = this.#waits.get(id);
    if (wait?.control !== control) return;
    this.#result[control][wait.index] = performance.now() - wait.since;
    this.#waits.delete(id);
    const next = CONTROLS[CONTROLS.indexOf(control) + 1];
    if (next !== undefined) this.#call(id, wait.index, next);
    else if (this.#over === this.#count && this.#waits.size === 0) this.#finish();
  }

  #tick(): void {
    const elapsed = performance.now() - this.#beganAt;
    const due = Math.min(this.#count, Math.floor((elapsed * this.#options.rate) / 1_000));
    for (; this.#begun < due; this.#begun += 1) {
      void this.#operator.task.create({ type: TASK_TYPE, watch: false });
    }
    if (this.#begun < this.#count) return;
    clearInterval(this.#ticks);
    this.#drain = setTimeout(() => this.#finish(), DRAIN_MS);
  }

  #call(id: string, index: number, control: Control): void {
    this.#waits.set(id, { index, control, since: performance.now() });
    const { task } = this.#operator;
    if (control === 'pause') void task.pause({ id });
    else if (control === 'steer') void task.steer({ id, message: 'look at the other branch first' });
    else void task.cancel({ id });
  }

  #finish(): void {
    clearTimeout(this.#drain);
    this.#resolve(this.#result);
  }
}

playRole<ControlCalls>(() => {
  let operator: Client | undefined;
  let run: ControlRun | undefined;
  return {
    connect: async ({ url, key }) => {
      operator = await connect({ url, key, name: 'bench-operator' });
      await connect({
        url,
        key,
        agent: { name: 'bench-controlled', capabilities: [TASK_TYPE], capacity: CAPACITY },
        handlers: {
          // Works until it is told to stop.
          [TASK_TYPE]: ({ id }, context) =>
            new Promise((_done, stopped) => {
              context.onPause(() => run?.told(id, 'pause'));
              context.onSteer(() => run?.told(id, 'steer'));
              context.signal.addEventListener('abort', () => {
                run?.told(id, 'cancel');
                stopped(new Error('cancelled'));
              });
              run?.holds(id);
            }),
        },
      });
      return null;
    },
    run: (options) =>
      new Promise<ControlResult>((resolve) => {
        run = new ControlRun(options, must(operator, 'connected'), resolve);
      }),
  };
});
