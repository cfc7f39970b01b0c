/**
 * `bench idle`: what an agent that is connected and does nothing costs the server's memory, by transport.
 *
 * The server says what it takes after a collection, with a few agents that made it warm and with those that are measured;
 * the difference is theirs: socket, session, agent and all that the engine, log and store keep of them. Buffers of the kernel
 * are not in it.
 */
import { join } from 'node:path';
import { must } from '../../src/base/assert.ts';
import { workerUrl } from '../../src/base/worker-url.ts';
import { chooseTransport, type TransportName } from '../../src/transport/choose.ts';
import { Child } from '../harness/child.ts';
import { processTime } from '../harness/processor-time.ts';
import { startMuster } from '../harness/muster-server.ts';
import {
  BenchError,
  type Figure,
  type Ratio,
  type Scenario,
  type ScenarioContext,
  type ScenarioReport,
} from '../harness/scenario.ts';
import { atMost, figure, median } from '../harness/statistics.ts';
import { memoryOf, type Memory } from './memory.ts';
import type { IdleCalls } from './roles.ts';

const AGENTS = 5_000;
const QUICK_AGENTS = 200;
/** The server's code, its young generation and its buffers have the size of a server that works. */
const WARM_AGENTS = 1_000;
const KIB = 1_024;
/** The promise, in KiB of resident memory for each. */
const BOUND: { readonly [T in TransportName]: number } = { uws: 7, ws: 14 };
/** After the last one came: what belongs to coming is let go of. */
const REST_MS = 3_000;

/** So long all are connected and nothing is asked: what PINGs and their answers take of the processor. */
const CALM_MS = 20_000;

type Cost = { readonly [M in keyof Memory | 'microseconds']: number };

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const agents = context.quick ? QUICK_AGENTS : AGENTS;
  const wanted = (['uws', 'ws'] as const).filter((name) => context.only.length === 0 || context.only.includes(name));
  const missing = wanted.find((name) => !chooseTransport(name, { runtime: process }).ok);
  if (missing !== undefined)
    throw new BenchError(`The transport ${missing} does not load here: leave it out with --only.`);
  const costs = new Map<TransportName, Cost[]>(wanted.map((name) => [name, []]));
  for (let round = 0; round < context.runs; round += 1) {
    for (const name of round % 2 === 0 ? wanted : wanted.toReversed()) {
      const cost = await measure({ context, agents, name });
      must(costs.get(name), 'a transport').push(cost);
      context.say(`  ${name}: ${cost.rss.toFixed(2)} KiB resident, ${cost.heapUsed.toFixed(2)} of them in V8's heap`);
    }
  }
  const figures: Record<string, Figure> = {};
  const ratios: Record<string, Ratio> = {};
  for (const [name, all] of costs) {
    const of = (part: keyof Cost): number[] => all.map((cost) => cost[part]);
    figures[`${name}, resident`] = figure(of('rss'), 'KiB/agent');
    figures[`${name}, in V8's heap`] = figure(of('heapUsed'), 'KiB/agent');
    figures[`${name}, in buffers beside it`] = figure(of('external'), 'KiB/agent');
    figures[`${name}, processor`] = figure(of('microseconds'), 'µs/agent in a second');
    ratios[`${name}: KiB for each of ${agents} agents`] = atMost(median(of('rss')), BOUND[name]);
  }
  return { figures, ratios, bottleneck: 'none: nothing is asked of the server while it is measured' };
}

/** KiB per agent. */
async function measure(of: {
  readonly context: ScenarioContext;
  readonly agents: number;
  readonly name: TransportName;
}): Promise<Cost> {
  const { context, agents, name } = of;
  const { cleanup } = context;
  const data = cleanup.directory(context.dir, 'muster-');
  const file = join(data, 'memory.json');
  const server = await startMuster({
    data,
    cleanup,
    args: ['--transport', name],
    env: { MEMORY_FILE: file },
    execArgv: ['--expose-gc', '--import', workerUrl(import.meta.url, './memory-probe.ts').href],
  });
  const child = await Child.start<IdleCalls>({ module: './idle-role.ts', base: import.meta.url, cleanup });
  const target = { url: server.url, key: server.key };
  const withMore = async (more: number): Promise<Memory> => {
    await child.call('connect', { ...target, agents: more });
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    return memoryOf(server.process.pid, file);
  };
  const before = await withMore(WARM_AGENTS);
  const after = await withMore(agents);
  const began = { at: performance.now(), used: processTime(server.process.pid).total };
  await new Promise((resolve) => setTimeout(resolve, CALM_MS));
  const seconds = (performance.now() - began.at) / 1_000;
  const used = processTime(server.process.pid).total - began.used;
  const connected = await child.call('connected', null);
  if (connected !== WARM_AGENTS + agents)
    throw new BenchError(`${connected} of ${WARM_AGENTS + agents} agents are connected.`);
  await child.stop();
  await server.process.stop();
  const each = (part: keyof Memory): number => (after[part] - before[part]) / KIB / agents;
  const microseconds = (used * 1e6) / seconds / (WARM_AGENTS + agents);
  return { rss: each('rss'), heapUsed: each('heapUsed'), external: each('external'), microseconds };
}

export const idle: Scenario = {
  name: 'idle',
  summary: 'what a connected agent that does nothing costs the memory of the server',
  runs: 3,
  run,
};
