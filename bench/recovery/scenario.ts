/**
 * `bench recovery`: how long a server takes to start, and what a checkpoint costs the work that runs meanwhile.
 *
 * Start: tasks are submitted and done until a checkpoint stands behind at least a million logged commands and at
 * least 100,000 commands follow it, with 50,000 tasks that wait for an agent in the state; then the server is
 * killed and started again, several times, each time from exactly that. Measured from spawn to the first 200 of
 * /readyz.
 *
 * Checkpoint: work at half the rate that the server takes, at a fixed pace; the 99th percentile of the latencies
 * during checkpoints less that of the time between them, in one run.
 */
import { connect } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';
import { startMuster } from '../harness/muster-server.ts';
import type { Muster } from '../harness/muster-server.ts';
import { describeUsage, processTime, sample, usage } from '../harness/processor-time.ts';
import { BenchError } from '../harness/scenario.ts';
import type { Scenario, ScenarioContext, ScenarioReport } from '../harness/scenario.ts';
import { atMost, figure, median, percentiles } from '../harness/statistics.ts';
import { Load } from './load.ts';
import { readMetrics } from './server-metrics.ts';
import { split } from './windows.ts';
import type { Window } from './windows.ts';

const START_SECONDS = 5;
const P99_RISE_MS = 5;

interface Sizes {
  readonly behind: number;
  readonly after: number;
  readonly waiting: number;
  readonly sliceMs: number;
  readonly steadyMs: number;
  readonly checkpoints: number;
}

const FULL: Sizes = {
  behind: 1_000_000,
  after: 100_000,
  waiting: 50_000,
  sliceMs: 1_000,
  steadyMs: 30_000,
  checkpoints: 2,
};
const QUICK: Sizes = { behind: 30_000, after: 5_000, waiting: 2_000, sliceMs: 300, steadyMs: 15_000, checkpoints: 1 };

const BATCH = 1_000;
/** Long enough that a server without a checkpoint in it has none. */
const SLICES_MAX = 400;
const POLL_MS = 100;
const MARGIN_MS = 250;

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const sizes = context.quick ? QUICK : FULL;
  const data = context.cleanup.directory(context.dir, 'muster-');
  const filled = await fill({ data, sizes, context });
  const starts = await measureStarts({ data, context });
  const effect = await measureCheckpoints({ data, sizes, context });
  const seconds = starts.map(({ ms }) => ms / 1_000);
  return {
    figures: {
      'commands behind the checkpoint': figure([filled.behind], 'commands'),
      'commands after it': figure([filled.after], 'commands'),
      start: figure(seconds, 's'),
      'steady rate': figure(
        effect.map(({ rate }) => rate),
        'tasks/s',
      ),
      'p99 between checkpoints': figure(
        effect.map(({ calmP99 }) => calmP99),
        'ms',
      ),
      'p99 during checkpoints': figure(
        effect.map(({ duringP99 }) => duringP99),
        'ms',
      ),
      'checkpoint duration': figure(
        effect.flatMap(({ durations }) => durations),
        'ms',
      ),
    },
    ratios: {
      'start, seconds': atMost(Math.max(...seconds), START_SECONDS),
      'p99 during checkpoints less p99 between them, ms': atMost(
        median(effect.map(({ duringP99, calmP99 }) => duringP99 - calmP99)),
        P99_RISE_MS,
      ),
    },
    bottleneck: `start: ${median(starts.map(({ cores }) => cores)).toFixed(2)} cores used by the server while it started; steady work: ${must(effect.at(-1), 'a run').cores}`,
  };
}

/** The wanted log, left behind by a server that was killed. */
async function fill(of: {
  data: string;
  sizes: Sizes;
  context: ScenarioContext;
}): Promise<{ behind: number; after: number }> {
  const { data, sizes, context } = of;
  const server = await startMuster({ data, cleanup: context.cleanup });
  await createWaiting(server, sizes.waiting);
  const load = await Load.start(server, context.cleanup);
  let behind = 0;
  let checkpoints = 0;
  for (let slice = 0; slice < SLICES_MAX; slice += 1) {
    await load.flood(0, sizes.sliceMs);
    const now = await readMetrics(server.http);
    if (now.checkpoints > checkpoints) {
      // What was logged while it was taken comes after it, so there are more than counted from here on.
      behind = now.commands;
      checkpoints = now.checkpoints;
      context.say(`  ${behind} commands are logged, and a checkpoint stands`);
    }
    const after = now.commands - behind;
    if (behind >= sizes.behind && after >= sizes.after) {
      await server.process.kill();
      await load.stop();
      context.say(`  ${after} commands follow it`);
      return { behind, after };
    }
  }
  throw new BenchError(`After ${SLICES_MAX} slices of work no checkpoint stood where it was wanted.`);
}

