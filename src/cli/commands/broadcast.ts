/** `muster broadcast`: something is said to agents. */
import type { Command } from 'commander';
import type { Client, Params } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { CliError, Exit, usage } from '../exit.ts';
import { durationMs, jsonValue, oneOf, several } from '../values.ts';

type Broadcast = Params['notification.broadcast'];

interface Flags {
  readonly all?: boolean;
  readonly agent?: readonly string[];
  readonly capability?: string;
  readonly workspace?: string;
  readonly type: string;
  readonly priority?: NonNullable<Broadcast['priority']>;
  readonly payload?: string;
  readonly ttl?: number;
}

export function addBroadcast(program: Command, context: Context): void {
  program
    .command('broadcast')
    .description('say something to agents; those that are away are told when they come back')
    .argument('<message>')
    .requiredOption('--type <type>', 'what kind of notification it is')
    .option('--all', 'to everyone')
    .option('--agent <name or id>', 'to this agent, all its instances; several times for several', several)
    .option('--capability <name>', 'to the agents that advertise it')
    .option('--workspace <id>', 'to the members of a workspace')
    .option('--priority <priority>', 'low, normal, high or critical', oneOf('low', 'normal', 'high', 'critical'))
    .option('--payload <value>', 'data that goes with it: JSON, @FILE or - for standard input')
    .option(
      '--ttl <duration>',
      'for how long it is kept for agents that are away (default: 1d; 0: not at all)',
      durationMs,
    )
    .action((message: string, flags: Flags) => context.run(() => broadcast(message, flags, context)));
}

async function broadcast(message: string, flags: Flags, context: Context): Promise<void> {
  const { all, agent, capability, workspace, type, priority, payload, ttl } = flags;
  if ([all, agent, capability, workspace].filter((one) => one !== undefined).length !== 1) {
    throw usage('Say to whom: --all, --agent, --capability or --workspace, one of them.');
  }
  const said = {
    type,
    message,
    ...(priority === undefined ? {} : { priority }),
    ...(payload === undefined ? {} : { data: jsonValue(payload) }),
    ...(ttl === undefined ? {} : { ttlMs: ttl }),
  };
  await context.with(async (client) => {
    const audience = await audienceOf(client, flags);
    const sent = await client.notification.broadcast({ audience, ...said });
    context.output.result(sent, () => `${sent.id} said at ${sent.rev}`);
  });
}

async function audienceOf(client: Client, { agent, capability, workspace }: Flags): Promise<Broadcast['audience']> {
  if (workspace !== undefined) return { workspaceId: workspace };
  if (capability !== undefined) return { capability };
  if (agent === undefined) return { all: true };
  const agentIds = new Set<string>();
  for (const one of agent) for (const id of await idsOf(client, one)) agentIds.add(id);
  return { agentIds: [...agentIds] };
}

/** The ids of the instances of a name; an id is its own. */
async function idsOf(client: Client, agent: string): Promise<readonly string[]> {
  if (agent.startsWith('agt_')) return [agent];
  const ids: string[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await client.agent.list({ name: agent, ...(cursor === undefined ? {} : { cursor }) });
    ids.push(...page.agents.map(({ id }) => id));
    cursor = page.cursor;
    if (cursor === undefined) break;
  }
  if (ids.length === 0) throw new CliError('AGENT_NOT_FOUND', `There is no agent of the name ${agent}.`, Exit.FAILED);
  return ids;
}
