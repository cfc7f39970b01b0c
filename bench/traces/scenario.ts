/**
 * `bench traces`: what traces cost the processor for each task, off, on with nothing sampled, and on with everything sampled.
 *
 * Server, client and agent are in this process, without sockets and disks, so that nothing else is in the figures; the variants
 * take turns. The one that is measured twice says how far the figures can be trusted. Exporting is not in them: spans are thrown away.
 */
import { hash } from 'node:crypto';
import { must } from '../../src/base/assert.ts';
import { Client } from '../../src/client/client.ts';
import { VERSION } from '../../src/client/version.ts';
import { traceTo } from '../../src/telemetry/index.ts';
import type { Tracing } from '../../src/telemetry/port.ts';
import { VirtualClock } from '../../src/testing/clock.ts';
import { lineTo } from '../../src/testing/dial.ts';
import { Disks, seededEntropy, TestServer } from '../../src/testing/server.ts';
import { memoryTransport } from '../../src/transport/memory.ts';
import type { Figure, Ratio, Scenario, ScenarioContext, ScenarioReport } from '../harness/scenario.ts';
import { atMost, figure, median } from '../harness/statistics.ts';

const TASKS = 500;
const QUICK_TASKS = 50;
const IN_FLIGHT = 64;
/** Off and off again, of their median; more, and the machine is too busy to say anything. */
const NOISE = 1.05;

const VARIANTS = ['off', 'off again', 'none sampled', 'all sampled'] as const;
type Variant = (typeof VARIANTS)[number];

/** Takes spans and does nothing with them. */
const NOWHERE: Parameters<typeof traceTo>[0] = {
  onStart: () => undefined,
  onEnd: () => undefined,
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
};

async function tracingOf(variant: Variant): Promise<Tracing | undefined> {
  if (variant === 'off' || variant === 'off again') return undefined;
  const before = process.env['OTEL_TRACES_SAMPLER'];
  process.env['OTEL_TRACES_SAMPLER'] = variant === 'none sampled' ? 'always_off' : 'always_on';
  const { tracing } = await traceTo(NOWHERE, VERSION);
  if (before === undefined) delete process.env['OTEL_TRACES_SAMPLER'];
  else process.env['OTEL_TRACES_SAMPLER'] = before;
  return tracing;
}

/** A server with a client and an agent. */
class Bed {
  readonly #clock = new VirtualClock(Date.now());
  readonly #clients: Client[] = [];

  static async start(variant: Variant): Promise<Bed> {
    const bed = new Bed();
    const disks = new Disks();
    const server = new TestServer({
      lane: bed.#clock.lane(),
      disks,
      entropy: seededEntropy('server'),
      version: VERSION,
      nodeId: 'n_bench',
      tracing: await tracingOf(variant),
      onHalted: (error) => {
        throw error;
      },
    });
    const transport = memoryTransport({ scheduler: bed.#clock.lane(), accept: await server.start() });
    const open = async (agent?: {
      readonly name: string;
      readonly capabilities: string[];
      readonly capacity: number;
    }) => {
      const lane = bed.#clock.lane();
      const line = lineTo(() => transport, lane);
      const { key } = must(disks.firstKey, 'a first key');
      const entropy = seededEntropy(`client ${bed.#clients.length}`);
      const client = new Client(
        { url: 'ws://muster.test/v1', key, ...(agent === undefined ? {} : { agent }) },
        { scheduler: lane, entropy, digest: async (data) => hash('sha256', data, 'buffer'), dial: () => line.dial },
      );
      bed.#clients.push(await client.open({ timeoutMs: 0 }));
      return client;
    };
    await open();
    const agent = await open({ name: 'a', capabilities: ['work'], capacity: IN_FLIGHT });
    agent.agent.handle('work', () => null);
    return bed;
  }

  /** Microseconds of this process for each task. */
  async run(tasks: number): Promise<number> {
    const client = must(this.#clients[0], 'a client');
    let next = 0;
    const one = async (): Promise<void> => {
      while (next++ < tasks) await client.task.run({ type: 'work' });
    };
    const before = process.cpuUsage();
    await Promise.all(Array.from({ length: IN_FLIGHT }, one));
    const { user, system } = process.cpuUsage(before);
    // What is done later belongs to nobody's round.
    await this.#clock.advance(1_000);
    return (user + system) / tasks;
  }

  async stop(): Promise<void> {
    const closing = Promise.all(this.#clients.map((client) => client.close({ timeoutMs: 0 })));
    await this.#clock.advance(10_000);
    await closing;
  }
}

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const tasks = context.quick ? QUICK_TASKS : TASKS;
  const beds = new Map<Variant, Bed>();
  for (const variant of VARIANTS) beds.set(variant, await Bed.start(variant));
  const costs = new Map<Variant, number[]>(VARIANTS.map((variant) => [variant, []]));
  const rounds = context.quick ? 2 : 4 + 10 * context.runs;
  const warm = context.quick ? 0 : 4;
  for (let round = 0; round < rounds; round += 1) {
    // Each is first as often as last.
    const order = VARIANTS.map((_, at) => must(VARIANTS[(at + round) % VARIANTS.length], 'a variant'));
    for (const variant of order) {
      const cost = await must(beds.get(variant), 'a bed').run(tasks);
      if (round >= warm) must(costs.get(variant), 'a variant').push(cost);
    }
  }
  for (const bed of beds.values()) await bed.stop();
  const of = (variant: Variant): number[] => must(costs.get(variant), 'a variant');
  const figures: Record<string, Figure> = {};
  for (const variant of VARIANTS) figures[variant] = figure(of(variant), 'µs of processor/task');
  for (const variant of ['off again', 'none sampled', 'all sampled'] as const) {
    const more = of(variant).map((cost, at) => cost - must(of('off')[at], 'a round'));
    figures[`${variant}, more than off`] = figure([median(more)], 'µs of processor/task');
  }
  const both = [median(of('off')), median(of('off again'))];
  const ratios: Record<string, Ratio> = { 'off and off again': atMost(Math.max(...both) / Math.min(...both), NOISE) };
  return { figures, ratios, bottleneck: 'this process, which is server, client and agent' };
}

export const traces: Scenario = {
  name: 'traces',
  summary: 'what traces cost the processor for each task, off and on',
  runs: 8,
  run,
};
