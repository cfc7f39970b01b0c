/** `muster schedule …`: tasks that are made by themselves. */
import type { Command } from 'commander';
import {
  MISSED_POLICIES,
  OVERLAPS,
  SCHEDULE_STATUSES,
  type ScheduleRun,
  type ScheduleView,
} from '../../../protocol/wire/schedules.ts';
import { type Params } from '../../../protocol/wire/types.ts';
import type { Context } from '../context.ts';
import { usage } from '../exit.ts';
import { columns, toJson, when } from '../output.ts';
import { durationMs, instant, jsonValue, oneOf, wholeNumber } from '../values.ts';
import { addTaskOptions, paramsOf, type TaskFlags } from '../task-flags.ts';

interface TimeFlags {
  readonly at?: number;
  readonly in?: number;
  readonly every?: number;
  readonly cron?: string;
  readonly timeZone?: string;
  readonly name?: string;
  readonly overlap?: NonNullable<Params['schedule.create']['overlap']>;
  readonly missed?: NonNullable<Params['schedule.create']['missed']>;
  readonly missedMax?: number;
  readonly jitter?: number;
  readonly start?: number;
  readonly end?: number;
  readonly maxRuns?: number;
}

type CreateFlags = TimeFlags & TaskFlags;

interface ListFlags {
  readonly status?: ScheduleView['status'];
  readonly name?: string;
  readonly type?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

export function addSchedule(program: Command, context: Context): void {
  const schedule = program.command('schedule').description('tasks at an instant, an interval, or by a cron expression');
  const create = schedule.command('create').description('make tasks of a kind from now on');
  addTimeOptions(addTaskOptions(create)).action((flags: CreateFlags) =>
    context.run(() => {
      const params = { ...timeOf(checked(flags, true)), task: paramsOf(flags) };
      return context.with(async (client) => show((await client.schedule.create(params)).schedule, context));
    }),
  );
  addTimeOptions(schedule.command('update').description('change when, or the policies; --task: what').argument('<id>'))
    .option('--task <json>', 'another task, as task.create takes it: JSON, @FILE or - for standard input')
    .action((id: string, flags: TimeFlags & { readonly task?: string }) =>
      context.run(() => {
        const task = flags.task === undefined ? {} : { task: taskFrom(flags.task) };
        const params = { id, ...timeOf(checked(flags, false)), ...task };
        return context.with(async (client) => show((await client.schedule.update(params)).schedule, context));
      }),
    );
  schedule
    .command('list')
    .description('schedules')
    .option('--status <status>', SCHEDULE_STATUSES.join(', '), oneOf(...SCHEDULE_STATUSES))
    .option('--name <name>', 'only this name')
    .option('--type <type>', 'only those of tasks of this type')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: ListFlags) => context.run(() => list(flags, context)));
  schedule
    .command('get')
    .description('one schedule, what is to come and what was')
    .argument('<id>')
    .option('--upcoming <n>', 'how many of the next instants', wholeNumber)
    .action((id: string, flags: { readonly upcoming?: number }) =>
      context.run(() =>
        context.with(async (client) => {
          const found = await client.schedule.get({ id, ...flags });
          show(found.schedule, context, found.upcoming);
        }),
      ),
    );
  addVerbs(schedule, context);
}

function addVerbs(schedule: Command, context: Context): void {
  for (const [verb, what] of [
    ['pause', 'make no tasks until it is resumed'],
    ['resume', 'go on from now'],
  ] as const) {
    schedule
      .command(verb)
      .description(what)
      .argument('<id>')
      .action((id: string) =>
        context.run(() =>
          context.with(async (client) => show((await client.schedule[verb]({ id })).schedule, context)),
        ),
      );
  }
  schedule
    .command('trigger')
    .description('make one task more, now')
    .argument('<id>')
    .action((id: string) =>
      context.run(() =>
        context.with(async (client) => {
          const made = await client.schedule.trigger({ id });
          context.output.result(made, () => `${made.task.id}  ${made.task.status}`);
        }),
      ),
    );
  schedule
    .command('delete')
    .description('forget it; the tasks that it made go on')
    .argument('<id>')
    .action((id: string) =>
      context.run(() =>
        context.with(async (client) => {
          const deleted = await client.schedule.delete({ id });
          context.output.result(deleted, () => `${deleted.id} deleted`);
        }),
      ),
    );
}

function addTimeOptions(command: Command): Command {
  return command
    .option('--at <instant>', 'once, at 2026-05-01T09:00:00Z', instant)
    .option('--in <duration>', 'once, so long from now', durationMs)
    .option('--every <duration>', 'at this interval', durationMs)
    .option('--cron <expression>', 'minute hour day month weekday, for example "30 2 * * MON-FRI"')
    .option('--time-zone <zone>', 'whose clock the expression means, for example Europe/Berlin (default: UTC)')
    .option('--name <name>', 'for people and lists')
    .option('--overlap <policy>', 'while the task before has not ended: skip, allow or buffer', oneOf(...OVERLAPS))
    .option('--missed <policy>', 'of what was missed in an outage run once, skip or all', oneOf(...MISSED_POLICIES))
    .option('--missed-max <n>', 'with all: the newest so many', wholeNumber)
    .option('--jitter <duration>', 'each up to so much later', durationMs)
    .option('--start <instant>', 'none before', instant)
    .option('--end <instant>', 'none after', instant)
    .option('--max-runs <n>', 'so many tasks at most', wholeNumber);
}

