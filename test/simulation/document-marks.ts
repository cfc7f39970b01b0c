/** Counts the rare events of documents. */
import { field, items, text } from './checker/values.ts';
import type { MadeEntry } from './entry-marks.ts';
import type { Mark, Marks } from './marks.ts';

const RESOLVED: { readonly [how: string]: Mark } = {
  ours: 'conflict of a document resolved: ours',
  theirs: 'conflict of a document resolved: theirs',
  merged: 'conflict of a document resolved: merged',
  manual: 'conflict of a document resolved: manual',
};

const REFUSED: { readonly [code: string]: Mark } = {
  DOCUMENT_CONFLICT: 'edit of a document refused: conflict',
  BUSY: 'edit of a document refused: locked',
  NOT_HELD: 'edit of a document refused: its token',
  NOT_FOUND: 'edit of a document refused: version not kept',
  UNAVAILABLE: 'edit of a document refused: not prepared',
};

const CARED: { readonly [method: string]: Mark } = {
  'document.rename': 'document renamed',
  'document.archive': 'document archived',
  'document.restore': 'document restored',
  'document.snapshot': 'version of a document kept',
  'document.deleteSnapshot': 'version of a document kept no more',
  'section.update': 'section edited by its own method',
  'section.lock': 'section locked by its own method',
  'comment.create': 'document commented',
  'comment.resolve': 'comment resolved or opened',
  'comment.delete': 'comment deleted',
};

export function countDocuments(marks: Marks, { decoded, output, changes }: MadeEntry): void {
  const before = new Map(changes.documents.versions.map(({ id, version }) => [id, version - 1]));
  if (changes.documents.gone.length > 0) marks.count('document deleted', changes.documents.gone.length);
  for (const [i, command] of decoded.commands.entries()) {
    if (command.kind !== 'request' || !/^(?:document|section|comment)\./.test(command.method)) continue;
    const reply = output.commands[i]?.reply;
    if (reply === undefined) continue;
    const cared = CARED[command.method];
    if (cared !== undefined && reply.ok) marks.count(cared);
    if (command.method === 'document.create' && reply.ok) marks.count('document created');
    if (command.method === 'document.resolve' && reply.ok) {
      const mark = RESOLVED[text(command.params, 'resolution') ?? ''];
      if (mark !== undefined) marks.count(mark);
    }
    if (command.method !== 'document.update') continue;
    if (!reply.ok) {
      const mark = REFUSED[reply.rejection.code];
      if (mark !== undefined) marks.count(mark);
      continue;
    }
    if (items(reply.result, 'sections').length === 0) continue;
    marks.count('document edited');
    if (text(command.params, 'token') !== undefined) marks.count('document edited under a token');
    const known = before.get(text(command.params, 'id') ?? '');
    if (known !== undefined && Number(field(command.params, 'version')) < known)
      marks.count('document edited from an old version');
  }
}
