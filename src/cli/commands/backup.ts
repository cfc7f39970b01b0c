/** `muster backup` and `muster restore`. */
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { dataFolder } from '../discovery.ts';
import { CliError } from '../exit.ts';
import { when } from '../output.ts';
import { wholeNumber } from '../values.ts';

interface RestoreFlags {
  readonly replace?: boolean;
  readonly epoch?: number;
}

export function addBackup(program: Command, context: Context): void {
  program
    .command('backup')
    .description("copy the server's data while it serves, to a folder on its machine; needs the operator's key")
    .option('--keep <n>', 'remove all but the n newest backups', wholeNumber)
    .action((flags: { readonly keep?: number }) =>
      context.run(() =>
        context.with(async (client) => {
          const { backup } = await client.backup.create(flags);
          const { folder, bytes, removed } = backup;
          const gone = removed.length === 0 ? '' : `; removed ${removed.length} older`;
          context.output.note(`${bytes} bytes${gone}`);
          context.output.result({ backup }, () => folder);
        }),
      ),
    );
  program
    .command('restore')
    .description('make a data directory of a backup; its server must be stopped')
    .argument('<folder>', 'the backup')
    .option('--replace', 'put aside what is in the data directory')
    .option('--epoch <n>', 'go on in this epoch at least (docs/backup.md)', wholeNumber)
    .addHelpText('after', '\nThe data directory is --data, MUSTER_DATA or ./muster-data. See docs/backup.md.')
    .action((folder: string, flags: RestoreFlags) => context.run(() => restored(folder, flags, context)));
}

async function restored(folder: string, flags: RestoreFlags, context: Context): Promise<void> {
  // Here and not above: every other command starts faster without it.
  const { BackupFault, restore } = await import('../../backup/index.ts');
  const data = dataFolder(context.server, process.env);
  try {
    const { replace = false, epoch } = flags;
    const made = await restore({ from: folder, data, replace, epoch, now: Date.now() });
    const { report, ...rest } = made;
    const { tenants, tasks, agents, findings } = report;
    context.output.result({ ...rest, tenants, tasks, agents, findings }, () =>
      [
        `${made.data} is as of ${when(made.createdAt)} UTC, in epoch ${made.epoch}`,
        `${tenants} tenants, ${tasks} tasks, ${agents} agents`,
        ...(made.aside === undefined ? [] : [`what was there before is in ${made.aside}`]),
        ...findings.map(({ code, message }) => `warning ${code}: ${message}`),
      ].join('\n'),
    );
  } catch (error) {
    if (error instanceof BackupFault) throw new CliError('NO_BACKUP', error.message);
    throw error;
  }
}
