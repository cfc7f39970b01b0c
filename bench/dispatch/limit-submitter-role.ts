/** Submits to the bare server. */
import { WebSocket } from 'ws';
import { must } from '../../src/base/assert.ts';
import { playRole } from '../harness/role.ts';
import { ClosedLoop } from './closed-loop.ts';
import { payload } from './execution-counts.ts';
import { asBuffer, eachFrame, Kind, TurnWriter } from './limit-wire.ts';
import { PAYLOAD_BYTES } from './roles.ts';
import type { SubmitterCalls, SubmitterNotes } from './roles.ts';

playRole<SubmitterCalls, SubmitterNotes>((notify) => {
  let writer: TurnWriter | undefined;
  const loop = new ClosedLoop(
    (sequence) => must(writer, 'connected').add([Kind.CREATE, sequence, payload(sequence, PAYLOAD_BYTES)]),
    (at) => notify('window', at),
  );
  return {
    connect: ({ url }) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(url, { perMessageDeflate: false });
        socket.on('message', (data) => {
          eachFrame(asBuffer(data), ([kind, task]) => {
            if (kind === Kind.COMPLETED) loop.told(task);
          });
        });
        socket.once('error', reject);
        socket.once('open', () => {
          writer = new TurnWriter(socket);
          resolve(null);
        });
      }),
    run: (options) => loop.run(options),
  };
});
