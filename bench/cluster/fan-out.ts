/**
 * Fan-out over two nodes: subscribers go round both, one publisher is at the first. Muster's messages are in the log, on a Redis that syncs
 * every write, before anybody has them; Socket.IO's go through a stream of the same kind of Redis to the other node, and are promised to nobody.
 *
 * Compared is what a CPU second of the nodes and their Redis delivers. Both are flooded first: one message a turn is some 50 in a second, and with so
 * few V8 is still compiling what they run through seconds later, on threads that are counted here.
 */
import { must } from '../../src/base/assert.ts';
import { Child } from '../harness/child.ts';
import { describeUsage, sample, usage, type TimeSample, type Usage } from '../harness/processor-time.ts';
import { startRedis } from '../harness/redis-server.ts';
import type { Figure, Ratio, ScenarioContext } from '../harness/scenario.ts';
import { atLeast, figure, pairedRatio } from '../harness/statistics.ts';
import type { CrowdCalls, CrowdNotes, CrowdTarget } from '../fanout/roles.ts';
import { startNodes } from './nodes.ts';
import type { SocketIoCalls } from './roles.ts';

const NODES = 2;
const CROWD = 1_000;
const QUICK_CROWD = 20;
const SIZES = [128, 1_024] as const;
const MODES = { 'one a turn': 1, pipelined: 64 } as const;
const COMPILE_MS = 2_000;
const WARM_MS = 2_000;
const MEASURE_MS = 3_000;
const QUICK_MS = 300;

const VARIANTS = ['muster', 'socketio'] as const;
type Variant = (typeof VARIANTS)[number];

/** Of what Socket.IO delivers in a CPU second. */
const OVER_SOCKETIO = 1;

export interface Fanned {
  readonly variant: Variant;
  /** Size and mode. */
  readonly cell: string;
  readonly rate: number;
  readonly perCpuSecond: number;
  readonly used: Usage;
}

interface Bed extends Omit<CrowdTarget, 'subscribers'> {
  /** Of the nodes and of Redis. */
  readonly pids: ReadonlyMap<string, number>;
  readonly stop: () => Promise<void>;
}

async function muster(context: ScenarioContext): Promise<Bed> {
  const { redis, nodes, stop } = await startNodes(context, NODES);
  return {
    ports: nodes.map(({ url }) => Number(new URL(url).port)),
    dialect: 'muster',
    key: must(nodes[0], 'the first node').key,
    pids: new Map([
      ...nodes.map(({ process }, at): [string, number] => [`node ${at + 1}`, process.pid]),
      ['redis', redis.process.pid],
    ]),
    stop,
  };
}

async function socketio({ dir, cleanup }: ScenarioContext): Promise<Bed> {
  const redis = await startRedis({ dir, cleanup, appendfsync: 'always' });
  const nodes: Child<SocketIoCalls>[] = [];
  const ports: number[] = [];
  for (let at = 0; at < NODES; at += 1) {
    const node = await Child.start<SocketIoCalls>({
      module: './socketio-node-role.ts',
      base: import.meta.url,
      cleanup,
    });
    ports.push((await node.call('listen', { redis: redis.port })).port);
    nodes.push(node);
  }
  return {
    ports,
    dialect: 'socketio',
    key: '',
    pids: new Map([
      ...nodes.map(({ pid }, at): [string, number] => [`node ${at + 1}`, pid]),
      ['redis', redis.process.pid],
    ]),
    stop: async () => {
      for (const node of nodes) await node.stop();
      await redis.process.stop();
    },
  };
}

const START: { readonly [V in Variant]: (context: ScenarioContext) => Promise<Bed> } = { muster, socketio };

/** One round: both, in an order that changes from round to round. */
export async function measureFanOut(context: ScenarioContext, round: number): Promise<readonly Fanned[]> {
  const fanned: Fanned[] = [];
  for (const variant of round % 2 === 1 ? VARIANTS : VARIANTS.toReversed())
    fanned.push(...(await measureVariant(context, variant)));
  return fanned;
}

async function measureVariant(context: ScenarioContext, variant: Variant): Promise<readonly Fanned[]> {
  const { pids, stop, ...target } = await START[variant](context);
  const crowd = await Child.start<CrowdCalls, CrowdNotes>({
    module: '../fanout/crowd-role.ts',
    base: import.meta.url,
    cleanup: context.cleanup,
  });
  await crowd.call('gather', { ...target, subscribers: context.quick ? QUICK_CROWD : CROWD });
  const [warmMs, measureMs] = context.quick ? [QUICK_MS, QUICK_MS] : [WARM_MS, MEASURE_MS];
  for (const size of SIZES) {
    await crowd.call('flood', {
      size,
      window: MODES.pipelined,
      warmMs: 0,
      measureMs: context.quick ? QUICK_MS : COMPILE_MS,
    });
  }
  const fanned: Fanned[] = [];
  for (const size of SIZES) {
    for (const mode of ['one a turn', 'pipelined'] as const) {
      const samples: TimeSample[] = [];
      crowd.on('window', () => samples.push(sample(new Map([...pids, ['load', crowd.pid]]))));
      const done = await crowd.call('flood', { size, window: MODES[mode], warmMs, measureMs });
      const used = usage(must(samples[0], 'sampled at the begin'), must(samples[1], 'sampled at the end'));
      const rate = (done.deliveries / done.measuredMs) * 1_000;
      const cores = [...pids.keys()].reduce((sum, name) => sum + must(used.cores.get(name), name).total, 0);
      // Clocks of processes count in steps: of a window that is too short nothing may be left.
      const perCpuSecond = rate / Math.max(cores, 0.01);
      const cell = `${size} B, ${mode}`;
      const text = `${Math.round(rate).toLocaleString('en-US')} deliveries/s, ${Math.round(perCpuSecond).toLocaleString('en-US')} a CPU second`;
      context.say(`  fan-out over ${NODES} nodes, ${variant}, ${cell}: ${text}; ${describeUsage(used)}`);
      fanned.push({ variant, cell, rate, perCpuSecond, used });
    }
  }
  await crowd.stop();
  await stop();
  return fanned;
}

export function fanOutFigures(all: readonly Fanned[]): Record<string, Figure> {
  const figures: Record<string, Figure> = {};
  for (const { variant, cell } of all) {
    const runs = all.filter((one) => one.variant === variant && one.cell === cell);
    const name = `fan-out over ${NODES} nodes, ${variant}, ${cell}`;
    figures[`${name}: rate`] = figure(
      runs.map(({ rate }) => rate),
      'deliveries/s',
    );
    figures[`${name}: of a CPU second`] = figure(
      runs.map(({ perCpuSecond }) => perCpuSecond),
      'deliveries',
    );
  }
  return figures;
}

export function fanOutRatios(all: readonly Fanned[]): Record<string, Ratio> {
  const ratios: Record<string, Ratio> = {};
  for (const cell of new Set(all.map((one) => one.cell))) {
    const of = (variant: Variant): readonly number[] =>
      all.filter((one) => one.variant === variant && one.cell === cell).map(({ perCpuSecond }) => perCpuSecond);
    ratios[`fan-out of a CPU second over ${NODES} nodes, ${cell}: muster / socketio`] = atLeast(
      pairedRatio(of('muster'), of('socketio')),
      OVER_SOCKETIO,
    );
  }
  return ratios;
}
