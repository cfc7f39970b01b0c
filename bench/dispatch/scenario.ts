/**
 * `bench dispatch`: durable submit → push → complete → submitter told, with 1, 64 and 512 tasks in flight.
 *
 * Each round starts every variant afresh, one after the other, so that a machine that slows down slows all of
 * them. Submitter, worker and server are processes of their own. After each run every task of it must have been
 * executed once and told once, or the bench fails: a rate of lost tasks means nothing.
 */
import { must } from '../../src/base/assert.ts';
import { Child } from '../harness/child.ts';
import { describeUsage, sample, usage } from '../harness/processor-time.ts';
import type { TimeSample, Usage } from '../harness/processor-time.ts';
import { BenchError } from '../harness/scenario.ts';
import type { Figure, Ratio, Scenario, ScenarioContext, ScenarioReport } from '../harness/scenario.ts';
import { atLeast, atMost, figure, pairedRatio, percentiles } from '../harness/statistics.ts';
import type { SubmitterCalls, SubmitterNotes, WorkerCalls } from './roles.ts';
import { variants } from './variants.ts';
import type { Server, Variant } from './variants.ts';

/** The deepest first, and long enough that the compilers of all processes have done their work: for all levels. */
export const LEVELS = [512, 64, 1] as const;
const FIRST_WARM_MS = 10_000;
const WARM_MS = 1_000;
const MEASURE_MS = 2_500;
const QUICK_MS = 300;

const MUSTER_OVER_BULLMQ = 2.5;
const MUSTER_OVER_RABBITMQ = 1.5;
const P50_OVER_LIMIT = 2;
const MUSTER_OVER_LIMIT = 0.4;
/** The default transport is the one that takes less. */
const UWS_OVER_WS = 1;

export interface Measured {
  readonly variant: string;
  readonly inFlight: number;
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly used: Usage;
}

/** One variant's processes. */
interface Stage {
  readonly variant: Variant;
  readonly server: Server;
  readonly submitter: Child<SubmitterCalls, SubmitterNotes>;
  readonly worker: Child<WorkerCalls>;
}

async function raise(variant: Variant, context: ScenarioContext): Promise<Stage> {
  const server = await variant.start(context);
  const options = { base: import.meta.url, cleanup: context.cleanup };
  const worker = await Child.start<WorkerCalls>({ ...options, module: variant.worker });
  const submitter = await Child.start<SubmitterCalls, SubmitterNotes>({ ...options, module: variant.submitter });
  await worker.call('connect', server.target);
  await submitter.call('connect', server.target);
  return { variant, server, submitter, worker };
}

async function strike(stage: Stage): Promise<void> {
  await stage.submitter.stop();
  await stage.worker.stop();
  await stage.server.stop();
}

async function measureLevel(
  stage: Stage,
  context: ScenarioContext,
  at: { from: number; inFlight: number },
): Promise<{ to: number; measured: Measured }> {
  const pids = new Map([
    ['server', stage.server.pid],
    ['worker', stage.worker.pid],
    ['submitter', stage.submitter.pid],
    ...(stage.server.beside ?? []),
  ]);
  const samples: TimeSample[] = [];
  stage.submitter.on('window', () => samples.push(sample(pids)));
  const { inFlight, from } = at;
  const result = await stage.submitter.call('run', {
    inFlight,
    from,
    warmMs: context.quick ? QUICK_MS : inFlight === LEVELS[0] ? FIRST_WARM_MS : WARM_MS,
    measureMs: context.quick ? QUICK_MS : MEASURE_MS,
  });
  const { to } = result;
  const executions = await stage.worker.call('executions', { from, to });
  const where = `${stage.variant.name} with ${inFlight} in flight`;
  if (result.missing > 0 || result.repeated > 0)
    throw new BenchError(
      `${where}: ${result.missing} of ${to - from} tasks were never told, ${result.repeated} more than once.`,
    );
  if (executions.once !== to - from)
    throw new BenchError(
      `${where}: ${executions.missing} of ${to - from} tasks were never executed, ${executions.repeated} more than once.`,
    );
  if (result.completed === 0) throw new BenchError(`${where}: nothing was completed within the window.`);
  const latency = percentiles(result.latenciesMs);
  const used = usage(must(samples[0], 'sampled at the begin'), must(samples[1], 'sampled at the end'));
  const measured = {
    variant: stage.variant.name,
    inFlight,
    rate: result.completed / (result.measuredMs / 1_000),
    p50Ms: latency.p50,
    p99Ms: latency.p99,
    used,
  };
  context.say(describe(measured));
  return { to, measured };
}

function describe(of: Measured): string {
  const rate = Math.round(of.rate).toLocaleString('en-US');
  const foreign = of.used.foreign + of.used.stolen;
  return (
    `  ${of.variant.padEnd(16)} ${String(of.inFlight).padStart(3)} in flight: ${rate.padStart(7)} tasks/s, ` +
    `p50 ${of.p50Ms.toFixed(2)} p99 ${of.p99Ms.toFixed(2)} ms; cores: ${describeUsage(of.used)}; others ${foreign.toFixed(2)}`
  );
}

