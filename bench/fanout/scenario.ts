/**
 * `bench fanout`: one publisher, many subscribers. Muster's are durable: a message is in the log before anybody has it, has
 * its position, and comes again to whoever lost his connection. Those that it stands beside promise nothing.
 *
 * One message a turn: the next is published when everybody has the last. Pipelined: many are under way. A server and its crowd
 * are set up for each number of subscribers and taken down again, one after the other, so that they share a round's minutes.
 */
import { must } from '../../src/base/assert.ts';
import { describeUsage, sample, usage } from '../harness/processor-time.ts';
import {
  BenchError,
  type Figure,
  type Ratio,
  type Scenario,
  type ScenarioContext,
  type ScenarioReport,
} from '../harness/scenario.ts';
import { metric, readMetricsText } from '../recovery/server-metrics.ts';
import { atLeast, atMost, figure, pairedRatio, percentiles } from '../harness/statistics.ts';
import { isHere, setUp, VARIANTS, type Scene, type Variant } from './variants.ts';

const CROWDS = [100, 1_000, 5_000];
const QUICK_CROWDS = [20];
const SIZES = [128, 1_024];
const MODES = { 'one a turn': 1, pipelined: 64 } as const;
type Mode = keyof typeof MODES;

/** Of the raw library's deliveries. */
const OF_RAW = 0.9;
/** Of a loop that writes every message by itself. */
const OF_LOOP_PIPELINED = 5;

const SLEEPERS = 5;
/** What sleepers may add to the 99th percentile of the others. */
const RISE = 1.2;
const BURSTS = { size: 1_024, bursts: 20, perBurst: 16 } as const;
/** The kernel holds about 4 MB for one that does not read, and a connection 1.3 MB more, before it is held back. */
const ASLEEP_MS = 18_000;

interface Cell {
  readonly crowd: number;
  readonly size: number;
  readonly mode: Mode;
}

type Rates = Map<string, Map<Variant, number[]>>;

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const wanted = VARIANTS.filter((name) => context.only.length === 0 || context.only.includes(name));
  const missing = wanted.find((name) => !isHere(name));
  if (missing !== undefined) throw new BenchError(`${missing} does not load here: leave it out with --only.`);
  const rates: Rates = new Map();
  const rises = new Map<Variant, number[]>();
  const figures: Record<string, Figure> = {};
  let bottleneck = '';
  for (let round = 0; round < context.runs; round += 1) {
    for (const crowd of context.quick ? QUICK_CROWDS : CROWDS) {
      for (const variant of round % 2 === 0 ? wanted : wanted.toReversed()) {
        const scene = await setUp(context, variant, crowd);
        bottleneck = await floods({ context, scene, variant, crowd, rates, bottleneck });
        await scene.stop();
      }
    }
    // Once: it takes longer than all else, and it is p99 of 300,000 deliveries a second that is compared.
    for (const variant of wanted.filter((name) => round === 0 && name.startsWith('muster'))) {
      await sleepers(context, variant, { rises, figures });
    }
  }
  const ratios: Record<string, Ratio> = {};
  for (const [cell, of] of rates) {
    for (const [variant, all] of of) figures[`${variant}, ${cell}`] = figure(all, 'deliveries/s');
    Object.assign(ratios, ratiosOf(cell, of));
  }
  for (const [variant, all] of rises)
    ratios[`${variant}: p99 of the others while ${SLEEPERS} sleep, times that before`] = atMost(
      must(figure(all, '').median, 'a rise'),
      RISE,
    );
  return { figures, ratios, bottleneck };
}

async function floods(of: {
  readonly context: ScenarioContext;
  readonly scene: Scene;
  readonly variant: Variant;
  readonly crowd: number;
  readonly rates: Rates;
  readonly bottleneck: string;
}): Promise<string> {
  const { context, scene, variant, crowd, rates } = of;
  const [warmMs, measureMs] = context.quick ? [50, 200] : [400, 1_000];
  let cores = '';
  for (const size of SIZES) {
    for (const mode of ['one a turn', 'pipelined'] as const) {
      const before = sample(scene.pids);
      const done = await scene.crowd.call('flood', { size, window: MODES[mode], warmMs, measureMs });
      cores = describeUsage(usage(before, sample(scene.pids)));
      const rate = (done.deliveries / done.measuredMs) * 1_000;
      const name = nameOf({ crowd, size, mode });
      const row = rates.get(name) ?? new Map<Variant, number[]>();
      rates.set(name, row.set(variant, [...(row.get(variant) ?? []), rate]));
      context.say(`  ${variant}, ${name}: ${Math.round(rate).toLocaleString('en-US')} deliveries/s; ${cores}`);
    }
  }
  const last = `${variant} at ${crowd}, pipelined: ${cores}`;
  return of.bottleneck === ''
    ? last
    : `${of.bottleneck
        .split('; ')
        .slice(-VARIANTS.length + 1)
        .join('; ')}; ${last}`;
}

function nameOf({ crowd, size, mode }: Cell): string {
  return `${crowd} subscribers, ${size} B, ${mode}`;
}

function ratiosOf(cell: string, of: ReadonlyMap<Variant, readonly number[]>): Record<string, Ratio> {
  const ratios: Record<string, Ratio> = {};
  const beside = (ours: Variant, theirs: Variant, target: number): void => {
    const [above, below] = [of.get(ours), of.get(theirs)];
    if (above !== undefined && below !== undefined)
      ratios[`${ours} / ${theirs}, ${cell}`] = atLeast(pairedRatio(above, below), target);
  };
  beside('muster-uws', 'uws-publish', OF_RAW);
  beside('muster-ws', 'ws-loop', cell.endsWith('pipelined') ? OF_LOOP_PIPELINED : OF_RAW);
  return ratios;
}

/** Some stop reading for a while: what the others notice, and whether the sleepers have everything afterwards. */
async function sleepers(
  context: ScenarioContext,
  variant: Variant,
  into: { readonly rises: Map<Variant, number[]>; readonly figures: Record<string, Figure> },
): Promise<void> {
  const crowd = context.quick ? 20 : 1_000;
  const forMs = context.quick ? 500 : ASLEEP_MS;
  const scene = await setUp(context, variant, crowd);
  await scene.crowd.call('pace', { ...BURSTS, forMs: forMs / 6, paused: 0 });
  const pace = async (paused: number): Promise<number> => {
    const { latencies } = await scene.crowd.call('pace', { ...BURSTS, forMs, paused });
    return percentiles(latencies).p99;
  };
  const calm = await pace(0);
  const asleep = await pace(SLEEPERS);
  const rise = asleep / ((calm + (await pace(0))) / 2);
  const behind = await behindOf(must(scene.http, 'Muster has metrics'));
  await scene.stop();
  into.rises.set(variant, [...(into.rises.get(variant) ?? []), rise]);
  into.figures[`${variant}, p99 while ${SLEEPERS} of ${crowd} sleep`] = figure([asleep], 'ms');
  into.figures[`${variant}, times that somebody was held back`] = figure([behind], 'times');
  context.say(
    `  ${variant}: p99 ${asleep.toFixed(1)} ms while ${SLEEPERS} sleep, ${rise.toFixed(2)} times calm; ${behind} held back`,
  );
}

async function behindOf(http: string): Promise<number> {
  return metric(await readMetricsText(http), 'muster_slow_readers_total');
}

export const fanout: Scenario = {
  name: 'fanout',
  summary: 'one publisher, up to 5,000 subscribers, beside raw uWebSockets.js, raw ws and Socket.IO',
  runs: 3,
  run,
};
