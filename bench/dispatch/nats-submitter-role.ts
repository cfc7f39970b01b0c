/**
 * Submits to JetStream. A task was told when its result and the acknowledgement of its publication have come. The server
 * syncs neither: it is faster than what it is compared with because it promises less.
 */
import { jetstream } from '@nats-io/jetstream';
import { playRole } from '../harness/role.ts';
import { BothTold } from './both-told.ts';
import { ClosedLoop } from './closed-loop.ts';
import { payload } from './execution-counts.ts';
import { connectNats, RESULTS, SUBJECT } from './nats-wire.ts';
import { PAYLOAD_BYTES } from './roles.ts';
import type { SubmitterCalls, SubmitterNotes } from './roles.ts';

playRole<SubmitterCalls, SubmitterNotes>((notify) => {
  let publish: ((sequence: number) => Promise<void>) | undefined;
  const loop = new ClosedLoop(
    (sequence) => void publish?.(sequence),
    (at) => notify('window', at),
  );
  const both = new BothTold((sequence) => loop.told(sequence));
  return {
    connect: async ({ url }) => {
      const connection = await connectNats(url);
      const stream = jetstream(connection);
      connection.subscribe(RESULTS, { callback: (_error, message) => both.half(Number(message.string())) });
      await connection.flush();
      publish = async (sequence) => {
        await stream.publish(SUBJECT, payload(sequence, PAYLOAD_BYTES));
        both.half(sequence);
      };
      return null;
    },
    run: (options) => loop.run(options),
  };
});
