/** One agent of the demonstration: a process that works on files and writes down what it does. */
import { connect } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { JournalWriter } from './journal.ts';
import { isKind, KINDS, work } from './work.ts';

export interface DemoAgentFlags {
  readonly name: string;
  readonly capacity: number;
  readonly folder: string;
  readonly journal: string;
  readonly outbox: string;
}

/** Url and key come by the environment, so that the key stands in no list of processes. */
export async function runDemoAgent(flags: DemoAgentFlags, context: Context): Promise<void> {
  const journal = new JournalWriter(flags.journal, flags.name);
  const client = await connect({
    agent: { name: flags.name, capabilities: KINDS, capacity: flags.capacity },
    outbox: flags.outbox,
    name: 'muster-demo-agent',
    handlers: {
      '*': async (task, { token, progress }) => {
        journal.write('start', task.id, token);
        const { type } = task;
        const path = pathOf(task.parameters);
        if (!isKind(type) || path === undefined) throw new Error(`not a task of the demonstration: ${type}`);
        progress(0, path);
        const found = await work(type, flags.folder, path);
        journal.write('end', task.id, token);
        return found;
      },
    },
  });
  context.output.result({ event: 'online', agent: client.agentId }, () => 'online');
  const stopped = context.untilStopped();
  const closed = client.whenClosed();
  await Promise.race([stopped, closed]);
  await client.close({ drain: true });
  journal.close();
  const error = await closed;
  if (error !== undefined) throw error;
}

function pathOf(parameters: unknown): string | undefined {
  return typeof parameters === 'object' &&
    parameters !== null &&
    'path' in parameters &&
    typeof parameters.path === 'string'
    ? parameters.path
    : undefined;
}
