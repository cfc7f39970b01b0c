/** Works for JetStream: sends the result when the server has confirmed the acknowledgement. */
import { jetstream, type JsMsg } from '@nats-io/jetstream';
import { playRole } from '../harness/role.ts';
import { ExecutionCounts, sequenceOf } from './execution-counts.ts';
import { connectNats, CONSUMER, RESULTS, STREAM } from './nats-wire.ts';
import type { WorkerCalls } from './roles.ts';

const MAX_MESSAGES = 1_000;

playRole<WorkerCalls>(() => {
  const counts = new ExecutionCounts();
  return {
    connect: async ({ url }) => {
      const connection = await connectNats(url);
      const consumer = await jetstream(connection).consumers.get(STREAM, CONSUMER);
      const work = async (message: JsMsg): Promise<void> => {
        const sequence = sequenceOf(message.string());
        counts.add(sequence);
        if (await message.ackAck()) connection.publish(RESULTS, String(sequence));
      };
      await consumer.consume({ max_messages: MAX_MESSAGES, callback: (message) => void work(message) });
      return null;
    },
    executions: (range) => counts.of(range),
  };
});
