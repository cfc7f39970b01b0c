/** `muster agents` and `muster strategy …`: who is there, and by which strategy tasks are given to them. */
import type { Command } from 'commander';
import type { StrategyView } from '../../../protocol/wire/rules.ts';
import {
  AGENT_STATUSES,
  STRATEGY_NAMES,
  type AgentView,
  type Params,
  type Strategy,
} from '../../../protocol/wire/types.ts';
import type { Context } from '../context.ts';
import { usage } from '../exit.ts';
import { columns } from '../output.ts';
import { oneOf, pairs, several, wholeNumber } from '../values.ts';

interface ListFlags {
  readonly status?: NonNullable<Params['agent.list']['status']>;
  readonly name?: string;
  readonly capability?: string;
  readonly label?: readonly string[];
  readonly available?: boolean;
  readonly limit?: number;
  readonly cursor?: string;
}

interface ScopeFlags {
  readonly type?: string;
  readonly workspace?: string;
}

export function addFleet(program: Command, context: Context): void {
  program
    .command('agents')
    .description('agents, with their ids, what they can do and how busy they are')
    .option('--status <status>', AGENT_STATUSES.join(', '), oneOf(...AGENT_STATUSES))
    .option('--name <name>', 'only this name')
    .option('--capability <capability>', 'only those that have it')
    .option('--label <name=value>', 'with this label; may be repeated', several)
    .option('--available', 'only those that can take a task now')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: ListFlags) => context.run(() => list(flags, context)));
  const strategy = program.command('strategy').description('which of the agents that fit gets a task');
  strategy
    .command('set')
    .description('choose for tasks that are created from now on and name none: of a type, of a workspace, or of all')
    .argument('<strategy>', `${STRATEGY_NAMES.join(', ')}, or none`, oneOf(...STRATEGY_NAMES, 'none'))
    .option('--type <type>', 'for tasks of this type')
    .option('--workspace <id>', 'for tasks of this workspace')
    .action((name: Strategy | 'none', flags: ScopeFlags) => context.run(() => set(name, flags, context)));
  strategy
    .command('list')
    .description('what was chosen')
    .action(() =>
      context.run(() =>
        context.with(async (client) => {
          const all = await client.strategy.get({});
          context.output.result(all, () => chosen(all.strategies));
        }),
      ),
    );
}

async function list({ label, ...flags }: ListFlags, context: Context): Promise<void> {
  const params: Params['agent.list'] = { ...flags, ...(label === undefined ? {} : { labels: pairs(label) }) };
  await context.with(async (client) => {
    const page = await client.agent.list(params);
    context.output.result(page, () => {
      const rows = page.agents.map((agent) => [
        agent.id,
        agent.instance === '' ? agent.name : `${agent.name}/${agent.instance}`,
        statusOf(agent),
        `${agent.active}/${agent.capacity}`,
        agent.capabilities.map(({ name, weight }) => (weight === 1 ? name : `${name} (${weight})`)).join(', '),
        Object.entries(agent.labels ?? {})
          .map(([name, value]) => `${name}=${value}`)
          .join(', '),
      ]);
      return columns(['ID', 'NAME', 'STATUS', 'SLOTS', 'CAPABILITIES', 'LABELS'], rows, 'no agents');
    });
    if (page.cursor !== undefined) context.output.note(`more: --cursor ${page.cursor}`);
  });
}

function statusOf({ status, quarantine }: AgentView): string {
  return quarantine === undefined ? status : `${status}, in quarantine`;
}

async function set(name: Strategy | 'none', { type, workspace }: ScopeFlags, context: Context): Promise<void> {
  if (type !== undefined && workspace !== undefined) throw usage('Say --type or --workspace, not both.');
  const strategy = name === 'none' ? null : name;
  const params: Params['strategy.set'] =
    type !== undefined
      ? { scope: 'type', name: type, strategy }
      : workspace !== undefined
        ? { scope: 'workspace', name: workspace, strategy }
        : { scope: 'tenant', strategy };
  await context.with(async (client) => {
    const now = await client.strategy.set(params);
    context.output.result(now, () => chosen(now.strategies));
  });
}

function chosen(strategies: readonly StrategyView[]): string {
  const rows = strategies.map(({ scope, name, strategy }) => [scope, name ?? '', strategy]);
  return columns(['FOR', 'NAME', 'STRATEGY'], rows, 'nothing was chosen: least_loaded');
}
