/** A Socket.IO server over WebSockets on a free loopback port: what one client sends is emitted to a room that all are in. */
import { createServer } from 'node:http';
import { Server, type ServerOptions } from 'socket.io';
import { assert } from '../../src/base/assert.ts';

const ROOM = 'fan';

/** `more`: an adapter, where there are several servers. Rejects if it cannot listen. */
export function listenSocketIo(more: Partial<Pick<ServerOptions, 'adapter'>> = {}): Promise<{ readonly port: number }> {
  return new Promise((resolve, reject) => {
    const http = createServer();
    const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false, serveClient: false, ...more });
    io.on('connection', (socket) => {
      void socket.join(ROOM);
      socket.on('p', (text: string) => io.to(ROOM).emit('m', text));
    });
    http.once('error', reject);
    http.listen({ host: '127.0.0.1', port: 0, backlog: 1_024 }, () => {
      const address = http.address();
      assert(typeof address === 'object' && address !== null, 'listens on a port');
      resolve({ port: address.port });
    });
  });
}