/** Tasks of a type that no agent takes: the state that a checkpoint must hold and a start must load. */
async function createWaiting(server: Muster, count: number): Promise<void> {
  const client = await connect({ url: server.url, key: server.key, name: 'bench-filler' });
  const parameters = 'x'.repeat(200);
  for (let done = 0; done < count; done += BATCH)
    await client.task.createBatch({
      tasks: Array.from({ length: Math.min(BATCH, count - done) }, () => ({
        type: 'nobody',
        parameters,
        watch: false,
      })),
    });
  await client.close();
}

async function measureStarts(of: {
  data: string;
  context: ScenarioContext;
}): Promise<readonly { ms: number; cores: number }[]> {
  const { data, context } = of;
  const starts: { ms: number; cores: number }[] = [];
  for (let round = 0; round < context.runs; round += 1) {
    const server = await startMuster({ data, cleanup: context.cleanup });
    const cores = processTime(server.process.pid).total / (server.startMs / 1_000);
    // Before it takes a checkpoint of its own.
    await server.process.kill();
    starts.push({ ms: server.startMs, cores });
    context.say(`  start ${round + 1}: ${Math.round(server.startMs)} ms, ${cores.toFixed(2)} cores`);
  }
  return starts;
}

interface Effect {
  readonly rate: number;
  readonly calmP99: number;
  readonly duringP99: number;
  readonly durations: readonly number[];
  readonly cores: string;
}

async function measureCheckpoints(of: {
  data: string;
  sizes: Sizes;
  context: ScenarioContext;
}): Promise<readonly Effect[]> {
  const { data, sizes, context } = of;
  const server = await startMuster({ data, cleanup: context.cleanup });
  const load = await Load.start(server, context.cleanup);
  const rate = Math.round((await load.flood(sizes.sliceMs, 3 * sizes.sliceMs)) / 2);
  const effects: Effect[] = [];
  for (let round = 0; round < context.runs; round += 1) {
    const effect = await measureEffect({ server, load, rate, sizes });
    context.say(
      `  steady ${rate} tasks/s: p99 ${effect.calmP99.toFixed(2)} ms, during ${effect.durations.length} checkpoints ${effect.duringP99.toFixed(2)} ms; cores: ${effect.cores}`,
    );
    effects.push(effect);
  }
  await load.stop();
  await server.process.stop();
  return effects;
}

async function measureEffect(of: { server: Muster; load: Load; rate: number; sizes: Sizes }): Promise<Effect> {
  const { server, load, rate, sizes } = of;
  const pids = new Map([['server', server.process.pid], ...load.pids]);
  const before = sample(pids);
  const watch = new CheckpointWatch(server.http);
  const watching = watch.run();
  const result = await load.steady(rate, sizes.steadyMs);
  watch.stop();
  await watching;
  const cores = describeUsage(usage(before, sample(pids)));
  if (watch.windows.length < sizes.checkpoints)
    throw new BenchError(`Only ${watch.windows.length} checkpoints were taken in ${sizes.steadyMs} ms of work.`);
  const { during, calm } = split(result, watch.windows, MARGIN_MS);
  return {
    rate,
    calmP99: percentiles(calm).p99,
    duringP99: percentiles(during).p99,
    durations: watch.durations,
    cores,
  };
}

/** Asks the server again and again whether a checkpoint has been taken, and how long all of them took. */
class CheckpointWatch {
  readonly windows: Window[] = [];
  readonly durations: number[] = [];
  readonly #http: string;
  #stopped = false;

  constructor(http: string) {
    this.#http = http;
  }

  stop(): void {
    this.#stopped = true;
  }

  async run(): Promise<void> {
    let last = await readMetrics(this.#http);
    let lastAt = wallMs();
    while (!this.#stopped) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const now = await readMetrics(this.#http);
      const at = wallMs();
      if (now.checkpoints > last.checkpoints) {
        const ms = now.checkpointMs - last.checkpointMs;
        // It ended somewhere between the two questions.
        this.windows.push({ from: lastAt - ms, to: at });
        this.durations.push(ms);
      }
      last = now;
      lastAt = at;
    }
  }
}

function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

export const recovery: Scenario = {
  name: 'recovery',
  summary: 'start behind a million logged commands; what a checkpoint costs running work',
  runs: 3,
  run,
};
