/**
 * What a session tells the outside about itself, and what it asks of access control. All are optional: a session
 * without them behaves the same, unseen.
 */
import type { CloseName, ErrorCode } from '../../protocol/wire/codes.ts';
import type { Method } from '../../protocol/wire/types.ts';

/** Why a connection ended: a close of ours, or the peer's (or the network's). */
export type EndReason = CloseName | 'peer';

export interface SessionMetrics {
  connectionOpened(): void;
  connectionClosed(reason: EndReason): void;
  received(frames: number, bytes: number): void;
  sent(frames: number, bytes: number): void;
  /** One answered request; `code` undefined: it succeeded. */
  operation(method: Method, outcome: { readonly code: ErrorCode | undefined; readonly ms: number }): void;
  /** A frame that never became a request. */
  fault(code: ErrorCode): void;
  /** Latest or ephemeral pushes that made room for newer ones. */
  dropped(count: number): void;
  /** A slow reader's queue is full: it will be caught up. */
  refused(): void;
}

export interface SessionLog {
  debug(event: string, fields: LogFields): void;
  info(event: string, fields: LogFields): void;
  warn(event: string, fields: LogFields): void;
  error(event: string, fields: LogFields): void;
}

export type LogFields = { readonly [name: string]: string | number | boolean | undefined | Error };

/** Slows down whoever guesses credentials. */
export interface SessionGuard {
  /** Counts a failure of this address and says for how many ms its answer is to be held back. */
  failed(address: string): number;
}

function nothing(): void {}

export const NO_METRICS: SessionMetrics = {
  connectionOpened: nothing,
  connectionClosed: nothing,
  received: nothing,
  sent: nothing,
  operation: nothing,
  fault: nothing,
  dropped: nothing,
  refused: nothing,
};

export const NO_LOG: SessionLog = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export const NO_GUARD: SessionGuard = { failed: () => 0 };
