/** What every transport that listens on a port has in common. */
import type { Accept } from '../session/port.ts';
import { Gate } from './gate.ts';
import { clientAddress, type ClientAddress } from './proxies.ts';
import type { UpgradeRules } from './upgrade.ts';

export interface AcceptOptions {
  readonly accept: Accept;
  /** Origins of pages that may connect, beside those of the same host. */
  readonly origins?: readonly string[];
  /** Names that a request may give as its Host; none: any. */
  readonly hosts?: readonly string[];
  /** Proxies (addresses, networks) whose X-Forwarded-For is believed. */
  readonly proxies?: readonly string[];
  /** Counts the sockets of all ports of the node. */
  readonly gate?: Gate;
  /** TCP connections beside the WebSockets, if the transport can bound them; more are closed at once. */
  readonly pendingMax?: number;
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

/** What all ports of a node go by. */
export interface Admission {
  readonly gate: Gate;
  readonly rules: UpgradeRules;
  readonly addressOf: ClientAddress;
}

export function admissionOf({ origins = [], hosts = [], proxies = [], gate = new Gate() }: AcceptOptions): Admission {
  return { gate, rules: { origins, hosts }, addressOf: clientAddress(proxies) };
}
