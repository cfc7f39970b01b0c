/**
 * Agents and submitters on several nodes, which are killed while they work, as Redis is. Judged by what clients were told and by what
 * each node says at the end, not by what the servers hold.
 *
 * Nothing is lost: what a submitter was told to be created ends, on every node, with its own result. Nothing is doubled: there is one task
 * for each name that was given to one, and nobody but the holder of its newest token has run it under that token, once (judge.ts). Nothing
 * is stuck: after a fault work is taken and agents are back in a bounded time.
 */
import { systemScheduler } from '../../src/base/system-scheduler.ts';
import { MusterError, type Client } from '../../src/client/node.ts';
import { until } from '../support/until.ts';
import { Random } from '../chaos/random.ts';
import type { Fleet } from './fleet.ts';
import { judge, numberIn, type Run } from './judge.ts';
import { Latency, type Waited } from './latency.ts';
import type { Rivals } from './rivals.ts';
import { Verdict } from './verdict.ts';

/** A node or Redis is killed, or a node is stopped in order and started again. */
export type Blow = 'node' | 'redis' | 'restart';

/** Something that is done to nodes, to Redis or on the way there, and undone: when it resolves all is well again. */
export interface Fault {
  readonly name: string;
  readonly harm: () => Promise<void>;
  /** Agents may be away for so long after it, if not the usual time. */
  readonly agentsMs?: number;
  /** Attempts of accepted work end by it: a run in which none does has not shown anything. */
  readonly losesAttempts?: boolean;
}

export interface FaultReport {
  readonly name: string;
  readonly lastedMs: number;
  /** From its end until a task was created that was asked for afterwards, until every agent was back, and until the lock that some clients want was given out. */
  readonly takenMs: number;
  readonly agentsMs: number;
  readonly lockMs: number;
}

export interface LoadOptions {
  /** Before the names of agents and tasks: a fleet may have several loads, one after the other. */
  readonly name?: string;
  /** So many tasks are asked for in a second; absent: as fast as they are created. */
  readonly perSecond?: number;
  readonly agents: number;
  readonly tasks: number;
  /** Out of a hundred tasks that take long; default: none. */
  readonly longWork?: number;
  /** Requests of submitters under way. */
  readonly atOnce: number;
  /** What is done when so many tasks are there. */
  readonly kills: readonly { readonly after: number; readonly what: Blow }[];
  /** Happen one after the other, with so many tasks between them. Tasks are asked for until the last is over, and then `tasks` more. */
  readonly faults?: { readonly all: readonly Fault[]; readonly between: number; readonly rivals: Rivals };
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface LoadReport {
  readonly verdict: Verdict;
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
  readonly faults: readonly FaultReport[];
}

/** Of the work of one task, in ms, and of one that takes long. */
const WORK_MS = [2, 40] as const;
const LONG_WORK_MS = [2_000, 4_000] as const;
const ENDS_MS = 120_000;
/** After the end of a fault a task must have been created, and all agents must be back. */
export const TAKEN_MS = 10_000;
export const AGENTS_MS = 15_000;
/** Who waits for so long waits for ever. */
const STUCK_MS = 60_000;
const LOOK_MS = 10;

export class Load {
  readonly #fleet: Fleet;
  readonly #options: LoadOptions;
  readonly #random: Random;
  readonly #runs: Run[] = [];
  /** Ids by the number that a task was given. */
  readonly #created = new Map<number, string>();
  /** Numbers of tasks of which no answer came. */
  readonly #given = new Set<number>();
  readonly #asking = new Map<number, { readonly since: number; readonly giveUp: () => void }>();
  #isHarmed = false;
  /** Tasks that were asked for after the end of the last fault, and created. */
  #taken = 0;
  #healedAt = 0;
  #isOver = false;
  readonly #verdict: Verdict;
  readonly #faults: FaultReport[] = [];
  /** How many tasks there are to be. */
  #limit: number;
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

  constructor(fleet: Fleet, options: LoadOptions, verdict = new Verdict()) {
    this.#fleet = fleet;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#verdict = verdict;
    this.#limit = options.faults === undefined ? options.tasks : Infinity;
  }

