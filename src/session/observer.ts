/**
 * What a session tells the outside about itself, and what it asks of access control. All are optional: a session
 * without them behaves the same, unseen.
 */
import type { CloseName } from '../../protocol/wire/codes.ts';
import type { Method } from '../../protocol/wire/types.ts';
import type { EdgeMetrics, Log } from '../telemetry/port.ts';

/** Why a connection ended: a close of ours, or the peer's (or the network's). */
export type EndReason = CloseName | 'peer';

/** Slows down whoever guesses credentials. */
export interface SessionGuard {
  /** Counts a failure of this address and says for how many ms its answer is to be held back. */
  failed(address: string): number;
}

/** What one principal may still ask for, on all its connections together. */
export interface SessionRates {
  /** A message of so many bytes came. */
  received(bytes: number): void;
  /** Counts a request: 0, it is taken; else after how many ms it may be asked again. */
  ask(method: Method): number;
  /** Counts a fresh session: 0, it may be opened; else after how many ms. */
  open(): number;
}

function nothing(): void {}

export const NO_METRICS: EdgeMetrics = {
  connectionOpened: nothing,
  connectionClosed: nothing,
  received: nothing,
  sent: nothing,
  operation: nothing,
  fault: nothing,
  dropped: nothing,
  refused: nothing,
  turnedAway: nothing,
  rateLimited: nothing,
};

export const NO_LOG: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export const NO_GUARD: SessionGuard = { failed: () => 0 };
