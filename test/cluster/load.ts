/**
 * Agents and submitters on several nodes, which are killed while they work, as Redis is. Judged by what clients were told and by what
 * each node says at the end, not by what the servers hold.
 *
 * Nothing is lost: what a submitter was told to be created ends, on every node, with its own result. Nothing is doubled: there is one task
 * for each name that was given to one, and nobody but the holder of its newest token has run it under that token, once.
 */
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { MusterError, type Client, type TaskView } from '../../src/client/node.ts';
import { until } from '../support/until.ts';
import { Random } from '../chaos/random.ts';
import type { Fleet } from './fleet.ts';

export interface LoadOptions {
  readonly agents: number;
  readonly tasks: number;
  /** Requests of submitters under way. */
  readonly atOnce: number;
  /** What is killed, when so many tasks are there. */
  readonly kills: readonly { readonly after: number; readonly what: 'node' | 'redis' }[];
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface LoadReport {
  readonly violations: readonly string[];
  readonly seconds: number;
  readonly tasks: number;
  readonly runs: number;
  /** Runs of another attempt: the one before was lost. */
  readonly again: number;
  readonly killed: { readonly node: number; readonly redis: number };
  /** From the end of a kill's repair until something was created, the longest, in ms. */
  readonly backMs: { readonly node: number; readonly redis: number };
  readonly sessionsLost: number;
}

interface Run {
  readonly task: string;
  readonly token: string;
  readonly agent: string;
}

/** Of the work of one task, in ms. */
const WORK_MS = [2, 40] as const;
const ENDS_MS = 120_000;

export class Load {
  readonly #fleet: Fleet;
  readonly #options: LoadOptions;
  readonly #random: Random;
  readonly #runs: Run[] = [];
  /** Ids by the number that a task was given. */
  readonly #created = new Map<number, string>();
  readonly #violations: string[] = [];
  readonly #killed = { node: 0, redis: 0 };
  readonly #backMs = { node: 0, redis: 0 };
  #awaited: { readonly what: 'node' | 'redis'; readonly since: number } | undefined;
  #next = 0;
  #sessionsLost = 0;

