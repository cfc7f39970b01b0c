/**
 * `bench control`: how long an order to a running task takes to the socket of its agent, while other work keeps the server
 * half busy.
 *
 * An operator pauses a task, steers it and cancels it; each time counts from the call until the handler of the agent, in the
 * operator's process, was told. Other tasks are submitted and done by processes of their own, at half the rate that the
 * server takes.
 */
import { must } from '../../src/base/assert.ts';
import { Child } from '../harness/child.ts';
import { startMuster } from '../harness/muster-server.ts';
import { describeUsage, sample, usage } from '../harness/processor-time.ts';
import {
  BenchError,
  type Figure,
  type Ratio,
  type Scenario,
  type ScenarioContext,
  type ScenarioReport,
} from '../harness/scenario.ts';
import { atMost, figure, median, percentiles } from '../harness/statistics.ts';
import { Load } from '../recovery/load.ts';
import { CONTROLS, type Control, type ControlCalls, type ControlResult } from './roles.ts';

const P99_MS = 50;
/** Tasks per second that are paused, steered and cancelled. */
const RATE = 50;
const FLOOD_MS = 4_000;
const WARM_MS = 2_000;

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const { cleanup, quick } = context;
  const forMs = quick ? 2_000 : 15_000;
  const server = await startMuster({ data: cleanup.directory(context.dir, 'muster-'), cleanup });
  const load = await Load.start(server, cleanup);
  const child = await Child.start<ControlCalls>({ module: './control-role.ts', base: import.meta.url, cleanup });
  await child.call('connect', { url: server.url, key: server.key });
  const rate = Math.round((await load.flood(FLOOD_MS, FLOOD_MS)) / 2);
  await child.call('run', { rate: RATE, forMs: WARM_MS });
  const pids = new Map([['server', server.process.pid], ['operator', child.pid], ...load.pids]);
  const p99 = new Map<Control, number[]>(CONTROLS.map((control) => [control, []]));
  const p50 = new Map<Control, number[]>(CONTROLS.map((control) => [control, []]));
  let cores = '';
  for (let round = 0; round < context.runs; round += 1) {
    const before = sample(pids);
    const [result] = await Promise.all([child.call('run', { rate: RATE, forMs }), load.steady(rate, forMs)]);
    cores = describeUsage(usage(before, sample(pids)));
    for (const control of CONTROLS) {
      const times = percentiles(complete(result, control));
      must(p50.get(control), 'a control').push(times.p50);
      must(p99.get(control), 'a control').push(times.p99);
    }
    context.say(
      `  ${CONTROLS.map((one) => `${one} p99 ${must(p99.get(one)?.at(-1), 'measured').toFixed(1)} ms`).join(', ')}`,
    );
  }
  await load.stop();
  await child.stop();
  await server.process.stop();
  const figures: Record<string, Figure> = { 'other tasks': figure([rate], 'tasks/s') };
  const ratios: Record<string, Ratio> = {};
  for (const control of CONTROLS) {
    figures[`${control}, p50`] = figure(must(p50.get(control), 'a control'), 'ms');
    figures[`${control}, p99`] = figure(must(p99.get(control), 'a control'), 'ms');
    ratios[`${control} to the agent, p99 in ms`] = atMost(median(must(p99.get(control), 'a control')), P99_MS);
  }
  return { figures, ratios, bottleneck: `cores while ${rate} other tasks a second were done: ${cores}` };
}

function complete(result: ControlResult, control: Control): Float64Array {
  const lost = result[control].filter((ms) => Number.isNaN(ms)).length;
  if (lost > 0)
    throw new BenchError(`${lost} of ${result[control].length} orders (${control}) never reached the agent.`);
  return result[control];
}

export const control: Scenario = {
  name: 'control',
  summary: 'how long pause, steer and cancel take to the agent, under load',
  runs: 3,
  run,
};
