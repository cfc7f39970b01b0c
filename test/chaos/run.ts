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
import { lacks } from './forms.ts';
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
  /** After the last harm, something more must end within so long, until all work has ended. */
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
const FURTHER_STORMS_MAX = 4;
const POLL_MS = 200;

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const run = await ChaosRun.prepare(options);
  return run.play();
}

interface Storm {
  /** The number of its first task. */
  readonly from: number;
  readonly tasks: number;
  readonly overMs: number;
  /** Of the server. */
  readonly kills: number;
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
    await this.#storms();
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
      harm: this.#harm(),
      serverStartsMs: server.startsMs.map(Math.round),
      seconds: { storm: seconds(began, calmAt), calm: seconds(calmAt, ended) },
    };
  }

  #harm(): ChaosReport['harm'] {
    const { proxy, fleet, server } = this.#stage;
    const { kills: serverKills, earlyKills: earlyServerKills } = server;
    return { ...proxy.counts, agents: fleet.agents, serverKills, earlyServerKills, agentKills: fleet.kills };
  }

  /**
   * A machine that does other things too gets through less in the time of a storm: others of half its length follow, as long as
   * the run has not met what it must have met to prove anything.
   */
  async #storms(): Promise<void> {
    const { tasks, submitMs, serverKills, say } = this.#stage.options;
    await this.#storm({ from: 0, tasks, overMs: submitMs, kills: serverKills });
    const half = { tasks: Math.ceil(tasks / 2), overMs: submitMs / 2, kills: Math.ceil(serverKills / 2) };
    for (let storm = 0; storm < FURTHER_STORMS_MAX; storm += 1) {
      const { marks } = check(readJournals(this.#stage.journals), { awayMs: AWAY_MS });
      const missing = lacks({ marks, harm: this.#harm() });
      if (missing.length === 0) return;
      say(`another storm, because of ${missing.join(', ')}`);
      await this.#storm({ from: tasks + storm * half.tasks, ...half });
    }
  }

  async #storm({ from, tasks, overMs, kills }: Storm): Promise<void> {
    const { submitters } = this.#stage;
    const share = Math.ceil(tasks / submitters.length);
    const submitting = submitters.map((submitter, index) =>
      submitter.call('submit', {
        from: from + index * share,
        to: from + Math.min(tasks, (index + 1) * share),
        overMs,
      }),
    );
    const over = Promise.all(submitting).then(() => true);
    await Promise.all([over, this.#killServers(kills, overMs), this.#killAgents(over)]);
  }

  /** Kills are spread over the storm, each at a random moment of its slot. */
  async #killServers(kills: number, overMs: number): Promise<void> {
    const { server, random } = this.#stage;
    const slot = overMs / kills;
    const began = performance.now();
    for (let kill = 0; kill < kills; kill += 1) {
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

  /**
   * Until nothing is unfinished and everything was told, or until nothing more of it happened for the time of the calm: the verdict
   * will say what is missing. So it does not depend on how fast the machine is.
   */
  async #settle(): Promise<void> {
    const { options, server, submitters } = this.#stage;
    const observer = await connect({ url: server.now.url, key: server.now.key, name: 'chaos-observer' });
    let until = performance.now() + options.calmMs;
    for (let told = 0; performance.now() < until; await delay(POLL_MS)) {
      const counts = await Promise.all(submitters.map((submitter) => submitter.call('counts', null)));
      if (counts.every((count) => count.told >= count.submitted) && (await isFinished(observer))) break;
      const now = counts.reduce((sum, count) => sum + count.told, 0);
      if (now > told) until = performance.now() + options.calmMs;
      told = now;
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
