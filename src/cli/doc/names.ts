/** Which document is meant, and how its file is called. */
import { extname } from 'node:path';
import { existsSync } from 'node:fs';
import { MARKDOWN, type DocumentView } from '../../../protocol/wire/documents.ts';
import { usage } from '../exit.ts';
import { WorkingCopy } from './working-copy.ts';

/** An id as it is, or that of the document that a file is a copy of. */
export function idOf(what: string): string {
  if (/^doc_\w+$/.test(what) && !existsSync(what)) return what;
  const { knownYet } = new WorkingCopy(what);
  if (knownYet === undefined) throw usage(`${what} is neither the id of a document nor a file that was pulled.`);
  return knownYet.id;
}

/** Names are anybody's: one that would lead elsewhere, or hide, is not taken. */
export function fileFor({ id, name, type }: DocumentView): string {
  const plain = /^[\p{L}\p{N}_][\p{L}\p{N}_ .-]*$/u.test(name) ? name : id;
  return type === MARKDOWN && extname(plain) === '' ? `${plain}.md` : plain;
}
