/** `muster lock …`: programs under locks; who holds what, who waits for whom. */
import type { Command } from 'commander';
import {
  LOCK_MODES,
  type LockBlocker,
  type LockMember,
  type LockView,
  type LockWaitView,
} from '../../../protocol/wire/locks.ts';
import type { Client, Params, Results } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { addRunOptions, RUN_HELP } from '../lock/options.ts';
import { runLocked, type RunFlags } from '../lock/run.ts';
import { columns, when } from '../output.ts';
import { durationMs, oneOf, wholeNumber } from '../values.ts';

interface ListFlags {
  readonly path?: string;
  readonly owner?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

interface GraphFlags {
  readonly path?: string;
  readonly max: number;
  readonly dot?: boolean;
}

interface ForceFlags {
  readonly reason: string;
  readonly expectToken?: string;
  readonly grace?: number;
}

type Waits = Results['lock.graph']['waits'];

const WAITS_MAX = 1_000;
const PAGE = 200;

export function addLock(program: Command, context: Context): void {
  const lock = program.command('lock').description('programs under locks; who holds what, and who waits for whom');
  addRun(lock, context);
  addLooks(lock, context);
  lock
    .command('force-unlock')
    .description('end the locks on a path against the will of those who hold them')
    .argument('<path>')
    .requiredOption('--reason <text>', 'why; it stands in the log, and the holders are told')
    .option('--expect-token <token>', 'only the lock under this token, not one that was granted after it')
    .option('--grace <duration>', 'ask the holders first, and give them so long', durationMs)
    .action((path: string, flags: ForceFlags) => context.run(() => forceUnlock(path, flags, context)));
}

function addRun(lock: Command, context: Context): void {
  const run = lock
    .command('run')
    .description('run a program while a lock is held')
    .usage('[options] <path[=mode]...> -- program [args...]')
    .argument('<paths...>', 'what to lock; of several all or none')
    .option('--mode <mode>', LOCK_MODES.join(', '), oneOf(...LOCK_MODES));
  addRunOptions(run)
    .addHelpText('after', RUN_HELP)
    .action((given: string[], flags: RunFlags) => context.run(() => runLocked(given, flags, context)));
}

function addLooks(lock: Command, context: Context): void {
  lock
    .command('list')
    .description('locks that are held')
    .option('--path <prefix>', 'only this path and those below it')
    .option('--owner <id>', 'only those of a session, agent or task')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: ListFlags) => context.run(() => list(flags, context)));
  lock
    .command('inspect')
    .description('who holds a path, and who waits for it')
    .argument('<path>')
    .option('--limit <n>', 'holders and requests shown at most', wholeNumber)
    .action((path: string, flags: { readonly limit?: number }) =>
      context.run(() =>
        context.with(async (client) => {
          const found = await client.lock.get({ path, ...flags });
          context.output.result(found, () => inspected(found));
        }),
      ),
    );
  lock
    .command('graph')
    .description('who waits for whom')
    .option('--path <prefix>', 'only requests for this path and those below it')
    .option('--max <n>', `requests at most (default: ${WAITS_MAX})`, wholeNumber, WAITS_MAX)
    .option('--dot', 'as a graph for Graphviz')
    .action((flags: GraphFlags) => context.run(() => graph(flags, context)));
}

async function list({ path, ...flags }: ListFlags, context: Context): Promise<void> {
  const { output } = context;
  const params: Params['lock.list'] = { ...flags, ...(path === undefined ? {} : { prefix: path }) };
  await context.with(async (client) => {
    const page = await client.lock.list(params);
    output.result(page, () => columns(HOLDERS, page.locks.map(holder), 'no locks'));
    if (page.cursor !== undefined) output.note(`more: --cursor ${page.cursor}`);
  });
}

const HOLDERS = ['ID', 'PATH', 'MODE', 'OWNER', 'TOKEN', 'STATE', 'ENDS', 'SINCE (UTC)'];

function holder(lock: LockView): readonly string[] {
  const { id, owner, token, state, count, acquiredAt } = lock;
  const { path, mode } = namesOf(lock);
  return [id, path, mode, owner, token, count > 1 ? `${state} ×${count}` : state, endOf(lock), when(acquiredAt)];
}

/** Of several paths each with its mode, if they differ. */
function namesOf({
  path,
  mode,
  members = [{ path, mode }],
}: LockMember & { readonly members?: readonly LockMember[] }): {
  readonly path: string;
  readonly mode: string;
} {
  if (members.every((one) => one.mode === mode)) return { path: members.map((one) => one.path).join(' '), mode };
  return { path: members.map((one) => `${one.path}=${one.mode}`).join(' '), mode: 'several' };
}

