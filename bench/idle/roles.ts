/** What the bench says to the process that has the agents. */
import type { Target } from '../dispatch/roles.ts';

export type IdleCalls = {
  /** So many more. Resolves when all of them are attached; how long that took, in ms. */
  readonly connect: { readonly params: Target & { readonly agents: number }; readonly result: number };
  /** How many of them are still connected. */
  readonly connected: { readonly params: null; readonly result: number };
};
