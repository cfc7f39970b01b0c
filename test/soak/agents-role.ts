/** Many agents in one process: they do what the parameters of a task say. */
import { connect, type Client, type TaskContext } from '../../src/client/node.ts';
import type { Value } from '../../protocol/wire/types.ts';
import { playRole } from '../../bench/harness/role.ts';
import { Random } from '../chaos/random.ts';
import { CAPABILITY, type AgentsCalls } from './crowd-roles.ts';
import { readWork } from './work.ts';
import { Sockets } from './sockets.ts';

/** Connections that are opened at once. */
const AT_ONCE = 32;
const CAPACITY = 4;

async function perform(parameters: Value, context: TaskContext): Promise<Value> {
  const { kind, takesMs } = readWork(parameters);
  const messages: Value[] = [];
  context.onSteer(({ message }) => void messages.push(message));
  for (let step = 1; step <= 4; step += 1) {
    await rest(takesMs / 4, context.signal);
    if (kind === 'progress') context.progress(step * 25, 'going on');
    if (kind === 'output') await context.output.write(`piece ${step} ${'x'.repeat(200)}\n`);
    if (kind === 'checkpoint' && step === 2) await context.checkpoint({ step });
  }
  if (kind === 'failure') throw new Error('as it was asked to');
  return { done: true, messages: messages.length };
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    const stop = (): void => {
      clearTimeout(timer);
      reject(new Error('stopped', { cause: signal.reason }));
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
}

playRole<AgentsCalls>(() => {
  const sockets = new Sockets();
  const clients: Client[] = [];
  const random = new Random(process.pid);
  return {
    connect: async ({ url, key, name, agents }) => {
      let next = 0;
      const some = async (): Promise<void> => {
        while (next < agents) {
          const agent = `${name}-${next++}`;
          clients.push(
            await connect({
              url,
              key,
              agent: { name: agent, instance: agent, capabilities: [CAPABILITY], capacity: CAPACITY },
              handlers: { '*': ({ parameters }, context) => perform(parameters, context) },
              connectTimeoutMs: 120_000,
            }),
          );
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, some));
      return null;
    },
    drop: ({ count }) => {
      sockets.drop(count, random);
      return null;
    },
    leave: async () => {
      await Promise.all(clients.map((client) => client.close()));
      return null;
    },
  };
});
