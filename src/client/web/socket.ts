/**
 * A dial over any WebSocket of the browsers' kind.
 *
 * D1 A socket is told to close once; if the peer does not answer within a few seconds it is given up, and `closed`
 *    is called all the same.
 */
import { clientError } from '../errors.ts';
import { SUBPROTOCOL, type Dial } from '../ports.ts';
import { after } from './system.ts';

interface MessageLike {
  readonly data: unknown;
}

interface CloseLike {
  readonly code: number;
  readonly reason: string;
}

/** The part of the standard's WebSocket that is used. */
interface WebSocketLike {
  binaryType: string;
  addEventListener(type: 'open', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: MessageLike) => void): void;
  addEventListener(type: 'close', listener: (event: CloseLike) => void): void;
  send(data: Uint8Array): void;
  close(code?: number, reason?: string): void;
}

type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

const CLOSE_MS = 2_000;

export function webDial(url: string): Dial {
  const { WebSocket } = globalThis as { readonly WebSocket?: unknown };
  if (typeof WebSocket !== 'function')
    throw clientError(
      'INVALID_OPTIONS',
      'This platform has no WebSocket; in Node import the package under its node condition.',
    );
  const Constructor = WebSocket as unknown as WebSocketConstructor;
  return (handler) => {
    const socket = new Constructor(url, [SUBPROTOCOL]);
    socket.binaryType = 'arraybuffer';
    let open = true;
    let cancel: (() => void) | undefined;
    const closed = (code: number, message: string): void => {
      if (!open) return;
      open = false;
      cancel?.();
      handler.closed({ code, ...(message === '' ? {} : { message }) });
    };
    socket.addEventListener('open', () => handler.open());
    socket.addEventListener('message', ({ data }) => {
      if (!open) return;
      if (data instanceof ArrayBuffer) handler.message(new Uint8Array(data));
      else socket.close(3003, 'binary messages only');
    });
    // An error is always followed by the close event.
    socket.addEventListener('close', ({ code, reason }) => closed(code, reason));
    return {
      send: (message) => {
        if (open) socket.send(message);
      },
      close: (code, reason) => {
        if (!open || cancel !== undefined) return;
        socket.close(code, reason);
        cancel = after(CLOSE_MS, () => closed(1006, 'the server did not answer the close')); // D1
      },
    };
  };
}
