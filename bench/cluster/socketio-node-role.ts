/** A Socket.IO server beside others, with the Redis streams adapter: clients of all servers are in the room. */
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { playRole } from '../harness/role.ts';
import { listenSocketIo } from '../harness/socketio-server.ts';
import type { SocketIoCalls } from './roles.ts';

/** As many as Muster's nodes read at once; what is sent is text. */
const ADAPTER = { readCount: 512, onlyPlaintext: true } as const;

playRole<SocketIoCalls>(() => ({
  listen: ({ redis }) =>
    listenSocketIo({ adapter: createAdapter(new Redis({ host: '127.0.0.1', port: redis }), ADAPTER) }),
}));
