/**
 * `bench locks`: acquire and release with 1, 16 and 64 contenders, for one path and for as many paths as there are contenders.
 *
 * Each round starts every variant afresh, one after the other, so that a machine that slows down slows all of them. Contenders have
 * a connection each and are spread over processes of their own. After each run no lock may have been had by two at a time, or the
 * bench fails: a rate of locks that do not exclude means nothing. Whether Muster's were granted in turn is read from its history.
 */
import { must } from '../../src/base/assert.ts';
import type { Server } from '../dispatch/variants.ts';
import { Child } from '../harness/child.ts';
import { sample, usage, type TimeSample } from '../harness/processor-time.ts';
import { BenchError, type Scenario, type ScenarioContext, type ScenarioReport } from '../harness/scenario.ts';
import { percentiles } from '../harness/statistics.ts';
import { bottleneckOf, costsOf, figuresOf, ratiosOf, type Level, type Measured } from './results.ts';
import type { ContenderCalls, ContenderNotes, RunResult } from './roles.ts';
import { overlaps } from './turns.ts';
import { variants, type Variant } from './variants.ts';

/** The busiest first, and long enough that the compilers of all processes have done their work: for all levels. */
const LEVELS: readonly Level[] = [
  { contenders: 64, paths: 'own' },
  { contenders: 64, paths: 'one' },
  { contenders: 16, paths: 'own' },
  { contenders: 16, paths: 'one' },
  { contenders: 1, paths: 'one' },
];
const CONTENDERS = 64;
/** Over which the contenders are spread. */
const PROCESSES = 2;
const FIRST_WARM_MS = 4_000;
const WARM_MS = 500;
const MEASURE_MS = 2_000;
const QUICK_MS = 300;

type Contenders = Child<ContenderCalls, ContenderNotes>;

/** One variant's processes. */
interface Stage {
  readonly variant: Variant;
  readonly server: Server;
  readonly processes: readonly Contenders[];
}

async function raise(variant: Variant, context: ScenarioContext): Promise<Stage> {
  const server = await variant.start(context);
  const options = { base: import.meta.url, cleanup: context.cleanup, module: variant.contender };
  const processes: Contenders[] = [];
  for (let at = 0; at < PROCESSES; at += 1) {
    const child = await Child.start<ContenderCalls, ContenderNotes>(options);
    await child.call('connect', { ...server.target, contenders: CONTENDERS / PROCESSES });
    processes.push(child);
  }
  return { variant, server, processes };
}

async function strike(stage: Stage): Promise<void> {
  for (const child of stage.processes) await child.stop();
  await stage.server.stop();
}

/** Of each process, what its contenders acquire. */
function pathsOf({ contenders, paths }: Level): readonly (readonly string[])[] {
  const of: string[][] = Array.from({ length: PROCESSES }, () => []);
  for (let at = 0; at < contenders; at += 1) {
    const path = paths === 'one' ? `one-of-${contenders}` : `own-of-${contenders}-${at}`;
    must(of[at % PROCESSES], 'one of the processes').push(path);
  }
  return of;
}

async function measureLevel(stage: Stage, context: ScenarioContext, level: Level): Promise<Measured> {
  const { variant, server, processes } = stage;
  const pids = new Map([['server', server.pid]]);
  processes.forEach(({ pid }, at) => pids.set(`contenders ${at + 1}`, pid));
  const samples: TimeSample[] = [];
  must(processes[0], 'there is a process').on('window', () => samples.push(sample(pids)));
  const warmMs = context.quick ? QUICK_MS : level === LEVELS[0] ? FIRST_WARM_MS : WARM_MS;
  const measureMs = context.quick ? QUICK_MS : MEASURE_MS;
  const paths = pathsOf(level);
  const running = processes.flatMap((child, at) => {
    const own = paths[at] ?? [];
    return own.length === 0 ? [] : [child.call('run', { paths: own, warmMs, measureMs })];
  });
  const results = await Promise.all(running);
  const waits = percentiles(joined(results, ({ waitsMs }) => waitsMs));
  const where = `${variant.name}, ${level.contenders} contenders`;
  if (level.paths === 'one') {
    const both = overlaps(
      joined(results, ({ hadAt }) => hadAt),
      joined(results, ({ leftAt }) => leftAt),
    );
    if (both > 0) throw new BenchError(`${where}: ${both} times two had the same lock.`);
  }
  const path = paths[0]?.[0];
  const turns = level.paths === 'one' && path !== undefined ? await variant.audit?.(server.target, path) : undefined;
  if (turns !== undefined && turns.together > 0)
    throw new BenchError(
      `${where}: by the server's history ${turns.together} locks were granted while they were held.`,
    );
  const measured: Measured = {
    variant: variant.name,
    level,
    rate: results.reduce((sum, { released, measuredMs }) => sum + released / (measuredMs / 1_000), 0),
    waits,
    turns,
    used: usage(must(samples[0], 'sampled at the begin'), must(samples[1], 'sampled at the end')),
  };
  if (measured.rate === 0) throw new BenchError(`${where}: nothing was released within the window.`);
  context.say(describe(measured));
  return measured;
}

function joined(results: readonly RunResult[], of: (result: RunResult) => Float64Array): Float64Array {
  return Float64Array.from(results.flatMap((result) => [...of(result)]));
}

function describe(of: Measured): string {
  const { variant, level, rate, waits, turns, used } = of;
  const where = `${String(level.contenders).padStart(2)} on ${level.paths === 'one' ? 'one path ' : 'own paths'}`;
  const told =
    turns === undefined
      ? ''
      : `; ${turns.outOfTurn} of ${turns.grants} out of turn, passed ${turns.passedMost} at most`;
  return (
    `  ${variant.padEnd(7)} ${where}: ${Math.round(rate).toLocaleString('en-US').padStart(6)} locks/s, ` +
    `wait p50 ${waits.p50.toFixed(2)} p99 ${waits.p99.toFixed(2)} max ${waits.max.toFixed(1)} ms${told}; us/lock: ` +
    `${costsOf(of)}; others ${(used.foreign + used.stolen).toFixed(2)} cores`
  );
}

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const chosen = variants().filter(({ name }) => context.only.length === 0 || context.only.includes(name));
  if (chosen.length === 0)
    throw new BenchError(
      `variants: ${variants()
        .map(({ name }) => name)
        .join(', ')}.`,
    );
  for (const variant of chosen) variant.require?.();
  const all: Measured[] = [];
  for (let round = 1; round <= context.runs; round += 1) {
    context.say(`round ${round} of ${context.runs}`);
    for (const variant of chosen) {
      const stage = await raise(variant, context);
      for (const level of LEVELS) all.push(await measureLevel(stage, context, level));
      await strike(stage);
    }
  }
  return {
    figures: figuresOf(all, LEVELS),
    ratios: ratiosOf(all, LEVELS),
    bottleneck: bottleneckOf(all, LEVELS),
  };
}

export const locks: Scenario = {
  name: 'locks',
  summary: 'acquire and release, contended and not; beside SET NX and a bare server',
  runs: 5,
  run,
};
