/**
 * A dial over `ws`.
 *
 * D1 A socket is told to close once; if the peer does not answer within a few seconds it is destroyed.
 */
import { WebSocket } from 'ws';
import { PEER_LIMITS } from '../../../protocol/wire/peer-limits.ts';
import { systemScheduler } from '../../base/system-scheduler.ts';
import { SUBPROTOCOL, type CloseInfo, type Socket, type SocketHandler } from '../ports.ts';

const CLOSE_MS = 2_000;
/** A server's message holds one frame of its own size at least, and that may be larger than a client's. */
const MESSAGE_BYTES = 4 * PEER_LIMITS.messageBytes;

/** What comes is not read between `pause` and `resume`. */
export interface PausableSocket extends Socket {
  pause(): void;
  resume(): void;
}

export function nodeDial(url: string): (handler: SocketHandler) => PausableSocket {
  return (handler) => {
    const socket = new WebSocket(url, [SUBPROTOCOL], {
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTES,
      handshakeTimeout: PEER_LIMITS.helloMs,
      followRedirects: false,
    });
    let info: Omit<CloseInfo, 'code'> = {};
    let cancel: (() => void) | undefined;
    socket.on('open', () => handler.open());
    socket.on('message', (data, isBinary) => {
      // ws gives one Buffer with the default binaryType; a text message is not of this subprotocol.
      if (isBinary && data instanceof Uint8Array) handler.message(data);
      else socket.close(1003, 'binary messages only');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      info = { message: describe(error), ...info };
    });
    socket.on('unexpected-response', (_request, response) => {
      info = {
        message: `the server answered HTTP ${response.statusCode ?? 0}`,
        ...retryAfter(response.headers['retry-after']),
      };
      response.resume();
      socket.terminate();
    });
    socket.on('close', (code, reason) => {
      cancel?.();
      const message = reason.length > 0 ? reason.toString('utf8') : info.message;
      handler.closed({ ...info, code, ...(message === undefined ? {} : { message }) });
    });
    return {
      send: (message) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(message, ignore);
      },
      close: (code, reason) => {
        if (cancel !== undefined || socket.readyState === WebSocket.CLOSED) return;
        cancel = systemScheduler.after(CLOSE_MS, () => socket.terminate()); // D1
        socket.close(code, reason);
      },
      pause: () => socket.pause(),
      resume: () => socket.resume(),
    };
  };
}

/** An error while sending is followed by the close event, which says all that matters. */
function ignore(): void {
  /* See above. */
}

/** Node names several refused addresses in one error without a message. */
function describe(error: NodeJS.ErrnoException & { readonly errors?: readonly Error[] }): string {
  if (error.message !== '') return error.message;
  return error.errors?.[0]?.message ?? error.code ?? 'the connection failed';
}

function retryAfter(header: string | undefined): { readonly retryAfterMs?: number } {
  const seconds = Number(header);
  return header !== undefined && Number.isFinite(seconds) && seconds >= 0
    ? { retryAfterMs: Math.min(seconds, 3_600) * 1_000 }
    : {};
}
