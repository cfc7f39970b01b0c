/**
 * `npm run test:cluster -- [--long | --rolling | --faults [--only WORD]] [--seed N] [--tasks N] [--agents N] [--json]`
 *
 * With `--faults` Redis is a primary with a replica, reached through a proxy, and each fault of faults.ts happens once, or those whose name has WORD.
 *
 * Exit codes: 0 nothing was lost and nothing doubled, 1 something was, or it took longer than it may, 2 the run itself failed.
 */
import { parseArgs } from 'node:util';
import { ArgumentError, isArgumentFault, seedArgument, wholeArgument } from '../support/arguments.ts';
import { FaultBed } from './faults.ts';
import { Fleet } from './fleet.ts';
import { BETWEEN_FAULTS, FAULTS, LONG, NODES, ROLLING, ROLLING_BOUNDS, SHORT } from './forms.ts';
import { AGENTS_MS, Load, TAKEN_MS, type LoadOptions, type LoadReport } from './load.ts';
import { Rivals } from './rivals.ts';
import { Supervisor } from './supervisor.ts';
import { Verdict, VIOLATIONS } from './verdict.ts';

const USAGE =
  'npm run test:cluster -- [--long | --rolling | --faults [--only WORD]] [--seed N] [--tasks N] [--agents N] [--json]';
const EXIT_BROKEN = 1;
const EXIT_NOT_RUN = 2;

function asText(report: LoadReport): string {
  const { violations, seconds, tasks, runs, again, killed, backMs, sessionsLost, awayMs, waited } = report;
  return [
    `${violations.length} violations in ${tasks} tasks, ${seconds} s`,
    `  killed: a node ${killed.node} times, Redis ${killed.redis} times; the next task was created after ${backMs.node} and ${backMs.redis} ms at most`,
    `  restarted in order: a node ${killed.restart} times; no agent was away for more than ${awayMs} ms`,
    `  work waited: p99 ${waited.calmP99} ms in calm and ${waited.p99} ms otherwise, which was more than twice as long for ${waited.slowSeconds} s at most`,
    `  ${runs} runs, ${again} of them since an attempt was lost; ${sessionsLost} sessions could not be resumed`,
    ...violations.slice(0, 20).map((violation) => `  ${violation}`),
    '',
  ].join('\n');
}

/** Of a run with faults. */
interface FaultsReport extends LoadReport {
  /** How often the lock was held that some clients wanted all the time. */
  readonly turns: number;
  /** Nodes that were started again: the one that was killed, those that were halted, and what ended by itself. */
  readonly starts: number;
}

function faultsAsText(report: FaultsReport): string {
  const { verdict, violations, seconds, tasks, runs, again, faults, turns, starts, sessionsLost, awayMs } = report;
  return [
    `${violations.length} violations in ${tasks} tasks under ${faults.length} faults, ${seconds} s`,
    `  ${VIOLATIONS.map((kind) => `${kind} ${verdict.count(kind)}`).join(', ')}`,
    `  after each fault, ms until a task was taken (at most ${TAKEN_MS}), all agents were back (at most ${AGENTS_MS}), the lock was given out:`,
    ...faults.map(
      ({ name, lastedMs, takenMs, agentsMs, lockMs }) =>
        `  ${String(takenMs).padStart(6)} ${String(agentsMs).padStart(6)} ${String(lockMs).padStart(6)}  ${name} (${lastedMs} ms)`,
    ),
    `  ${runs} runs, ${again} of them since an attempt was lost; a lock was held ${turns} times; ${starts} starts of nodes`,
    `  no agent was away for more than ${awayMs} ms; ${sessionsLost} sessions could not be resumed`,
    ...violations.slice(0, 20).map((violation) => `  ${violation}`),
    '',
  ].join('\n');
}

async function underFaults(
  asked: Pick<LoadOptions, 'tasks' | 'agents' | 'seed' | 'say'>,
  only: string,
): Promise<FaultsReport> {
  const bed = await FaultBed.start();
  const fleet = await Fleet.start(NODES, bed);
  const supervisor = new Supervisor(fleet);
  const verdict = new Verdict();
  try {
    const clients = await Promise.all(fleet.nodes.map(({ proxy }) => fleet.client(proxy.port)));
    const rivals = new Rivals(clients, verdict);
    const all = bed.faults(fleet, supervisor).filter(({ name }) => name.includes(only));
    if (all.length === 0) throw new ArgumentError(`No fault's name has "${only}" in it.`);
    const faults = { all, between: BETWEEN_FAULTS, rivals };
    const load = new Load(fleet, { ...FAULTS, ...asked, faults }, verdict);
    const report = await load.run();
    await rivals.stop();
    return { ...report, violations: verdict.violations, turns: rivals.turns, starts: supervisor.starts };
  } finally {
    supervisor.stop();
    await fleet.close();
    await bed.close();
  }
}

function costTooMuch({ awayMs, waited, sessionsLost }: LoadReport): boolean {
  return awayMs > ROLLING_BOUNDS.awayMs || waited.slowSeconds > ROLLING_BOUNDS.slowSeconds || sessionsLost > 0;
}

async function withKills(options: LoadOptions): Promise<LoadReport> {
  const fleet = await Fleet.start(NODES);
  try {
    return await new Load(fleet, options).run();
  } finally {
    await fleet.close();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      long: { type: 'boolean', default: false },
      rolling: { type: 'boolean', default: false },
      faults: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
      seed: { type: 'string' },
      tasks: { type: 'string' },
      agents: { type: 'string' },
    },
  });
  const form = values.faults ? FAULTS : values.rolling ? ROLLING : values.long ? LONG : SHORT;
  const seed = seedArgument(values.seed);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const numberOf = (name: 'tasks' | 'agents'): number => wholeArgument(name, values[name] ?? `${form[name]}`, 1);
  const asked = { tasks: numberOf('tasks'), agents: numberOf('agents'), seed, say };
  say(`seed ${seed}`);
  const print = (report: LoadReport, text: string): void => {
    const { verdict: _, ...figures } = report;
    process.stdout.write(values.json ? `${JSON.stringify({ seed, ...figures })}\n` : text);
    process.exitCode = report.violations.length === 0 && !(values.rolling && costTooMuch(report)) ? 0 : EXIT_BROKEN;
  };
  if (values.faults) {
    const report = await underFaults(asked, values.only);
    print(report, faultsAsText(report));
  } else {
    const report = await withKills({ ...form, ...asked });
    print(report, asText(report));
  }
}

try {
  await main();
} catch (fault) {
  const said = isArgumentFault(fault) ? `${fault.message}\n${USAGE}` : undefined;
  const reason = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
  process.stderr.write(`${said ?? reason}\n`);
  process.exitCode = EXIT_NOT_RUN;
}
