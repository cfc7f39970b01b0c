/** What shows how work goes: `muster explain`, `muster inbox`, `muster backlog`, and `muster task search|timeline|stats`. */
import type { Command } from 'commander';
import type { Client } from '../../client/node.ts';
import type { BacklogView, DurationView, StatsView, TaskQuery } from '../../../protocol/wire/observing.ts';
import type { RuleVerdict } from '../../../protocol/wire/rules.ts';
import { TASK_STATUSES, type AgentVerdict, type ExplainView, type Params } from '../../../protocol/wire/types.ts';
import type { Context } from '../context.ts';
import { columns, when } from '../output.ts';
import { durationMs, instantMs, oneOf, pairs, several, wholeNumber } from '../values.ts';

export interface QueryFlags {
  readonly status?: TaskQuery['status'];
  readonly type?: string;
  readonly agent?: string;
  readonly workspace?: string;
  readonly label?: readonly string[];
  readonly error?: string;
  readonly text?: string;
  readonly dead?: boolean;
  readonly createdFrom?: number;
  readonly createdTo?: number;
  readonly finishedFrom?: number;
  readonly finishedTo?: number;
}

/** Options that say which tasks are meant. */
export function withQuery(command: Command): Command {
  return command
    .option('--status <status>', TASK_STATUSES.join(', '), oneOf(...TASK_STATUSES))
    .option('--type <type>', 'only this type')
    .option('--agent <id>', 'only those of this agent')
    .option('--workspace <id>', 'only those of this workspace')
    .option('--label <name=value>', 'with this label; may be repeated', several)
    .option('--error <code>', 'that ended or last failed with this code')
    .option('--text <text>', 'in the type, a label or the message of the error')
    .option('--dead', 'only dead letters')
    .option('--created-from <time>', 'created at this time or later (2026-01-31, 2026-01-31T12:00Z)', instantMs)
    .option('--created-to <time>', 'created before this time', instantMs)
    .option('--finished-from <time>', 'ended at this time or later', instantMs)
    .option('--finished-to <time>', 'ended before this time', instantMs);
}

export function queryOf(flags: QueryFlags): TaskQuery {
  const { status, type, agent, workspace, label, error, text, dead } = flags;
  const { createdFrom, createdTo, finishedFrom, finishedTo } = flags;
  return {
    ...(status === undefined ? {} : { status }),
    ...(type === undefined ? {} : { type }),
    ...(agent === undefined ? {} : { agentId: agent }),
    ...(workspace === undefined ? {} : { workspaceId: workspace }),
    ...(label === undefined ? {} : { labels: pairs(label) }),
    ...(error === undefined ? {} : { errorCode: error }),
    ...(text === undefined ? {} : { text }),
    ...(dead === undefined ? {} : { dead }),
    ...(createdFrom === undefined ? {} : { createdFrom }),
    ...(createdTo === undefined ? {} : { createdTo }),
    ...(finishedFrom === undefined ? {} : { finishedFrom }),
    ...(finishedTo === undefined ? {} : { finishedTo }),
  };
}

interface PageFlags {
  readonly limit?: number;
  readonly cursor?: string;
}

export function addObserve(program: Command, context: Context): void {
  program
    .command('explain')
    .description('why a task is where it is: what keeps each agent from it, the nearest first')
    .argument('<task>')
    .option('--limit <n>', 'how many agents', wholeNumber)
    .action((id: string, flags: { readonly limit?: number }) =>
      context.run(() => context.with((client) => explain(client, { id, ...flags }, context))),
    );
  program
    .command('inbox')
    .description('what an agent has before it: tasks, and controls that it has not acknowledged')
    .argument('<agent>')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((id: string, flags: PageFlags) =>
      context.run(() => context.with((client) => inbox(client, { id, ...flags }, context))),
    );
  program
    .command('backlog')
    .description('what waits for agents, by type')
    .option('--type <type>', 'only this type')
    .option('--limit <n>', 'how many types', wholeNumber)
    .action((flags: Params['task.backlog']) =>
      context.run(() => context.with((client) => backlog(client, flags, context))),
    );
}

/** Beneath `muster task`. */
export function addTaskReads(task: Command, context: Context): void {
  withQuery(task.command('search').description('tasks by what they are and how they ended; live ones first'))
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: QueryFlags & PageFlags) =>
      context.run(() => context.with((client) => search(client, flags, context))),
    );
  task
    .command('timeline')
    .description('what happened to a task')
    .argument('<id>')
    .action((id: string) => context.run(() => context.with((client) => timeline(client, id, context))));
  task
    .command('stats')
    .description('counts, waiting and running times, by type or by agent')
    .option('--by <what>', 'type or agent', oneOf('type', 'agent'))
    .option('--type <type>', 'only this type')
    .option('--agent <id>', 'only this agent')
    .option('--window <duration>', 'of the last so long (default: 1h)', durationMs)
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: StatsFlags) => context.run(() => context.with((client) => stats(client, flags, context))));
}

