/** The SDK's sockets over the transport in memory. */
import type { Scheduler } from '../base/scheduler.ts';
import type { Dial } from '../client/ports.ts';
import type { Connection } from '../session/port.ts';
import type { MemoryLink, MemoryTransport } from '../transport/memory.ts';

/** No close frame was seen. */
const GONE = 1006;

export interface Line {
  readonly dial: Dial;
  /** The connection breaks, if there is one. */
  cut(): void;
}

/** One client's connections, one after the other. `server`: undefined while nobody listens. */
export function lineTo(server: () => MemoryTransport | undefined, scheduler: Scheduler): Line {
  let current: MemoryLink | undefined;
  const dial: Dial = (handler) => {
    const transport = server();
    if (transport === undefined) {
      scheduler.defer(() => handler.closed({ code: GONE, message: 'nobody listens' }));
      return { send: () => undefined, close: () => undefined };
    }
    let connection: Connection | undefined;
    let open = true;
    current = transport.dial((made) => {
      connection = made;
      return {
        message: (bytes) => handler.message(bytes),
        drain: () => undefined,
        closed: (code) => {
          open = false;
          handler.closed({ code });
        },
      };
    });
    scheduler.defer(() => {
      if (open) handler.open();
    });
    return {
      send: (message) => connection?.write(message),
      close: (code, reason) => connection?.close(code, reason),
    };
  };
  return { dial, cut: () => current?.cut() };
}
