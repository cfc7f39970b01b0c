/** `muster workspace …`: who works together, what they share, what they may use. */
import type { Command } from 'commander';
import {
  WORKSPACE_ROLES,
  WORKSPACE_STATUSES,
  WORKSPACE_VISIBILITIES,
  type MemberView,
  type StateOp,
  type WorkspaceRole,
  type WorkspaceView,
} from '../../../protocol/wire/workspaces.ts';
import type { Value } from '../../../protocol/wire/types.ts';
import type { Params } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { usage } from '../exit.ts';
import { columns, when } from '../output.ts';
import { jsonValue, oneOf, several, wholeNumber } from '../values.ts';

interface PageFlags {
  readonly limit?: number;
  readonly cursor?: string;
}

interface SettingFlags {
  readonly description?: string;
  readonly visibility?: WorkspaceView['settings']['visibility'];
  readonly feature?: readonly string[];
  readonly quota?: readonly string[];
}

export function addWorkspace(program: Command, context: Context): void {
  const workspace = program.command('workspace').description('who works together, what they share, what they may use');
  addLifecycle(workspace, context);
  addMembers(workspace, context);
  addState(workspace, context);
  workspace
    .command('usage')
    .description('what is used of what may be; exit code 1 if anything is over')
    .argument('<id>')
    .action((id: string) => context.run(() => showUsage(id, context)));
  workspace
    .command('activity')
    .description('what happened in it, as far as that is kept')
    .argument('<id>')
    .option('--since <rev>', 'after this position', wholeNumber)
    .option('--limit <n>', 'how many at most', wholeNumber)
    .action((id: string, flags: { readonly since?: number; readonly limit?: number }) =>
      context.run(() => activity({ workspaceId: id, ...flags }, context)),
    );
  workspace
    .command('presence')
    .description('who is present')
    .argument('<id>')
    .action((id: string) => context.run(() => presence(id, context)));
}

function settingOptions(command: Command): Command {
  return command
    .option('--description <text>', 'what it is for')
    .option('--visibility <visibility>', 'private, team or public', oneOf(...WORKSPACE_VISIBILITIES))
    .option('--feature <name>', 'a feature; several times for several', several)
    .option('--quota <resource=number>', 'such as members=20; several times for several', several);
}

function addLifecycle(workspace: Command, context: Context): void {
  settingOptions(
    workspace.command('create').description('make a workspace; its owner is who makes it').argument('<name>'),
  ).action((name: string, flags: SettingFlags) =>
    context.run(() =>
      context.with(async (client) => {
        const made = await client.workspace.create({ name, ...described(flags) });
        context.output.result(made, () => made.workspace.id);
      }),
    ),
  );
  workspace
    .command('list')
    .description('those that may be seen')
    .option('--member', 'only those that this key is a member of')
    .option('--status <status>', WORKSPACE_STATUSES.join(', '), oneOf(...WORKSPACE_STATUSES))
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: Params['workspace.list']) => context.run(() => list(flags, context)));
  workspace
    .command('get')
    .description('one of them')
    .argument('<id>')
    .action((id: string) => context.run(() => change('get', { id }, context)));
  settingOptions(workspace.command('update').description('change its name and settings').argument('<id>'))
    .option('--name <name>', 'another name')
    .action((id: string, { name, ...flags }: SettingFlags & { readonly name?: string }) =>
      context.run(() =>
        change('update', { id, ...(name === undefined ? {} : { name }), ...described(flags) }, context),
      ),
    );
  for (const [verb, about] of [
    ['archive', 'nothing new begins in it any more'],
    ['unarchive', 'it is as it was before it was archived'],
  ] as const) {
    workspace
      .command(verb)
      .description(about)
      .argument('<id>')
      .action((id: string) => context.run(() => change(verb, { id }, context)));
  }
  workspace
    .command('delete')
    .description('end it with all that belongs to it')
    .argument('<id>')
    .action((id: string) =>
      context.run(() =>
        context.with(async (client) => {
          context.output.result(await client.workspace.delete({ id }), () => `${id} is being deleted`);
        }),
      ),
    );
}

