/**
 * `npm run scaling-model -- --agents N [--tasks-per-agent-hour N] [--log sqlite|redis|shared] …`: what docs/scaling.md computes.
 *
 * Exit codes: 0 it can be done so, 1 it cannot, 2 the command line is not right.
 */
import { parseArgs } from 'node:util';
import { INPUTS } from './inputs.ts';
import { KINDS, plan, type Plan, type Wish } from './model.ts';

const EXIT_FAULTS = 1;
const EXIT_USAGE = 2;

const OPTIONS = {
  agents: { standard: 1_000_000, says: 'agents, all of them connected' },
  tenants: { standard: 1_000, says: 'tenants' },
  largest: { standard: 0.01, says: 'share of the agents that the largest tenant has' },
  'tasks-per-agent-hour': { standard: 60, says: 'tasks that an agent does in an hour' },
  nodes: { standard: 3, says: 'servers that share a Redis, with --log shared' },
  use: { standard: 0.5, says: 'share of what limits that is used when all is well' },
  'memory-mib': { standard: 2_048, says: 'memory of a server' },
} as const;
type Option = keyof typeof OPTIONS;

class Usage extends Error {}

function usage(why: string): string {
  const rows = Object.entries(OPTIONS).map(
    ([name, { standard, says }]) => `  --${name} N`.padEnd(28) + `${says} (${standard})`,
  );
  const lines = ['npm run scaling-model -- [--log sqlite|redis|shared] [--json] …', ...rows];
  return `${why}\n${lines.join('\n')}\n`;
}

function wishOf(argv: readonly string[]): { readonly wish: Wish; readonly json: boolean } {
  const numbers = Object.keys(OPTIONS).map((name) => [name, { type: 'string' }] as const);
  const { values } = parseArgs({
    args: [...argv],
    options: { ...Object.fromEntries(numbers), log: { type: 'string' }, json: { type: 'boolean' } },
  });
  const of = (name: Option): number => {
    const said = Reflect.get(values, name);
    const value = said === undefined ? OPTIONS[name].standard : Number(said);
    if (!(value > 0)) throw new Usage(`--${name} is a number above 0.`);
    return value;
  };
  const log = values.log ?? 'sqlite';
  const kind = KINDS.find((name) => name === log);
  if (kind === undefined) throw new Usage(`--log is one of ${KINDS.join(', ')}.`);
  const [largest, use] = [of('largest'), of('use')];
  if (largest > 1 || use > 1) throw new Usage('--largest and --use are shares: at most 1.');
  const wish: Wish = {
    agents: of('agents'),
    tenants: of('tenants'),
    largest,
    tasksPerAgentHour: of('tasks-per-agent-hour'),
    kind,
    nodes: of('nodes'),
    use,
    memoryMiB: of('memory-mib'),
  };
  return { wish, json: values.json === true };
}

const short = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));

function asText(wish: Wish, made: Plan): string {
  const rows: [string, string][] = [
    ['agents', short(wish.agents)],
    ['tasks in a second', short(made.tasksPerSecond)],
    ...made.limits.map(({ name, agents }): [string, string] => [`agents of a cell, by ${name}`, short(agents)]),
    ['cells', short(made.cells)],
    ['servers', short(made.servers)],
    ['agents at a server', short(made.agentsPerServer)],
    ['tasks in a second, of a cell', short(made.tasksPerSecondPerCell)],
    ['the most it could do', short(made.tasksPerSecondPerCellMax)],
    ['processors of the deciding thread', short(made.processor)],
    ['memory of a server, MiB', short(made.memoryMiB)],
    ['agents of the largest tenant', short(made.largestTenant)],
    ['agents that a tenant can have', short(made.tenantMax)],
  ];
  if (wish.kind !== 'sqlite') rows.push(['written to a Redis in a day, GiB', short(made.redisGiBPerDay)]);
  const lines = rows.map(([name, value]) => `${name.padEnd(46)} ${value}`);
  return `${[...lines, ...made.faults].join('\n')}\n`;
}

function main(argv: readonly string[]): number {
  try {
    const { wish, json } = wishOf(argv);
    const made = plan(wish, INPUTS);
    process.stdout.write(json ? `${JSON.stringify({ wish, plan: made, inputs: INPUTS })}\n` : asText(wish, made));
    return made.faults.length === 0 ? 0 : EXIT_FAULTS;
  } catch (error) {
    const isUsage =
      error instanceof Usage ||
      (error instanceof Error && String(Reflect.get(error, 'code')).startsWith('ERR_PARSE_ARGS'));
    if (!isUsage) throw error;
    process.stderr.write(usage(error.message));
    return EXIT_USAGE;
  }
}

process.exitCode = main(process.argv.slice(2));
