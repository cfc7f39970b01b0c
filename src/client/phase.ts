/** The phases of a client's connection, and what outlives it. */
import type { Socket } from './ports.ts';

export interface Session {
  readonly id: string;
  readonly secret: string;
  position: number;
  /** The largest rev that an answer had. */
  told: number;
}

/** C7 of core.ts. Only what says more than the position. */
export function toldBy({ position, told }: Session): { readonly told?: number } {
  return told > position ? { told } : {};
}

/** Of a connection; core.ts draws how they follow each other. Each owns its timer. */
export type Phase =
  | { readonly kind: 'idle' }
  /** `told`: the server said how long. */
  | { readonly kind: 'waiting'; readonly cancel: () => void; readonly told: boolean }
  | { readonly kind: 'token' }
  | { readonly kind: 'dialing'; readonly socket: Socket; readonly cancel: () => void; readonly token: string }
  | { readonly kind: 'greeting'; readonly socket: Socket; readonly cancel: () => void }
  | { readonly kind: 'online'; readonly socket: Socket; readonly since: number }
  | { readonly kind: 'leaving'; readonly socket: Socket; readonly cancel: () => void }
  | { readonly kind: 'closed' };
