/**
 * Looks through the states of tenants while serving goes on.
 *
 * Owns: when an inspection works. Does not own: what is looked for (engine/doctor).
 *
 * N1 One inspection of the node works at a time, for a moment; then others have their turn. So however many are asked for, the event
 *    loop is held no longer than by one.
 * N2 At most `inspectionsMax` wait; one more is refused.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { FindingView } from '../../protocol/wire/observing.ts';
import { Fifo } from '../base/fifo.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { inspect } from '../engine/queries.ts';
import type { Tenant } from './tenant.ts';

/** How long one works before others have their turn, and how long they have it. */
const SLICE_MS = 2;
const REST_MS = 4;

export interface Inspection {
  readonly tenant: Tenant;
  readonly finding: (finding: FindingView) => void;
  /** `halted`: the tenant is not served any more. */
  readonly done: (outcome: 'whole' | 'halted') => void;
}

export class Inspections {
  readonly #scheduler: Scheduler;
  readonly #waiting = new Fifo<Inspection>();
  #busy = false;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** False: too many wait (N2). None of the callbacks runs inside the call. */
  run(inspection: Inspection): boolean {
    if (this.#waiting.length >= LIMITS.inspectionsMax) return false;
    this.#waiting.push(inspection);
    if (!this.#busy) {
      this.#busy = true;
      this.#scheduler.defer(() => this.#next());
    }
    return true;
  }

  /** N1 */
  #next(): void {
    const inspection = this.#waiting.shift();
    if (inspection === undefined) {
      this.#busy = false;
      return;
    }
    const { tenant, finding, done } = inspection;
    const looks = inspect(tenant.engine);
    const slice = (): void => {
      const until = this.#scheduler.mono() + SLICE_MS;
      while (tenant.serving) {
        const next = looks.next();
        if (next.done === true) return end('whole');
        if (next.value !== undefined) finding(next.value);
        else if (this.#scheduler.mono() >= until) return void this.#scheduler.after(REST_MS, slice);
      }
      end('halted');
    };
    const end = (outcome: 'whole' | 'halted'): void => {
      this.#scheduler.after(REST_MS, () => this.#next());
      done(outcome);
    };
    slice();
  }
}
