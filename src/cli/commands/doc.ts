/** `muster doc …`: documents as files: made, pulled, edited, pushed, merged, locked. */
import type { Command } from 'commander';
import { basename, extname } from 'node:path';
import { MARKDOWN } from '../../../protocol/wire/documents.ts';
import type { Context } from '../context.ts';
import { addDocLock } from '../doc/lock.ts';
import { fileFor, idOf } from '../doc/names.ts';
import { merge, pull, push } from '../doc/sync.ts';
import { tellPushed } from '../doc/told.ts';
import { conflict, knownOf, WorkingCopy } from '../doc/working-copy.ts';
import { addDocLooks } from './doc-looks.ts';

const FILES_HELP = `
Beside FILE stands .FILE.muster-doc.json, with the version that the file was made of. Where a document is asked for, ID or the FILE of a
copy is taken. Exit code 9: the file and the document do not fit any more; the file is as it was, but for a merge, which leaves marks.`;

export function addDoc(program: Command, context: Context): void {
  const doc = program
    .command('doc')
    .description('documents as files: pull, push, merge, lock')
    .addHelpText('after', FILES_HELP);
  addFiles(doc, context);
  addDocLock(doc, context);
  addDocLooks(doc, context);
  doc
    .command('delete')
    .description('end a document with its versions; files stay')
    .argument('<document>', 'ID or FILE')
    .action((what: string) =>
      context.run(() =>
        context.with(async (client) => {
          const gone = await client.document.delete({ id: idOf(what) });
          context.output.result(gone, () => `${gone.id} is deleted`);
        }),
      ),
    );
}

interface CreateFlags {
  readonly name?: string;
  readonly type?: string;
  readonly workspace?: string;
}

function addFiles(doc: Command, context: Context): void {
  doc
    .command('create')
    .description('make a document of a file, and the file its copy')
    .argument('<file>')
    .option('--name <name>', 'what it is called (default: that of the file)')
    .option('--type <type>', 'markdown has sections (default: markdown for .md and .markdown, else text)')
    .option('--workspace <id>', 'the workspace that it belongs to')
    .action((file: string, flags: CreateFlags) => context.run(() => create(file, flags, context)));
  doc
    .command('pull')
    .description('write the newest version to a file, unless edits would be lost')
    .argument('<document>', 'ID or FILE')
    .argument('[file]', 'default: named after the document')
    .option('--force', 'also if edits of the file are lost')
    .action((what: string, file: string | undefined, { force = false }: { readonly force?: boolean }) =>
      context.run(() => pullFile({ what, file, force }, context)),
    );
  doc
    .command('push')
    .description('make the file the next version, if that undoes nothing of others')
    .argument('<file>')
    .option('--token <token>', 'only under a lock that this key holds under this token')
    .action((file: string, { token }: { readonly token?: string }) =>
      context.run(() =>
        context.with(async (client) => tellPushed(await push(client, new WorkingCopy(file), token), file, context)),
      ),
    );
  doc
    .command('merge')
    .description('take the newest version into an edited file; conflicts get marks as of git')
    .argument('<file>')
    .action((file: string) => context.run(() => mergeFile(file, context)));
}

async function create(
  file: string,
  { name = basename(file), type, workspace }: CreateFlags,
  context: Context,
): Promise<void> {
  const copy = new WorkingCopy(file);
  if (copy.knownYet !== undefined) {
    throw conflict('PULLED_ALREADY', `${file} is a copy of ${copy.knownYet.id} already.`);
  }
  const content = copy.text();
  const isMarkdown = ['.md', '.markdown'].includes(extname(file).toLowerCase());
  await context.with(async (client) => {
    const { document } = await client.document.create({
      name,
      content,
      type: type ?? (isMarkdown ? MARKDOWN : 'text'),
      ...(workspace === undefined ? {} : { workspaceId: workspace }),
    });
    copy.note(knownOf(await client.document.get({ id: document.id, version: document.version })));
    context.output.result({ document, file }, () => document.id);
  });
}

async function pullFile(
  { what, file, force }: { readonly what: string; readonly file: string | undefined; readonly force: boolean },
  context: Context,
): Promise<void> {
  const id = idOf(what);
  await context.with(async (client) => {
    const named = file ?? (what === id ? fileFor((await client.document.get({ id })).document) : what);
    const { known, kind } = await pull(client, new WorkingCopy(named), { id, force });
    const { version, sha256 } = known;
    context.output.result(
      { id, file: named, version, sha256, kind },
      () => `${named}: ${PULLED[kind]} version ${version}`,
    );
  });
}

const PULLED = {
  new: 'is now',
  same: 'is',
  edited: 'has edits that were not pushed, and nothing is newer than',
} as const;

async function mergeFile(file: string, context: Context): Promise<void> {
  await context.with(async (client) => {
    const { known, kind, conflicts } = await merge(client, new WorkingCopy(file));
    const { id, version } = known;
    if (kind === 'marked') {
      const count = conflicts === 1 ? 'one conflict' : `${conflicts} conflicts`;
      throw conflict(
        'MERGE_CONFLICT',
        `${file} has ${count} with version ${version}: edit what is between the marks, then push.`,
        {
          details: { id, file, version, conflicts },
          words: '',
        },
      );
    }
    context.output.result({ id, file, version, kind }, () =>
      kind === 'none' ? `${file}: nothing is newer than version ${version}` : `${file}: merged with version ${version}`,
    );
  });
}
