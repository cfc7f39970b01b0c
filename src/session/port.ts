/**
 * What a session asks of the transport under it. A transport only moves bytes.
 *
 * T1 `write` takes one WebSocket message (frames back to back) and never blocks or throws.
 * T2 `buffered` is what was written and not yet taken by the peer's kernel.
 * T3 `closed` of the handler is called exactly once, whatever ended the connection, and nothing after it;
 *    after `destroy` nothing else comes before it.
 * T4 What is written inside `corked` leaves in as few calls of the system as the transport can.
 * T5 No handler is called inside a call to its connection, and what a handler is given stays as it is.
 */
export interface Connection {
  readonly id: string;
  /** Peer address for logs, `memory` in process. */
  readonly remote: string;
  /** Its messages are JSON text (`muster.v1.json`), in both directions. */
  readonly text?: boolean;
  write(message: Uint8Array): void;
  /** Runs `write` at once. */
  corked(write: () => void): void;
  buffered(): number;
  /** The peer has shown who it is: it is no stranger to the transport any more. */
  greeted(): void;
  /** Sends a close frame; the transport destroys the socket if the peer does not answer in a few seconds. */
  close(code: number, reason: string): void;
  /** Without a close frame. */
  destroy(): void;
}

export interface ConnectionHandler {
  message(bytes: Uint8Array): void;
  /** The transport has room again after `buffered` was above the limit. */
  drain(): void;
  closed(code: number): void;
}

/** Called by a transport for every accepted connection. */
export type Accept = (connection: Connection) => ConnectionHandler;
