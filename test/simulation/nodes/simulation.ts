/**
 * One run of several nodes: carries out a plan from its first action to the judgement of its history.
 *
 * NS1 What nodes wait for by promises is carried on after each step, to its end, before the next step is drawn: so the order
 *    of everything depends on the plan alone.
 */
import { hash } from 'node:crypto';
import { decodeEntry } from '../../../src/engine/entry.ts';
import { stateHash } from '../../../src/engine/kernel/image.ts';
import type { Principal } from '../../../src/node/port.ts';
import { Marks } from '../marks.ts';
import { Random } from '../random.ts';
import { Recorder } from '../recorder.ts';
import { VirtualTime, type Lane } from '../scheduler.ts';
import type { Outcome } from '../simulation.ts';
import { sha256 } from '../state-tracker.ts';
import { NodesChecker } from './checker.ts';
import { makeNodesFault } from './faults.ts';
import type { NodesEvent, StoredEvent } from './history.ts';
import type { NodesAction, NodesPlan } from './plan.ts';
import { Program } from './program.ts';
import type { RedisServer, Write } from './redis-server.ts';
import { RedisWorld } from './redis-world.ts';
import { SimNode, type SimNodeObserver } from './sim-node.ts';
import { Watcher } from './watcher.ts';
import { Words } from './words.ts';

const START = 1_700_000_000_000;
const LOOK_MS = 500;
/** So long everything has to be quiet: others are taken for dead after 15 s, sessions are lost after that. */
const REST_MS = 4_000;

/** The outcome of a run of several nodes, as that of any other run. */
export type NodesOutcome = Omit<Outcome, 'events' | 'looks' | 'recorded'> & { readonly events: readonly NodesEvent[] };

export async function simulateNodes(plan: NodesPlan): Promise<NodesOutcome> {
  return await new NodesSimulation(plan).run();
}

export class NodesSimulation {
  readonly plan: NodesPlan;
  readonly time: VirtualTime;
  readonly recorder: Recorder;
  readonly redis: RedisWorld;
  readonly nodes: readonly SimNode[];
  readonly programs = new Map<string, Program>();
  readonly events: NodesEvent[] = [];
  readonly #world: Lane;
  readonly #lanes = new Set<Lane>();
  readonly #watcher = new Watcher();
  readonly #words: Words;
  readonly #added = new Set<string>();
  healed = false;

  constructor(plan: NodesPlan) {
    this.plan = plan;
    const random = new Random(`nodes run ${plan.seed}`);
    this.time = new VirtualTime(random.fork('order'), START);
    this.#world = this.time.lane('world');
    this.#words = new Words(this.time);
    this.recorder = new Recorder(this.time, new Marks());
    this.redis = new RedisWorld({
      time: this.time,
      random: random.fork('redis'),
      tuning: plan.redis,
      wrote: (server, writes) => this.#wrote(server, writes),
    });
    const observer = this.#observer();
    this.nodes = Array.from({ length: plan.nodes }, (_, i) => {
      const name = `n${i + 1}`;
      return new SimNode({
        name,
        time: this.time,
        random: random.fork(name),
        recorder: this.recorder,
        redis: this.redis,
        latencyMs: plan.latencyMs,
        syncMs: plan.syncMs,
        claims: (token) => claims(plan, token),
        observer,
      });
    });
    const parts = { time: this.time, random: random.fork('programs'), nodes: this.nodes };
    for (const program of plan.clients)
      this.programs.set(program.name, new Program({ ...parts, plan: program, add: (event) => this.add(event) }));
  }

  add(event: NodesEvent): void {
    if (event.kind === 'welcome' && event.reason === 'epoch') this.recorder.marks.count('resume refused: epoch');
    this.events.push(event);
  }

