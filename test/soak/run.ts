/**
 * One soak: a server, a thousand sockets that work, a fault a minute, and a look every few seconds at what the server keeps.
 *
 * S1 The memory that is judged is that after a collection of garbage: the server has a probe loaded that collects when it is asked.
 * S2 Collections are what `/metrics` tells: records in memory by table, the ring, the queue of the log, connections.
 */
import { join } from 'node:path';
import { Child } from '../../bench/harness/child.ts';
import type { Cleanup } from '../../bench/harness/cleanup.ts';
import { memoryOf } from '../../bench/idle/memory.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { connect, type Client } from '../../src/client/node.ts';
import type { TransportName } from '../../src/transport/choose.ts';
import { Random } from '../chaos/random.ts';
import { makeKeys } from '../fuzz/keys.ts';
import { Served } from '../fuzz/served.ts';
import { checkDirectory, checkTenant } from '../fuzz/after.ts';
import type { AgentsCalls, MembersCalls } from './crowd-roles.ts';
import { FAULTS, type Crowd } from './faults.ts';
import type { Sample } from './trend.ts';
import type { Collection, SoakFigures } from './verdict.ts';
import { delay } from '../fuzz/delay.ts';
import { UNFINISHED } from '../support/unfinished.ts';

export interface SoakOptions {
  readonly transport: TransportName;
  readonly minutes: number;
  readonly seed: number;
  /** Tasks in a second. */
  readonly rate: number;
  readonly data: string;
  readonly cleanup: Cleanup;
  readonly say: (line: string) => void;
}

const AGENTS = 500;
const FRAIL = 100;
const MEMBERS = 300;
const TEXTS = 100;
const SAMPLE_MS = 5_000;
const MINUTE_MS = 60_000;
/** The last tasks may wait for agents whose lease has to run out first. */
const REST_MS = 90_000;
const MIB = 1024 * 1024;
/** Those that fill up to a bound of their own. */
const BOUNDED: ReadonlyMap<string, number> = new Map([
  ['muster_ring_pushes', LIMITS.ringPushesMax * 2],
  ['muster_ring_bytes', LIMITS.ringBytes * 2],
]);
const WATCHED =
  /^(muster_records\{table="[a-zA-Z]+"\}|muster_ring_pushes|muster_ring_bytes|muster_queue_depth|muster_connections|muster_sessions) (\S+)$/gm;

export async function runSoak(options: SoakOptions): Promise<SoakFigures> {
  const { say, minutes, rate } = options;
  const { served, crowd, memoryFile, operator } = await prepare(options);
  say(`${AGENTS + FRAIL + MEMBERS + TEXTS} clients are connected; ${rate} tasks a second for ${minutes} minutes`);
  await crowd.members.call('work', { rate });
  const watch = new Watch(served, memoryFile);
  const faults: { [name: string]: number } = {};
  const failed: string[] = [];
  await Promise.all([watch.until(minutes * MINUTE_MS, say), makeFaults({ crowd, minutes, faults, failed, say })]);
  const counts = await crowd.members.call('rest', { patienceMs: REST_MS });
  const unfinished = served.crashed === undefined ? await countUnfinished(operator) : 0;
  const { internal, halted } = await served.metrics();
  const { crashed } = served;
  const findings = crashed === undefined ? await checkTenant(served.muster.url, served.muster.key) : [];
  await leave(crowd);
  await operator.close();
  const exitCode = await served.stop();
  findings.push(...(await checkDirectory(options.data)));
  const { created, ended, endedAgain } = counts;
  return {
    ...watch.figures(),
    faults,
    tasks: { created, ended, endedAgain, unfinished },
    failed: [...failed, ...counts.failed],
    complaints: served.complaints,
    internalErrors: internal,
    tenantsHalted: halted,
    findings,
    exitCode,
    ...(crashed === undefined ? {} : { crashed }),
  };
}

interface Stage {
  readonly served: Served;
  readonly crowd: Crowd;
  readonly memoryFile: string;
  readonly operator: Client;
}

