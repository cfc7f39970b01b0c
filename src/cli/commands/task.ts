/** `muster task …`: list, get, cancel, retry; creating is in create.ts, what shows how work goes in observe.ts and report.ts. */
import type { Command } from 'commander';
import type { Client, QuestionView, TaskView } from '../../client/node.ts';
import { TASK_STATUSES, type Params, type TaskStatus } from '../../../protocol/wire/types.ts';
import type { Context } from '../context.ts';
import { columns, valueText, when } from '../output.ts';
import { addTaskControl } from './task-control.ts';
import { addTaskReads } from './observe.ts';
import { addCreate, addWaitOptions, follow, type WaitFlags } from './create.ts';
import { addReport } from './report.ts';
import { addTree } from './tree.ts';
import { jsonValue, oneOf, wholeNumber } from '../values.ts';

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
  addWaitOptions(
    task
      .command('retry')
      .description('create a new task like one that has ended')
      .argument('<id>')
      .option('--params <json>', 'other parameters: JSON, @FILE or - for standard input'),
  ).action((id: string, flags: WaitFlags & { readonly params?: string }) =>
    context.run(() =>
      context.with(async (client) => {
        const parameters = flags.params === undefined ? {} : { parameters: jsonValue(flags.params) };
        await follow(client, (await client.task.retry({ id, ...parameters })).task, { flags, context });
      }),
    ),
  );
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
      ['checkpoint', task.checkpoint === undefined ? undefined : valueText(task.checkpoint.data ?? null)],
      ['created', `${when(task.createdAt)} by ${task.createdBy}`],
      ['started', when(task.startedAt)],
      ['finished', when(task.finishedAt)],
      ['parameters', valueText(task.parameters)],
      ['result', task.result === undefined ? undefined : valueText(task.result)],
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
