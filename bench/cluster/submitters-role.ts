/** Submits to many tenants, each in a closed loop of its own. */
import { must } from '../../src/base/assert.ts';
import { connect, type Client } from '../../src/client/node.ts';
import { ClosedLoop } from '../dispatch/closed-loop.ts';
import { CompletionWatch } from '../dispatch/completion-watch.ts';
import { payload } from '../dispatch/execution-counts.ts';
import { PAYLOAD_BYTES, TASK_TYPE, type RunResult, type Target } from '../dispatch/roles.ts';
import { playRole } from '../harness/role.ts';
import { Samples } from '../harness/statistics.ts';
import type { SubmittersCalls, SubmittersNotes, TenantsResult } from './roles.ts';

interface Submitter {
  readonly watch: CompletionWatch;
  readonly loop: ClosedLoop;
}

/** The windows of all begin and end together: that of the first is told. */
async function submitter({ url, key }: Target, mark: (at: 'begin' | 'end') => void): Promise<Submitter> {
  // A node learns of a new tenant from the log: until then its key is unknown there, and the client comes again.
  const client: Client = await connect({ url, key: () => key, name: 'bench-submitter' });
  const watch = new CompletionWatch((sequence) => loop.told(sequence));
  const submit = async (sequence: number): Promise<void> => {
    const { task } = await client.task.create({ type: TASK_TYPE, parameters: payload(sequence, PAYLOAD_BYTES) });
    watch.created(task.id, sequence);
  };
  const loop = new ClosedLoop((sequence) => void submit(sequence), mark);
  client.on('push', (push) => watch.push(push));
  return { watch, loop };
}

function together(results: readonly RunResult[]): TenantsResult {
  const latencies = new Samples();
  for (const { latenciesMs } of results) for (const ms of latenciesMs) latencies.add(ms);
  return {
    measuredMs: must(results[0], 'at least one tenant').measuredMs,
    completed: results.reduce((sum, { completed }) => sum + completed, 0),
    latenciesMs: latencies.values(),
    tenants: results.map(({ to, missing, repeated }) => ({ to, missing, repeated })),
  };
}

playRole<SubmittersCalls, SubmittersNotes>((notify) => {
  const submitters: Submitter[] = [];
  return {
    connect: async (targets) => {
      for (const [at, target] of targets.entries()) {
        submitters.push(await submitter(target, at === 0 ? (when) => notify('window', when) : () => undefined));
      }
      return null;
    },
    run: async (options) => {
      const results = await Promise.all(
        submitters.map(async ({ loop, watch }) => {
          const result = await loop.run(options);
          return { ...result, repeated: result.repeated + watch.unexplained };
        }),
      );
      return together(results);
    },
  };
});
