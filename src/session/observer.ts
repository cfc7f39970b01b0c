/**
 * What a session tells the outside about itself, and what it asks of access control. All are optional: a session
 * without them behaves the same, unseen.
 */
import type { CloseName } from '../../protocol/wire/codes.ts';
import type { EdgeMetrics, Log } from '../telemetry/port.ts';

/** Why a connection ended: a close of ours, or the peer's (or the network's). */
export type EndReason = CloseName | 'peer';

/** Slows down whoever guesses credentials. */
export interface SessionGuard {
  /** Counts a failure of this address and says for how many ms its answer is to be held back. */
  failed(address: string): number;
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
};

export const NO_LOG: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export const NO_GUARD: SessionGuard = { failed: () => 0 };
