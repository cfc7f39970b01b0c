/**
 * `bench storm`: the server is killed under agents that hold a task each, and comes back; how long until all of them have
 * resumed, and whether everything is as it was.
 *
 * As many tasks again wait, so that a slot that is lost or given twice shows: at the end each task was executed once and by
 * one attempt, or the bench fails.
 */
import { connect, type Client } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';
import { Child } from '../harness/child.ts';
import { startMuster, type Muster } from '../harness/muster-server.ts';
import { describeUsage, processTime, sample, usage } from '../harness/processor-time.ts';
import { BenchError, type Scenario, type ScenarioContext, type ScenarioReport } from '../harness/scenario.ts';
import { sharedMs } from '../harness/shared-clock.ts';
import { atMost, figure } from '../harness/statistics.ts';
import { TASK_TYPE, type StormCalls } from './roles.ts';

const AGENTS = 5_000;
const QUICK_AGENTS = 100;
/** From the kill until the last agent is back. */
const BACK_SECONDS = 30;
const PROCESSES = 2;
const BATCH = 500;
const POLL_MS = 50;
const SETTLE_MS = 60_000;

interface Storm {
  readonly startMs: number;
  readonly allBackMs: number;
  readonly medianBackMs: number;
  readonly cores: string;
}

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const storms: Storm[] = [];
  for (let round = 0; round < context.runs; round += 1) {
    const storm = await weather(context, context.quick ? QUICK_AGENTS : AGENTS);
    storms.push(storm);
    context.say(
      `  ready after ${Math.round(storm.startMs)} ms, half of the agents back after ${Math.round(storm.medianBackMs)} ms, all after ${Math.round(storm.allBackMs)} ms`,
    );
  }
  const of = (part: 'startMs' | 'allBackMs' | 'medianBackMs'): number[] => storms.map((storm) => storm[part]);
  return {
    figures: {
      'server ready': figure(of('startMs'), 'ms'),
      'half of the agents back': figure(of('medianBackMs'), 'ms'),
      'all agents back': figure(of('allBackMs'), 'ms'),
    },
    ratios: {
      'seconds from the kill until every agent has resumed': atMost(Math.max(...of('allBackMs')) / 1_000, BACK_SECONDS),
    },
    bottleneck: `cores from the kill until all were back: ${must(storms.at(-1), 'a run').cores}`,
  };
}

async function weather(context: ScenarioContext, agents: number): Promise<Storm> {
  const { cleanup } = context;
  const data = cleanup.directory(context.dir, 'muster-');
  const before = await startMuster({ data, cleanup });
  const target = { url: before.url, key: before.key };
  const children: Child<StormCalls>[] = [];
  for (let index = 0; index < PROCESSES; index += 1) {
    children.push(await Child.start<StormCalls>({ module: './storm-role.ts', base: import.meta.url, cleanup }));
  }
  const share = agents / PROCESSES;
  await Promise.all(
    children.map((child, index) => child.call('connect', { ...target, agents: share, first: index * share })),
  );
  await createTasks(target, 2 * agents);
  await Promise.all(children.map((child) => child.call('holding', { tasks: share })));
  await Promise.all(children.map((child) => child.call('arm', null)));
  await before.process.kill();
  const killedAt = sharedMs();
  const pids = new Map(children.map((child, index) => [`agents ${index + 1}`, child.pid]));
  const counted = sample(pids);
  const after = await startMuster({ data, cleanup, args: ['--port', new URL(before.url).port] });
  const startMs = sharedMs() - killedAt;
  const backs = await Promise.all(children.map((child) => child.call('back', null)));
  const server = processTime(after.process.pid).total / ((sharedMs() - killedAt) / 1_000);
  const cores = `server ${server.toFixed(2)}, ${describeUsage(usage(counted, sample(pids)))}`;
  const notResumed = backs.reduce((sum, one) => sum + one.notResumed, 0);
  if (notResumed > 0) throw new BenchError(`${notResumed} of ${agents} sessions were not resumed.`);
  const at = backs.flatMap((one) => [...one.at]).toSorted((a, b) => a - b);
  await verify({ children, server: after, agents, share });
  await Promise.all(children.map((child) => child.stop()));
  await after.process.stop();
  const backAfter = (index: number): number => must(at[index], 'an agent') - killedAt;
  return { startMs, medianBackMs: backAfter(Math.floor(at.length / 2)), allBackMs: backAfter(at.length - 1), cores };
}

async function createTasks(target: { readonly url: string; readonly key: string }, count: number): Promise<void> {
  const client = await connect({ ...target, name: 'bench-storm' });
  const task = { type: TASK_TYPE, watch: false };
  for (let left = count; left > 0; left -= BATCH) {
    await client.task.createBatch({ tasks: Array.from({ length: Math.min(BATCH, left) }, () => task) });
  }
  await client.close();
}

/** Every task was executed once, by its first attempt. */
async function verify(of: {
  readonly children: readonly Child<StormCalls>[];
  readonly server: Muster;
  readonly agents: number;
  readonly share: number;
}): Promise<void> {
  const { children, server, agents } = of;
  const tasks = 2 * agents;
  const client = await connect({ url: server.url, key: server.key, name: 'bench-storm' });
  // Which agent gets a waiting task is the server's choice: each process waits for what it held, and the server for all.
  const first = await Promise.all(children.map((child) => child.call('release', { tasks: of.share })));
  if (first.some(({ repeated }) => repeated > 0)) throw new BenchError('A task was executed twice.');
  await settled(client, tasks);
  const executions = await Promise.all(children.map((child) => child.call('release', { tasks: 0 })));
  const once = executions.reduce((sum, one) => sum + one.once, 0);
  const repeated = executions.reduce((sum, one) => sum + one.repeated, 0);
  if (once !== tasks || repeated > 0)
    throw new BenchError(`Of ${tasks} tasks ${once} were executed once and ${repeated} more than once.`);
  await client.close();
}

/** All have completed, each by its first attempt. */
async function settled(client: Client, tasks: number): Promise<void> {
  for (let waited = 0; ; waited += POLL_MS) {
    const total = must((await client.task.stats({})).total, 'the first page has the total');
    const { ok, failed, returned } = total.attempts;
    if (failed + returned > 0) throw new BenchError(`${failed} attempts failed, ${returned} came to nothing.`);
    if (total.completed === tasks && ok === tasks) return;
    if (waited > SETTLE_MS) throw new BenchError(`${total.completed} of ${tasks} tasks have completed.`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export const storm: Scenario = {
  name: 'storm',
  summary: 'how soon agents have resumed after the server was killed, and whether nothing is lost or doubled',
  runs: 3,
  run,
};