  constructor(fleet: Fleet, options: LoadOptions) {
    this.#fleet = fleet;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  async run(): Promise<LoadReport> {
    const began = performance.now();
    const { agents, atOnce, tasks } = this.#options;
    const submitters: Client[] = [];
    for (let at = 0; at < agents; at += 1) await this.#agent(at);
    for (const node of this.#fleet.nodes) submitters.push(await this.#fleet.client(node.proxy.port));
    const loops = Array.from({ length: atOnce }, (_, at) => this.#submit(submitters[at % submitters.length]));
    await Promise.all([...loops, this.#kill()]);
    await this.#judge();
    const runs = this.#runs.length;
    return {
      violations: this.#violations,
      seconds: Math.round((performance.now() - began) / 100) / 10,
      tasks,
      runs,
      again: runs - new Set(this.#runs.map(({ task }) => task)).size,
      killed: this.#killed,
      backMs: this.#backMs,
      sessionsLost: this.#sessionsLost,
    };
  }

  async #agent(at: number): Promise<void> {
    const { nodes } = this.#fleet;
    const agent = `agent-${at}`;
    const client = await this.#fleet.client(this.#fleet.node(at % nodes.length).proxy.port, {
      name: agent,
      agent: { name: agent, capabilities: ['work'], capacity: 2 },
      handlers: {
        work: async ({ id, parameters }, { token }) => {
          this.#runs.push({ task: id, token, agent });
          await new Promise<void>((resolve) => {
            systemScheduler.after(this.#random.between(...WORK_MS), resolve);
          });
          return { parameters, agent };
        },
      },
    });
    client.on('gap', () => (this.#sessionsLost += 1));
  }

  async #submit(client: Client | undefined): Promise<void> {
    while (client !== undefined && this.#next < this.#options.tasks) {
      const n = this.#next;
      this.#next += 1;
      this.#created.set(n, await this.#create(client, n));
      if (this.#awaited === undefined) continue;
      const { what, since } = this.#awaited;
      this.#awaited = undefined;
      this.#backMs[what] = Math.max(this.#backMs[what], Math.round(performance.now() - since));
    }
  }

  /** Under one name until it is there. */
  async #create(client: Client, n: number): Promise<string> {
    for (;;) {
      try {
        const asked = { type: 'work', requirements: ['work'], parameters: { n } };
        return (await client.task.create(asked, { key: `load-${n}` })).task.id;
      } catch (error) {
        if (!(error instanceof MusterError) || !error.retryable) throw error;
      }
    }
  }

  async #kill(): Promise<void> {
    const { kills, tasks } = this.#options;
    for (const { after, what } of kills.filter((kill) => kill.after < tasks)) {
      await until(() => this.#created.size >= after, `${after} tasks`, ENDS_MS);
      this.#options.say(`${this.#created.size} tasks: ${what} is killed`);
      if (what === 'redis') await this.#killRedis();
      else await this.#killNode(this.#killed.node % this.#fleet.nodes.length);
      this.#killed[what] += 1;
      this.#awaited = { what, since: performance.now() };
    }
  }

  async #killRedis(): Promise<void> {
    await this.#fleet.redis.end('SIGKILL');
    await this.#fleet.redis.restart();
  }

  /** Its clients are led to the next one at once; it comes back on its data and is led to again. */
  async #killNode(at: number): Promise<void> {
    const node = this.#fleet.node(at);
    node.proxy.lead(this.#fleet.node((at + 1) % this.#fleet.nodes.length).port);
    await node.place.server.stop('SIGKILL');
    node.proxy.cut();
    await node.serve();
    node.proxy.lead(node.port);
  }

  async #judge(): Promise<void> {
    for (const node of this.#fleet.nodes) {
      const client = await this.#fleet.client(node.port);
      for (const id of this.#created.values()) await client.task.wait(id, { timeoutMs: ENDS_MS });
      this.#judgeTasks(node.id, await everyTask(client));
      if ((await node.figure('muster_state_mismatches_total')) > 0) this.#violations.push(`${node.id}: states differ`);
    }
    const holders = new Map<string, Run>();
    for (const run of this.#runs) {
      const name = `${run.task} under token ${run.token}`;
      const before = holders.get(name);
      if (before !== undefined) this.#violations.push(`${name} was run by ${before.agent} and by ${run.agent}`);
      holders.set(name, run);
    }
  }

  #judgeTasks(node: string, tasks: readonly TaskView[]): void {
    const ids = new Map([...this.#created].map(([n, id]) => [id, n]));
    if (ids.size < this.#created.size) this.#violations.push('two names were given one task');
    if (tasks.length !== ids.size) this.#violations.push(`${node} has ${tasks.length} tasks, of ${ids.size} created`);
    for (const { id, status, result, attempt } of tasks) {
      const n = ids.get(id);
      const told = JSON.stringify(result);
      if (n === undefined) this.#violations.push(`${node} has ${id}, of which nobody was told`);
      else if (status !== 'completed') this.#violations.push(`${node}: ${id} is ${status}`);
      else if (!told.includes(`"n":${n}}`)) this.#violations.push(`${node}: ${id} has the result ${told} of another`);
      const last = this.#runs
        .filter((run) => run.task === id)
        .toSorted((a, b) => Number(a.token) - Number(b.token))
        .at(-1);
      if (last === undefined || !told.includes(last.agent)) {
        this.#violations.push(`${node}: ${id}, attempt ${attempt}, was not completed by who had its newest token`);
      }
    }
  }
}

async function everyTask(client: Client): Promise<TaskView[]> {
  const tasks: TaskView[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.task.list({ type: 'work', limit: 100, ...(cursor === undefined ? {} : { cursor }) });
    tasks.push(...page.tasks);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return tasks;
}
