/** `muster doc lock`: a program while a document, or a section of it, is locked. */
import type { Command } from 'commander';
import { documentPath } from '../../../protocol/wire/documents.ts';
import type { Client, Results } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { CliError, usage } from '../exit.ts';
import { addRunOptions, RUN_HELP } from '../lock/options.ts';
import { programOf, runUnder, type RunFlags, type Under } from '../lock/run.ts';
import { idOf } from './names.ts';
import { pull, push } from './sync.ts';
import { tellPushed } from './told.ts';
import { WorkingCopy } from './working-copy.ts';

interface LockFlags extends RunFlags {
  readonly section?: string;
  readonly push?: boolean;
}

const LOCK_HELP = `
MUSTER_DOC_ID and, with --section, MUSTER_DOC_SECTION are in the environment of the program. A muster doc push that the program starts
is somebody else's edit, for which the document is locked: let --push do it.`;

export function addDocLock(doc: Command, context: Context): void {
  const lock = doc
    .command('lock')
    .description('run a program while nobody else edits a document, or a section of it')
    .usage('[options] <document> -- program [args...]')
    .argument('<document>', 'ID or FILE')
    .argument('[program...]')
    .option('--section <section>', 'the id or the heading of a section')
    .option('--push', 'pull the FILE before, and push it under the lock when the program has ended with 0');
  addRunOptions(lock)
    .addHelpText('after', RUN_HELP + LOCK_HELP)
    .action((what: string, _: readonly string[], flags: LockFlags) =>
      context.run(() => lockDocument(what, flags, context)),
    );
}

async function lockDocument(what: string, flags: LockFlags, context: Context): Promise<void> {
  programOf(context, 'muster doc lock plan.md -- vi plan.md');
  const id = idOf(what);
  const { section, push: pushes = false } = flags;
  if (pushes && what === id) throw usage('Say the file that is to be pushed, not an id.');
  await runUnder({
    flags,
    context,
    what: async (client): Promise<Under> => {
      const { document } = await client.document.get({ id });
      const found = section === undefined ? undefined : sectionOf(document, section);
      return {
        lock: documentPath({ ...document, sectionId: found }),
        env: { MUSTER_DOC_ID: id, ...(found === undefined ? {} : { MUSTER_DOC_SECTION: found }) },
        ...(pushes ? pushing(client, { id, file: what }, context) : {}),
      };
    },
  });
}

function sectionOf({ sections }: Results['document.get']['document'], asked: string): string {
  const found = sections.filter(({ id, heading }) => id === asked || heading === asked);
  const [one] = found;
  if (one === undefined) throw new CliError('NO_SECTION', `No section is called ${asked}: muster doc get lists them.`);
  if (found.length > 1) {
    throw usage(`Several sections are called ${asked}: say ${found.map(({ id }) => id).join(' or ')}.`);
  }
  return one.id;
}

function pushing(
  client: Client,
  { id, file }: { readonly id: string; readonly file: string },
  context: Context,
): Pick<Under, 'before' | 'after'> {
  return {
    before: async () => void (await pull(client, new WorkingCopy(file), { id })),
    after: async (token) => {
      const pushed = await push(client, new WorkingCopy(file), token);
      tellPushed(pushed, file, context);
    },
  };
}
