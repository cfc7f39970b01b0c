/**
 * `bench tree`: what a fan-out of 10,000 subtasks and the cancel of that tree cost the work of another session.
 *
 * One server, one submitter that keeps a rate, one worker. In turns the other client does nothing, and creates trees and
 * cancels them; latencies count from when a task was due. Calm and busy rounds stand side by side in one run, since the
 * machine's speed changes from hour to hour.
 */
import { startMuster } from '../harness/muster-server.ts';
import { Child } from '../harness/child.ts';
import { describeUsage, sample, usage } from '../harness/processor-time.ts';
import { BenchError, type Scenario, type ScenarioContext, type ScenarioReport } from '../harness/scenario.ts';
import { atMost, figure, percentiles, Samples } from '../harness/statistics.ts';
import { Load } from '../recovery/load.ts';
import { split, type Window } from '../recovery/windows.ts';
import type { FanOutCalls, FanOutResult } from './fan-out-roles.ts';

/** The promise: the 99th percentile of the others' latencies against that of calm times. */
const P99_RATIO = 2;
const TASKS = 10_000;
/** Of one batch: what others ask waits for it. */
const BATCH = 100;
/** Tasks per second of the work that must not be held up. */
const RATE = 300;
const WARM_MS = 3_000;
const MARGIN_MS = 100;

interface Sizes {
  readonly tasks: number;
  readonly calmMs: number;
  /** How long the steady work of a busy round goes on; trees are made as long. */
  readonly busyMs: number;
}

const FULL: Sizes = { tasks: TASKS, calmMs: 6_000, busyMs: 6_000 };
const QUICK: Sizes = { tasks: 1_000, calmMs: 2_000, busyMs: 2_000 };

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const sizes = context.quick ? QUICK : FULL;
  const data = context.cleanup.directory(context.dir, 'muster-');
  const server = await startMuster({ data, cleanup: context.cleanup });
  const load = await Load.start(server, context.cleanup);
  const options = { base: import.meta.url, cleanup: context.cleanup };
  const other = await Child.start<FanOutCalls>({ ...options, module: './fan-out-role.ts' });
  await other.call('connect', { url: server.url, key: server.key });
  await load.flood(WARM_MS, WARM_MS);
  const pids = new Map([['server', server.process.pid], ...load.pids, ['tree', other.pid]]);
  const before = sample(pids);
  const calm = new Samples();
  const busy = new Samples();
  const trees: FanOutResult[] = [];
  for (let round = 0; round < context.runs; round += 1) {
    const quiet = await load.steady(RATE, sizes.calmMs);
    for (const ms of quiet.latencyMs) calm.add(ms);
    const made = await busyRound({ load, other, sizes });
    for (const ms of made.during) busy.add(ms);
    trees.push(...made.trees);
    const [c, b] = [percentiles(quiet.latencyMs).p99, percentiles(made.during).p99];
    context.say(
      `  round ${round + 1}: p99 ${c.toFixed(2)} ms calm, ${b.toFixed(2)} ms during ${made.trees.length} trees`,
    );
  }
  const cores = describeUsage(usage(before, sample(pids)));
  await other.stop();
  await load.stop();
  await server.process.stop();
  return report({ calm: calm.values(), busy: busy.values(), trees, tasks: sizes.tasks, cores });
}

/** Trees for as long as the steady work lasts; what was due while one was made or ended counts. */
async function busyRound(of: {
  readonly load: Load;
  readonly other: Child<FanOutCalls>;
  readonly sizes: Sizes;
}): Promise<{ readonly during: Float64Array; readonly trees: readonly FanOutResult[] }> {
  const { load, other, sizes } = of;
  let over = false;
  const steady = load.steady(RATE, sizes.busyMs).finally(() => (over = true));
  const trees: FanOutResult[] = [];
  while (!over) trees.push(await other.call('run', { tasks: sizes.tasks, batch: BATCH }));
  const windows: readonly Window[] = trees.map(({ from, endedAt }) => ({ from, to: endedAt }));
  const { during } = split(await steady, windows, MARGIN_MS);
  if (during.length === 0) throw new BenchError('No task was due while a tree was made.');
  return { during, trees };
}

function report(of: {
  readonly calm: Float64Array;
  readonly busy: Float64Array;
  readonly trees: readonly FanOutResult[];
  readonly tasks: number;
  readonly cores: string;
}): ScenarioReport {
  const { calm, busy, trees, tasks } = of;
  const [quiet, loud] = [percentiles(calm), percentiles(busy)];
  return {
    figures: {
      'p50 in calm': figure([quiet.p50], 'ms'),
      'p99 in calm': figure([quiet.p99], 'ms'),
      'p50 beside trees': figure([loud.p50], 'ms'),
      'p99 beside trees': figure([loud.p99], 'ms'),
      [`fan-out of ${tasks}`]: figure(
        trees.map(({ from, createdAt }) => createdAt - from),
        'ms',
      ),
      'cancel until all has ended': figure(
        trees.map(({ createdAt, endedAt }) => endedAt - createdAt),
        'ms',
      ),
    },
    ratios: { 'p99 beside trees, to that in calm': atMost(loud.p99 / quiet.p99, P99_RATIO) },
    bottleneck: of.cores,
  };
}

export const tree: Scenario = {
  name: 'tree',
  summary: 'what a fan-out of 10,000 subtasks and its cancel cost the work of others',
  runs: 3,
  run,
};
