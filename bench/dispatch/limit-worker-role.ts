/** Works for the bare server. */
import { WebSocket } from 'ws';
import { playRole } from '../harness/role.ts';
import { ExecutionCounts, sequenceOf } from './execution-counts.ts';
import { asBuffer, eachFrame, Kind, TurnWriter } from './limit-wire.ts';
import type { WorkerCalls } from './roles.ts';

playRole<WorkerCalls>(() => {
  const counts = new ExecutionCounts();
  return {
    connect: ({ url }) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(url, { perMessageDeflate: false });
        const writer = new TurnWriter(socket);
        socket.on('message', (data) => {
          eachFrame(asBuffer(data), ([, task, text = '']) => {
            counts.add(sequenceOf(text));
            writer.add([Kind.COMPLETE, task, String(task)]);
          });
        });
        socket.once('error', reject);
        socket.once('open', () => {
          socket.send(Buffer.from([0x92, Kind.WORKER, 0]), () => resolve(null));
        });
      }),
    executions: (range) => counts.of(range),
  };
});
