/** What the bench says to the processes that contend for locks, whatever system they drive. */
import type { TransportName } from '../../src/transport/choose.ts';
import type { Target } from '../dispatch/roles.ts';

export interface RunOptions {
  /** For each contender of this process the path that it acquires and releases, again and again. */
  readonly paths: readonly string[];
  readonly warmMs: number;
  readonly measureMs: number;
}

export interface RunResult {
  readonly measuredMs: number;
  /** Locks released within the window. */
  readonly released: number;
  /** From asking to having, in ms, of locks that were had within the window. */
  readonly waitsMs: Float64Array;
  /** When each lock of the whole run was had, and when its release was asked for: ms of the clock that all processes share. */
  readonly hadAt: Float64Array;
  readonly leftAt: Float64Array;
}

export type ContenderCalls = {
  /** So many contenders, each with a connection of its own. */
  readonly connect: { readonly params: Target & { readonly contenders: number }; readonly result: null };
  readonly run: { readonly params: RunOptions; readonly result: RunResult };
};

/** Sent at both ends of the measuring window, for sampling processor time. */
export type ContenderNotes = { readonly window: 'begin' | 'end' };

export type LockServerCalls = {
  readonly listen: {
    readonly params: { readonly file: string; readonly transport: TransportName };
    readonly result: { readonly port: number };
  };
};
