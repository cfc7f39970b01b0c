/**
 * `npm run test:chaos -- [--long] [--seed N] [--runs N] [--tasks N] [--dir DIR] [--json]`
 *
 * Exit codes: 0 every promise held, 1 one was broken (the evidence stays), 2 the run itself failed.
 */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { Cleanup } from '../../bench/harness/cleanup.ts';
import { explain, runChaos } from './run.ts';
import type { ChaosReport } from './run.ts';
import { LONG, SHORT, shortfalls } from './forms.ts';
import { isArgumentFault, seedArgument, wholeArgument } from '../support/arguments.ts';

const USAGE = 'npm run test:chaos -- [--long] [--seed N] [--runs N] [--tasks N] [--dir DIR] [--json]';
const EXIT_BROKEN = 1;
const EXIT_NOT_RUN = 2;

async function once(seed: number, args: ReturnType<typeof readArguments>): Promise<boolean> {
  const cleanup = new Cleanup();
  const abandon = (): void => cleanup.abandon();
  process.on('exit', abandon);
  try {
    const dir = cleanup.directory(args.dir, 'muster-chaos-');
    const form = args.long ? LONG : SHORT;
    const say = (line: string): void => void process.stderr.write(`${line}\n`);
    say(`seed ${seed}: ${args.tasks ?? form.tasks} tasks, ${form.serverKills} kills of the server`);
    const report = await runChaos({
      ...form,
      ...(args.tasks === undefined ? {} : { tasks: args.tasks }),
      seed,
      dir,
      cleanup,
      say,
    });
    process.stdout.write(args.json ? `${JSON.stringify(report)}\n` : asText(report));
    const weak = shortfalls(report);
    if (weak.length > 0) say(`the run was too quiet to prove anything: ${weak.join('; ')}`);
    if (report.violations.length === 0) return weak.length === 0;
    cleanup.keep(dir);
    say(explain(report, dir));
    return false;
  } finally {
    await cleanup.close();
    process.off('exit', abandon);
  }
}

function asText({ seed, violations, marks, harm, seconds, serverStartsMs }: ChaosReport): string {
  const cuts = Object.entries(harm.cuts).map(([kind, count]) => `${kind} ${count}`);
  const kinds = Object.entries(marks.kinds).map(([kind, count]) => `${kind} ${count}`);
  const again = Object.entries(marks.reexecuted).map(([excuse, count]) => `${excuse} ${count}`);
  return [
    `seed ${seed}: ${violations.length} violations in ${marks.tasks} tasks, ${harm.agents} agents, ${seconds.storm} s of storm, ${seconds.calm} s of calm`,
    `  ${kinds.join(', ')}`,
    `  server killed ${harm.serverKills} times and ${harm.earlyServerKills} times while it started; starts took ${Math.max(...serverStartsMs)} ms at most`,
    `  agent processes killed ${harm.agentKills} times; ${harm.connections} connections, ${harm.refused} refused, cut: ${cuts.join(', ')}, of these at HELLO ${harm.cutAtHello}`,
    `  ${marks.executions} executions, ${marks.interrupted} of them lost their connection meanwhile; a second one was excused: ${again.join(', ')}`,
    `  an agent had no slot left ${marks.full} times; ${marks.resumed} sessions resumed, ${marks.notResumed} not; ${marks.pushes} pushes with a position on ${marks.connections} connections`,
    '',
  ].join('\n');
}

function readArguments(): { long: boolean; json: boolean; seed: number; runs: number; tasks?: number; dir: string } {
  const { values } = parseArgs({
    options: {
      long: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      seed: { type: 'string' },
      runs: { type: 'string', default: '1' },
      tasks: { type: 'string' },
      dir: { type: 'string', default: tmpdir() },
    },
  });
  const { long, json, dir } = values;
  return {
    long,
    json,
    dir,
    seed: seedArgument(values.seed),
    runs: wholeArgument('runs', values.runs, 1),
    ...(values.tasks === undefined ? {} : { tasks: wholeArgument('tasks', values.tasks, 1) }),
  };
}

async function main(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(EXIT_NOT_RUN));
  const args = readArguments();
  let good = true;
  for (let run = 0; run < args.runs; run += 1) good = (await once(args.seed + run, args)) && good;
  process.exitCode = good ? 0 : EXIT_BROKEN;
}

try {
  await main();
} catch (fault) {
  const said = isArgumentFault(fault) ? `${fault.message}\n${USAGE}` : undefined;
  const reason = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
  process.stderr.write(`${said ?? reason}\n`);
  process.exitCode = EXIT_NOT_RUN;
}
