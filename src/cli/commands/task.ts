/** `muster task …`: create, list, get, cancel, retry; what shows how work goes is in observe.ts and report.ts. */
import type { Command } from 'commander';
import type { Client, QuestionView, TaskCreate, TaskView, Value } from '../../client/node.ts';
import { STRATEGY_NAMES, TASK_STATUSES, type Params, type TaskStatus } from '../../../protocol/wire/types.ts';
import type { Context } from '../context.ts';
import { CliError, Exit } from '../exit.ts';
import { columns, pretty, toJson, when } from '../output.ts';
import { addTaskControl } from './task-control.ts';
import { addTaskReads } from './observe.ts';
import { addReport } from './report.ts';
import { addTree } from './tree.ts';
import { durationMs, jsonValue, oneOf, pairs, several, wholeNumber } from '../values.ts';

interface WaitFlags {
  readonly wait?: boolean;
  readonly waitTimeout?: number;
}

/** What a task is made of. */
export interface TaskFlags {
  readonly type: string;
  readonly params?: string;
  readonly priority?: NonNullable<TaskCreate['priority']>;
  readonly require?: readonly string[];
  readonly label?: readonly string[];
  readonly timeout?: number;
  readonly progressTimeout?: number;
  readonly deadline?: number;
  readonly delay?: number;
  readonly attempts?: number;
  readonly strategy?: NonNullable<TaskCreate['strategy']>;
  readonly mode?: NonNullable<TaskCreate['mode']>;
}

interface CreateFlags extends TaskFlags, WaitFlags {
  readonly idempotencyKey?: string;
}

interface ListFlags {
  readonly status?: TaskStatus;
  readonly type?: string;
  readonly agent?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

export function addTask(program: Command, context: Context): void {
  const task = program.command('task').description('create and follow tasks');
  addCreate(task, context);
  addTree(task, context);
  addTaskControl(task, context);
  addTaskReads(task, context);
  addReport(task, context);
  task
    .command('list')
    .description('tasks, newest page first by the server')
    .option('--status <status>', TASK_STATUSES.join(', '), oneOf(...TASK_STATUSES))
    .option('--type <type>', 'only this type')
    .option('--agent <id>', 'only those of this agent')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: ListFlags) => context.run(() => context.with((client) => list(client, flags, context))));
  task
    .command('get')
    .description('one task with its result')
    .argument('<id>')
    .action((id: string) =>
      context.run(() => context.with(async (client) => show((await client.task.get({ id })).task, context))),
    );
  task
    .command('cancel')
    .description('cancel a task; its agent is told')
    .argument('<id>')
    .option('--reason <text>', 'why')
    .action((id: string, flags: { readonly reason?: string }) =>
      context.run(() =>
        context.with(async (client) => show((await client.task.cancel({ id, ...flags })).task, context)),
      ),
    );
  task
    .command('retry')
    .description('create a new task like one that has ended')
    .argument('<id>')
    .option('--params <json>', 'other parameters: JSON, @FILE or - for standard input')
    .option('--wait', 'wait for its end and print its result')
    .option('--wait-timeout <duration>', 'wait no longer than this', durationMs)
    .action((id: string, flags: WaitFlags & { readonly params?: string }) =>
      context.run(() =>
        context.with(async (client) => {
          const parameters = flags.params === undefined ? {} : { parameters: jsonValue(flags.params) };
          await follow(client, (await client.task.retry({ id, ...parameters })).task, { flags, context });
        }),
      ),
    );
}

function addCreate(task: Command, context: Context): void {
  addTaskOptions(task.command('create').description('create a task'))
    .option('--idempotency-key <key>', 'calls with one key create one task')
    .option('--wait', 'wait for its end and print its result')
    .option('--wait-timeout <duration>', 'wait no longer than this', durationMs)
    .action((flags: CreateFlags) => context.run(() => context.with((client) => create(client, flags, context))));
}

export function addTaskOptions(command: Command): Command {
  return command
    .requiredOption(
      '--type <type>',
      'type, which is also the capability that an agent needs unless --require says otherwise',
    )
    .option('--params <json>', 'parameters: JSON, @FILE or - for standard input')
    .option('--priority <priority>', 'low, normal, high or critical', oneOf('low', 'normal', 'high', 'critical'))
    .option('--require <capability>', 'capability that an agent needs; may be repeated', several)
    .option('--label <name=value>', 'label; may be repeated', several)
    .option('--timeout <duration>', 'how long an attempt may take', durationMs)
    .option('--progress-timeout <duration>', 'how long an attempt may show no progress', durationMs)
    .option('--deadline <duration>', 'from now on, when it must have ended', durationMs)
    .option('--delay <duration>', 'when it begins, from now on', durationMs)
    .option('--attempts <n>', 'attempts at most', wholeNumber)
    .option('--strategy <strategy>', STRATEGY_NAMES.join(', '), oneOf(...STRATEGY_NAMES))
    .option('--mode <mode>', 'assign, or offer to ask agents first', oneOf('assign', 'offer'));
}