function addMembers(workspace: Command, context: Context): void {
  const role = oneOf(...WORKSPACE_ROLES);
  workspace
    .command('members')
    .description('who is a member')
    .argument('<id>')
    .option('--role <role>', WORKSPACE_ROLES.join(', '), role)
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((id: string, flags: PageFlags & { readonly role?: WorkspaceRole }) =>
      context.run(() => members({ workspaceId: id, ...flags }, context)),
    );
  for (const [verb, method, about] of [
    ['add', 'add', 'make somebody a member: key:<id>, agent:<name>, or the subject of a token'],
    ['role', 'setRole', 'give a member another role'],
  ] as const) {
    workspace
      .command(verb)
      .description(about)
      .argument('<id>')
      .argument('<user>')
      .requiredOption('--role <role>', WORKSPACE_ROLES.join(', '), role)
      .action((workspaceId: string, userId: string, flags: { readonly role: WorkspaceRole }) =>
        context.run(() =>
          context.with(async (client) => {
            const { member } = await client.member[method]({ workspaceId, userId, ...flags });
            context.output.result({ member }, () => `${member.userId} is ${member.role}`);
          }),
        ),
      );
  }
  workspace
    .command('remove')
    .description('end a membership')
    .argument('<id>')
    .argument('<user>')
    .action((workspaceId: string, userId: string) =>
      context.run(() =>
        context.with(async (client) => {
          const removed = await client.member.remove({ workspaceId, userId });
          context.output.result(removed, () => `${userId} is no member any more`);
        }),
      ),
    );
}

function addState(workspace: Command, context: Context): void {
  const state = workspace.command('state').description('what the members share');
  state
    .command('get')
    .description('its keys and values')
    .argument('<id>')
    .argument('[keys...]', 'only these')
    .action((id: string, keys: string[]) => context.run(() => getState(id, keys, context)));
  state
    .command('apply')
    .description('operations, as JSON: [{"op": "set", "key": "k", "value": 1}, …], @FILE or - for standard input')
    .argument('<id>')
    .argument('<ops>')
    .option('--if-version <n>', 'only if the state has this version', wholeNumber)
    .action((id: string, ops: string, flags: { readonly ifVersion?: number }) =>
      context.run(() =>
        context.with(async (client) => {
          const params = { workspaceId: id, ops: opsOf(jsonValue(ops)), ...flags };
          const applied = await client.sharedState.apply(params);
          context.output.result(applied, () => `version ${applied.version}`);
        }),
      ),
    );
  state
    .command('snapshot')
    .description('keep the values of now')
    .argument('<id>')
    .option('--name <name>', 'what it is called')
    .action((id: string, flags: { readonly name?: string }) =>
      context.run(() =>
        context.with(async (client) => {
          const made = await client.sharedState.snapshot({ workspaceId: id, ...flags });
          context.output.result(made, () => made.snapshot.id);
        }),
      ),
    );
  state
    .command('restore')
    .description('make the values of a snapshot the state')
    .argument('<id>')
    .argument('<snapshot>')
    .action((workspaceId: string, snapshotId: string) =>
      context.run(() =>
        context.with(async (client) => {
          const restored = await client.sharedState.restore({ workspaceId, snapshotId });
          context.output.result(restored, () => `version ${restored.version}`);
        }),
      ),
    );
}

function described({
  description,
  visibility,
  feature,
  quota,
}: SettingFlags): Omit<Params['workspace.create'], 'name'> {
  const settings = {
    ...(visibility === undefined ? {} : { visibility }),
    ...(feature === undefined ? {} : { features: feature }),
    ...(quota === undefined ? {} : { quotas: Object.fromEntries(quota.map(quotaOf)) }),
  };
  return {
    ...(description === undefined ? {} : { description }),
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
  };
}

/** The server checks the rest of them. */
function isOps(value: Value): value is Value & readonly StateOp[] {
  return Array.isArray(value);
}