/** When it ends by itself. */
function endOf({ autoRefresh, state, expiresInMs }: LockView): string {
  return autoRefresh && state === 'held' ? 'with its owner' : `in ${seconds(expiresInMs)}`;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

function inspected(found: Results['lock.get']): string {
  const { path, holders, holderCount, queue, queueLength, below, delayMs } = found;
  const parts = [`${path}: ${holderCount === 0 ? 'free' : `held by ${holderCount}`}, ${queueLength} waiting`];
  const intents = below.shared + below.exclusive;
  if (intents > 0) parts.push(`locks on paths below it: ${below.exclusive} to write, ${below.shared} to read`);
  if (delayMs !== undefined) parts.push(`its last holder lost it: nobody else gets it for ${seconds(delayMs)}`);
  if (holders.length > 0) parts.push('', columns(HOLDERS, holders.map(holder), ''));
  if (queue.length > 0) parts.push('', columns(['REQUEST', 'OWNER', 'PATH', 'MODE', 'WAITED'], queue.map(waiting), ''));
  if (holders.length < holderCount) parts.push(`… ${holderCount - holders.length} holders more`);
  if (queue.length < queueLength) parts.push(`… ${queueLength - queue.length} requests more`);
  return parts.join('\n');
}

function waiting(wait: LockWaitView): string[] {
  const { path, mode } = namesOf(wait);
  return [wait.requestId, wait.owner, path, mode, `${seconds(wait.waitedMs)}${wait.away === true ? ', away' : ''}`];
}

async function graph({ path, max, dot }: GraphFlags, context: Context): Promise<void> {
  await context.with(async (client) => {
    const { waits, more } = await readGraph(client, path, max);
    context.output.result({ waits, more }, () => (dot === true ? dotOf(waits) : graphLines(waits)));
    if (more) context.output.note(`there are more than ${max} requests: --max`);
  });
}

async function readGraph(
  client: Client,
  prefix: string | undefined,
  max: number,
): Promise<{ readonly waits: Waits; readonly more: boolean }> {
  const waits: Waits[number][] = [];
  for (let cursor: string | undefined; ;) {
    const limit = Math.max(1, Math.min(PAGE, max - waits.length));
    const page = await client.lock.graph({
      limit,
      ...(prefix === undefined ? {} : { prefix }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    waits.push(...page.waits);
    cursor = page.cursor;
    if (cursor === undefined || waits.length >= max) return { waits, more: cursor !== undefined };
  }
}

function graphLines(waits: Waits): string {
  const rows = waits.flatMap((wait) => {
    const [first, ...others] = wait.blockedBy.map(blocker);
    return [[...waiting(wait), first ?? ''], ...others.map((other) => ['', '', '', '', '', other])];
  });
  return columns(['REQUEST', 'OWNER', 'PATH', 'MODE', 'WAITED', 'WAITS FOR'], rows, 'nobody waits');
}

function blocker({ owner, path, mode, requestId }: LockBlocker): string {
  return requestId === undefined
    ? `${owner}, who holds ${path} ${mode}`
    : `${owner}, who asked before for ${path} ${mode} (${requestId})`;
}

/** Owners are nodes; an edge leads from who waits to whom it waits for. */
function dotOf(waits: Waits): string {
  const edges = waits.flatMap(({ owner, path, mode, blockedBy }) =>
    blockedBy.map(({ owner: other, requestId }) => {
      const style = requestId === undefined ? '' : ', style=dashed';
      return `  "${owner}" -> "${other}" [label="${path} ${mode}"${style}];`;
    }),
  );
  return ['digraph locks {', ...new Set(edges), '}'].join('\n');
}

async function forceUnlock(path: string, flags: ForceFlags, context: Context): Promise<void> {
  const { reason, expectToken, grace } = flags;
  const params: Params['lock.forceUnlock'] = {
    path,
    reason,
    ...(expectToken === undefined ? {} : { expectToken }),
    ...(grace === undefined ? {} : { graceMs: grace }),
  };
  await context.with(async (client) => {
    const done = await client.lock.forceUnlock(params);
    context.output.result(done, () =>
      done.asked > 0 ? `${done.asked} asked to release ${path}` : `${done.forced} ended on ${path}`,
    );
  });
}
