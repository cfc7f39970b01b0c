/** `muster doctor`: checks a data directory, or a server that runs, and mends it if it is asked to. */
import type { Command } from 'commander';
import type { Client } from '../../client/node.ts';
import type { FindingView } from '../../../protocol/wire/observing.ts';
import type { Finding } from '../../doctor/index.ts';
import type { Context } from '../context.ts';
import { dataFolder } from '../discovery.ts';
import { CliError } from '../exit.ts';

interface Flags {
  readonly repair?: boolean;
}

export function addDoctor(program: Command, context: Context): void {
  program
    .command('doctor')
    .description('check the data directory of a stopped server, or with --url the state of one that runs')
    .option('--repair', 'mend what can be mended; the log is never edited')
    .addHelpText(
      'after',
      '\nExit code 1 while an error is left, 0 when there is none, or only warnings. See docs/doctor.md.',
    )
    .action((flags: Flags) => context.run(() => doctor(flags, context)));
}

async function doctor(flags: Flags, context: Context): Promise<void> {
  const repair = flags.repair ?? false;
  if (context.server.url !== undefined || process.env['MUSTER_URL'] !== undefined) {
    return context.with((client) => online(client, repair, context));
  }
  // Here and not above: every other command starts faster without it.
  const { examine } = await import('../../doctor/index.ts');
  const report = await examine({ data: dataFolder(context.server, process.env), repair });
  const { findings, repaired, before, tenants, entries, tasks, agents, blobs, unnamed, unnamedBytes } = report;
  const looked = `looked at ${tenants} tenants, ${entries} entries behind their snapshots, ${tasks} tasks, ${agents} agents, ${blobs} blobs`;
  const left = unnamed === 0 ? '' : `; no document has ${unnamed} of the blobs (${unnamedBytes} bytes)`;
  context.output.result(report, () =>
    [
      ...(repaired.length === 0
        ? []
        : [`found ${before.length} before:`, ...words(before), 'done:', ...repaired.map(indented)]),
      ...(findings.length === 0 ? ['no finding'] : words(findings)),
      `${looked}${left}`,
    ].join('\n'),
  );
  end(findings);
}

async function online(client: Client, repair: boolean, { output }: Context): Promise<void> {
  const before = await client.tenant.check({ limit: 200 });
  let mended = 0;
  for (let round = 0; repair && round < ROUNDS; round += 1) {
    const done = await client.tenant.mend({});
    mended += done.mended;
    if (done.mended === 0) break;
  }
  const now = repair && before.count > 0 ? await client.tenant.check({ limit: 200 }) : before;
  const findings = now.findings.map(asFinding);
  const { tasks, agents, sessions } = now;
  output.result({ ...now, findings, mended }, () =>
    [
      ...(mended === 0 ? [] : [`${mended} faults were mended`]),
      ...(now.count === 0 ? ['no finding'] : words(findings)),
      ...(now.count > findings.length ? [`and ${now.count - findings.length} more`] : []),
      `looked at ${tasks} tasks, ${agents} agents, ${sessions} sessions`,
    ].join('\n'),
  );
  end(findings);
}

const ROUNDS = 20;

function asFinding({ mendable, ...rest }: FindingView): Finding {
  return { ...rest, repairable: mendable };
}

function words(findings: readonly Finding[]): string[] {
  return findings.map(({ code, severity, tenant, message, cure }) =>
    indented(`${severity} ${code}${tenant === undefined ? '' : ` (tenant ${tenant})`}: ${message}\n    ${cure}`),
  );
}

function indented(text: string): string {
  return `  ${text}`;
}

function end(findings: readonly Finding[]): void {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  if (errors > 0) throw new CliError('UNSOUND', `${errors} ${errors === 1 ? 'error is' : 'errors are'} left`);
}
