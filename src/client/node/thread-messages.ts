/** What the thread that has the socket and the thread that has the client say to each other. */
import type { CloseInfo } from '../ports.ts';

/** `socket` numbers the connections of a client; what is said of one that is gone is passed over. */
export type ToThread =
  | { readonly kind: 'dial'; readonly socket: number; readonly url: string }
  /** `bytes` are transferred. */
  | { readonly kind: 'send'; readonly socket: number; readonly bytes: Uint8Array }
  /** So many bytes of messages were taken since the last of these. */
  | { readonly kind: 'taken'; readonly socket: number; readonly bytes: number }
  | { readonly kind: 'close'; readonly socket: number; readonly code: number; readonly reason: string }
  /** Nothing else comes. */
  | { readonly kind: 'end' };

export type FromThread =
  | { readonly kind: 'open'; readonly socket: number }
  | { readonly kind: 'message'; readonly socket: number; readonly bytes: Uint8Array }
  | { readonly kind: 'closed'; readonly socket: number; readonly info: CloseInfo };
