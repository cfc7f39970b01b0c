/** Works for many tenants: an agent of each. */
import { assert, must } from '../../src/base/assert.ts';
import { connect } from '../../src/client/node.ts';
import { ExecutionCounts, sequenceOf } from '../dispatch/execution-counts.ts';
import { TASK_TYPE, type Target } from '../dispatch/roles.ts';
import { playRole } from '../harness/role.ts';
import type { WorkersCalls } from './roles.ts';

/** More than is ever in flight: the agents are not what limits. */
const CAPACITY = 1_024;

async function worker({ url, key }: Target): Promise<ExecutionCounts> {
  const counts = new ExecutionCounts();
  await connect({
    url,
    key: () => key,
    agent: { name: 'bench-worker', capabilities: [TASK_TYPE], capacity: CAPACITY },
    handlers: {
      [TASK_TYPE]: ({ parameters }) => {
        assert(typeof parameters === 'string', 'the parameters are text');
        const sequence = sequenceOf(parameters);
        counts.add(sequence);
        return sequence;
      },
    },
  });
  return counts;
}

playRole<WorkersCalls>(() => {
  const all: ExecutionCounts[] = [];
  return {
    connect: async (targets) => {
      for (const target of targets) all.push(await worker(target));
      return null;
    },
    executions: (ranges) => ranges.map((range, at) => must(all[at], 'a worker of the tenant').of(range)),
  };
});
