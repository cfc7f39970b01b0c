/** Submits to Muster through its SDK; told by the events of the tasks that it created. */
import { connect } from '../../src/client/node.ts';
import type { Client } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';
import { playRole } from '../harness/role.ts';
import { ClosedLoop } from './closed-loop.ts';
import { payload } from './execution-counts.ts';
import { CompletionWatch } from './completion-watch.ts';
import { PAYLOAD_BYTES, TASK_TYPE } from './roles.ts';
import type { SubmitterCalls, SubmitterNotes } from './roles.ts';

playRole<SubmitterCalls, SubmitterNotes>((notify) => {
  let client: Client | undefined;
  const watch = new CompletionWatch((sequence) => loop.told(sequence));
  const submit = async (sequence: number): Promise<void> => {
    const { task } = await must(client, 'connected').task.create({
      type: TASK_TYPE,
      parameters: payload(sequence, PAYLOAD_BYTES),
    });
    watch.created(task.id, sequence);
  };
  const loop = new ClosedLoop(
    (sequence) => void submit(sequence),
    (at) => notify('window', at),
  );
  return {
    connect: async ({ url, key }) => {
      client = await connect({ url, key, name: 'bench-submitter' });
      client.on('push', (push) => watch.push(push));
      return null;
    },
    run: async (options) => {
      const result = await loop.run(options);
      return { ...result, repeated: result.repeated + watch.unexplained };
    },
  };
});
