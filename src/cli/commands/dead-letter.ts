/** `muster dead-letter …`: tasks that failed for good. */
import type { Command } from 'commander';
import {
  LETTER_STATES,
  type LetterEdit,
  type LetterFilter,
  type LetterRunView,
  type LetterState,
  type LetterView,
} from '../../../protocol/wire/letters.ts';
import type { Client } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { usage } from '../exit.ts';
import { columns, pretty, toJson, when } from '../output.ts';
import { instant, jsonValue, oneOf, wholeNumber } from '../values.ts';

interface FilterFlags {
  readonly type?: string;
  readonly status?: 'failed' | 'timed_out';
  readonly agent?: string;
  readonly workspace?: string;
  readonly code?: string;
  readonly from?: number;
  readonly until?: number;
}

interface PageFlags {
  readonly limit?: number;
  readonly cursor?: string;
}

interface ManyFlags extends FilterFlags {
  readonly all?: boolean;
  readonly max?: number;
}

interface ReplayFlags extends ManyFlags {
  readonly edit?: string;
  readonly perSecond?: number;
}

export function addDeadLetter(program: Command, context: Context): void {
  const letter = program.command('dead-letter').description('tasks that failed for good');
  addReads(letter, context);
  letter
    .command('edit')
    .description('say what shall be another way when it is replayed')
    .argument('<id>')
    .requiredOption('--edit <json>', 'params of task.create: JSON, @FILE or - for standard input')
    .action((id: string, flags: { readonly edit: string }) =>
      context.run(() =>
        context.with(async (client) =>
          show((await client.deadLetter.edit({ id, edit: editFrom(flags.edit) })).letter, context),
        ),
      ),
    );
  const replay = letter.command('replay').description('create a task like one, or, with a filter or --all, like many');
  addFilter(replay.argument('[id]'))
    .option('--all', 'all that are in the queue')
    .option('--edit <json>', 'what shall be another way: JSON, @FILE or - for standard input')
    .option('--per-second <n>', 'of many so many in a second', wholeNumber)
    .option('--max <n>', 'of many no more than these', wholeNumber)
    .action((id: string | undefined, flags: ReplayFlags) => context.run(() => replayOne(id, flags, context)));
  const discard = letter.command('discard').description('throw one away, or, with a filter or --all, many');
  addFilter(discard.argument('[id]'))
    .option('--all', 'all that are in the queue')
    .option('--max <n>', 'of many no more than these', wholeNumber)
    .action((id: string | undefined, flags: ManyFlags) => context.run(() => discardOne(id, flags, context)));
  addRuns(letter, context);
}

function addReads(letter: Command, context: Context): void {
  addFilter(letter.command('list').description('dead letters, newest first'))
    .option('--state <state>', LETTER_STATES.join(', '), oneOf(...LETTER_STATES))
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: FilterFlags & PageFlags & { readonly state?: LetterState }) =>
      context.run(() => list(flags, context)),
    );
  letter
    .command('get')
    .description('one dead letter, with the failure of each attempt')
    .argument('<id>')
    .action((id: string) =>
      context.run(() => context.with(async (client) => show((await client.deadLetter.get({ id })).letter, context))),
    );
}

function addRuns(letter: Command, context: Context): void {
  letter
    .command('runs')
    .description('replays and discards of many, and how far they are')
    .option('--id <id>', 'only this one')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: PageFlags & { readonly id?: string }) =>
      context.run(() =>
        context.with(async (client) => {
          const page = await client.deadLetter.runs(flags);
          context.output.result(page, () => {
            const rows = page.runs.map((run) => [
              run.id,
              run.kind,
              run.state,
              `${run.handled}`,
              `${run.refused}`,
              run.code ?? '',
              when(run.createdAt),
            ]);
            return columns(['ID', 'KIND', 'STATE', 'DONE', 'REFUSED', 'CODE', 'BEGAN (UTC)'], rows, 'no runs');
          });
          if (page.cursor !== undefined) context.output.note(`more: --cursor ${page.cursor}`);
        }),
      ),
    );
  letter
    .command('stop')
    .description('end a run; what it did stays done')
    .argument('<run>')
    .action((id: string) =>
      context.run(() => context.with(async (client) => tell((await client.deadLetter.stop({ id })).run, context))),
    );
}

function addFilter(command: Command): Command {
  return command
    .option('--type <type>', 'only this type')
    .option('--status <status>', 'failed or timed_out', oneOf('failed', 'timed_out'))
    .option('--agent <id>', 'only those that died with this agent')
    .option('--workspace <id>', 'only those of this workspace')
    .option('--code <code>', 'only those with this error, for example TIMEOUT')
    .option('--from <instant>', 'only those that died then or later, for example 2026-05-01T09:00:00Z', instant)
    .option('--until <instant>', 'only those that died before', instant);
}

