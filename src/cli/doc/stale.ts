/** A push that was refused: who changed what since the file was made, and what both changed. */
import type { Client } from '../../client/node.ts';
import type { CliError } from '../exit.ts';
import { when } from '../output.ts';
import { changedIn } from './texts.ts';
import { conflict, type Known, type WorkingCopy } from './working-copy.ts';

export async function stale(
  client: Client,
  { file, known }: WorkingCopy,
  { text, head, conflictId }: { readonly text: string; readonly head: Known; readonly conflictId: string },
): Promise<CliError> {
  const { versions: all } = await client.document.history({ id: known.id });
  const versions = all.filter(({ version }) => version > known.version);
  const ours = await changedIn(known, text);
  const theirs = new Set(versions.flatMap(({ sections }) => sections));
  const both = ours.sections.filter((id) => theirs.has(id));
  const name = namer(known, head);
  const inTheWay =
    both.length > 0
      ? `both changed: ${both.map(name).join(', ')}`
      : 'no section was changed by both, but some came, went or moved, or run into each other';
  const words = [
    ...versions.map(
      ({ version, by, at, sections }) =>
        `  version ${version} by ${by} at ${when(at)}: ${sections.map(name).join(', ')}`,
    ),
    inTheWay,
    `${file} is as it was. Merge it: muster doc merge ${file}`,
    `The three texts are kept: muster doc conflicts ${known.id} ${conflictId}`,
  ];
  const shown = (id: string) => ({ id, heading: name(id) });
  return conflict(
    'DOCUMENT_CONFLICT',
    `${file} was made of version ${known.version}, the document is at version ${head.version}.`,
    {
      words: words.join('\n'),
      details: {
        conflictId,
        baseVersion: known.version,
        currentVersion: head.version,
        versions,
        sections: { ours: ours.sections.map(shown), both: both.map(shown) },
        structural: ours.structural,
      },
    },
  );
}

/** Headings by ids of sections, of now and of before. */
export function namer(...of: readonly Pick<Known, 'sections'>[]): (id: string) => string {
  const names = new Map(of.flatMap(({ sections }) => sections.map(({ id, heading }) => [id, heading] as const)));
  return (id) => {
    const heading = names.get(id) ?? '';
    return heading === '' ? id : `${id} "${heading}"`;
  };
}
