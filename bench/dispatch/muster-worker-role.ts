/** Works for Muster: an agent of its SDK. */
import { connect } from '../../src/client/node.ts';
import { assert } from '../../src/base/assert.ts';
import { playRole } from '../harness/role.ts';
import { ExecutionCounts, sequenceOf } from './execution-counts.ts';
import { TASK_TYPE } from './roles.ts';
import type { WorkerCalls } from './roles.ts';

/** More than is ever in flight: the agent is not what limits. */
const CAPACITY = 1_024;

playRole<WorkerCalls>(() => {
  const counts = new ExecutionCounts();
  return {
    connect: async ({ url, key }) => {
      await connect({
        url,
        key,
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
      return null;
    },
    executions: (range) => counts.of(range),
  };
});
