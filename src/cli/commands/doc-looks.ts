/** `muster doc list`, `search`, `get`, `show`, `log`, `conflicts`, `resolve`: documents where they are. */
import type { Command } from 'commander';
import { DOCUMENT_RESOLUTIONS, type DocumentResolution, type DocumentView } from '../../../protocol/wire/documents.ts';
import type { Client, Params } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { idOf } from '../doc/names.ts';
import { namer } from '../doc/stale.ts';
import { knownOf, textOf } from '../doc/working-copy.ts';
import { usage } from '../exit.ts';
import { columns, when } from '../output.ts';
import { oneOf, wholeNumber } from '../values.ts';
import { addSearch } from './doc-search.ts';

interface ListFlags {
  readonly workspace?: string;
  readonly type?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

const SIDES = ['base', 'ours', 'theirs'] as const;

interface ShowFlags {
  readonly of?: number;
  readonly section?: string;
  readonly html?: true;
}

interface ResolveFlags {
  readonly content?: string;
  readonly token?: string;
}

export function addDocLooks(doc: Command, context: Context): void {
  doc
    .command('list')
    .description('documents that may be read')
    .option('--workspace <id>', 'only those of this workspace')
    .option('--type <type>', 'only those of this type')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((flags: ListFlags) => context.run(() => list(flags, context)));
  addSearch(doc, context);
  doc
    .command('get')
    .description('what a document is, and its sections')
    .argument('<document>', 'ID or FILE')
    .action((what: string) => context.run(() => context.with((client) => get(client, idOf(what), context))));
  doc
    .command('show')
    .description('its text')
    .argument('<document>', 'ID or FILE')
    .option('--of <version>', 'of this version, if it is kept', wholeNumber)
    .option('--section <id>', 'of this section alone')
    .option('--html', 'as HTML that a page may show')
    .action((what: string, flags: ShowFlags) =>
      context.run(() => context.with((client) => show(client, { what, ...flags }, context))),
    );
  doc
    .command('log')
    .description('its versions, as far as they are kept')
    .argument('<document>', 'ID or FILE')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--before <version>', 'older than this one', wholeNumber)
    .action((what: string, flags: Omit<Params['document.history'], 'id'>) =>
      context.run(() => context.with((client) => log(client, { id: idOf(what), ...flags }, context))),
    );
  addConflicts(doc, context);
}

function addConflicts(doc: Command, context: Context): void {
  doc
    .command('conflicts')
    .description('edits that were refused and that nobody has resolved')
    .argument('<document>', 'ID or FILE')
    .argument('[conflict]', 'this one, with its texts')
    .option('--text <side>', 'one text of it: base, ours (the edit) or theirs', oneOf(...SIDES))
    .action((what: string, conflictId: string | undefined, { text }: { readonly text?: (typeof SIDES)[number] }) =>
      context.run(() =>
        context.with((client) =>
          conflictId === undefined
            ? conflicts(client, idOf(what), context)
            : oneConflict(client, { id: idOf(what), conflictId, side: text }, context),
        ),
      ),
    );
  doc
    .command('resolve')
    .description(
      'end a conflict: by the edit (ours), by what is there (theirs), by both (merged), by another text (manual)',
    )
    .argument('<conflict>')
    .argument('<resolution>', DOCUMENT_RESOLUTIONS.join(', '), oneOf(...DOCUMENT_RESOLUTIONS))
    .option('--content <file>', 'the text of merged or manual; without it the server merges')
    .option('--token <token>', 'only under a lock that this key holds under this token')
    .action((conflictId: string, resolution: DocumentResolution, flags: ResolveFlags) =>
      context.run(() => resolve({ conflictId, resolution, ...flags }, context)),
    );
}

async function list({ workspace, ...flags }: ListFlags, context: Context): Promise<void> {
  await context.with(async (client) => {
    const page = await client.document.list({
      ...flags,
      ...(workspace === undefined ? {} : { workspaceId: workspace }),
    });
    context.output.result(page, () => lines(page.documents));
    if (page.cursor !== undefined) context.output.note(`more: --cursor ${page.cursor}`);
  });
}

function lines(documents: readonly DocumentView[]): string {
  return columns(
    ['id', 'name', 'type', 'version', 'bytes', 'workspace', 'changed', 'by'],
    documents.map(({ id, name, type, version, bytes, workspaceId = '', updatedAt, updatedBy }) => [
      id,
      name,
      type,
      String(version),
      String(bytes),
      workspaceId,
      when(updatedAt),
      updatedBy,
    ]),
    'There is no document.',
  );
}

async function show(
  client: Client,
  { what, of, section, html }: ShowFlags & { readonly what: string },
  { output }: Context,
): Promise<void> {
  const asked = {
    id: idOf(what),
    ...(of === undefined ? {} : { version: of }),
    ...(section === undefined ? {} : { sectionId: section }),
  };
  if (html === true) {
    const shown = await client.document.html(asked);
    return output.text(shown, shown.html);
  }
  const got = await client.document.get(asked);
  output.text(got, got.content);
}

async function get(client: Client, id: string, { output }: Context): Promise<void> {
  const { document } = await client.document.get({ id });
  const rows = document.sections.map(({ id: sid, heading, level, version, bytes }) => [
    sid,
    `${'#'.repeat(level)} ${heading}`.trim(),
    String(version),
    String(bytes),
  ]);
  output.result(
    { document },
    () => `${lines([document])}\n\n${columns(['section', 'heading', 'version', 'bytes'], rows, '')}`,
  );
}

async function log(client: Client, params: Params['document.history'], { output }: Context): Promise<void> {
  const page = await client.document.history(params);
  const name = namer(knownOf(await client.document.get({ id: params.id })));
  const rows = page.versions.map(({ version, by, at, sections }) => [
    String(version),
    when(at),
    by,
    sections.map(name).join(', '),
  ]);
  output.result(page, () => columns(['version', 'at', 'by', 'sections'], rows, 'No version is kept.'));
  if (page.next !== undefined) output.note(`more: --before ${page.next}`);
}

async function conflicts(client: Client, id: string, { output }: Context): Promise<void> {
  const found = await client.document.conflicts({ id });
  const rows = found.conflicts.map(({ id: cid, by, at, baseVersion, version }) => [
    cid,
    by,
    when(at),
    String(baseVersion),
    String(version),
  ]);
  output.result(found, () => columns(['conflict', 'by', 'at', 'made of', 'met'], rows, 'There is no conflict.'));
}

async function oneConflict(
  client: Client,
  {
    side,
    ...asked
  }: { readonly id: string; readonly conflictId: string; readonly side: (typeof SIDES)[number] | undefined },
  { output }: Context,
): Promise<void> {
  const found = await client.document.conflicts(asked);
  const [one] = found.conflicts;
  if (side !== undefined) return output.text(found, one?.[side] ?? '');
  output.result(found, () =>
    [
      `by ${one?.by}, made of version ${one?.baseVersion}, met version ${one?.version}`,
      ...SIDES.map((name) => `--- ${name}\n${one?.[name] ?? ''}`),
    ].join('\n'),
  );
}

async function resolve(
  { content, token, ...asked }: ResolveFlags & Pick<Params['document.resolve'], 'conflictId' | 'resolution'>,
  context: Context,
): Promise<void> {
  const { resolution } = asked;
  if (resolution === 'manual' && content === undefined) throw usage('Say the text: --content FILE.');
  if ((resolution === 'ours' || resolution === 'theirs') && content !== undefined) {
    throw usage(`The text of ${resolution} is known: --content goes with merged and manual.`);
  }
  const params = {
    ...asked,
    ...(content === undefined ? {} : { content: textOf(content) }),
    ...(token === undefined ? {} : { token }),
  };
  await context.with(async (client) => {
    const done = await client.document.resolve(params);
    context.output.result(done, () => `resolved; ${done.document.id} is at version ${done.document.version}`);
  });
}
