/** Works for Muster: an agent of its SDK. */
import { playRole } from '../harness/role.ts';
import { ExecutionCounts } from './execution-counts.ts';
import { connectWorker } from './muster-worker.ts';
import type { WorkerCalls } from './roles.ts';

playRole<WorkerCalls>(() => {
  const counts = new ExecutionCounts();
  return {
    connect: async (target) => {
      await connectWorker(target, counts);
      return null;
    },
    executions: (range) => counts.of(range),
  };
});
