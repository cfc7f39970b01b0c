/** Works for many tenants: an agent of each. */
import { must } from '../../src/base/assert.ts';
import { ExecutionCounts } from '../dispatch/execution-counts.ts';
import { connectWorker } from '../dispatch/muster-worker.ts';
import { playRole } from '../harness/role.ts';
import type { WorkersCalls } from './roles.ts';

playRole<WorkersCalls>(() => {
  const all: ExecutionCounts[] = [];
  return {
    connect: async (targets) => {
      for (const target of targets) {
        const counts = new ExecutionCounts();
        await connectWorker(target, counts);
        all.push(counts);
      }
      return null;
    },
    executions: (ranges) => ranges.map((range, at) => must(all[at], 'a worker of the tenant').of(range)),
  };
});
