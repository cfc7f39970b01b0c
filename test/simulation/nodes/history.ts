/**
 * What happened in a run of several nodes, as the checker (checker.ts) reads it.
 *
 * A process is a node from its start to its end, under its name; a program is a client from its start to its end.
 */

/** Why a process ends that others took for dead. */
export const TAKEN_FOR_DEAD = 'others took it for dead';

/** An entry that stood in the log of a primary at some moment. */
export interface StoredEvent {
  readonly kind: 'stored';
  readonly server: string;
  readonly tenant: string;
  readonly seq: number;
  readonly epoch: number;
  readonly link: string;
  /** Who appended it, and whether Redis knew it as one that may. */
  readonly process: string;
  readonly member: boolean;
  /** It was put back by a node that had it. */
  readonly repaired: boolean;
}

export interface AppliedEvent {
  readonly kind: 'applied';
  readonly process: string;
  readonly tenant: string;
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
  /** The process began with a snapshot of the entry before: what this one changed is not known. */
  readonly first: boolean;
  readonly chain: string;
  /** Positions of this entry: after `from`, up to `rev`. */
  readonly from: number;
  readonly rev: number;
  /** Of the state after it, where it was hashed. */
  readonly hash?: string;
  /** Tasks that were made, assigned and ended by it. */
  readonly made: readonly { readonly id: string; readonly mark: string }[];
  readonly assigned: readonly { readonly id: string; readonly token: number }[];
  readonly ended: readonly {
    readonly id: string;
    readonly status: string;
    readonly token: number;
    readonly by: number | undefined;
  }[];
  readonly locked: readonly { readonly path: string; readonly token: number }[];
  readonly attached: readonly { readonly session: string; readonly attach: number; readonly process: string }[];
}

export type NodesEvent =
  | StoredEvent
  | AppliedEvent
  | { readonly kind: 'node.start'; readonly process: string; readonly home: string }
  | { readonly kind: 'node.ready'; readonly process: string }
  /** `why`: a crash, or the reason for which it ended by itself. */
  | { readonly kind: 'node.end'; readonly process: string; readonly why: string }
  /** A tenant is not served by the process any more. */
  | { readonly kind: 'node.refused'; readonly process: string; readonly tenant: string; readonly fault: string }
  | { readonly kind: 'node.differs'; readonly process: string; readonly message: string }
  | { readonly kind: 'node.repaired'; readonly process: string; readonly message: string }
  /** Others took its place among those that serve. `excused`: it could not know, as it stood still, or the clock of Redis was set forward. */
  | {
      readonly kind: 'fenced';
      readonly process: string;
      readonly server: string;
      readonly tenant: string;
      readonly connections: number;
      readonly excused: boolean;
    }
  /** A snapshot counts that was made of the state after this entry. */
  | { readonly kind: 'snapshot'; readonly seq: number }
  /** The log begins behind this entry from now on. `kept`: up to where each that has a pass said that its store has what it needs. */
  | { readonly kind: 'trimmed'; readonly seq: number; readonly kept: readonly (readonly [string, number])[] }
  /** It was taken for dead before its time. */
  | {
      readonly kind: 'early';
      readonly process: string;
      readonly by: string;
      readonly silentMs: number;
      readonly connectedMs: number;
    }
  /** A replica that may lack what was told took the primary's place. */
  | { readonly kind: 'lossy' }
  /** Something else than that, and than what happens to programs, went wrong: nodes, or Redis. */
  | { readonly kind: 'disturbed' }
  | {
      readonly kind: 'welcome';
      readonly program: string;
      readonly process: string;
      readonly session: string;
      readonly resumed: boolean;
      /** Why not. */
      readonly reason: string | undefined;
      readonly rev: number;
    }
  /** A WELCOME left a process, over this connection. */
  | { readonly kind: 'speaks'; readonly process: string; readonly conn: string; readonly session: string }
  /** A push left a process. */
  | {
      readonly kind: 'sent';
      readonly process: string;
      readonly conn: string;
      readonly session: string;
      readonly rev: number;
    }
  | {
      readonly kind: 'push';
      readonly program: string;
      readonly process: string;
      readonly session: string;
      readonly rev: number;
      readonly text: string;
    }
  /** The outcome of a request of a program; `rev` of the entry that decided it. */
  | {
      readonly kind: 'created';
      readonly program: string;
      readonly mark: string;
      readonly id: string;
      readonly rev: number;
    }
  /** A task was refused, by an error that says that nothing was done. */
  | { readonly kind: 'not created'; readonly program: string; readonly mark: string; readonly code: string }
  | { readonly kind: 'locked'; readonly program: string; readonly path: string; readonly token: number }
  | { readonly kind: 'begun'; readonly program: string; readonly id: string; readonly token: number }
  /** What a node answers at the end. */
  | {
      readonly kind: 'found';
      readonly process: string;
      readonly head: { readonly seq: number; readonly chain: string; readonly hash: string };
    }
  | { readonly kind: 'healed' }
  | {
      readonly kind: 'end';
      readonly quiet: boolean;
      readonly why: string;
      /** The newest entry that was trimmed. */
      readonly base: number;
      readonly log: readonly { readonly seq: number; readonly link: string }[];
    };
