/** `muster jobs`: the background jobs of a server. */
import type { Command } from 'commander';
import type { JobsView, JobView } from '../../../protocol/wire/jobs.ts';
import type { Context } from '../context.ts';
import { columns, when } from '../output.ts';

export function addJobs(program: Command, context: Context): void {
  program
    .command('jobs')
    .description("background jobs: their queues, runs and failures; needs the operator's key")
    .action(() =>
      context.run(() =>
        context.with(async (client) => {
          const status = await client.job.list();
          context.output.result(status, () => words(status));
        }),
      ),
    );
}

const HEAD = ['NAME', 'EVERY', 'WHERE', 'STATE', 'OK', 'FAILED', 'LAST RUN', 'MS', 'QUEUE'];

function words({ scheduler, connected, jobs }: JobsView): string {
  const failures = jobs.flatMap(({ name, failures: failed }) =>
    failed.map(({ at, message }) => `${when(at)} ${name}: ${message}`),
  );
  return [
    columns(HEAD, jobs.map(row), 'no jobs'),
    ...(scheduler === 'bullmq' && !connected ? ['Redis is away: every node runs its jobs by its own clock.'] : []),
    ...(failures.length === 0 ? [] : ['', 'failures, newest first:', ...failures.toSorted().toReversed()]),
  ].join('\n');
}

function row({ name, everyMs, shared, state, runs, last, queue }: JobView): readonly string[] {
  const { waiting, delayed, active, failed } = queue ?? { waiting: 0, delayed: 0, active: 0, failed: 0 };
  return [
    name,
    everyMs === undefined ? '' : `${everyMs / 1_000} s`,
    shared ? 'all nodes' : 'this node',
    state,
    String(runs.ok),
    String(runs.failed),
    last === undefined ? '' : when(last.at),
    last === undefined ? '' : last.ms.toFixed(1),
    queue === undefined ? '' : `${waiting} waiting, ${delayed} delayed, ${active} active, ${failed} failed`,
  ];
}
