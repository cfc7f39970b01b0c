/**
 * What a session (one connection) may ask of the node, and what the node delivers to it.
 *
 * N1 `done` of hello and request is called exactly once, never inside the call itself, in log order per tenant.
 * N2 A RESULT is handed over before the pushes that its command caused.
 * N3 Pushes with a rev are handed over in rev order; after `push` has answered false nothing more comes until
 *    the session calls `drained()`; what was missed meanwhile is then read from the ring or the history.
 * N4 After `close` of a Delivery was called, or `detach` was, nothing more is handed over.
 */
import type { Rejection, CloseName } from '../../protocol/wire/codes.ts';
import type { RequestTrace } from '../telemetry/port.ts';
import type { HelloBody, Method, Role, SessionSnapshot, Value, Data } from '../../protocol/wire/types.ts';

export interface Principal {
  /** `key:<id>`, `agent:<name>` or a token's subject. */
  readonly id: string;
  readonly tenant: string;
  readonly role: Role;
  /** The only agent name that this principal may register, if role is agent. */
  readonly agent?: string;
  /** The key also stands in the system tenant with role operator. */
  readonly operator?: true;
  /** The api key behind it. */
  readonly keyId?: string;
  /** Wall ms. */
  readonly expiresAt?: number;
  readonly scopes?: readonly string[];
}

export type Reply =
  | { readonly ok: true; readonly rev: number; readonly result: Data }
  | { readonly ok: false; readonly rejection: Rejection };

/** A push that goes to one or many connections; each codec encodes it once. */
export interface OutPush {
  /** grant: orders to a holder. latest: the newest per key. */
  readonly class: 'grant' | 'reliable' | 'latest' | 'ephemeral';
  /** For grant and reliable. */
  readonly rev?: number | undefined;
  /** For latest. */
  readonly key?: string | undefined;
  /** PUSH frame `[11, 0, body]` as MessagePack, made at the first call. */
  msgpack(): Uint8Array;
}

/** Implemented by the session; called by the node. */
export interface Delivery {
  /** False: the queue is full, the push was not taken. */
  push(push: OutPush): boolean;
  /** The largest rev up to which everything of this session was handed over (for PING.rev). Only when all was taken. */
  bookmark(rev: number): void;
  /** Where is the client? It is asked at once, and says so in its PONG. */
  ask(): void;
  /** Pushes after the last one handed over were lost for good: the client must be told. Those that follow go on. */
  gap(): void;
  /** The node ends the connection: takeover, revocation, halted tenant. */
  close(name: CloseName, message?: string): void;
}

export type HelloOutcome =
  | {
      readonly kind: 'welcome';
      readonly attached: Attached;
      readonly session: string;
      /** Hex, for WELCOME; the node keeps only its hash. */
      readonly secret: string;
      readonly rev: number;
      readonly resumed: boolean;
      readonly reason?: 'expired' | 'gap' | 'epoch' | 'auth';
      /** With `epoch`: what the client was told up to here is there. */
      readonly kept?: number;
      readonly snapshot?: SessionSnapshot;
      readonly agentId?: string;
    }
  | { readonly kind: 'refused'; readonly close: CloseName; readonly rejection: Rejection };

export interface RequestIn {
  /** uint32, > 0 remembered; 0: no answer is wanted. */
  readonly id: number;
  readonly method: Method;
  /** Checked against the schema. */
  readonly params: Value;
  /** 52-bit hash of the request's method and params bytes; 0 if it has a key. */
  readonly hash: number;
  readonly ack?: number;
  readonly key?: string;
  /** If it is followed. */
  readonly trace?: RequestTrace;
}

/** An attached session, as its connection sees it. */
export interface Attached {
  readonly session: string;
  readonly tenant: string;
  readonly principal: Principal;
  /** Authorises, then reads or writes. Never throws for what a client sent. */
  request(request: RequestIn, done: (reply: Reply) => void): void;
  /** Call once, when WELCOME has been queued: deliveries begin. */
  begin(): void;
  /** The queue has room again after a refused push. */
  drained(): void;
  /** The client's processed position (PONG.rev). */
  acknowledged(rev: number): void;
  /** The socket is gone: the lease begins to run. Idempotent. */
  detach(): void;
  /** BYE: the session ends now; `done` when it is durable. */
  bye(requeue: boolean, done: () => void): void;
}

export interface NodePort {
  readonly nodeId: string;
  readonly version: string;
  /** True when HELLO is taken. */
  ready(): boolean;
  /** Who holds this token. The same answer for unknown and wrong; unavailable: its tenant is not served, nobody can say. */
  authenticate(token: string): Principal | 'unavailable' | undefined;
  hello(
    hello: { readonly principal: Principal; readonly body: HelloBody; readonly delivery: Delivery },
    done: (outcome: HelloOutcome) => void,
  ): void;
}
