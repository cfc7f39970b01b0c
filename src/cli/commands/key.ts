/** `muster key …` and `muster tenant …`: who may connect. */
import type { Command } from 'commander';
import type { Params } from '../../../protocol/wire/types.ts';
import type { Context } from '../context.ts';
import { columns, when } from '../output.ts';
import { durationMs, oneOf, several, wholeNumber } from '../values.ts';

interface CreateFlags {
  readonly role: Params['apiKey.create']['role'];
  readonly agent?: string;
  readonly scope?: readonly string[];
  readonly expires?: number;
  readonly tenant?: string;
}

interface PageFlags {
  readonly limit?: number;
  readonly cursor?: string;
}

export function addKey(program: Command, context: Context): void {
  const key = program.command('key').description('keys with which programs and people connect');
  key
    .command('create')
    .description('create a key and print it; it cannot be shown again')
    .requiredOption('--role <role>', 'admin, member, agent or viewer', oneOf('admin', 'member', 'agent', 'viewer'))
    .option('--agent <name>', 'the one agent that a key of role agent may be')
    .option('--scope <scope>', 'narrow the key; may be repeated', several)
    .option('--expires <duration>', 'from now on, for example 30d', durationMs)
    .option('--tenant <id>', "an administrator's key of another tenant; needs the operator's key")
    .action((flags: CreateFlags) => context.run(() => createKey(flags, context)));
  key
    .command('list')
    .description('keys, without their secrets')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: PageFlags) => context.run(() => listKeys(flags, context)));
  key
    .command('revoke')
    .description('make a key worthless at once; its connections end')
    .argument('<id>')
    .action((id: string) =>
      context.run(() =>
        context.with(async (client) => {
          const revoked = await client.apiKey.revoke({ id });
          context.output.result(revoked, () => `${revoked.id} revoked`);
        }),
      ),
    );
}

function createKey(flags: CreateFlags, context: Context): Promise<void> {
  const { role, agent, scope, expires, tenant } = flags;
  return context.with(async (client) => {
    const created = await client.apiKey.create({
      role,
      ...(agent === undefined ? {} : { agent }),
      ...(scope === undefined ? {} : { scopes: scope }),
      ...(expires === undefined ? {} : { expiresAt: Date.now() + expires }),
      ...(tenant === undefined ? {} : { tenant }),
    });
    context.output.note(
      `key ${created.id}, role ${role}${agent === undefined ? '' : `, agent ${agent}`}; it cannot be shown again:`,
    );
    context.output.result(created, () => created.key ?? '');
  });
}

function listKeys(flags: PageFlags, context: Context): Promise<void> {
  return context.with(async (client) => {
    const page = await client.apiKey.list(flags);
    context.output.result(page, () => {
      const rows = page.keys.map((key) => [
        key.id,
        key.role,
        key.agent ?? '',
        when(key.createdAt),
        when(key.expiresAt),
        when(key.revokedAt),
      ]);
      return columns(['ID', 'ROLE', 'AGENT', 'CREATED (UTC)', 'EXPIRES', 'REVOKED'], rows, 'no keys');
    });
    if (page.cursor !== undefined) context.output.note(`more: --cursor ${page.cursor}`);
  });
}

export function addTenant(program: Command, context: Context): void {
  const tenant = program
    .command('tenant')
    .description("tenants of the server, which share nothing; needs the operator's key");
  tenant
    .command('create')
    .description("create a tenant and print its first administrator's key")
    .argument('<id>', 'a to z, 0 to 9 and -')
    .action((id: string) =>
      context.run(() =>
        context.with(async (client) => {
          const created = await client.tenant.create({ id });
          context.output.note(
            created.key === undefined
              ? `tenant ${id}; its key was lost on the way, make another: muster key create --role admin --tenant ${id}`
              : `tenant ${id}; its administrator's key cannot be shown again:`,
          );
          context.output.result(created, () => created.key ?? '');
        }),
      ),
    );
  tenant
    .command('list')
    .description('tenants')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: PageFlags) =>
      context.run(() =>
        context.with(async (client) => {
          const page = await client.tenant.list(flags);
          context.output.result(page, () =>
            columns(
              ['ID', 'CREATED (UTC)'],
              page.tenants.map((one) => [one.id, when(one.createdAt)]),
              'no tenants',
            ),
          );
          if (page.cursor !== undefined) context.output.note(`more: --cursor ${page.cursor}`);
        }),
      ),
    );
}
