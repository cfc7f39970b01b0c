/** `muster task …` for tasks that run: pause, resume, steer, reprioritise, extend, answer, output. */
import type { Command } from 'commander';
import type { Client, Params, TaskView } from '../../client/node.ts';
import { PRIORITIES } from '../../../protocol/wire/types.ts';
import type { Context } from '../context.ts';
import { usage } from '../exit.ts';
import { durationMs, jsonValue, oneOf, wholeNumber } from '../values.ts';

interface Within {
  readonly within?: number;
}

const WITHIN = ['--within <duration>', 'how long its agent has to acknowledge', durationMs] as const;

function acknowledged({ within }: Within): { readonly acknowledgeMs?: number } {
  return within === undefined ? {} : { acknowledgeMs: within };
}

/** What happened, in a line. */
function told(task: TaskView, { output }: Context): void {
  output.result({ task }, () => `${task.id}  ${task.status}`);
}

export function addTaskControl(task: Command, context: Context): void {
  for (const verb of ['pause', 'resume'] as const) {
    task
      .command(verb)
      .description(verb === 'pause' ? 'let a task rest where it is' : 'let a paused task go on')
      .argument('<id>')
      .option('--reason <text>', 'why')
      .option(...WITHIN)
      .action((id: string, { reason, ...flags }: Within & { readonly reason?: string }) =>
        context.run(() =>
          context.with(async (client) => {
            const params = { id, ...(reason === undefined ? {} : { reason }), ...acknowledged(flags) };
            told((await client.task[verb](params)).task, context);
          }),
        ),
      );
  }
  addSteer(task, context);
  addLimits(task, context);
  addAnswer(task, context);
  task
    .command('output')
    .description('print what a task hands out, until it has ended')
    .argument('<id>')
    .option('--from <bytes>', 'where to begin', wholeNumber, 0)
    .option('--no-follow', 'only what is there now')
    .action((id: string, flags: { readonly from: number; readonly follow: boolean }) =>
      context.run(() => context.with((client) => printOutput(client, { id, ...flags }, context))),
    );
}

function addSteer(task: Command, context: Context): void {
  task
    .command('steer')
    .description('send a message into a running task')
    .argument('<id>')
    .argument('<message>', 'text')
    .option('--as-json', 'the message is JSON, @FILE or - for standard input')
    .option(...WITHIN)
    .action((id: string, message: string, flags: Within & { readonly asJson?: boolean }) =>
      context.run(() =>
        context.with(async (client) => {
          const value = flags.asJson === true ? jsonValue(message) : message;
          const sent = await client.task.steer({ id, message: value, ...acknowledged(flags) });
          context.output.result(sent, () => `${sent.id}  message ${sent.seq}`);
        }),
      ),
    );
}

type Limit = number | 'none';

interface LimitFlags extends Within {
  readonly deadline?: Limit;
  readonly timeout?: Limit;
  readonly progressTimeout?: Limit;
}

function limit(text: string): Limit {
  return text === 'none' ? 'none' : durationMs(text);
}

function ms(of: Limit): number | null {
  return of === 'none' ? null : of;
}

function addLimits(task: Command, context: Context): void {
  task
    .command('reprioritise')
    .description('give a task another priority')
    .argument('<id>')
    .argument('<priority>', PRIORITIES.join(', '), oneOf(...PRIORITIES))
    .option(...WITHIN)
    .action((id: string, priority: Params['task.reprioritise']['priority'], flags: Within) =>
      context.run(() =>
        context.with(async (client) =>
          told((await client.task.reprioritise({ id, priority, ...acknowledged(flags) })).task, context),
        ),
      ),
    );
  task
    .command('extend')
    .description('give a task more time, or less, from now on')
    .argument('<id>')
    .option('--deadline <duration>', 'when it must have ended, or none', limit)
    .option('--timeout <duration>', 'how long its attempt may take, or none', limit)
    .option('--progress-timeout <duration>', 'how long its attempt may show no progress, or none', limit)
    .option(...WITHIN)
    .action((id: string, flags: LimitFlags) =>
      context.run(() => context.with(async (client) => told(await extend(client, id, flags), context))),
    );
}

async function extend(client: Client, id: string, flags: LimitFlags): Promise<TaskView> {
  const { deadline, timeout, progressTimeout } = flags;
  const params: Params['task.extend'] = {
    id,
    ...(deadline === undefined ? {} : { deadlineMs: ms(deadline) }),
    ...(timeout === undefined ? {} : { timeoutMs: ms(timeout) }),
    ...(progressTimeout === undefined ? {} : { progressTimeoutMs: ms(progressTimeout) }),
    ...acknowledged(flags),
  };
  if (Object.keys(params).every((name) => name === 'id' || name === 'acknowledgeMs'))
    throw usage('Say what is to be extended: --deadline, --timeout or --progress-timeout.');
  return (await client.task.extend(params)).task;
}

function addAnswer(task: Command, context: Context): void {
  task
    .command('answer')
    .description('answer the question of a running task')
    .argument('<id>')
    .argument('<answer>', 'text')
    .option('--question <askId>', 'which one, if several are open')
    .option('--as-json', 'the answer is JSON, @FILE or - for standard input')
    .option(...WITHIN)
    .action((id: string, answer: string, flags: Within & { readonly question?: string; readonly asJson?: boolean }) =>
      context.run(() =>
        context.with(async (client) => {
          const askId = flags.question ?? (await onlyQuestion(client, id));
          const value = flags.asJson === true ? jsonValue(answer) : answer;
          const given = await client.task.answer({ id, askId, answer: value, ...acknowledged(flags) });
          context.output.result(given, () => `${given.id}  ${given.askId} answered`);
        }),
      ),
    );
}

async function onlyQuestion(client: Client, id: string): Promise<string> {
  const { questions = [] } = (await client.task.get({ id })).task;
  const [first, second] = questions;
  if (first === undefined) throw usage(`Task ${id} asks nothing.`);
  if (second === undefined) return first.askId;
  const open = questions.map((one) => `${one.askId}  ${one.question}`).join('\n');
  throw usage(`Task ${id} asks several things; say which by --question:\n${open}`);
}

async function printOutput(
  client: Client,
  asked: { readonly id: string; readonly from: number; readonly follow: boolean },
  { output }: Context,
): Promise<void> {
  const { id, from } = asked;
  if (asked.follow) {
    for await (const piece of client.task.watchOutput(id, { from })) output.piece(piece);
    return;
  }
  for (let next = from; ;) {
    const page = await client.task.readOutput({ id, offset: next });
    for (const piece of page.pieces) output.piece(piece);
    if (page.next >= page.bytes) return;
    next = page.next;
  }
}
