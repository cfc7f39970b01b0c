/** The TCP connections that this process has opened, so that a fault can break them as a network would. */
import { subscribe } from 'node:diagnostics_channel';
import { Socket } from 'node:net';
import type { Random } from '../chaos/random.ts';

export class Sockets {
  readonly #open = new Set<Socket>();

  /** Watches from now on. */
  constructor() {
    subscribe('net.client.socket', (message) => {
      const socket: unknown =
        typeof message === 'object' && message !== null ? Reflect.get(message, 'socket') : undefined;
      if (!(socket instanceof Socket)) return;
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
  }

  drop(count: number, random: Random): void {
    const open = [...this.#open];
    for (let left = Math.min(count, open.length); left > 0; left -= 1) {
      const [socket] = open.splice(random.between(0, open.length - 1), 1);
      socket?.resetAndDestroy();
    }
  }
}
