/** What the bench says to those who submit and to those who work, of several tenants on several nodes. */
import type { Executions, Range, RunOptions, SubmitterNotes, Target } from '../dispatch/roles.ts';

export type { SubmitterNotes } from '../dispatch/roles.ts';

/** Of one tenant. */
export interface TenantRun {
  readonly to: number;
  readonly missing: number;
  readonly repeated: number;
}

export interface TenantsResult {
  readonly measuredMs: number;
  readonly completed: number;
  readonly latenciesMs: Float64Array;
  readonly tenants: readonly TenantRun[];
}

export type SubmittersCalls = {
  /** One submitter for each. */
  readonly connect: { readonly params: readonly Target[]; readonly result: null };
  /** `inFlight` of each of them. */
  readonly run: { readonly params: RunOptions; readonly result: TenantsResult };
};

export type WorkersCalls = {
  /** One agent for each. */
  readonly connect: { readonly params: readonly Target[]; readonly result: null };
  /** Of each tenant, how often each task of its range was executed. */
  readonly executions: { readonly params: readonly Range[]; readonly result: readonly Executions[] };
};

export type SubmittersNotes = SubmitterNotes;

/** A Socket.IO server that shares a Redis with others. */
export type SocketIoCalls = {
  readonly listen: { readonly params: { readonly redis: number }; readonly result: { readonly port: number } };
};
