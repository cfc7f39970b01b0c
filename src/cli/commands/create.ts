/** `muster task create` and `distribute`; waiting for the end of what was created. */
import type { Command } from 'commander';
import { AGGREGATIONS, COMPLETION_MODES, type Aggregation, type TaskDistribute } from '../../../protocol/wire/trees.ts';
import type { Client, TaskCreate, TaskView } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { CliError, Exit, usage } from '../exit.ts';
import { valueText } from '../output.ts';
import { addTaskOptions, paramsOf, type TaskFlags } from '../task-flags.ts';
import { durationMs, jsonValue, oneOf, wholeNumber } from '../values.ts';

export interface WaitFlags {
  readonly wait?: boolean;
  readonly waitTimeout?: number;
}

interface NewFlags extends TaskFlags, WaitFlags {
  readonly idempotencyKey?: string;
  readonly parent?: string;
  readonly parentToken?: string;
}

interface DistributeFlags extends NewFlags {
  readonly parts?: string;
  readonly copies?: number;
  readonly each?: true | string;
  readonly completion?: (typeof COMPLETION_MODES)[number];
  readonly threshold?: number;
  readonly aggregate?: NonNullable<TaskDistribute['aggregate']>;
}

export function addCreate(task: Command, context: Context): void {
  const create = addNewOptions(task.command('create').description('create a task'));
  create.action((flags: NewFlags) =>
    context.run(() =>
      context.with(async (client) => {
        const { task: made } = await client.task.create(newOf(flags), keyOf(flags));
        await follow(client, made, { flags, context });
      }),
    ),
  );
  const distribute = addNewOptions(
    task.command('distribute').description('have one task done in parts by several agents'),
  );
  distribute
    .option('--parts <json>', 'a list of what is particular about each part: JSON, @FILE or - for standard input')
    .option('--copies <n>', 'so many parts that are alike', wholeNumber)
    .option('--each [max]', 'one part for each agent that fits now')
    .option('--completion <mode>', `when it completes: ${COMPLETION_MODES.join(', ')}`, oneOf(...COMPLETION_MODES))
    .option('--threshold <n>', 'so many parts must complete', wholeNumber)
    .option('--aggregate <kind[:member]>', `what is made of the outputs: ${AGGREGATIONS.join(', ')}`, aggregateOf)
    .action((flags: DistributeFlags) =>
      context.run(() =>
        context.with(async (client) => {
          const { task: made } = await client.task.distribute(distributeOf(flags), keyOf(flags));
          await follow(client, made, { flags, context });
        }),
      ),
    );
}

function addNewOptions(command: Command): Command {
  return addWaitOptions(
    addTaskOptions(command)
      .option('--parent <id>', 'the task below which it stands')
      .option('--parent-token <token>', 'refused unless its parent is held under this token')
      .option('--idempotency-key <key>', 'calls with one key create one task'),
  );
}

export function addWaitOptions(command: Command): Command {
  return command
    .option('--wait', 'wait for its end and print its result')
    .option('--wait-timeout <duration>', 'wait no longer than this', durationMs);
}

function newOf(flags: NewFlags): TaskCreate {
  const { parent, parentToken } = flags;
  return {
    ...paramsOf(flags),
    ...(parent === undefined ? {} : { parentId: parent }),
    ...(parentToken === undefined ? {} : { parentToken }),
  };
}

function keyOf({ idempotencyKey }: NewFlags): { readonly key?: string } {
  return idempotencyKey === undefined ? {} : { key: idempotencyKey };
}

function distributeOf(flags: DistributeFlags): TaskDistribute {
  const { parts, copies, each, completion, threshold, aggregate } = flags;
  if ([parts, copies, each].filter((one) => one !== undefined).length !== 1)
    throw usage('Say one of --parts, --copies and --each.');
  if (threshold !== undefined && completion === undefined) throw usage('Say when it completes: --completion MODE.');
  return {
    ...newOf(flags),
    ...(parts === undefined ? {} : { parts: partsOf(parts) }),
    ...(copies === undefined ? {} : { copies }),
    ...(each === undefined ? {} : { each: each === true ? {} : { max: wholeNumber(each) } }),
    ...(completion === undefined
      ? {}
      : { completion: { mode: completion, ...(threshold === undefined ? {} : { threshold }) } }),
    ...(aggregate === undefined ? {} : { aggregate }),
  };
}

/** The server judges what is in them. */
function partsOf(text: string): NonNullable<TaskDistribute['parts']> {
  const parts = jsonValue(text);
  if (!Array.isArray(parts)) throw usage('--parts is not a list: say [{"parameters": …}, …].');
  return parts;
}

/** `KIND` or `KIND:MEMBER`. */
function aggregateOf(text: string): NonNullable<TaskDistribute['aggregate']> {
  const at = text.indexOf(':');
  const kind: Aggregation = oneOf(...AGGREGATIONS)(at < 0 ? text : text.slice(0, at));
  return at < 0 ? { kind } : { kind, by: text.slice(at + 1) };
}

/** Prints a new task, or waits for its end and prints what came of it. */
export async function follow(
  client: Client,
  task: TaskView,
  asked: { readonly flags: WaitFlags; readonly context: Context },
): Promise<void> {
  const { flags, context } = asked;
  const { output } = context;
  if (flags.wait !== true) return output.result({ task }, () => `${task.id}  ${task.status}`);
  output.note(`${task.id}  ${task.status}`);
  const ended = await client.task.wait(task, flags.waitTimeout === undefined ? {} : { timeoutMs: flags.waitTimeout });
  if (output.json) output.result({ task: ended }, () => '');
  if (ended.status === 'completed') return output.say(valueText(ended.result ?? null));
  const why = ended.error === undefined ? '' : `: ${ended.error.code}: ${ended.error.message}`;
  throw new CliError(`TASK_${ended.status.toUpperCase()}`, `${ended.id} ended ${ended.status}${why}`, Exit.TASK);
}