function opsOf(value: Value): readonly StateOp[] {
  if (!isOps(value)) throw usage('Operations are a JSON array.');
  return value;
}

function quotaOf(text: string): readonly [resource: string, limit: number] {
  const [, resource = '', limit] = /^([a-zA-Z]+)=(\d{1,16})$/.exec(text) ?? [];
  if (limit === undefined) throw usage(`A quota is resource=number, not ${text}.`);
  return [resource, Number(limit)];
}

async function change(
  verb: 'get' | 'update' | 'archive' | 'unarchive',
  params: Params['workspace.update'],
  context: Context,
): Promise<void> {
  await context.with(async (client) => {
    const { workspace } = await client.workspace[verb](params);
    context.output.result({ workspace }, () => lines([workspace]));
  });
}

async function list(flags: Params['workspace.list'], context: Context): Promise<void> {
  await context.with(async (client) => {
    const page = await client.workspace.list(flags);
    context.output.result(page, () => more(lines(page.workspaces), page.cursor));
  });
}

function lines(workspaces: readonly WorkspaceView[]): string {
  return columns(
    ['id', 'name', 'status', 'visibility', 'role', 'members', 'created'],
    workspaces.map(({ id, name, status, settings, role = '', members: count, createdAt }) => [
      id,
      name,
      status,
      settings.visibility,
      role,
      String(count),
      when(createdAt),
    ]),
    'There is no workspace.',
  );
}

function more(text: string, cursor: string | undefined): string {
  return cursor === undefined ? text : `${text}\nmore: --cursor ${cursor}`;
}

async function members(params: Params['member.list'], context: Context): Promise<void> {
  await context.with(async (client) => {
    const page = await client.member.list(params);
    const row = ({ userId, role, addedBy, addedAt }: MemberView): string[] => [userId, role, addedBy, when(addedAt)];
    context.output.result(page, () =>
      more(columns(['member', 'role', 'added by', 'added'], page.members.map(row), 'Nobody.'), page.cursor),
    );
  });
}

async function showUsage(workspaceId: string, context: Context): Promise<void> {
  await context.with(async (client) => {
    const checked = await client.usage.check({ workspaceId });
    const rows = Object.entries(checked.usage).map(([resource, { used, limit }]) => [
      resource,
      String(used),
      String(limit),
      used > limit ? 'over' : '',
    ]);
    context.output.result(checked, () => columns(['resource', 'used', 'limit', ''], rows, ''));
    if (!checked.withinLimits) context.exit = 1;
  });
}

async function activity(params: Params['activity.list'], context: Context): Promise<void> {
  await context.with(async (client) => {
    const page = await client.activity.list(params);
    const rows = page.activity.map(({ rev, at, e, t, d }) => [
      at === undefined ? '' : when(at),
      e,
      t,
      JSON.stringify(d),
      String(rev),
    ]);
    context.output.result(page, () => columns(['at', 'event', 'topic', 'data', 'rev'], rows, 'Nothing is kept of it.'));
  });
}

async function presence(workspaceId: string, context: Context): Promise<void> {
  await context.with(async (client) => {
    const page = await client.presence.list({ workspaceId });
    const rows = page.presence.map(({ userId, status, location = '', at }) => [userId, status, location, when(at)]);
    context.output.result(page, () => columns(['member', 'status', 'where', 'since'], rows, 'Nobody.'));
  });
}

async function getState(workspaceId: string, keys: readonly string[], context: Context): Promise<void> {
  await context.with(async (client) => {
    const values: Record<string, unknown> = {};
    let version = 0;
    for (let cursor: string | undefined; ;) {
      const asked = keys.length === 0 ? (cursor === undefined ? {} : { cursor }) : { keys };
      const page = await client.sharedState.get({ workspaceId, ...asked });
      Object.assign(values, page.values);
      version = page.version;
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
    const rows = Object.entries(values).map(([key, value]) => [key, JSON.stringify(value)]);
    context.output.result(
      { version, values },
      () => `${columns(['key', 'value'], rows, 'It has no keys.')}\nversion ${version}`,
    );
  });
}