export function paramsOf(flags: TaskFlags): TaskCreate {
  return {
    type: flags.type,
    ...(flags.params === undefined ? {} : { parameters: jsonValue(flags.params) }),
    ...(flags.priority === undefined ? {} : { priority: flags.priority }),
    ...(flags.require === undefined ? {} : { requirements: flags.require }),
    ...(flags.label === undefined ? {} : { labels: pairs(flags.label) }),
    ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }),
    ...(flags.progressTimeout === undefined ? {} : { progressTimeoutMs: flags.progressTimeout }),
    ...(flags.deadline === undefined ? {} : { deadlineMs: flags.deadline }),
    ...(flags.delay === undefined ? {} : { delayMs: flags.delay }),
    ...(flags.attempts === undefined ? {} : { retry: { maxAttempts: flags.attempts } }),
    ...(flags.strategy === undefined ? {} : { strategy: flags.strategy }),
    ...(flags.mode === undefined ? {} : { mode: flags.mode }),
  };
}

async function create(client: Client, flags: CreateFlags, context: Context): Promise<void> {
  const options = flags.idempotencyKey === undefined ? {} : { key: flags.idempotencyKey };
  const { task } = await client.task.create(paramsOf(flags), options);
  await follow(client, task, { flags, context });
}

/** Prints a new task, or waits for its end and prints what came of it. */
async function follow(
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
  if (ended.status === 'completed') return output.say(text(ended.result ?? null));
  const why = ended.error === undefined ? '' : `: ${ended.error.code}: ${ended.error.message}`;
  throw new CliError(`TASK_${ended.status.toUpperCase()}`, `${ended.id} ended ${ended.status}${why}`, Exit.TASK);
}

async function list(client: Client, flags: ListFlags, { output }: Context): Promise<void> {
  const { agent, ...rest } = flags;
  const params: Params['task.list'] = { ...rest, ...(agent === undefined ? {} : { agentId: agent }) };
  const page = await client.task.list(params);
  output.result(page, () => {
    const rows = page.tasks.map((task) => [
      task.id,
      task.type,
      task.status,
      `${task.attempt}`,
      task.agentId ?? '',
      when(task.createdAt),
    ]);
    return columns(['ID', 'TYPE', 'STATUS', 'ATTEMPT', 'AGENT', 'CREATED (UTC)'], rows, 'no tasks');
  });
  if (page.cursor !== undefined) output.note(`more: --cursor ${page.cursor}`);
}

function show(task: TaskView, { output }: Context): void {
  output.result({ task }, () => {
    const lines: (readonly [string, string | undefined])[] = [
      ['id', task.id],
      ['type', task.type],
      ['status', task.status],
      ['priority', task.priority],
      [
        'attempt',
        `${task.attempt} of ${task.retry.maxAttempts}${task.losses === 0 ? '' : `, agents lost ${task.losses}`}`,
      ],
      ['agent', task.agentId],
      [
        'progress',
        task.progress === undefined
          ? undefined
          : `${task.progress.percentComplete} % ${task.progress.status ?? ''}`.trimEnd(),
      ],
      ['paused', task.paused === undefined ? undefined : paused(task.paused)],
      ['orders', orders(task)],
      ['asks', task.questions?.map(question).join('\n            ')],
      ['output', task.output === undefined ? undefined : `${task.output.bytes} bytes`],
      ['checkpoint', task.checkpoint === undefined ? undefined : text(task.checkpoint.data ?? null)],
      ['created', `${when(task.createdAt)} by ${task.createdBy}`],
      ['started', when(task.startedAt)],
      ['finished', when(task.finishedAt)],
      ['parameters', text(task.parameters)],
      ['result', task.result === undefined ? undefined : text(task.result)],
      ['error', task.error === undefined ? undefined : `${task.error.code}: ${task.error.message}`],
    ];
    return lines
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([name, value]) => `${name.padEnd(11)} ${value ?? ''}`)
      .join('\n');
  });
}

function paused({ at, by, reason, confirmed }: NonNullable<TaskView['paused']>): string {
  return `${when(at)} by ${by}${reason === undefined ? '' : `: ${reason}`}${confirmed === true ? ', its agent rests' : ''}`;
}

/** What its agent was told and has not acknowledged. */
function orders({ controls }: TaskView): string | undefined {
  return controls
    ?.map(({ control, seq, overdue }) => `${control} ${seq}${overdue === true ? ' (overdue)' : ''}`)
    .join(', ');
}

function question({ askId, question: asked, choices }: QuestionView): string {
  return `${askId}  ${asked}${choices === undefined ? '' : ` (${choices.join(', ')})`}`;
}

/** A string as it is; anything else as JSON, in one line if it is short. */
function text(value: Value): string {
  if (typeof value === 'string') return value;
  const line = toJson(value);
  return line.length <= 100 ? line : pretty(value);
}
