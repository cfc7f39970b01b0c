/** What the bench says to a process that has agents. */
import type { Target } from '../dispatch/roles.ts';

/** Of the tasks of the bench. */
export const TASK_TYPE = 'storm';

export interface Back {
  /** Of each agent, when it was attached again, in ms of the clock that all processes share. */
  readonly at: Float64Array;
  /** Sessions that could not be resumed. */
  readonly notResumed: number;
}

export interface Executions {
  /** Tasks that were executed once, and more than once. */
  readonly once: number;
  readonly repeated: number;
}

export type StormCalls = {
  /** Resolves when all of them are attached. `first`: number of the first one. */
  readonly connect: {
    readonly params: Target & { readonly agents: number; readonly first: number };
    readonly result: null;
  };
  /** Resolves when so many tasks are in the hands of agents. */
  readonly holding: { readonly params: { readonly tasks: number }; readonly result: null };
  /** Before the server dies: from now on agents that are attached are agents that came back. */
  readonly arm: { readonly params: null; readonly result: null };
  /** Resolves when every agent has come back. */
  readonly back: { readonly params: null; readonly result: Back };
  /** Lets go of the tasks that are held and of all that come; resolves when so many were executed. */
  readonly release: { readonly params: { readonly tasks: number }; readonly result: Executions };
};
