/** `muster doc search`: documents that have given words, with the place where they have them. */
import type { Command } from 'commander';
import type { DocumentHit, SearchMark } from '../../../protocol/wire/document-search.ts';
import type { Context } from '../context.ts';
import { wholeNumber } from '../values.ts';

interface SearchFlags {
  readonly workspace?: string;
  readonly type?: string;
  readonly archived?: boolean;
  readonly limit?: number;
  readonly cursor?: string;
}

export function addSearch(doc: Command, context: Context): void {
  doc
    .command('search')
    .description('documents that have all of these words, the best first')
    .argument('<words...>', 'words, "phrases" in quotation marks, beginnings of words (plan*)')
    .option('--workspace <id>', 'only those of this workspace')
    .option('--type <type>', 'only those of this type')
    .option('--archived', 'only those that are archived')
    .option('--no-archived', 'only those that are not')
    .option('--limit <n>', 'how many at most', wholeNumber)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((words: readonly string[], flags: SearchFlags) =>
      context.run(() => search(words.join(' '), flags, context)),
    );
}

async function search(query: string, { workspace, ...flags }: SearchFlags, context: Context): Promise<void> {
  const workspaceId = workspace === undefined ? {} : { workspaceId: workspace };
  await context.with(async (client) => {
    const page = await client.document.search({ query, ...flags, ...workspaceId });
    context.output.result(page, () => page.hits.map(lines).join('\n\n') || 'No document has all of this.');
    if (page.cursor !== undefined) context.output.note(`more: --cursor ${page.cursor}`);
  });
}

/** What was found stands between brackets; an excerpt is one line. */
function lines({ document, version, sectionId, excerpt, marks, nameMarks }: DocumentHit): string {
  const place = sectionId === undefined ? '' : ` ${sectionId}`;
  const found = bracketed(excerpt, marks).replaceAll(/\s+/gu, ' ').trim();
  return `${document.id}${place}  ${bracketed(document.name, nameMarks)}, version ${version}\n  ${found}`;
}

function bracketed(text: string, marks: readonly SearchMark[]): string {
  let done = 0;
  let made = '';
  for (const [from, to] of marks) {
    made += `${text.slice(done, from)}[${text.slice(from, to)}]`;
    done = to;
  }
  return made + text.slice(done);
}
