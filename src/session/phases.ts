/** The phases of a connection and which may follow which. Each owns the timer and the handles that only it needs. */
import type { CloseName } from '../../protocol/wire/codes.ts';
import type { Attached, Principal } from '../node/port.ts';
import type { Expiry } from './expiry.ts';

export interface AwaitingHello {
  readonly kind: 'awaitingHello';
  readonly cancel: () => void;
}

/** HELLO was taken; the node has not answered yet. */
export interface Opening {
  readonly kind: 'opening';
  readonly cancel: () => void;
  readonly principal: Principal;
  readonly minor: number;
  /** A BYE came meanwhile. */
  bye?: { readonly requeue?: boolean };
}

export interface Open {
  readonly kind: 'open';
  readonly attached: Attached;
  readonly expiry: Expiry;
  cancel: () => void;
}

/** BYE was taken; it is not durable yet. */
export interface Leaving {
  readonly kind: 'leaving';
  readonly attached: Attached;
  readonly cancel: () => void;
}

/** Nothing is taken any more; the last words are said, or will be when the timer ends. */
export interface Closing {
  readonly kind: 'closing';
  readonly attached: Attached | undefined;
  readonly cancel: () => void;
  readonly reason: CloseName;
}

export interface Closed {
  readonly kind: 'closed';
  readonly cancel: () => void;
}

export type Phase = AwaitingHello | Opening | Open | Leaving | Closing | Closed;
export type PhaseKind = Phase['kind'];

export const NEXT: { readonly [K in PhaseKind]: readonly PhaseKind[] } = {
  awaitingHello: ['opening', 'closing', 'closed'],
  opening: ['open', 'leaving', 'closing', 'closed'],
  open: ['leaving', 'closing', 'closed'],
  leaving: ['closing', 'closed'],
  closing: ['closed'],
  closed: [],
};