async function explain(client: Client, params: Params['task.explain'], { output }: Context): Promise<void> {
  const { explanation } = await client.task.explain(params);
  output.result({ explanation }, () => explained(explanation));
}

const REASONS: { readonly [V in ExplainView['verdict']]: string } = {
  held: 'an agent holds it',
  scheduled: 'its time has not come',
  paused: 'it is paused, and given to nobody until it is resumed',
  finished: 'it has ended',
  waitsForChildren: 'its holder is done, and tasks below it have not ended',
  waitsForParts: 'it is distributed, and its parts have not decided it',
  locks: 'it needs locks that others have, or are to have before it',
  concurrency: 'its concurrency key is full',
  noAgents: 'there is no agent',
  noCapability: 'no agent has a capability that it requires',
  ready: 'an agent can take it now',
  full: 'agents that fit have no free slot',
  quarantined: 'agents that fit are in quarantine',
  excluded: 'agents that fit rejected it or did not confirm it',
  sticky: 'its sticky key is bound to another agent',
  notActive: 'agents that fit are not active',
  away: 'agents that fit have lost their connection',
  offline: 'agents that fit are offline',
  rule: 'a rule keeps it from the agents that fit',
  workspace: 'no agent that fits may work in its workspace',
  selector: 'no agent that has the capabilities has the labels',
  capability: 'no single agent has all that it requires',
};

