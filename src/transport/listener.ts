/** What every transport that listens on a port has in common. */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Accept } from '../session/port.ts';

export interface AcceptOptions {
  readonly accept: Accept;
  /** Origins of pages that may connect, beside those of the same host. */
  readonly origins?: readonly string[];
  /** WebSockets at once; one more gets HTTP 503 before anything is allocated for it. */
  readonly socketsMax?: number;
  /** A connection that was broken by the peer's bytes or by the network. */
  readonly onFault?: (connection: string, fault: Error) => void;
  /** Shorter in tests. */
  readonly timeouts?: Partial<ListenTimeouts>;
}

export interface ListenOptions extends AcceptOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface ListenTimeouts {
  /** The headers of a request must be there. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** The peer must have answered a close frame. */
  readonly closeMs: number;
}

export interface Listener {
  readonly port: number;
  readonly connections: number;
  /** Stops listening and breaks what is still connected; resolves when every handler was told. */
  close(): Promise<void>;
}

/** Above the cap of the sessions, which refuse more politely. */
export const SOCKETS_MAX = LIMITS.connectionsMax + 1_000;
