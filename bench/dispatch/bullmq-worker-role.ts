/** Works for BullMQ. */
import { Worker } from 'bullmq';
import { playRole } from '../harness/role.ts';
import { redisConnection } from './bullmq-connection.ts';
import { ExecutionCounts, sequenceOf } from './execution-counts.ts';
import { TASK_TYPE } from './roles.ts';
import type { WorkerCalls } from './roles.ts';

const CONCURRENCY = 100;

playRole<WorkerCalls>(() => {
  const counts = new ExecutionCounts();
  return {
    connect: async ({ url }) => {
      const worker = new Worker<string, number, string>(
        TASK_TYPE,
        (job) => {
          const sequence = sequenceOf(job.data);
          counts.add(sequence);
          return Promise.resolve(sequence);
        },
        { connection: redisConnection(url), concurrency: CONCURRENCY },
      );
      await worker.waitUntilReady();
      return null;
    },
    executions: (range) => counts.of(range),
  };
});
