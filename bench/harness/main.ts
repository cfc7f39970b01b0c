/**
 * `npm run bench -- SCENARIO [--json] [--runs N] [--quick] [--dir DIR] [--only VARIANT,…]`
 *
 * Standard output carries the report alone; progress goes to standard error.
 * Exit codes: 0 every bound holds, 1 a bound is missed, 2 the scenario could not be run.
 */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { Cleanup } from './cleanup.ts';
import { machine, machineLine, refuseMemoryDisk } from './machine.ts';
import { scenarios } from './registry.ts';
import { asJson, asText } from './report.ts';
import { BenchError } from './scenario.ts';
import type { Scenario } from './scenario.ts';

const EXIT_MISSED = 1;
const EXIT_NOT_RUN = 2;

interface Request {
  readonly scenario: Scenario;
  readonly json: boolean;
  readonly quick: boolean;
  readonly runs: number;
  readonly dir: string;
  readonly only: readonly string[];
}

function readRequest(argv: readonly string[]): Request {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      dir: { type: 'string' },
      only: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) throw new BenchError(usage());
  const scenario = scenarios().find(({ name }) => name === positionals[0]);
  if (scenario === undefined || positionals.length !== 1) throw new BenchError(usage());
  const runs = values.runs === undefined ? (values.quick ? 1 : scenario.runs) : Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new BenchError('--runs takes a whole number from 1 up.');
  return {
    scenario,
    runs,
    json: values.json,
    quick: values.quick,
    dir: values.dir ?? tmpdir(),
    only: values.only?.split(',') ?? [],
  };
}

function usage(): string {
  const rows = scenarios().map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`);
  return ['npm run bench -- SCENARIO [--json] [--runs N] [--quick] [--dir DIR]', ...rows].join('\n');
}

function isUsage(fault: unknown): fault is Error {
  return fault instanceof Error && 'code' in fault && String(fault.code).startsWith('ERR_PARSE_ARGS');
}

async function runScenario(request: Request, cleanup: Cleanup): Promise<number> {
  refuseMemoryDisk(request.dir);
  const dir = cleanup.directory(request.dir, 'muster-bench-');
  const on = machine(dir);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  say(machineLine(on));
  const { scenario, runs, quick, only } = request;
  const report = await scenario.run({ runs, quick, only, dir, cleanup, say });
  const finished = { ...report, scenario: scenario.name, machine: on, runs };
  process.stdout.write(request.json ? asJson(finished) : asText(finished));
  return Object.values(report.ratios).every(({ ok }) => ok) ? 0 : EXIT_MISSED;
}

function explain(fault: unknown): string {
  if (fault instanceof BenchError) return fault.message;
  // What the command line does not have is said with what it has.
  if (isUsage(fault)) return `${fault.message}\n${usage()}`;
  return fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
}

async function main(): Promise<void> {
  const cleanup = new Cleanup();
  process.on('exit', () => cleanup.abandon());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(EXIT_NOT_RUN));
  try {
    process.exitCode = await runScenario(readRequest(process.argv.slice(2)), cleanup);
  } catch (fault) {
    process.stderr.write(`${explain(fault)}\n`);
    process.exitCode = EXIT_NOT_RUN;
  } finally {
    for (const fault of await cleanup.close()) process.stderr.write(`${explain(fault)}\n`);
  }
}

await main();
