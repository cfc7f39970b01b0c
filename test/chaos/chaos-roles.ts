/** What the runner says to the processes of agents and submitters. */

export const TASK_TYPE = 'chaos';

export interface AgentPlan {
  readonly name: string;
  readonly capacity: number;
  /** Its label `zone`. */
  readonly zone: string;
  /** File in which results outlive the process; some agents have none. */
  readonly outbox?: string;
}

export interface Launch {
  readonly url: string;
  readonly key: string;
  readonly seed: number;
  readonly journal: string;
}

export type AgentsCalls = {
  readonly launch: {
    readonly params: Launch & { readonly life: string; readonly agents: readonly AgentPlan[] };
    readonly result: null;
  };
  /** Gives work back and leaves; resolves when the sessions have ended. */
  readonly leave: { readonly params: null; readonly result: null };
};

export interface SubmitPlan {
  readonly from: number;
  readonly to: number;
  /** Evenly spread over so long. */
  readonly overMs: number;
}

export type SubmitterCalls = {
  readonly launch: { readonly params: Launch & { readonly name: string }; readonly result: null };
  /** Resolves when the last task was handed to the client, answered or not. */
  readonly submit: { readonly params: SubmitPlan; readonly result: null };
  readonly counts: { readonly params: null; readonly result: SubmitCounts };
  readonly leave: { readonly params: null; readonly result: null };
};

export interface SubmitCounts {
  /** Among them replays of dead letters. */
  readonly submitted: number;
  readonly told: number;
}
