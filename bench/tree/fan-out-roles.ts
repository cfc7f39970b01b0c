/** What the bench says to the client that makes trees. */
import type { Target } from '../dispatch/roles.ts';

export interface FanOut {
  readonly tasks: number;
  readonly batch: number;
}

export interface FanOutResult {
  /** ms of the clock that all processes share. */
  readonly from: number;
  readonly createdAt: number;
  /** The whole tree has ended. */
  readonly endedAt: number;
}

export type FanOutCalls = {
  readonly connect: { readonly params: Target; readonly result: null };
  readonly run: { readonly params: FanOut; readonly result: FanOutResult };
};