async function prepare({ transport, data, seed, cleanup }: SoakOptions): Promise<Stage> {
  const memoryFile = join(data, 'memory.json');
  const served = await Served.start({ data, transport, limits: [], cleanup, probe: { memoryFile } });
  const { url, key } = served.muster;
  const operator = await connect({ url, key, name: 'soak-runner' });
  cleanup.add(() => operator.close());
  const keys = await makeKeys(operator, url);
  const base = import.meta.url;
  const startAgents = async (name: string, agents: number): Promise<Child<AgentsCalls>> => {
    const child = await Child.start<AgentsCalls>({ module: './agents-role.ts', base, cleanup });
    await child.call('connect', { url, key, name, agents });
    return child;
  };
  const startFrail = (): Promise<Child<AgentsCalls>> => startAgents('frail', FRAIL);
  const agents = await startAgents('agent', AGENTS);
  const frail = await startFrail();
  const members = await Child.start<MembersCalls>({ module: './members-role.ts', base, cleanup });
  await members.call('connect', { url, key, port: served.port, seed, members: MEMBERS, texts: TEXTS });
  const random = new Random(seed);
  const crowd = { target: { url, key }, port: served.port, keys, members, agents, frail, startFrail, random, cleanup };
  return { served, crowd, memoryFile, operator };
}

/** One in each minute but the last, in which what they left is to be worked off. */
async function makeFaults(of: {
  readonly crowd: Crowd;
  readonly minutes: number;
  readonly faults: { [name: string]: number };
  readonly failed: string[];
  readonly say: (line: string) => void;
}): Promise<void> {
  const { crowd, minutes, faults, failed, say } = of;
  const beganAt = performance.now();
  for (let minute = 0; minute < minutes - 1; minute += 1) {
    const due = beganAt + (minute + 0.25) * MINUTE_MS;
    await delay(Math.max(0, due - performance.now()));
    const fault = FAULTS[minute % FAULTS.length];
    if (fault === undefined) continue;
    say(`  minute ${minute + 1}: ${fault.name}`);
    faults[fault.name] = (faults[fault.name] ?? 0) + 1;
    try {
      await fault.make(crowd);
    } catch (error) {
      failed.push(`${fault.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** Looks at the server every few seconds. */
class Watch {
  readonly #served: Served;
  readonly #memoryFile: string;
  readonly #resident: Sample[] = [];
  readonly #heap: Sample[] = [];
  readonly #collections = new Map<string, Sample[]>();

  constructor(served: Served, memoryFile: string) {
    this.#served = served;
    this.#memoryFile = memoryFile;
  }

  async until(forMs: number, say: (line: string) => void): Promise<void> {
    const beganAt = performance.now();
    for (let said = 0; performance.now() - beganAt < forMs && this.#served.crashed === undefined;) {
      await this.#look(performance.now() - beganAt);
      const minute = Math.floor((performance.now() - beganAt) / MINUTE_MS);
      if (minute > said) say(`  minute ${minute}: resident ${this.#resident.at(-1)?.value.toFixed(0)} MiB`);
      said = minute;
      await delay(SAMPLE_MS);
    }
  }

  figures(): Pick<SoakFigures, 'sockets' | 'residentMiB' | 'heapMiB' | 'collections'> {
    const collections = [...this.#collections].map(([name, samples]): Collection => {
      const bound = BOUNDED.get(name);
      return { name, samples, ...(bound === undefined ? {} : { bound }) };
    });
    return {
      sockets: this.#collections.get('muster_connections') ?? [],
      residentMiB: this.#resident,
      heapMiB: this.#heap,
      collections: collections.filter(({ name }) => name !== 'muster_connections'),
    };
  }

  async #look(atMs: number): Promise<void> {
    const { rss, heapUsed } = await memoryOf(this.#served.pid, this.#memoryFile); // S1
    this.#resident.push({ atMs, value: rss / MIB });
    this.#heap.push({ atMs, value: heapUsed / MIB });
    const { text } = await this.#served.metrics();
    for (const [, name = '', value] of text.matchAll(WATCHED)) {
      const samples = this.#collections.get(name) ?? [];
      samples.push({ atMs, value: Number(value) }); // S2
      this.#collections.set(name, samples);
    }
  }
}

async function countUnfinished(operator: Client): Promise<number> {
  let count = 0;
  for (const status of UNFINISHED) count += (await operator.task.list({ status, limit: 200 })).tasks.length;
  return count;
}

async function leave({ members, agents, frail }: Crowd): Promise<void> {
  await members.call('leave', null);
  await Promise.all([agents.call('leave', null), frail.call('leave', null)]);
  await Promise.all([members.stop(), agents.stop(), frail.stop()]);
}
