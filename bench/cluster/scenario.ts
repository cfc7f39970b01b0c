/**
 * `bench cluster`: the log on Redis.
 *
 * First dispatch on one node beside BullMQ alone, each on a Redis of its own that syncs every write, one after the other in each round. Then
 * 1, 2 and 3 nodes that share a Redis, with 1, 4 and 16 tenants: each tenant has a submitter at one node and its agent at the next one, and all
 * tenants together have as many tasks in flight whatever their number. After each run every task of it must have been executed once and told
 * once. Last fan-out over two nodes, beside Socket.IO with its Redis streams adapter (fan-out.ts).
 */
import { must } from '../../src/base/assert.ts';
import type { Range } from '../dispatch/roles.ts';
import { LEVELS, measureVariant, pick, type Measured } from '../dispatch/scenario.ts';
import { bullmq } from '../dispatch/variants.ts';
import { Child } from '../harness/child.ts';
import { describeUsage, sample, usage, type TimeSample, type Usage } from '../harness/processor-time.ts';
import { requireRedis } from '../harness/redis-server.ts';
import {
  BenchError,
  type Figure,
  type Ratio,
  type Scenario,
  type ScenarioContext,
  type ScenarioReport,
} from '../harness/scenario.ts';
import { atLeast, figure, pairedRatio, percentiles } from '../harness/statistics.ts';
import { fanOutFigures, fanOutRatios, measureFanOut, type Fanned } from './fan-out.ts';
import { musterOnRedis, startNodes, targets, tenantKeys } from './nodes.ts';
import type { SubmittersCalls, SubmittersNotes, TenantsResult, WorkersCalls } from './roles.ts';

const NODES = [1, 2, 3] as const;
const TENANTS = [1, 4, 16] as const;
const QUICK_NODES = [2] as const;
const QUICK_TENANTS = [4] as const;
const IN_FLIGHT = 512;
const WARM_MS = 5_000;
const MEASURE_MS = 2_500;
const QUICK_MS = 300;

const MUSTER_OVER_BULLMQ = 3;
/** Names of what may be measured alone. */
const PARTS = ['dispatch', 'nodes', 'fan-out'] as const;

interface Spread {
  readonly name: string;
  readonly rate: number;
  readonly perCpuSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly used: Usage;
}

/** Of the nodes and of Redis, not of those who submit and work. */
function coresOf({ cores }: Usage): number {
  return [...cores].reduce((sum, [name, { total }]) => (name.startsWith('load') ? sum : sum + total), 0);
}

async function measureNodes(context: ScenarioContext, nodes: number, tenants: number): Promise<Spread> {
  const name = `${nodes} ${nodes === 1 ? 'node' : 'nodes'}, ${tenants} ${tenants === 1 ? 'tenant' : 'tenants'}`;
  const bed = await startNodes(context, nodes);
  const keys = await tenantKeys(bed.nodes, tenants);
  const options = { base: import.meta.url, cleanup: context.cleanup };
  const workers = await Child.start<WorkersCalls>({ ...options, module: './workers-role.ts' });
  const submitters = await Child.start<SubmittersCalls, SubmittersNotes>({
    ...options,
    module: './submitters-role.ts',
  });
  await workers.call('connect', targets(bed.nodes, keys, 1));
  await submitters.call('connect', targets(bed.nodes, keys, 0));
  const pids = new Map([
    ...bed.nodes.map(({ process }, at): [string, number] => [`node ${at + 1}`, process.pid]),
    ['redis', bed.redis.process.pid],
    ['load, submitters', submitters.pid],
    ['load, workers', workers.pid],
  ]);
  const samples: TimeSample[] = [];
  submitters.on('window', () => samples.push(sample(pids)));
  const result = await submitters.call('run', {
    inFlight: IN_FLIGHT / tenants,
    from: 0,
    warmMs: context.quick ? QUICK_MS : WARM_MS,
    measureMs: context.quick ? QUICK_MS : MEASURE_MS,
  });
  await check(name, result, workers);
  await submitters.stop();
  await workers.stop();
  await bed.stop();
  const used = usage(must(samples[0], 'sampled at the begin'), must(samples[1], 'sampled at the end'));
  const { p50, p99 } = percentiles(result.latenciesMs);
  const rate = result.completed / (result.measuredMs / 1_000);
  // Clocks of processes count in steps: of a window that is too short nothing may be left.
  const perCpuSecond = rate / Math.max(coresOf(used), 0.01);
  context.say(
    `  ${name}: ${rate.toFixed(0)} tasks/s, ${perCpuSecond.toFixed(0)} a CPU second, p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)} ms; ${describeUsage(used)}`,
  );
  return { name, rate, perCpuSecond, p50Ms: p50, p99Ms: p99, used };
}