export async function measureVariant(variant: Variant, context: ScenarioContext): Promise<readonly Measured[]> {
  const stage = await raise(variant, context);
  const measured: Measured[] = [];
  let from = 0;
  for (const inFlight of LEVELS) {
    const level = await measureLevel(stage, context, { from, inFlight });
    from = level.to;
    measured.push(level.measured);
  }
  await strike(stage);
  return measured;
}

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const chosen = variants().filter(({ name, onRequest = false }) =>
    context.only.length === 0 ? !onRequest : context.only.includes(name),
  );
  if (chosen.length === 0)
    throw new BenchError(
      `variants: ${variants()
        .map(({ name }) => name)
        .join(', ')}.`,
    );
  const measured = chosen.filter((variant) => isHere(variant, context));
  for (const variant of measured) variant.require?.();
  const all: Measured[] = [];
  for (let round = 1; round <= context.runs; round += 1) {
    context.say(`round ${round} of ${context.runs}`);
    for (const variant of measured) all.push(...(await measureVariant(variant, context)));
  }
  return { figures: figuresOf(all), ratios: ratiosOf(all), bottleneck: bottleneckOf(all) };
}

/** One that was asked for by name must be there; another is left out where it is not, and that is said. */
function isHere(variant: Variant, context: ScenarioContext): boolean {
  const missing = variant.missing?.();
  if (missing === undefined) return true;
  if (context.only.includes(variant.name)) throw new BenchError(missing);
  context.say(`  ${variant.name} is not measured: ${missing}`);
  return false;
}

export function pick(all: readonly Measured[], variant: string, inFlight: number): readonly Measured[] {
  return all.filter((one) => one.variant === variant && one.inFlight === inFlight);
}

function figuresOf(all: readonly Measured[]): Record<string, Figure> {
  const figures: Record<string, Figure> = {};
  const names = [...new Set(all.map(({ variant }) => variant))];
  for (const inFlight of LEVELS)
    for (const name of names) {
      const runs = pick(all, name, inFlight);
      const key = `${name} at ${inFlight}`;
      figures[`${key}: rate`] = figure(
        runs.map(({ rate }) => rate),
        'tasks/s',
      );
      figures[`${key}: p50`] = figure(
        runs.map(({ p50Ms }) => p50Ms),
        'ms',
      );
      figures[`${key}: p99`] = figure(
        runs.map(({ p99Ms }) => p99Ms),
        'ms',
      );
      figures[`${key}: server time`] = figure(runs.map(serverMicroseconds), 'us/task');
    }
  return figures;
}

function serverMicroseconds({ used, rate }: Measured): number {
  return (must(used.cores.get('server'), 'sampled').total / rate) * 1e6;
}

function ratiosOf(all: readonly Measured[]): Record<string, Ratio> {
  const ratios: Record<string, Ratio> = {};
  const muster = pick(all, 'muster', 512);
  const bullmq = pick(all, 'bullmq-always', 512);
  if (muster.length > 0 && bullmq.length > 0) {
    const value = pairedRatio(
      muster.map(({ rate }) => rate),
      bullmq.map(({ rate }) => rate),
    );
    ratios['rate at 512: muster / bullmq-always'] = atLeast(value, MUSTER_OVER_BULLMQ);
  }
  const rabbitmq = pick(all, 'rabbitmq-quorum', 512);
  if (muster.length > 0 && rabbitmq.length > 0) {
    const value = pairedRatio(
      muster.map(({ rate }) => rate),
      rabbitmq.map(({ rate }) => rate),
    );
    ratios['rate at 512: muster / rabbitmq-quorum'] = atLeast(value, MUSTER_OVER_RABBITMQ);
  }
  for (const suffix of ['', '-ws', '-uws']) {
    const muster = pick(all, `muster${suffix}`, 512);
    const bare = pick(all, `limit${suffix}`, 512);
    if (muster.length === 0 || bare.length === 0) continue;
    const value = pairedRatio(
      muster.map(({ rate }) => rate),
      bare.map(({ rate }) => rate),
    );
    ratios[`rate at 512: muster${suffix} / limit${suffix}`] = atLeast(value, MUSTER_OVER_LIMIT);
  }
  for (const inFlight of LEVELS) {
    const fast = pick(all, 'muster-uws', inFlight);
    const portable = pick(all, 'muster-ws', inFlight);
    if (fast.length === 0 || portable.length === 0) continue;
    const value = pairedRatio(fast.map(serverMicroseconds), portable.map(serverMicroseconds));
    ratios[`server time at ${inFlight}: muster-uws / muster-ws`] = atMost(value, UWS_OVER_WS);
  }
  const one = pick(all, 'muster', 1);
  const limit = pick(all, 'limit', 1);
  if (one.length > 0 && limit.length > 0) {
    const value = pairedRatio(
      one.map(({ p50Ms }) => p50Ms),
      limit.map(({ p50Ms }) => p50Ms),
    );
    ratios['p50 at 1: muster / limit'] = atMost(value, P50_OVER_LIMIT);
  }
  return ratios;
}

/** The processor's share at the deepest level, of the last run of each variant. */
function bottleneckOf(all: readonly Measured[]): string {
  const names = [...new Set(all.map(({ variant }) => variant))];
  return names
    .map((name) => {
      const last = must(pick(all, name, 512).at(-1), 'measured at 512');
      return `${name} at 512: ${describeUsage(last.used)} cores`;
    })
    .join('; ');
}

export const dispatch: Scenario = {
  name: 'dispatch',
  summary: 'durable submit, push, complete, told; beside BullMQ and a bare server',
  runs: 5,
  run,
};