/** One time, or when a schedule is changed, none. */
function checked(flags: TimeFlags, isNew: boolean): TimeFlags {
  const count = [flags.at, flags.in, flags.every, flags.cron].filter((one) => one !== undefined).length;
  if (count > 1) throw usage('Say one of --at, --in, --every and --cron, not several.');
  if (count === 0 && isNew) throw usage('Say when: --at, --in, --every or --cron.');
  if (flags.timeZone !== undefined && flags.cron === undefined) throw usage('--time-zone goes with --cron.');
  return flags;
}

export function timeOf(flags: TimeFlags): Omit<Params['schedule.create'], 'task'> {
  return {
    ...(flags.at === undefined ? {} : { at: flags.at }),
    ...(flags.in === undefined ? {} : { delayMs: flags.in }),
    ...(flags.every === undefined ? {} : { everyMs: flags.every }),
    ...(flags.cron === undefined ? {} : { cron: flags.cron }),
    ...(flags.timeZone === undefined ? {} : { timeZone: flags.timeZone }),
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.overlap === undefined ? {} : { overlap: flags.overlap }),
    ...(flags.missed === undefined ? {} : { missed: flags.missed }),
    ...(flags.missedMax === undefined ? {} : { missedMax: flags.missedMax }),
    ...(flags.jitter === undefined ? {} : { jitterMs: flags.jitter }),
    ...(flags.start === undefined ? {} : { startAt: flags.start }),
    ...(flags.end === undefined ? {} : { endAt: flags.end }),
    ...(flags.maxRuns === undefined ? {} : { maxRuns: flags.maxRuns }),
  };
}

/** The server checks it. */
function taskFrom(text: string): Params['schedule.create']['task'] {
  const value = jsonValue(text);
  const isTask = (one: unknown): one is Params['schedule.create']['task'] =>
    typeof one === 'object' && one !== null && 'type' in one;
  if (!isTask(value)) throw usage('--task needs an object with a type.');
  return value;
}

function plan(schedule: ScheduleView): string {
  if (schedule.at !== undefined) return `at ${when(schedule.at)}`;
  if (schedule.everyMs !== undefined) return `every ${schedule.everyMs / 1_000} s`;
  return `${schedule.cron ?? ''} ${schedule.timeZone ?? ''}`;
}

async function list(flags: ListFlags, context: Context): Promise<void> {
  const { output } = context;
  await context.with(async (client) => {
    const page = await client.schedule.list(flags);
    output.result(page, () => {
      const rows = page.schedules.map((one) => [
        one.id,
        one.name ?? '',
        one.task.type,
        one.status,
        plan(one),
        when(one.nextAt),
        `${one.runs}`,
      ]);
      return columns(['ID', 'NAME', 'TYPE', 'STATUS', 'WHEN', 'NEXT (UTC)', 'RUNS'], rows, 'no schedules');
    });
    if (page.cursor !== undefined) output.note(`more: --cursor ${page.cursor}`);
  });
}

function show(schedule: ScheduleView, { output }: Context, upcoming?: readonly number[]): void {
  const told = upcoming === undefined ? { schedule } : { schedule, upcoming };
  output.result(told, () => {
    const { parameters } = schedule.task;
    const lines: (readonly [string, string | undefined])[] = [
      ['id', schedule.id],
      ['name', schedule.name],
      ['status', schedule.reason === undefined ? schedule.status : `${schedule.status}: ${schedule.reason}`],
      ['when', plan(schedule)],
      ['type', schedule.task.type],
      ['parameters', parameters === undefined ? undefined : toJson(parameters)],
      ['overlap', schedule.overlap],
      ['missed', schedule.missed === 'all' ? `all, at most ${schedule.missedMax}` : schedule.missed],
      ['next', upcoming === undefined ? when(schedule.nextAt) : upcoming.map((at) => when(at)).join(', ')],
      ['runs', schedule.maxRuns === undefined ? `${schedule.runs}` : `${schedule.runs} of ${schedule.maxRuns}`],
      ...schedule.recent.map((run) => ['', ran(run)] as const),
    ];
    return lines
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([name, value]) => `${name.padEnd(11)} ${value ?? ''}`)
      .join('\n');
  });
}

function ran({ at, outcome, taskId, count, code }: ScheduleRun): string {
  return [when(at), outcome, taskId ?? code ?? (count === undefined ? '' : `${count}`)].join('  ').trimEnd();
}
