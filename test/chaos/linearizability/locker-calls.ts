/** What the test says to the processes that lock. */
import type { LockOperation } from './lock-model.ts';

export interface LockerPlan {
  readonly url: string;
  readonly key: string;
  readonly name: string;
  readonly seed: number;
  readonly paths: readonly string[];
  /** How often it locks and releases. */
  readonly turns: number;
}

export type LockerCalls = {
  /** Resolves after its last turn, with everything that it did. */
  readonly run: { readonly params: LockerPlan; readonly result: readonly LockOperation[] };
};

/** After each turn. */
export type LockerNotes = { readonly turn: null };
