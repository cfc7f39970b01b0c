/**
 * Submits to BullMQ and is told by its queue events.
 *
 * Settings are those that were fastest for it here: jobs leave Redis when they are complete, one `add` per task
 * (`addBulk` was not faster), events over their own connection.
 */
import { Queue, QueueEvents } from 'bullmq';
import { must } from '../../src/base/assert.ts';
import { playRole } from '../harness/role.ts';
import { redisConnection } from './bullmq-connection.ts';
import { ClosedLoop } from './closed-loop.ts';
import { payload } from './execution-counts.ts';
import { PAYLOAD_BYTES, TASK_TYPE } from './roles.ts';
import type { SubmitterCalls, SubmitterNotes } from './roles.ts';

playRole<SubmitterCalls, SubmitterNotes>((notify) => {
  let queue: Queue<string, number, string> | undefined;
  const loop = new ClosedLoop(
    (sequence) => {
      void must(queue, 'connected').add(TASK_TYPE, payload(sequence, PAYLOAD_BYTES));
    },
    (at) => notify('window', at),
  );
  return {
    connect: async ({ url }) => {
      queue = new Queue(TASK_TYPE, {
        connection: redisConnection(url),
        defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
      });
      // From the beginning of the stream: with the default, events before its first read are not seen.
      const events = new QueueEvents(TASK_TYPE, { connection: redisConnection(url), lastEventId: '0-0' });
      events.on('completed', ({ returnvalue }) => loop.told(Number(returnvalue)));
      await queue.waitUntilReady();
      await events.waitUntilReady();
      return null;
    },
    run: (options) => loop.run(options),
  };
});
