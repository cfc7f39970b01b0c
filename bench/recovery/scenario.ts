/**
 * `bench recovery`: how long a server takes to start, and what a checkpoint costs the work that runs meanwhile.
 *
 * Start: tasks are submitted and done until a checkpoint stands behind at least a million logged commands and at
 * least 100,000 commands follow it, with 50,000 tasks that wait for an agent in the state; then the server is
 * killed and started again, several times, each time from exactly that. Measured from spawn to the first 200 of
 * /readyz.
 *
 * Checkpoint: work at half the rate that the server takes, at a fixed pace; the 99th percentile of the latencies
 * during each checkpoint less that of the calm next to it, and of these differences the median.
 */
import { connect } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';
import { startMuster } from '../harness/muster-server.ts';
import type { Muster } from '../harness/muster-server.ts';
import { describeUsage, processTime, sample, usage } from '../harness/processor-time.ts';
import { BenchError } from '../harness/scenario.ts';
import type { Scenario, ScenarioContext, ScenarioReport } from '../harness/scenario.ts';
import { sharedMs } from '../harness/shared-clock.ts';
import { atMost, figure, median, percentiles } from '../harness/statistics.ts';
import { Load } from './load.ts';
import { readMetrics } from './server-metrics.ts';
import { pairs, split } from './windows.ts';
import type { Window } from './windows.ts';

const START_SECONDS = 5;
const P99_RISE_MS = 5;

interface Sizes {
  readonly behind: number;
  readonly after: number;
  /** Tasks that wait for an agent. */
  readonly waiting: number;
  /** Checkpoints in one run of steady work. */
  readonly checkpoints: number;
}

const FULL: Sizes = { behind: 1_000_000, after: 100_000, waiting: 50_000, checkpoints: 4 };
const QUICK: Sizes = { behind: 30_000, after: 5_000, waiting: 2_000, checkpoints: 1 };

/** The answer holds all tasks of a batch and must fit a frame. */
const BATCH = 200;
const FLOOD_MS = 4_000;
const DRIP_MS = 250;
/** Longer than the server waits before it looks whether a checkpoint is due, and than it takes. */
const IDLE_MS = 15_000;
const FLOODS_MAX = 200;
const STEADY_MS = 10_000;
const STEADY_MAX = 20;
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
      'rise of p99 in a checkpoint': figure(
        effect.flatMap(({ rises }) => rises),
        'ms',
      ),
      'checkpoint duration': figure(
        effect.flatMap(({ durations }) => durations),
        'ms',
      ),
    },
    ratios: {
      'start, seconds': atMost(Math.max(...seconds), START_SECONDS),
      'p99 during a checkpoint less p99 next to it, ms, median': atMost(
        median(effect.flatMap(({ rises }) => rises)),
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
  let { commands } = await readMetrics(server.http);
  for (let floods = 0; commands < sizes.behind || !(await checkpointWhileIdle(server.http)); floods += 1) {
    if (floods === FLOODS_MAX)
      throw new BenchError(`After ${FLOODS_MAX} floods of work no checkpoint stood where it was wanted.`);
    await load.flood(0, FLOOD_MS);
    ({ commands } = await readMetrics(server.http));
    context.say(`  ${commands} commands are logged`);
  }
  const behind = commands;
  const { checkpoints } = await readMetrics(server.http);
  while (commands - behind < sizes.after) {
    await load.flood(0, DRIP_MS);
    ({ commands } = await readMetrics(server.http));
  }
  const { checkpoints: now } = await readMetrics(server.http);
  if (now !== checkpoints) throw new BenchError('A checkpoint was taken where none was wanted.');
  await server.process.kill();
  await load.stop();
  const after = commands - behind;
  context.say(`  ${behind} commands are behind a checkpoint, ${after} follow it`);
  return { behind, after };
}

/** True if a checkpoint was begun and ended while nothing was done: then everything is behind it. */
async function checkpointWhileIdle(http: string): Promise<boolean> {
  const watch = new CheckpointWatch(http);
  const idleAt = sharedMs();
  const watching = watch.run();
  await watch.first(IDLE_MS);
  watch.stop();
  await watching;
  return watch.windows.some(({ from }) => from >= idleAt);
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
  /** By checkpoint: how much the 99th percentile was above that of the calm next to it, ms. */
  readonly rises: readonly number[];
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
  const rate = Math.round((await load.flood(FLOOD_MS, FLOOD_MS)) / 2);
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
  const dueAt: number[] = [];
  const latencyMs: number[] = [];
  for (let part = 0; watch.windows.length < sizes.checkpoints; part += 1) {
    if (part === STEADY_MAX)
      throw new BenchError(`Only ${watch.windows.length} checkpoints in ${part * STEADY_MS} ms of work.`);
    const result = await load.steady(rate, STEADY_MS);
    dueAt.push(...result.dueAt);
    latencyMs.push(...result.latencyMs);
  }
  watch.stop();
  await watching;
  const cores = describeUsage(usage(before, sample(pids)));
  const latencies = { dueAt: Float64Array.from(dueAt), latencyMs: Float64Array.from(latencyMs) };
  const { during, calm } = split(latencies, watch.windows, MARGIN_MS);
  return {
    rate,
    calmP99: percentiles(calm).p99,
    duringP99: percentiles(during).p99,
    rises: pairs(latencies, watch.windows, MARGIN_MS).map(
      (pair) => percentiles(pair.during).p99 - percentiles(pair.calm).p99,
    ),
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
  #seen: (() => void) | undefined;

  constructor(http: string) {
    this.#http = http;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Resolves at the next checkpoint, or after `ms`. */
  first(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#seen = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async run(): Promise<void> {
    let last = await readMetrics(this.#http);
    let lastAt = sharedMs();
    while (!this.#stopped) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const now = await readMetrics(this.#http);
      const at = sharedMs();
      if (now.checkpoints > last.checkpoints) {
        const ms = now.checkpointMs - last.checkpointMs;
        // It ended somewhere between the two questions.
        this.windows.push({ from: lastAt - ms, to: at });
        this.durations.push(ms);
        this.#seen?.();
      }
      last = now;
      lastAt = at;
    }
  }
}

export const recovery: Scenario = {
  name: 'recovery',
  summary: 'start behind a million logged commands; what a checkpoint costs running work',
  runs: 3,
  run,
};
