/** Works for RabbitMQ: acknowledges each task after its result was sent. */
import { playRole } from '../harness/role.ts';
import { ExecutionCounts, sequenceOf } from './execution-counts.ts';
import { connectRabbitMq, QUEUE } from './rabbitmq-wire.ts';
import type { WorkerCalls } from './roles.ts';

const PREFETCH = 500;

playRole<WorkerCalls>(() => {
  const counts = new ExecutionCounts();
  return {
    connect: async ({ url }) => {
      const connection = await connectRabbitMq(url);
      const channel = await connection.createChannel();
      await channel.prefetch(PREFETCH);
      await channel.consume(QUEUE, (message) => {
        if (message === null) return;
        const sequence = sequenceOf(message.content.toString());
        counts.add(sequence);
        channel.sendToQueue(String(message.properties.replyTo), Buffer.from(String(sequence)));
        channel.ack(message);
      });
      return null;
    },
    executions: (range) => counts.of(range),
  };
});