export function explained(view: ExplainView): string {
  const { task, verdict, waitingMs, missing, concurrency, locks, rules, agents, counts } = view;
  const nearest = agents.find((one) => one.verdict === 'capability' || one.verdict === 'selector');
  const lines: (readonly [string, string | undefined])[] = [
    ['task', `${task.id}  ${task.type}  ${task.status}`],
    ['verdict', `${verdict}: ${REASONS[verdict]}`],
    ['waiting', task.status === 'pending' ? seconds(waitingMs) : undefined],
    ['strategy', task.strategy],
    ['missing', missing?.join(', ')],
    ['key', concurrency && `${concurrency.key}: ${concurrency.held} of ${concurrency.max} held`],
    ['locks', locks && locksText(locks)],
    ['rules', rules?.map(ruleText).join('\n          ')],
    ['nearest', nearest && `${nearest.name}: ${lacks(nearest)}`],
    [
      'agents',
      Object.entries(counts)
        .map(([name, count]) => `${count} ${name}`)
        .join(', '),
    ],
  ];
  const head = lines
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name.padEnd(9)} ${value ?? ''}`)
    .join('\n');
  const rows = agents.map((one) => [
    one.name,
    one.verdict,
    one.rank === undefined ? '' : `${one.rank}`,
    one.score === undefined ? '' : `${one.score.active}/${one.score.capacity}`,
    score(one),
    lacks(one),
  ]);
  return rows.length === 0
    ? head
    : `${head}\n\n${columns(['AGENT', 'VERDICT', 'RANK', 'SLOTS', 'SCORE', 'LACKS'], rows, '')}`;
}

function locksText({ members, held, place, blockedBy = [] }: NonNullable<ExplainView['locks']>): string {
  const needs = members.map(({ path, mode }) => `${path} ${mode}`).join(', ');
  if (held || place === undefined) return held ? `${needs}: held` : needs;
  const before = blockedBy.map(({ path, owner, mode }) => `${path} ${mode} of ${owner}`).join('\n          ');
  return `${needs}: place ${place}${before === '' ? '' : `, waits for\n          ${before}`}`;
}

function ruleText({ name, applies, error, excludes, agentError, orders }: RuleVerdict): string {
  const said = [
    applies ? '' : error === undefined ? 'does not apply' : `does not apply: ${error}`,
    excludes === undefined ? '' : `keeps ${excludes} agents from it`,
    orders === undefined ? '' : `orders by ${orders === 'both' ? 'prefer and strategy' : orders}`,
    agentError === undefined ? '' : `failed: ${agentError}`,
  ];
  return `${name}: ${said.filter((one) => one !== '').join(', ') || 'has no say'}`;
}

function lacks({ missing, refused, rule, also }: AgentVerdict): string {
  const ruled = rule === undefined ? [] : [`rule ${rule}`];
  return [...(missing ?? []), ...(refused ?? []), ...ruled, ...(also === undefined ? [] : [`(${also})`])].join(', ');
}

function score({ score: terms }: AgentVerdict): string {
  if (terms === undefined) return '';
  const { weight, cost, ok, ms, failedBefore, prefer } = terms;
  return [
    `weight ${weight}`,
    ...(cost === undefined ? [] : [`cost ${cost}`]),
    ...(ok === undefined ? [] : [`ok ${percent(ok)}`]),
    ...(ms === undefined ? [] : [seconds(ms)]),
    ...(prefer === undefined ? [] : [`prefer ${prefer.map((one) => one ?? 'failed').join(' ')}`]),
    ...(failedBefore === true ? ['failed it before'] : []),
  ].join(', ');
}

async function inbox(client: Client, params: Params['agent.inbox'], { output }: Context): Promise<void> {
  const page = await client.agent.inbox(params);
  output.result(page, () => {
    const rows = page.items.map((item) => [
      item.kind,
      item.id,
      item.type,
      item.control ?? item.status ?? '',
      item.progress === undefined ? '' : `${item.progress.percentComplete} %`,
      when(item.at),
    ]);
    return columns(['KIND', 'TASK', 'TYPE', 'STATE', 'PROGRESS', 'GIVEN (UTC)'], rows, 'nothing');
  });
  if (page.cursor !== undefined) output.note(`more: --cursor ${page.cursor}`);
}

async function backlog(client: Client, params: Params['task.backlog'], { output }: Context): Promise<void> {
  const result = await client.task.backlog(params);
  output.result(result, () => waiting(result.backlog));
}

function waiting(view: BacklogView): string {
  const rows = view.types.map(({ type, waiting: count, oldestMs }) => [type, `${count}`, seconds(oldestMs)]);
  if (view.other !== undefined) {
    rows.push([`${view.other.types} more`, `${view.other.waiting}`, seconds(view.other.oldestMs)]);
  }
  const missing = view.missing.map(
    ({ capability, type, waiting: count }) => `no agent has ${capability}: ${count} of ${type}`,
  );
  const note = view.exact ? [] : ['shares of types are estimated'];
  return [columns(['TYPE', 'WAITING', 'OLDEST'], rows, 'nothing waits'), ...missing, ...note].join('\n');
}

async function search(client: Client, flags: QueryFlags & PageFlags, { output }: Context): Promise<void> {
  const { limit, cursor } = flags;
  const page = await client.task.search({
    ...queryOf(flags),
    ...(limit === undefined ? {} : { limit }),
    ...(cursor === undefined ? {} : { cursor }),
  });
  output.result(page, () => {
    const rows = page.tasks.map((task) => [
      task.id,
      task.type,
      task.status,
      `${task.attempt}`,
      task.agentId ?? '',
      when(task.finishedAt ?? task.createdAt),
      task.error?.code ?? '',
    ]);
    return columns(
      ['ID', 'TYPE', 'STATUS', 'ATTEMPT', 'AGENT', 'ENDED OR CREATED (UTC)', 'ERROR'],
      rows,
      'no tasks here',
    );
  });
  if (page.cursor !== undefined) output.note(`more: --cursor ${page.cursor}`);
}

async function timeline(client: Client, id: string, { output }: Context): Promise<void> {
  const { events, cursor, ...first } = await client.task.timeline({ id, limit: 500 });
  const all = [...events];
  for (let next = cursor; next !== undefined;) {
    const page = await client.task.timeline({ id, limit: 500, cursor: next });
    all.push(...page.events);
    next = page.cursor;
  }
  output.result({ ...first, events: all }, () => {
    const rows = all.map((one) => [
      when(one.at),
      one.event.replace(/^task\./, ''),
      `${one.attempt}`,
      one.agentId ?? '',
      [one.reason, one.error === undefined ? undefined : `${one.error.code}: ${one.error.message}`]
        .filter((part) => part !== undefined)
        .join(' '),
    ]);
    return columns(['AT (UTC)', 'WHAT', 'ATTEMPT', 'AGENT', 'WHY'], rows, 'nothing');
  });
  if (first.gap === true) output.note('some of the beginning is no longer kept');
}

interface StatsFlags extends PageFlags {
  readonly by?: 'type' | 'agent';
  readonly type?: string;
  readonly agent?: string;
  readonly window?: number;
}

async function stats(client: Client, flags: StatsFlags, { output }: Context): Promise<void> {
  const { agent, window, ...rest } = flags;
  const page = await client.task.stats({
    ...rest,
    ...(agent === undefined ? {} : { agentId: agent }),
    ...(window === undefined ? {} : { windowMs: window }),
  });
  output.result(page, () => {
    const all = page.total === undefined ? page.stats : [...page.stats, page.total];
    const rows = all.map((one) => statsRow(one));
    const head = ['OF', 'COMPLETED', 'FAILED', 'TIMED OUT', 'CANCELLED', 'OK', 'WAIT P50/90/99', 'RUN P50/90/99'];
    return `since ${when(page.fromAt)}\n${columns(head, rows, 'nothing was counted')}`;
  });
  if (page.cursor !== undefined) output.note(`more: --cursor ${page.cursor}`);
}

function statsRow(one: StatsView): string[] {
  return [
    one.type ?? one.agentId ?? (one.other === true ? '(other)' : '(all)'),
    `${one.completed}`,
    `${one.failed}`,
    `${one.timedOut}`,
    `${one.cancelled}`,
    one.successRate === undefined ? '' : percent(one.successRate),
    durations(one.wait),
    durations(one.run),
  ];
}

function durations(view: DurationView | undefined): string {
  return view === undefined ? '' : [view.p50, view.p90, view.p99].map(seconds).join(' / ');
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
