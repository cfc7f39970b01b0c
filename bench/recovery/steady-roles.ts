/** What the bench says to a submitter that keeps a rate. */
import type { Target } from '../dispatch/roles.ts';

export interface SteadyOptions {
  /** Tasks per second. */
  readonly rate: number;
  readonly forMs: number;
  /** Sequence number of the first task. */
  readonly from: number;
}

export interface SteadyResult {
  readonly to: number;
  /** When each task was due by the schedule, ms of the clock that all processes share. */
  readonly dueAt: Float64Array;
  /** From then until the submitter was told; NaN: it never was. */
  readonly latencyMs: Float64Array;
  /** Events of completion beyond the first. */
  readonly repeated: number;
}

export type SteadyCalls = {
  readonly connect: { readonly params: Target; readonly result: null };
  readonly run: { readonly params: SteadyOptions; readonly result: SteadyResult };
};
