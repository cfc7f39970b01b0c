/** Judges tasks by what clients were told, and by what every node says of them at the end. */
import { MusterError, type Client, type TaskView } from '../../src/client/node.ts';
import type { Fleet } from './fleet.ts';
import type { Verdict } from './verdict.ts';

/** A handler began. */
export interface Run {
  readonly task: string;
  readonly token: string;
  readonly agent: string;
}

export interface Told {
  readonly type: string;
  /** Ids by the number that a task was given. */
  readonly created: ReadonlyMap<number, string>;
  /** Numbers of which no answer came in time: their tasks may be there or not. */
  readonly given: ReadonlySet<number>;
  readonly runs: readonly Run[];
}

const ENDS_MS = 60_000;
const AT_ONCE = 32;

export async function judge(fleet: Fleet, told: Told, verdict: Verdict): Promise<void> {
  for (const node of fleet.nodes) {
    const client = await fleet.client(node.port);
    await judgeEnds(client, { told, node: node.id }, verdict);
    judgeTasks(node.id, { told, tasks: await everyTask(client, told.type) }, verdict);
    if ((await node.figure('muster_state_mismatches_total')) > 0) verdict.add('other', `${node.id}: states differ`);
  }
  judgeRuns(told.runs, verdict);
}

/** Every task ends, all of them in a bounded time, and its end was accepted once. */
async function judgeEnds(client: Client, of: { told: Told; node: string }, verdict: Verdict): Promise<void> {
  const endAt = performance.now() + ENDS_MS;
  const open = new Set(
    (await everyTask(client, of.told.type)).filter(({ result }) => result === undefined).map(({ id }) => id),
  );
  const ids = [...of.told.created.values()];
  const next = async (): Promise<void> => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
      try {
        if (open.has(id)) await client.task.wait(id, { timeoutMs: Math.max(1, endAt - performance.now()) });
        const { events } = await client.task.timeline({ id });
        const ends = events.filter(({ event }) => event === 'task.completed').length;
        if (ends > 1) verdict.add('accepted twice', `${of.node}: ${id} was completed ${ends} times`);
      } catch (error) {
        if (!(error instanceof MusterError)) throw error;
        // Of what is not there judgeTasks says so.
        if (error.code !== 'NOT_FOUND') verdict.add('stuck', `${of.node}: ${id} (${error.code})`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}

function judgeTasks(
  node: string,
  { told, tasks }: { readonly told: Told; readonly tasks: readonly TaskView[] },
  verdict: Verdict,
): void {
  const ids = new Map([...told.created].map(([n, id]) => [id, n]));
  if (ids.size < told.created.size)
    verdict.add('lost', `${told.created.size - ids.size} names were given a task of others`);
  const there = new Set(tasks.map(({ id }) => id));
  for (const id of ids.keys()) if (!there.has(id)) verdict.add('lost', `${node} does not have ${id}`);
  const newest = newestRuns(told.runs);
  for (const { id, status, result, attempt, parameters } of tasks) {
    const n = ids.get(id);
    const end = JSON.stringify(result);
    if (n === undefined) {
      if (!told.given.has(numberIn(parameters))) verdict.add('doubled', `${node} has ${id}, of which nobody was told`);
    } else if (status !== 'completed') verdict.add('lost', `${node}: ${id} is ${status}`);
    else if (!end.includes(`"n":${n}}`)) verdict.add('other', `${node}: ${id} has the result ${end} of another`);
    else if (!end.includes(`"${newest.get(id)?.agent}"`))
      verdict.add('held twice', `${node}: ${id}, attempt ${attempt}, was not completed by who had its newest token`);
  }
}

function newestRuns(runs: readonly Run[]): ReadonlyMap<string, Run> {
  const newest = new Map<string, Run>();
  for (const run of runs) {
    const before = newest.get(run.task);
    if (before === undefined || Number(run.token) >= Number(before.token)) newest.set(run.task, run);
  }
  return newest;
}

/** A token is given out once: to one agent, for one task, which begins once under it. */
function judgeRuns(runs: readonly Run[], verdict: Verdict): void {
  const holders = new Map<string, Run>();
  for (const run of runs) {
    const before = holders.get(run.token);
    if (before !== undefined) {
      const both = `${before.task} by ${before.agent} and ${run.task} by ${run.agent}`;
      verdict.add('held twice', `under token ${run.token} were run ${both}`);
    }
    holders.set(run.token, run);
  }
}

export function numberIn(parameters: unknown): number {
  return typeof parameters === 'object' && parameters !== null && 'n' in parameters ? Number(parameters.n) : -1;
}

async function everyTask(client: Client, type: string): Promise<TaskView[]> {
  const tasks: TaskView[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.task.list({ type, limit: 100, ...(cursor === undefined ? {} : { cursor }) });
    tasks.push(...page.tasks);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return tasks;
}
