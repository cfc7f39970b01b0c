/**
 * One chaos run: a real server, fifty agents, steady submission, and everything that can be killed is.
 *
 *     storm:  submit ║ kill the server ║ kill agents ║ mistreat connections
 *     calm:   no more harm; all work must end in time
 *     proof:  kill the server once more, start it, ask it about every task, judge the journals
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../../bench/harness/child.ts';
import { sharedMs } from '../../bench/harness/shared-clock.ts';
import type { Cleanup } from '../../bench/harness/cleanup.ts';
import { connect } from '../../src/client/node.ts';
import type { Client } from '../../src/client/node.ts';
import type { SubmitterCalls } from './chaos-roles.ts';
import { check } from './checker.ts';
import type { Marks } from './checker.ts';
import type { Violation } from './violation.ts';
import { Fleet, type FleetShape } from './fleet.ts';
import { FlakyServer } from './flaky-server.ts';
import { finalLines } from './final-state.ts';
import { JOURNAL_SUFFIX, JournalWriter, readJournals } from './journal.ts';
import { ChaosProxy } from './proxy.ts';
import type { ProxyCounts } from './proxy.ts';
import { Random } from './random.ts';
import { UNFINISHED } from '../support/unfinished.ts';

export interface ChaosOptions extends FleetShape {
  readonly seed: number;
  readonly tasks: number;
  readonly submitMs: number;
  readonly serverKills: number;
  /** Mean time between kills of agent processes. */
  readonly agentKillMs: number;
  /** Mean time that a connection lives. */
  readonly connectionMs: number;
  /** All work must have ended so long after the last harm. */
  readonly calmMs: number;
  readonly dir: string;
  readonly cleanup: Cleanup;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly marks: Marks;
  readonly harm: ProxyCounts & {
    readonly agents: number;
    readonly serverKills: number;
    readonly earlyServerKills: number;
    readonly agentKills: number;
  };
  readonly serverStartsMs: readonly number[];
  readonly seconds: { readonly storm: number; readonly calm: number };
}

/**
 * An agent that was away for so long may have lost its leases (15 s), if the server saw its connection die up to
 * 4 s (the longest half-open one) before it did.
 */
const AWAY_MS = 11_000;
const SUBMITTERS = 2;
const POLL_MS = 200;

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const run = await ChaosRun.prepare(options);
  return run.play();
}

interface Stage {
  readonly options: ChaosOptions;
  readonly random: Random;
  readonly runner: JournalWriter;
  readonly proxy: ChaosProxy;
  readonly server: FlakyServer;
  readonly fleet: Fleet;
  readonly submitters: readonly Child<SubmitterCalls>[];
  readonly journals: string;
}

class ChaosRun {
  readonly #stage: Stage;

  private constructor(stage: Stage) {
    this.#stage = stage;
  }

  static async prepare(options: ChaosOptions): Promise<ChaosRun> {
    const { dir, cleanup, seed } = options;
    const random = new Random(seed);
    const data = join(dir, 'data');
    const journals = join(dir, 'journals');
    const outboxes = join(dir, 'outboxes');
    for (const path of [data, journals, outboxes]) mkdirSync(path);
    const wire = new JournalWriter(join(journals, `wire${JOURNAL_SUFFIX}`));
    const runner = new JournalWriter(join(journals, `runner${JOURNAL_SUFFIX}`));
    const proxy = await ChaosProxy.start({
      random: random.fork(),
      journal: wire,
      now: sharedMs,
      lifeMs: options.connectionMs,
    });
    cleanup.add(async () => {
      await proxy.close();
      wire.close();
      runner.close();
    });
    const server = new FlakyServer({ data, proxy, random: random.fork(), cleanup });
    const { key } = await server.start();
    const url = `ws://127.0.0.1:${proxy.port}`;
    const fleet = new Fleet({
      url,
      key,
      journals,
      outboxes,
      runner,
      random: random.fork(),
      cleanup,
      crowds: options.crowds,
      agentsPerCrowd: options.agentsPerCrowd,
    });
    const submitters = await launchSubmitters({ url, key, journals, cleanup });
    return new ChaosRun({ options, random, runner, proxy, server, fleet, submitters, journals });
  }