export function filterOf(flags: FilterFlags): LetterFilter {
  const { type, status, agent, workspace, code, from, until } = flags;
  return {
    ...(type === undefined ? {} : { type }),
    ...(status === undefined ? {} : { status }),
    ...(agent === undefined ? {} : { agentId: agent }),
    ...(workspace === undefined ? {} : { workspaceId: workspace }),
    ...(code === undefined ? {} : { code }),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
  };
}

/** The server checks what is in it. */
function editFrom(text: string): LetterEdit {
  const value = jsonValue(text);
  const isEdit = (one: unknown): one is LetterEdit => typeof one === 'object' && one !== null && !Array.isArray(one);
  if (!isEdit(value)) throw usage('--edit needs an object.');
  return value;
}

/** One letter, or many by a filter; never all of them by a slip. */
export function wanted(id: string | undefined, flags: ManyFlags): { readonly id: string } | LetterFilter {
  const filter = filterOf(flags);
  const filtered = Object.keys(filter).length > 0 || flags.all === true;
  if (id !== undefined && filtered) throw usage('Say an id or a filter, not both.');
  if (id === undefined && !filtered) throw usage('Say an id, a filter such as --type, or --all.');
  return id === undefined ? filter : { id };
}

async function replayOne(id: string | undefined, flags: ReplayFlags, context: Context): Promise<void> {
  const which = wanted(id, flags);
  const edit = flags.edit === undefined ? {} : { edit: editFrom(flags.edit) };
  await context.with(async (client) => {
    if ('id' in which) {
      const { task } = await client.deadLetter.replay({ ...which, ...edit });
      return context.output.result({ task }, () => `${task.id}  ${task.status}`);
    }
    const rate = flags.perSecond === undefined ? {} : { perSecond: flags.perSecond };
    tell((await client.deadLetter.replayMany({ ...which, ...edit, ...rate, ...most(flags) })).run, context);
  });
}

async function discardOne(id: string | undefined, flags: ManyFlags, context: Context): Promise<void> {
  const which = wanted(id, flags);
  await context.with(async (client: Client) => {
    if ('id' in which) {
      const discarded = await client.deadLetter.discard(which);
      return context.output.result(discarded, () => `${discarded.id} discarded`);
    }
    tell((await client.deadLetter.discardMany({ ...which, ...most(flags) })).run, context);
  });
}

function most({ max }: ManyFlags): { readonly max?: number } {
  return max === undefined ? {} : { max };
}

function tell(run: LetterRunView, { output }: Context): void {
  output.result({ run }, () => `${run.id}  ${run.kind}  ${run.state}  ${run.handled} done, ${run.refused} refused`);
}

async function list(
  flags: FilterFlags & PageFlags & { readonly state?: LetterState },
  context: Context,
): Promise<void> {
  const { limit, cursor, state } = flags;
  const { output } = context;
  await context.with(async (client) => {
    const page = await client.deadLetter.list({
      ...filterOf(flags),
      ...(limit === undefined ? {} : { limit }),
      ...(cursor === undefined ? {} : { cursor }),
      ...(state === undefined ? {} : { state }),
    });
    output.result(page, () => {
      const rows = page.tasks.map((task) => {
        const mark = page.letters?.find((one) => one.id === task.id);
        const done = mark === undefined ? '' : mark.state === 'open' ? 'edited' : (mark.replayedAs ?? mark.state);
        return [task.id, task.type, task.status, task.error?.code ?? '', when(task.finishedAt), done];
      });
      return columns(['ID', 'TYPE', 'STATUS', 'ERROR', 'DIED (UTC)', ''], rows, 'no dead letters');
    });
    if (page.cursor !== undefined) output.note(`more: --cursor ${page.cursor}`);
  });
}

function show(letter: LetterView, { output }: Context): void {
  output.result({ letter }, () => {
    const { task, edit } = letter;
    const lines: (readonly [string, string | undefined])[] = [
      ['id', letter.id],
      ['state', letter.replayedAs === undefined ? letter.state : `${letter.state} as ${letter.replayedAs}`],
      ['type', task.type],
      ['status', task.status],
      ['error', task.error === undefined ? undefined : `${task.error.code}: ${task.error.message}`],
      ['died', when(task.finishedAt)],
      ['parameters', toJson(task.parameters)],
      ['edit', edit === undefined ? undefined : pretty(edit)],
      ...(task.errors ?? []).map(
        (one) =>
          [`attempt ${one.attempt}`, `${when(one.at)}  ${one.agentId ?? ''}  ${one.code}: ${one.message}`] as const,
      ),
    ];
    return lines
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([name, value]) => `${name.padEnd(11)} ${value ?? ''}`)
      .join('\n');
  });
}