  async run(): Promise<NodesOutcome> {
    const { plan, time } = this;
    let quiet = false;
    try {
      for (const [i, node] of this.nodes.entries()) this.#world.after(1 + 300 * i, () => node.start());
      for (const program of this.programs.values()) this.#world.after(program.plan.startAt + 1, () => program.start());
      for (const action of plan.actions) this.#world.after(action.at + 1, () => this.#act(action));
      await this.#until(plan.healAt);
      this.#heal();
      quiet = await this.#settle();
      this.#end(quiet);
    } catch (error) {
      this.recorder.trouble('exception', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    return this.#outcome(quiet, time.now);
  }

  /** NS1 */
  async #until(ms: number): Promise<void> {
    const { time } = this;
    while (time.step(ms)) {
      if (time.last !== undefined && this.#lanes.has(time.last)) await turn();
    }
  }

  #act(action: NodesAction): void {
    if (this.healed) return;
    if (action.do === 'create') this.programs.get(action.program)?.create(action.mark, action);
    else if (action.do === 'lock') this.programs.get(action.program)?.lock(action.path, action.holdMs);
    else if (action.do === 'checkpoint') this.nodes[action.node % this.nodes.length]?.checkpoint();
    else makeNodesFault(this, action);
  }

  #heal(): void {
    this.healed = true;
    this.add({ kind: 'healed' });
    this.redis.heal();
    for (const node of this.nodes) node.heal();
    this.#everybody();
  }

