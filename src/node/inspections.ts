/**
 * Looks through the states of tenants while serving goes on.
 *
 * Owns: when an inspection works. Does not own: what is looked for (engine/doctor).
 *
 * N1 One inspection of the node works at a time, for a moment; then others have their turn. So however many are asked for, the event
 *    loop is held no longer than by one.
 * N2 Those that wait for the same tenant are answered by one: whoever asks waits for two at most of each tenant.
 * N3 At most `inspectionsMax` wait; one more is refused.
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

/** Of one tenant, and not begun. */
interface Group {
  readonly tenant: Tenant;
  readonly inspections: Inspection[];
}

export class Inspections {
  readonly #scheduler: Scheduler;
  readonly #groups = new Fifo<Group>();
  #waiting = 0;
  #busy = false;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** False: too many wait (N3). None of the callbacks runs inside the call. */
  run(inspection: Inspection): boolean {
    if (this.#waiting >= LIMITS.inspectionsMax) return false;
    this.#waiting += 1;
    const { tenant } = inspection;
    const group = [...this.#groups].find((one) => one.tenant === tenant);
    if (group === undefined) this.#groups.push({ tenant, inspections: [inspection] });
    else group.inspections.push(inspection); // N2
    if (!this.#busy) {
      this.#busy = true;
      this.#scheduler.defer(() => this.#next());
    }
    return true;
  }

  /** N1 */
  #next(): void {
    const group = this.#groups.shift();
    if (group === undefined) {
      this.#busy = false;
      return;
    }
    const { tenant, inspections } = group;
    this.#waiting -= inspections.length;
    const looks = inspect(tenant.engine);
    const slice = (): void => {
      const until = this.#scheduler.mono() + SLICE_MS;
      while (tenant.serving) {
        const next = looks.next();
        if (next.done === true) return end('whole');
        if (next.value !== undefined) for (const { finding } of inspections) finding(next.value);
        else if (this.#scheduler.mono() >= until) return void this.#scheduler.after(REST_MS, slice);
      }
      end('halted');
    };
    const end = (outcome: 'whole' | 'halted'): void => {
      this.#scheduler.after(REST_MS, () => this.#next());
      for (const { done } of inspections) done(outcome);
    };
    slice();
  }
}
