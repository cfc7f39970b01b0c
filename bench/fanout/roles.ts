/** What the bench says to the crowd that listens, and to the servers that it is compared with. */

export const DIALECTS = ['muster', 'plain', 'socketio'] as const;
/** How a server is spoken to: Muster's protocol, bare WebSocket messages, or Socket.IO's over a WebSocket. */
export type Dialect = (typeof DIALECTS)[number];

export interface CrowdTarget {
  /** Subscribers go round these; messages are published at the first. */
  readonly ports: readonly number[];
  readonly dialect: Dialect;
  /** Muster's credential. */
  readonly key: string;
  readonly subscribers: number;
}

export interface Flood {
  /** Bytes of each message's text. */
  readonly size: number;
  /** Messages that are under way at most: 1 is one a turn. */
  readonly window: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

export interface FloodResult {
  /** Messages that every subscriber had, and deliveries, in the window that was measured. */
  readonly messages: number;
  readonly deliveries: number;
  readonly measuredMs: number;
}

export interface Paced {
  readonly size: number;
  /** Bursts a second, and messages in each. */
  readonly bursts: number;
  readonly perBurst: number;
  readonly forMs: number;
  /** Subscribers that stop reading before it begins and read again when it has ended. */
  readonly paused: number;
}

export interface PacedResult {
  /** From publishing to each delivery, of those who read, in ms. */
  readonly latencies: Float64Array;
  /** Messages; those who paused have all of them, once and in order, or the call fails. */
  readonly messages: number;
}

export type CrowdCalls = {
  readonly gather: { readonly params: CrowdTarget; readonly result: null };
  readonly flood: { readonly params: Flood; readonly result: FloodResult };
  readonly pace: { readonly params: Paced; readonly result: PacedResult };
};

/** Sent at both ends of a flood's measured window, for sampling processor time. */
export type CrowdNotes = { readonly window: 'begin' | 'end' };

export type PlainCalls = { readonly listen: { readonly params: null; readonly result: { readonly port: number } } };