  #everybody(): void {
    for (const program of this.programs.values()) program.start();
  }

  async #settle(): Promise<boolean> {
    const until = this.plan.healAt + this.plan.settleMs;
    while (this.time.now < until) {
      await this.#until(Math.min(until, this.time.now + LOOK_MS));
      this.#everybody();
      if (this.#unrest() !== undefined) continue;
      await this.#until(this.time.now + REST_MS);
      if (this.#unrest() === undefined) return true;
    }
    return false;
  }

  /** Why it has not come to rest. */
  #unrest(): string | undefined {
    for (const node of this.nodes) {
      if (!node.whole) return `node ${node.name} does not serve`;
      const serving = node.node?.serving('default');
      const head = Number(this.redis.primary.data.hash('muster:{default}:meta').get('seq'));
      const { state } = serving?.tenant.engine ?? {};
      if (state?.counters.seq !== head) return `node ${node.name} has not read everything`;
      for (const task of state.tasks.scan())
        if (!isOver(task.status)) return `task ${task.id} is ${task.status} at ${node.name}`;
      if (state.lockWaits.size > 0 || state.locks.size > 0) return `locks are held at ${node.name}`;
    }
    for (const program of this.programs.values())
      if (!program.quiet) return `program ${program.plan.name} is not at rest`;
    return undefined;
  }

  #end(quiet: boolean): void {
    const why = quiet ? '' : (this.#unrest() ?? 'it came to rest only at the very end');
    for (const { node, process } of this.nodes) {
      const state = node?.serving('default')?.tenant.engine.state;
      const head = node?.serving('default')?.tenant.head;
      if (state === undefined || process === undefined || head === undefined) continue;
      const chain = Buffer.from(head.chain).toString('hex');
      this.add({ kind: 'found', process, head: { seq: head.seq, chain, hash: stateHash(state, sha256) } });
    }
    const log = this.redis.primary.data
      .stream('muster:{default}:log')
      .map(({ order, fields }) => ({ seq: order[1], link: fields[3] ?? '' }));
    this.add({ kind: 'end', quiet, why, base: this.#base(this.redis.primary).seq, log });
  }

  #wrote(server: RedisServer, writes: readonly Write[]): void {
    const by = this.#words.heard(server.name, writes);
    for (const [command, key = '', ...args] of writes) {
      if (command === 'XADD') this.#stored(server, key, args);
      else if (command === 'HDEL' && key.endsWith(':meta')) this.#fenced(server, { key, args, by });
      else if (command === 'HSET' && key === 'muster:{default}:snapshots')
        this.add({ kind: 'snapshot', seq: Number(args[0]) });
      else if (command === 'XTRIM' && key === 'muster:{default}:log')
        this.add({ kind: 'trimmed', ...this.#base(server) });
    }
  }

  #base({ data }: RedisServer): { readonly seq: number; readonly kept: readonly (readonly [string, number])[] } {
    const meta = data.hash('muster:{default}:meta');
    const kept = [...meta].flatMap(([name]): readonly (readonly [string, number])[] =>
      name.startsWith('pass:') ? [[name.slice(5), Number(meta.get(`kept:${name.slice(5)}`) ?? -1)]] : [],
    );
    return { seq: Number(meta.get('baseSeq')), kept };
  }

  #fenced(
    server: RedisServer,
    of: { readonly key: string; readonly args: readonly string[]; readonly by: string | undefined },
  ): void {
    const gone = of.args.find((field) => field.startsWith('pass:'))?.slice('pass:'.length);
    if (gone === undefined) return;
    const early = this.redis.wasSetForward ? undefined : this.#words.early(server.name, { ...of, gone });
    if (early !== undefined) this.add({ kind: 'early', process: gone, ...early });
    const node = this.nodes.find(({ process }) => process === gone);
    if (node === undefined) return;
    // One that begins or ends has let nobody in, or go: it may take its own name away. Who only dialled it, and was not let in, goes on.
    const attached = [...this.programs.values()].filter(({ attachedTo }) => attachedTo === gone);
    const connections = node.node === undefined ? 0 : attached.length;
    const excused = node.wasStalled || this.redis.wasSetForward;
    const where = { server: this.redis.nameOf(server), tenant: tenantOf(of.key) };
    this.add({ kind: 'fenced', process: gone, ...where, connections, excused });
  }

  /** An entry stands in the log of a primary. */
  #stored(server: RedisServer, key: string, [id = '', ...fields]: readonly string[]): void {
    const tenant = tenantOf(key);
    const [epoch = 0, seq = 0] = id.split('-').map(Number);
    const [, ts = '', , link = '', , packed = ''] = fields;
    const payload = Buffer.from(packed, 'latin1').subarray(4, -4);
    const { node } = decodeEntry(payload, { seq, epoch, ts: Number(ts) });
    const known = `${tenant} ${link}`;
    const event: StoredEvent = {
      kind: 'stored',
      server: this.redis.nameOf(server),
      tenant,
      seq,
      epoch,
      link,
      process: node,
      member: server.data.hash(key.replace(/:log$/, ':meta')).has(`pass:${node}`),
      repaired: this.#added.has(known),
    };
    this.#added.add(known);
    this.add(event);
  }

  #observer(): SimNodeObserver {
    return {
      started: (process, lane) => {
        this.#lanes.add(lane);
        this.add({ kind: 'node.start', process, home: process.split('.')[0] ?? '' });
      },
      ready: (process) => this.add({ kind: 'node.ready', process }),
      ended: (process, why) => this.add({ kind: 'node.end', process, why }),
      applied: (process, applied) => this.add(this.#watcher.applied(process, applied)),
      welcomed: (process, conn, session) => this.add({ kind: 'speaks', process, conn, session }),
      sent: (process, conn, { session, rev }) => this.add({ kind: 'sent', process, conn, session, rev }),
      refused: (process, tenant, fault) => this.add({ kind: 'node.refused', process, tenant, fault }),
      differs: (process, message) => this.add({ kind: 'node.differs', process, message }),
      repaired: (process, message) => this.add({ kind: 'node.repaired', process, message }),
    };
  }

  #outcome(quiet: boolean, virtualMs: number): NodesOutcome {
    const { recorder, plan, time } = this;
    const checker = new NodesChecker();
    for (const event of this.events) checker.add(event);
    const found = checker.finish().map((one) => ({ ...one, events: [] }));
    const troubles = recorder.troubles.map((trouble) => ({ ...trouble, events: [] }));
    return {
      seed: plan.seed,
      steps: time.steps,
      virtualMs,
      faults: recorder.faults,
      marks: recorder.marks.counts,
      violations: [...troubles, ...found],
      events: this.events,
      trace: () => hash('sha256', JSON.stringify([this.events, time.steps, time.now])),
      quiet,
    };
  }
}

function tenantOf(key: string): string {
  return /\{(.*)\}/.exec(key)?.[1] ?? '';
}

function claims(plan: NodesPlan, token: string): Principal | undefined {
  const [prefix, name = ''] = token.split(':');
  const program = plan.clients.find((one) => one.name === name);
  if (prefix !== 'claim' || program === undefined) return undefined;
  if (program.capacity !== undefined) return { id: `agent:${name}`, tenant: 'default', role: 'agent', agent: name };
  return { id: `user:${name}`, tenant: 'default', role: 'member' };
}

function isOver(status: string): boolean {
  return ['completed', 'failed', 'cancelled', 'timed_out'].includes(status);
}

/** Ends when no promise has anything left to do. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