async function check(name: string, { tenants, completed }: TenantsResult, workers: Child<WorkersCalls>): Promise<void> {
  const ranges = tenants.map(({ to }): Range => ({ from: 0, to }));
  const executions = await workers.call('executions', ranges);
  for (const [at, { to, missing, repeated }] of tenants.entries()) {
    const once = must(executions[at], 'of each tenant').once;
    if (missing > 0 || repeated > 0 || once !== to)
      throw new BenchError(
        `${name}: of ${to} tasks of a tenant ${missing} were never told, ${repeated} more than once, ${once} executed once.`,
      );
  }
  if (completed === 0) throw new BenchError(`${name}: nothing was completed within the window.`);
}

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const wanted = (part: (typeof PARTS)[number]): boolean => context.only.length === 0 || context.only.includes(part);
  if (!PARTS.some(wanted)) throw new BenchError(`parts: ${PARTS.join(', ')}.`);
  requireRedis();
  const variants = [musterOnRedis(), bullmq('bullmq-always', 'always')];
  const dispatched: Measured[] = [];
  const spread: Spread[] = [];
  const fanned: Fanned[] = [];
  for (let round = 1; round <= context.runs; round += 1) {
    context.say(`round ${round} of ${context.runs}`);
    const order = round % 2 === 1 ? variants : variants.toReversed();
    for (const variant of wanted('dispatch') ? order : []) dispatched.push(...(await measureVariant(variant, context)));
    if (wanted('nodes')) spread.push(...(await measureSpread(context)));
    if (wanted('fan-out')) fanned.push(...(await measureFanOut(context, round)));
  }
  return {
    figures: { ...dispatchFigures(dispatched), ...spreadFigures(spread), ...fanOutFigures(fanned) },
    ratios: { ...ratiosOf(dispatched), ...fanOutRatios(fanned) },
    bottleneck: bottleneckOf({ dispatched, spread, fanned }),
  };
}

async function measureSpread(context: ScenarioContext): Promise<readonly Spread[]> {
  const spread: Spread[] = [];
  for (const nodes of context.quick ? QUICK_NODES : NODES)
    for (const tenants of context.quick ? QUICK_TENANTS : TENANTS)
      spread.push(await measureNodes(context, nodes, tenants));
  return spread;
}

function dispatchFigures(all: readonly Measured[]): Record<string, Figure> {
  const figures: Record<string, Figure> = {};
  for (const inFlight of LEVELS)
    for (const name of new Set(all.map(({ variant }) => variant))) {
      const runs = pick(all, name, inFlight);
      const values = (of: (one: Measured) => number): readonly number[] => runs.map(of);
      const key = `${name} at ${inFlight}`;
      figures[`${key}: rate`] = figure(
        values(({ rate }) => rate),
        'tasks/s',
      );
      figures[`${key}: p50`] = figure(
        values(({ p50Ms }) => p50Ms),
        'ms',
      );
      figures[`${key}: p99`] = figure(
        values(({ p99Ms }) => p99Ms),
        'ms',
      );
    }
  return figures;
}

function spreadFigures(all: readonly Spread[]): Record<string, Figure> {
  const figures: Record<string, Figure> = {};
  for (const name of new Set(all.map((one) => one.name))) {
    const runs = all.filter((one) => one.name === name);
    const put = (what: string, unit: string, of: (one: Spread) => number): void => {
      figures[`${name}: ${what}`] = figure(runs.map(of), unit);
    };
    put('rate', 'tasks/s', ({ rate }) => rate);
    put('of a CPU second', 'tasks', ({ perCpuSecond }) => perCpuSecond);
    put('p50', 'ms', ({ p50Ms }) => p50Ms);
    put('p99', 'ms', ({ p99Ms }) => p99Ms);
  }
  return figures;
}

function ratiosOf(all: readonly Measured[]): Record<string, Ratio> {
  const ours = pick(all, 'muster-redis', LEVELS[0]).map(({ rate }) => rate);
  const theirs = pick(all, 'bullmq-always', LEVELS[0]).map(({ rate }) => rate);
  if (ours.length === 0) return {};
  return {
    [`rate at ${LEVELS[0]}: muster-redis / bullmq-always`]: atLeast(pairedRatio(ours, theirs), MUSTER_OVER_BULLMQ),
  };
}

/** Who used the processor, in the last run of each. */
function bottleneckOf(of: {
  readonly dispatched: readonly Measured[];
  readonly spread: readonly Spread[];
  readonly fanned: readonly Fanned[];
}): string {
  const last = new Map<string, Usage>();
  for (const { variant, inFlight, used } of of.dispatched)
    if (inFlight === LEVELS[0]) last.set(`${variant} at ${inFlight}`, used);
  for (const { name, used } of of.spread) last.set(name, used);
  for (const { variant, cell, used } of of.fanned) last.set(`fan-out, ${variant}, ${cell}`, used);
  return `${[...last].map(([name, used]) => `${name}: ${describeUsage(used)} cores`).join('; ')}.`;
}

export const cluster: Scenario = {
  name: 'cluster',
  summary:
    'the log on Redis: one node beside BullMQ; 1 to 3 nodes with 1 to 16 tenants; fan-out over two nodes beside Socket.IO',
  runs: 3,
  run,
};
