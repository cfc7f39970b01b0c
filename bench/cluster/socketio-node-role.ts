/**
 * A Socket.IO server over WebSockets beside others, with the Redis streams adapter: what one client sends is emitted to a room that
 * clients of all servers are in.
 */
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import { assert } from '../../src/base/assert.ts';
import { playRole } from '../harness/role.ts';
import type { SocketIoCalls } from './roles.ts';

const ROOM = 'fan';
/** As many as Muster's nodes read at once; what is sent is text. */
const ADAPTER = { readCount: 512, onlyPlaintext: true } as const;

playRole<SocketIoCalls>(() => ({
  listen: ({ redis }) =>
    new Promise((resolve, reject) => {
      const http = createServer();
      const io = new Server(http, {
        transports: ['websocket'],
        perMessageDeflate: false,
        serveClient: false,
        adapter: createAdapter(new Redis({ host: '127.0.0.1', port: redis }), ADAPTER),
      });
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
    }),
}));