  async run(): Promise<LoadReport> {
    const { agents, atOnce } = this.#options;
    const submitters: Client[] = [];
    for (let at = 0; at < agents; at += 1) await this.#agent(at);
    for (const node of this.#fleet.nodes) submitters.push(await this.#fleet.client(node.proxy.port));
    const began = performance.now();
    this.#began = began;
    const loops = Array.from({ length: atOnce }, (_, at) => this.#submit(submitters[at % submitters.length]));
    const watching = this.#watch();
    try {
      await Promise.all([...loops, this.#kill(), this.#harm()]);
    } finally {
      this.#isOver = true;
      await watching;
    }
    const [created, given, verdict] = [this.#created, this.#given, this.#verdict];
    await judge(this.#fleet, { type: this.#type, created, given, runs: this.#runs }, verdict);
    const runs = this.#runs.length;
    return {
      verdict,
      violations: verdict.violations,
      seconds: Math.round((performance.now() - began) / 100) / 10,
      tasks: this.#next,
      runs,
      again: this.#again,
      killed: this.#killed,
      backMs: this.#backMs,
      awayMs: Math.round(this.#awayMs),
      waited: this.#latency.judge(),
      sessionsLost: this.#sessionsLost,
      faults: this.#faults,
    };
  }

  get #again(): number {
    return this.#runs.length - new Set(this.#runs.map(({ task }) => task)).size;
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
            systemScheduler.after(this.#workMs(), resolve);
          });
          return { parameters, agent };
        },
      },
    });
    client.on('gap', () => (this.#sessionsLost += 1));
    client.on('closed', (error) => {
      if (error !== undefined) this.#verdict.add('away', `${agent} was sent away for good: ${error.code}`);
    });
    client.on('state', (state) => {
      if (state === 'online') this.#back(agent);
      else if (!this.#away.has(agent)) this.#away.set(agent, performance.now());
    });
  }

  #workMs(): number {
    const isLong = this.#random.between(1, 100) <= (this.#options.longWork ?? 0);
    const [least, most] = isLong ? LONG_WORK_MS : WORK_MS;
    return this.#random.between(least, most);
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
    while (client !== undefined && this.#next < this.#limit) {
      const n = this.#next;
      this.#next += 1;
      await this.#turn(n);
      this.#asked.set(n, performance.now());
      const askedAt = performance.now();
      const id = await this.#create(client, n);
      if (id === undefined) continue;
      if (askedAt >= this.#healedAt) this.#taken += 1;
      this.#created.set(n, id);
      if (this.#awaited === undefined) continue;
      const { what, since } = this.#awaited;
      this.#awaited = undefined;
      this.#backMs[what] = Math.max(this.#backMs[what], Math.round(performance.now() - since));
    }
  }

  /** Under one name until it is there. */
  async #create(client: Client, n: number): Promise<string | undefined> {
    const since = performance.now();
    let gaveUp = false;
    const creating = async (): Promise<string | undefined> => {
      while (!gaveUp) {
        try {
          const asked = { type: this.#type, requirements: [this.#type], parameters: { n } };
          return (await client.task.create(asked, { key: `${this.#options.name ?? ''}load-${n}` })).task.id;
        } catch (error) {
          if (!(error instanceof MusterError) || !error.retryable) throw error;
        }
      }
      return undefined;
    };
    const patience = new Promise<undefined>((resolve) => {
      this.#asking.set(n, { since, giveUp: () => resolve(undefined) });
    });
    const id = await Promise.race([creating(), patience]);
    gaveUp = true;
    this.#asking.delete(n);
    return id;
  }

  /** Gives up what is asked for in vain. While a fault lasts nobody is impatient. */
  async #watch(): Promise<void> {
    while (!this.#isOver) {
      await after(LOOK_MS);
      if (this.#isHarmed) continue;
      for (const [n, { since, giveUp }] of this.#asking) {
        if (performance.now() - Math.max(since, this.#healedAt) < STUCK_MS) continue;
        this.#given.add(n);
        this.#verdict.add('stuck', `task ${n} was asked for in vain for ${STUCK_MS} ms`);
        giveUp();
      }
    }
  }

  async #harm(): Promise<void> {
    const { faults, say, tasks } = this.#options;
    if (faults === undefined) return;
    for (const fault of faults.all) {
      const count = this.#created.size + faults.between;
      const goesOn = await holds(() => this.#created.size >= count);
      if (!goesOn) this.#verdict.add('stuck', `no ${faults.between} tasks were created before: ${fault.name}`);
      say(`${this.#created.size} tasks: ${fault.name}`);
      if (!goesOn || !(await this.#undergo(fault, faults.rivals))) break;
    }
    this.#limit = this.#next + tasks;
  }

  /** False: what followed shows nothing more. */
  async #undergo(fault: Fault, rivals: Rivals): Promise<boolean> {
    const { name, harm, agentsMs = AGENTS_MS } = fault;
    const began = performance.now();
    const again = this.#again;
    this.#isHarmed = true;
    try {
      await harm();
    } catch (error) {
      this.#verdict.add('stuck', `${name}: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    } finally {
      this.#isHarmed = false;
      this.#healedAt = performance.now();
      this.#taken = 0;
    }
    const healed = this.#healedAt;
    const { turns } = rivals;
    const since = async (condition: () => boolean): Promise<{ readonly holds: boolean; readonly ms: number }> => ({
      holds: await holds(condition),
      ms: Math.round(performance.now() - healed),
    });
    const [taken, agents, lock] = await Promise.all([
      since(() => this.#taken > 0),
      // Before that they may not have noticed that they are away.
      since(() => this.#taken > 0 && this.#away.size === 0),
      since(() => rivals.turns > turns),
    ]);
    const lastedMs = Math.round(healed - began);
    this.#faults.push({ name, lastedMs, takenMs: taken.ms, agentsMs: agents.ms, lockMs: lock.ms });
    if (!taken.holds) this.#verdict.add('stuck', `${name}: no task was taken after it`);
    else if (taken.ms > TAKEN_MS) this.#verdict.add('late', `${name}: ${taken.ms} ms passed until a task was taken`);
    if (fault.losesAttempts === true && this.#again === again)
      this.#verdict.add('other', `${name}: no attempt was lost by it, so it showed nothing`);
    if (agents.ms > agentsMs) this.#verdict.add('away', `${name}: it was ${agents.ms} ms until all agents were back`);
    if (!lock.holds) this.#verdict.add('stuck', `${name}: nobody was given the lock after it`);
    return taken.holds && agents.holds && lock.holds;
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
    if (signal === 'SIGTERM' && ended !== 0)
      this.#verdict.add('other', `${node.id} was stopped and ended with ${ended}`);
    node.proxy.cut();
    await node.serve();
    node.proxy.lead(node.port);
  }
}

function after(ms: number): Promise<undefined> {
  return new Promise((resolve) => void systemScheduler.after(ms, () => resolve(undefined)));
}

/** Whether it does within the time after which it never will. */
async function holds(condition: () => boolean): Promise<boolean> {
  const giveUpAt = performance.now() + STUCK_MS;
  while (!condition()) {
    if (performance.now() > giveUpAt) return false;
    await after(LOOK_MS);
  }
  return true;
}
