/** Raw `ws`: each message is framed once, and the frame written to every socket in a loop. */
import { WebSocketServer } from 'ws';
import { assert } from '../../src/base/assert.ts';
import { asBuffer } from '../dispatch/limit-wire.ts';
import { playRole } from '../harness/role.ts';
import type { PlainCalls } from './roles.ts';

interface Writable {
  write(bytes: Uint8Array): boolean;
}

function frameOf(message: Buffer): Buffer {
  const head = message.length < 126 ? Buffer.from([0x82, message.length]) : Buffer.from([0x82, 126, 0, 0]);
  if (head.length === 4) head.writeUInt16BE(message.length, 2);
  return Buffer.concat([head, message]);
}

playRole<PlainCalls>(() => ({
  listen: () =>
    new Promise((resolve, reject) => {
      const listeners = new Set<Writable>();
      const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, backlog: 1_024 });
      server.on('connection', (socket, request) => {
        let speaks: boolean | undefined;
        socket.on('message', (data) => {
          const message = asBuffer(data);
          if (speaks === true) {
            const frame = frameOf(message);
            for (const listener of listeners) listener.write(frame);
            return;
          }
          speaks = message.toString() === 'speak';
          if (!speaks) listeners.add(request.socket);
          socket.send('welcome');
        });
        socket.on('close', () => listeners.delete(request.socket));
      });
      server.once('error', reject);
      server.once('listening', () => {
        const address = server.address();
        assert(typeof address === 'object' && address !== null, 'listens on a port');
        resolve({ port: address.port });
      });
    }),
}));
