/** What the bench says to the process that controls tasks, and to whom they are pushed. */
import type { Target } from '../dispatch/roles.ts';

export const CONTROLS = ['pause', 'steer', 'cancel'] as const;
export type Control = (typeof CONTROLS)[number];

export interface ControlOptions {
  /** Tasks per second that are paused, steered and cancelled, one after the other. */
  readonly rate: number;
  readonly forMs: number;
}

/** From the call until the agent's handler was told, in ms; NaN: it never was. */
export type ControlResult = { readonly [C in Control]: Float64Array };

export type ControlCalls = {
  readonly connect: { readonly params: Target; readonly result: null };
  readonly run: { readonly params: ControlOptions; readonly result: ControlResult };
};
