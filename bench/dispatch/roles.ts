/**
 * What the bench says to its submitters and workers, whatever system they drive.
 *
 * A task is 200 bytes of parameters that begin with its sequence number; a worker answers with that number.
 */

export const PAYLOAD_BYTES = 200;
export const TASK_TYPE = 'bench';

/** Where the system under test listens. */
export interface Target {
  readonly url: string;
  readonly key: string;
}

export interface RunOptions {
  /** Tasks submitted and not yet told to be complete. */
  readonly inFlight: number;
  readonly warmMs: number;
  readonly measureMs: number;
  /** Sequence number of the first task. */
  readonly from: number;
}

export interface RunResult {
  /** Sequence number after the last task. */
  readonly to: number;
  readonly measuredMs: number;
  /** Completions told within the window. */
  readonly completed: number;
  /** From submit to told, of those. */
  readonly latenciesMs: Float64Array;
  /** Tasks never told within the time to drain. */
  readonly missing: number;
  /** Tasks told more than once. */
  readonly repeated: number;
}

export type SubmitterCalls = {
  readonly connect: { readonly params: Target; readonly result: null };
  readonly run: { readonly params: RunOptions; readonly result: RunResult };
};

/** Sent at both ends of the measuring window, for sampling processor time. */
export type SubmitterNotes = { readonly window: 'begin' | 'end' };

export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface Executions {
  readonly once: number;
  readonly missing: number;
  readonly repeated: number;
}

export type WorkerCalls = {
  readonly connect: { readonly params: Target; readonly result: null };
  /** How often each task of the range was executed. */
  readonly executions: { readonly params: Range; readonly result: Executions };
};
