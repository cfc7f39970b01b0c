/**
 * Submits to RabbitMQ. A task was told when its result and the confirmation of its publication have come, in whichever
 * order: one without the other promises less than Muster does. Results come over a queue that is not durable.
 */
import { playRole } from '../harness/role.ts';
import { BothTold } from './both-told.ts';
import { ClosedLoop } from './closed-loop.ts';
import { payload } from './execution-counts.ts';
import { connectRabbitMq, QUEUE } from './rabbitmq-wire.ts';
import { PAYLOAD_BYTES } from './roles.ts';
import type { SubmitterCalls, SubmitterNotes } from './roles.ts';

playRole<SubmitterCalls, SubmitterNotes>((notify) => {
  let publish: ((sequence: number) => void) | undefined;
  const loop = new ClosedLoop(
    (sequence) => publish?.(sequence),
    (at) => notify('window', at),
  );
  const both = new BothTold((sequence) => loop.told(sequence));
  return {
    connect: async ({ url }) => {
      const connection = await connectRabbitMq(url);
      const channel = await connection.createConfirmChannel();
      const { queue: replyTo } = await channel.assertQueue('', { exclusive: true });
      await channel.consume(replyTo, (message) => both.half(Number(message?.content.toString())), { noAck: true });
      publish = (sequence) => {
        const content = Buffer.from(payload(sequence, PAYLOAD_BYTES));
        // One that is refused is never told, which the bench counts.
        channel.sendToQueue(QUEUE, content, { persistent: true, replyTo }, (error) => {
          if (error === null) both.half(sequence);
        });
      };
      return null;
    },
    run: (options) => loop.run(options),
  };
});
