/** The agent that does the tasks of the bench: it counts each execution and gives the task's number back. */
import { assert } from '../../src/base/assert.ts';
import { connect } from '../../src/client/node.ts';
import { sequenceOf, type ExecutionCounts } from './execution-counts.ts';
import { TASK_TYPE, type Target } from './roles.ts';

/** More than is ever in flight: the agent is not what limits. */
const CAPACITY = 1_024;

export async function connectWorker({ url, key }: Target, counts: ExecutionCounts): Promise<void> {
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
}