  async play(): Promise<ChaosReport> {
    const { options, proxy, fleet, submitters, server } = this.#stage;
    await fleet.start();
    const began = performance.now();
    await this.#storm();
    const calmAt = performance.now();
    proxy.calm();
    options.say(`seed ${options.seed}: the storm is over after ${seconds(began, calmAt)} s`);
    await this.#settle();
    const ended = performance.now();
    await Promise.all(submitters.map((submitter) => submitter.call('leave', null)));
    await fleet.leave();
    await server.killAndRestart();
    await this.#writeFinal();
    const verdict = check(readJournals(this.#stage.journals), { awayMs: AWAY_MS });
    return {
      seed: options.seed,
      ...verdict,
      harm: {
        ...proxy.counts,
        agents: fleet.agents,
        serverKills: server.kills,
        earlyServerKills: server.earlyKills,
        agentKills: fleet.kills,
      },
      serverStartsMs: server.startsMs.map(Math.round),
      seconds: { storm: seconds(began, calmAt), calm: seconds(calmAt, ended) },
    };
  }

  async #storm(): Promise<void> {
    const { options, submitters } = this.#stage;
    const share = Math.ceil(options.tasks / submitters.length);
    const submitting = submitters.map((submitter, index) =>
      submitter.call('submit', {
        from: index * share,
        to: Math.min(options.tasks, (index + 1) * share),
        overMs: options.submitMs,
      }),
    );
    const over = Promise.all(submitting).then(() => true);
    await Promise.all([over, this.#killServers(), this.#killAgents(over)]);
  }

  /** Kills are spread over the storm, each at a random moment of its slot. */
  async #killServers(): Promise<void> {
    const { options, server, random } = this.#stage;
    const slot = options.submitMs / options.serverKills;
    const began = performance.now();
    for (let kill = 0; kill < options.serverKills; kill += 1) {
      const due = began + (kill + random.unit()) * slot;
      await delay(Math.max(0, due - performance.now()));
      await server.killAndRestart();
    }
  }

  async #killAgents(over: Promise<boolean>): Promise<void> {
    const { options, fleet, random } = this.#stage;
    const deaths: Promise<void>[] = [];
    for (;;) {
      const ended = await Promise.race([over, delay(random.around(options.agentKillMs)).then(() => false)]);
      if (ended) break;
      deaths.push(fleet.killOne());
    }
    await Promise.all(deaths);
  }

  /** Until nothing is unfinished and everything was told, or until the time is up: the verdict will say what is missing. */
  async #settle(): Promise<void> {
    const { options, server, submitters } = this.#stage;
    const observer = await connect({ url: server.now.url, key: server.now.key, name: 'chaos-observer' });
    const until = performance.now() + options.calmMs;
    while (performance.now() < until) {
      const counts = await Promise.all(submitters.map((submitter) => submitter.call('counts', null)));
      if (counts.every(({ submitted, told }) => told >= submitted) && (await isFinished(observer))) break;
      await delay(POLL_MS);
    }
    await observer.close();
  }

  async #writeFinal(): Promise<void> {
    const { server, runner } = this.#stage;
    const client = await connect({ url: server.now.url, key: server.now.key, name: 'chaos-observer' });
    for (const line of await finalLines(client)) runner.write(line);
    await client.close();
  }
}

async function launchSubmitters(of: {
  url: string;
  key: string;
  journals: string;
  cleanup: Cleanup;
}): Promise<readonly Child<SubmitterCalls>[]> {
  const { url, key, journals, cleanup } = of;
  const submitters: Child<SubmitterCalls>[] = [];
  for (let index = 1; index <= SUBMITTERS; index += 1) {
    const name = `submitter-${index}`;
    const child = await Child.start<SubmitterCalls>({ module: './submitter-role.ts', base: import.meta.url, cleanup });
    await child.call('launch', { url, key, name, seed: index, journal: join(journals, `${name}${JOURNAL_SUFFIX}`) });
    submitters.push(child);
  }
  return submitters;
}

async function isFinished(client: Client): Promise<boolean> {
  for (const status of UNFINISHED) if ((await client.task.list({ status, limit: 1 })).tasks.length > 0) return false;
  return true;
}

/** Keeps the evidence of a failed run and says what it shows. */
export function explain(report: ChaosReport, dir: string): string {
  const shown = report.violations.slice(0, 20).map(({ kind, message }) => `  ${kind}: ${message}`);
  const more =
    report.violations.length > shown.length ? [`  … and ${report.violations.length - shown.length} more`] : [];
  const text = [
    `${report.violations.length} violations with seed ${report.seed}; journals and data are in ${dir}`,
    ...shown,
    ...more,
  ].join('\n');
  writeFileSync(
    join(dir, 'violations.txt'),
    report.violations.map(({ kind, message }) => `${kind}: ${message}\n`).join(''),
  );
  return text;
}

function seconds(from: number, to: number): number {
  return Math.round((to - from) / 100) / 10;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
