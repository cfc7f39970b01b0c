/** `muster rule …`: which agents may have a task, and which are preferred. */
import type { Command } from 'commander';
import { RULE_ON_ERROR, type RuleAdd, type RuleUpdate, type RuleView } from '../../../protocol/wire/rules.ts';
import { STRATEGY_NAMES } from '../../../protocol/wire/types.ts';
import type { Context } from '../context.ts';
import { usage } from '../exit.ts';
import { columns } from '../output.ts';
import { oneOf, wholeNumber } from '../values.ts';

const STRATEGIES = STRATEGY_NAMES.filter((name) => name !== 'rule_based');

interface Flags {
  readonly order?: number;
  readonly type?: string;
  readonly workspace?: string;
  readonly condition?: string;
  readonly filter?: string;
  readonly prefer?: string;
  readonly strategy?: NonNullable<RuleAdd['strategy']>;
  readonly onError?: NonNullable<RuleAdd['onError']>;
}

interface PageFlags {
  readonly limit?: number;
  readonly cursor?: string;
}

export function addRule(program: Command, context: Context): void {
  const rule = program.command('rule').description('rules in CEL: who may have a task, and who is preferred');
  parts(rule.command('add').description('add a rule; it holds for what waits and what comes').argument('<name>'))
    .option('--disabled', 'keep it, but do not ask it yet')
    .action((name: string, flags: Flags & { readonly disabled?: true }) =>
      context.run(() => add({ ...paramsOf(name, flags), ...(flags.disabled ? { enabled: false } : {}) }, context)),
    );
  parts(rule.command('update').description('change parts of a rule').argument('<name>'))
    .option('--enable', 'ask it')
    .option('--disable', 'keep it, but do not ask it')
    .action((name: string, flags: Flags & { readonly enable?: true; readonly disable?: true }) => {
      if (flags.enable === true && flags.disable === true) throw usage('Say --enable or --disable, not both.');
      const enabled = flags.enable === true ? true : flags.disable === true ? false : undefined;
      return context.run(() =>
        update({ ...paramsOf(name, flags), ...(enabled === undefined ? {} : { enabled }) }, context),
      );
    });
  rule
    .command('list')
    .description('rules, in the order in which they are asked')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: PageFlags) => context.run(() => list(flags, context)));
  rule
    .command('reorder')
    .description('ask these first, in this order')
    .argument('<names...>')
    .action((names: string[]) =>
      context.run(() =>
        context.with(async (client) => {
          const ordered = await client.rule.reorder({ names });
          context.output.result(ordered, () => ordered.names.join('\n'));
        }),
      ),
    );
  rule
    .command('remove')
    .description('remove a rule; what it kept from agents is given to them')
    .argument('<name>')
    .action((name: string) =>
      context.run(() =>
        context.with(async (client) => {
          const removed = await client.rule.remove({ name });
          context.output.result(removed, () => `${removed.name} removed`);
        }),
      ),
    );
}

function parts(command: Command): Command {
  return command
    .option('--condition <cel>', 'to which tasks it applies, for example task.priority == "critical"')
    .option('--filter <cel>', 'which agents may have them, for example agent.labels.region == "eu"')
    .option('--prefer <cel>', 'how much an agent is wanted, for example -agent.load')
    .option('--strategy <strategy>', STRATEGIES.join(', '), oneOf(...STRATEGIES))
    .option('--type <type>', 'for tasks of this type alone')
    .option('--workspace <id>', 'for tasks of this workspace alone')
    .option('--order <n>', 'the lowest is asked first (default: behind all others)', wholeNumber)
    .option(
      '--on-error <what>',
      'where the filter fails for an agent: ignore the rule (default), or exclude the agent',
      oneOf(...RULE_ON_ERROR),
    );
}

function paramsOf(name: string, { workspace, ...flags }: Flags): RuleAdd {
  const { order, type, condition, filter, prefer, strategy, onError } = flags;
  return {
    name,
    ...(order === undefined ? {} : { order }),
    ...(type === undefined ? {} : { type }),
    ...(workspace === undefined ? {} : { workspaceId: workspace }),
    ...(condition === undefined ? {} : { condition }),
    ...(filter === undefined ? {} : { filter }),
    ...(prefer === undefined ? {} : { prefer }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(onError === undefined ? {} : { onError }),
  };
}

function add(params: RuleAdd, context: Context): Promise<void> {
  return context.with(async (client) => {
    const added = await client.rule.add(params);
    context.output.result(added, () => `${added.rule.name} added, order ${added.rule.order}`);
  });
}

function update(params: RuleUpdate, context: Context): Promise<void> {
  return context.with(async (client) => {
    const updated = await client.rule.update(params);
    context.output.result(updated, () => `${updated.rule.name} updated, order ${updated.rule.order}`);
  });
}

function list(flags: PageFlags, context: Context): Promise<void> {
  return context.with(async (client) => {
    const page = await client.rule.list(flags);
    context.output.result(page, () => {
      const rows = page.rules.map((rule) => [`${rule.order}`, rule.name, stateOf(rule), scopeOf(rule), saidBy(rule)]);
      return columns(['ORDER', 'NAME', 'STATE', 'FOR', 'RULE'], rows, 'no rules');
    });
    if (page.cursor !== undefined) context.output.note(`more: --cursor ${page.cursor}`);
  });
}

function stateOf({ enabled, errors }: RuleView): string {
  return `${enabled ? 'on' : 'off'}${errors === undefined ? '' : `, failed ${errors.count} times: ${errors.last}`}`;
}

function scopeOf({ type, workspaceId }: RuleView): string {
  const parts = [type === undefined ? '' : `type ${type}`, workspaceId === undefined ? '' : `workspace ${workspaceId}`];
  return parts.filter((one) => one !== '').join(', ') || 'all';
}

function saidBy({ condition, filter, prefer, strategy }: RuleView): string {
  const parts = Object.entries({ condition, filter, prefer, strategy });
  return parts.flatMap(([name, text]) => (text === undefined ? [] : [`${name}: ${text}`])).join('; ');
}
