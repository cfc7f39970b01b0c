/**
 * What the SDK's core asks of the world around it, so that a simulator can be that world.
 *
 * P1 None of the handler's callbacks runs inside `dial`.
 * P2 `closed` is called exactly once for each socket, whatever ended it, and nothing after it.
 * P3 `send` takes one WebSocket message; neither it nor `close` ever throws, and after the socket's end they do nothing.
 */
import type { Entropy, Scheduler } from '../base/scheduler.ts';

/** What this client speaks. */
export const SUBPROTOCOL = 'muster.v1.msgpack';

export interface CloseInfo {
  /** The close code of WebSocket; 1006 when there was none. */
  readonly code: number;
  /** Why, for people: the server's reason, or the error of the socket. */
  readonly message?: string;
  /** The server asked to stay away for so long (HTTP 503 with Retry-After). */
  readonly retryAfterMs?: number;
}

export interface SocketHandler {
  open(): void;
  message(bytes: Uint8Array): void;
  closed(info: CloseInfo): void;
}

export interface Socket {
  send(message: Uint8Array): void;
  /** Ends the connection; the driver destroys it if the peer does not answer in a few seconds. */
  close(code: number, reason: string): void;
}

export type Dial = (handler: SocketHandler) => Socket;

/** Gives the credential of the next HELLO; may answer at once or later. */
export type TokenSource = (done: (token: string | Error) => void) => void;

export interface CorePorts {
  readonly scheduler: Scheduler;
  readonly entropy: Entropy;
  readonly dial: Dial;
  readonly token: TokenSource;
}
