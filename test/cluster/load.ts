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
import { Latency, type Waited } from './latency.ts';

/** A node or Redis is killed, or a node is stopped in order and started again. */
export type Blow = 'node' | 'redis' | 'restart';

export interface LoadOptions {
  /** Before the names of agents and tasks: a fleet may have several loads, one after the other. */
  readonly name?: string;
  /** So many tasks are asked for in a second; absent: as fast as they are created. */
  readonly perSecond?: number;
  readonly agents: number;
  readonly tasks: number;
  /** Requests of submitters under way. */
  readonly atOnce: number;
  /** What is done when so many tasks are there. */
  readonly kills: readonly { readonly after: number; readonly what: Blow }[];
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
  readonly killed: { readonly [B in Blow]: number };
  /** From the end of a kill's repair until something was created, the longest, in ms. */
  readonly backMs: { readonly [B in Blow]: number };
  /** How long an agent was without a connection, the longest, in ms. */
  readonly awayMs: number;
  /** How long work waited for an agent. */
  readonly waited: Waited;
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
  readonly #killed = { node: 0, redis: 0, restart: 0 };
  readonly #backMs = { node: 0, redis: 0, restart: 0 };
  #awaited: { readonly what: Blow; readonly since: number } | undefined;
  /** When a task was asked for, by the number that it was given. */
  readonly #asked = new Map<number, number>();
  readonly #latency = new Latency();
  /** Agents without a connection, since when. */
  readonly #away = new Map<string, number>();
  #awayMs = 0;
  #began = 0;
  #next = 0;
  #sessionsLost = 0;

  constructor(fleet: Fleet, options: LoadOptions) {
    this.#fleet = fleet;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  async run(): Promise<LoadReport> {
    const { agents, atOnce, tasks } = this.#options;
    const submitters: Client[] = [];
    for (let at = 0; at < agents; at += 1) await this.#agent(at);
    for (const node of this.#fleet.nodes) submitters.push(await this.#fleet.client(node.proxy.port));
    const began = performance.now();
    this.#began = began;
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
      awayMs: Math.round(this.#awayMs),
      waited: this.#latency.judge(),
      sessionsLost: this.#sessionsLost,
    };
  }

  async #agent(at: number): Promise<void> {
    const { nodes } = this.#fleet;
    const agent = `${this.#options.name ?? ''}agent-${at}`;
    const type = this.#type;
    const client = await this.#fleet.client(this.#fleet.node(at % nodes.length).proxy.port, {
      name: agent,
      agent: { name: agent, capabilities: [type], capacity: 2 },
      handlers: {
        [type]: async ({ id, parameters }, { token }) => {
          this.#runs.push({ task: id, token, agent });
          this.#begun(numberIn(parameters));
          await new Promise<void>((resolve) => {
            systemScheduler.after(this.#random.between(...WORK_MS), resolve);
          });
          return { parameters, agent };
        },
      },
    });
    client.on('gap', () => (this.#sessionsLost += 1));
    client.on('state', (state) => {
      if (state === 'online') this.#back(agent);
      else if (!this.#away.has(agent)) this.#away.set(agent, performance.now());
    });
  }

  get #type(): string {
    return `${this.#options.name ?? ''}work`;
  }

  /** The first run of a task counts. */
  #begun(n: number): void {
    const at = this.#asked.get(n);
    if (at === undefined) return;
    this.#asked.delete(n);
    this.#latency.waited(at, performance.now() - at);
  }

  #back(agent: string): void {
    const since = this.#away.get(agent);
    if (since === undefined) return;
    this.#away.delete(agent);
    this.#awayMs = Math.max(this.#awayMs, performance.now() - since);
  }

  /** Its turn, where so many are asked for in a second. */
  async #turn(n: number): Promise<void> {
    const { perSecond } = this.#options;
    if (perSecond === undefined) return;
    const restMs = this.#began + (n * 1_000) / perSecond - performance.now();
    if (restMs <= 0) return;
    await new Promise<void>((resolve) => {
      systemScheduler.after(restMs, resolve);
    });
  }

  async #submit(client: Client | undefined): Promise<void> {
    while (client !== undefined && this.#next < this.#options.tasks) {
      const n = this.#next;
      this.#next += 1;
      await this.#turn(n);
      this.#asked.set(n, performance.now());
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
        const asked = { type: this.#type, requirements: [this.#type], parameters: { n } };
        return (await client.task.create(asked, { key: `${this.#options.name ?? ''}load-${n}` })).task.id;
      } catch (error) {
        if (!(error instanceof MusterError) || !error.retryable) throw error;
      }
    }
  }

  async #kill(): Promise<void> {
    const { kills, tasks } = this.#options;
    for (const { after, what } of kills.filter((kill) => kill.after < tasks)) {
      await until(() => this.#created.size >= after, `${after} tasks`, ENDS_MS);
      this.#options.say(
        `${this.#created.size} tasks: ${what === 'restart' ? 'a node is restarted' : `${what} is killed`}`,
      );
      this.#latency.begins(performance.now());
      const { length } = this.#fleet.nodes;
      if (what === 'redis') await this.#killRedis();
      else if (what === 'node') await this.#endNode(this.#killed.node % length, 'SIGKILL');
      else await this.#endNode(this.#killed.restart % length, 'SIGTERM');
      await until(() => this.#away.size === 0, 'the agents to be back', ENDS_MS);
      this.#latency.ends(performance.now());
      this.#killed[what] += 1;
      this.#awaited = { what, since: performance.now() };
    }
  }

  async #killRedis(): Promise<void> {
    await this.#fleet.redis.end('SIGKILL');
    await this.#fleet.redis.restart();
  }

  /** Its clients are led to the next one at once; it comes back on its data and is led to again. */
  async #endNode(at: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const node = this.#fleet.node(at);
    node.proxy.lead(this.#fleet.node((at + 1) % this.#fleet.nodes.length).port);
    const ended = await node.place.server.stop(signal);
    if (signal === 'SIGTERM' && ended !== 0) this.#violations.push(`${node.id} was stopped and ended with ${ended}`);
    node.proxy.cut();
    await node.serve();
    node.proxy.lead(node.port);
  }

  async #judge(): Promise<void> {
    for (const node of this.#fleet.nodes) {
      const client = await this.#fleet.client(node.port);
      for (const id of this.#created.values()) await client.task.wait(id, { timeoutMs: ENDS_MS });
      this.#judgeTasks(node.id, await everyTask(client, this.#type));
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

function numberIn(parameters: unknown): number {
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
