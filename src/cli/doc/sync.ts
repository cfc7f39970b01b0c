/**
 * Between a file and its document: pull, push, merge.
 *
 * DS1 No text of the file is lost: what was edited is replaced by a merge that has it, or because somebody said so (`force`).
 * DS2 A push is an edit of the version that the file was made of. What others changed meanwhile is never undone by it: the server refuses the edit, or takes it beside theirs.
 * DS3 A push whose answer was lost is asked again as the same request.
 */
import { randomUUID } from 'node:crypto';
import { MusterError, type Client } from '../../client/node.ts';
import { ERROR_CODES } from '../../../protocol/wire/codes.ts';
import { stale } from './stale.ts';
import { mergedWith } from './texts.ts';
import { conflict, hashOf, knownOf, type Known, type WorkingCopy } from './working-copy.ts';

export interface Pulled {
  readonly known: Known;
  /** `new`: the file has the text now; `same`: it had it; `edited`: it is newer than any version, by its own edits. */
  readonly kind: 'new' | 'same' | 'edited';
}

export async function headOf(client: Client, id: string): Promise<Known> {
  return knownOf(await client.document.get({ id }));
}

/** The newest version into the file, if nothing of the file is lost by that. */
export async function pull(
  client: Client,
  copy: WorkingCopy,
  { id, force = false }: { readonly id: string; readonly force?: boolean },
): Promise<Pulled> {
  const { knownYet } = copy;
  const text = copy.read();
  const head = await headOf(client, id);
  if (text === head.base) {
    copy.note(head);
    return { known: head, kind: 'same' };
  }
  if (text !== undefined && text !== knownYet?.base && !force) {
    if (knownYet?.id === id && knownYet.version === head.version) return { known: knownYet, kind: 'edited' };
    throw knownYet === undefined
      ? conflict('FILE_EXISTS', `${copy.file} is there with another text: name another file, or say --force.`)
      : conflict(
          'LOCAL_EDITS',
          `${copy.file} was edited, and the document is at version ${head.version} now: muster doc merge ${copy.file}, or pull --force to lose the edits.`,
        );
  }
  copy.replace(head.base, head, text);
  return { known: head, kind: 'new' };
}

export interface Merged {
  readonly known: Known;
  /** `none`: there was nothing newer; `marked`: the file has marks of so many conflicts. */
  readonly kind: 'none' | 'clean' | 'marked';
  readonly conflicts: number;
}

/** The newest version and the edits of the file, in the file. */
export async function merge(client: Client, copy: WorkingCopy): Promise<Merged> {
  const text = copy.text();
  refuseMarks(copy, text);
  const head = await headOf(client, copy.known.id);
  if (head.version === copy.known.version) return { known: copy.known, kind: 'none', conflicts: 0 };
  const { merged = [], refused: ones = [] } = copy.known;
  const settles = [...merged, ...ones.map(({ id }) => id)];
  return takeIn(copy, head, { ours: text, base: copy.known, settles });
}

async function takeIn(
  copy: WorkingCopy,
  head: Known,
  { ours, base, settles }: { readonly ours: string; readonly base: Known; readonly settles: readonly string[] },
): Promise<Merged> {
  const labels = { ours: copy.file, theirs: `version ${head.version}` };
  const made = await mergedWith(base, head, { ours, labels });
  if (made.kind === 'refused') {
    throw conflict('NOT_MERGED', `${copy.file} cannot be merged by lines (${made.reason}), and is as it was.`);
  }
  const marks = made.kind === 'conflict' ? { marks: [`<<<<<<< ${labels.ours}`, `>>>>>>> ${labels.theirs}`] } : {};
  const next = { ...head, ...mergedOf(settles), ...marks };
  copy.replace(made.text, next, ours);
  return made.kind === 'conflict'
    ? { known: next, kind: 'marked', conflicts: made.conflicts }
    : { known: next, kind: 'clean', conflicts: 0 };
}

const mergedOf = (settles: readonly string[]): Pick<Known, 'merged'> =>
  settles.length === 0 ? {} : { merged: settles };

function refuseMarks({ file, known }: WorkingCopy, text: string): void {
  const lines = new Set(text.split(/\r?\n/));
  if (known.marks?.some((mark) => lines.has(mark)) !== true) return;
  throw conflict('MARKS_LEFT', `${file} still has marks of a merge: edit it, then push.`);
}

export interface Pushed {
  readonly known: Known;
  /** `none`: there was nothing to push; `beside`: others had changed other sections, which the file has now too. */
  readonly kind: 'none' | 'pushed' | 'beside' | 'marked';
}

export async function push(client: Client, copy: WorkingCopy, token?: string): Promise<Pushed> {
  const text = copy.text();
  refuseMarks(copy, text);
  if (text === copy.known.base) {
    await settle(client, copy);
    return { known: copy.known, kind: 'none' };
  }
  await refuseAgain(client, copy, text);
  const version = await update(client, copy, { text, token });
  const made = knownOf(await client.document.get({ id: copy.known.id, version }));
  const settles = copy.known.merged ?? [];
  const pushed = { ...made, ...mergedOf(settles) };
  if (made.base === text) {
    copy.note(pushed);
    await settle(client, copy);
    return { known: copy.known, kind: 'pushed' };
  }
  // DS1, DS2: the file may have been edited since it was read; what it was made of now is what was pushed.
  const now = copy.text();
  if (now === text) copy.replace(made.base, pushed, text);
  else await takeIn(copy, made, { ours: now, base: madeOf(copy.known, text), settles });
  await settle(client, copy);
  return { known: copy.known, kind: copy.known.marks === undefined ? 'beside' : 'marked' };
}

/** A text that was pushed, as if it were a version: its sections are those of one whole. */
function madeOf(known: Known, text: string): Known {
  const bytes = new TextEncoder().encode(text).length;
  const sections = [{ id: 's0', heading: '', level: 0, bytes }];
  return { ...known, base: text, sha256: hashOf(text), sections };
}

/** The version that the edit made. */
async function update(
  client: Client,
  copy: WorkingCopy,
  { text, token }: { readonly text: string; readonly token: string | undefined },
): Promise<number> {
  const { pending: asked, ...known } = copy.known;
  const { id, version } = known;
  const sha256 = hashOf(text);
  const again = asked?.sha256 === sha256 && asked.version === version;
  const key = again ? asked.key : `doc-push-${randomUUID()}`;
  // A lock is gone when it is asked again: then it is another request.
  if (token === undefined) copy.note({ ...known, pending: { key, version, sha256 } }); // DS3
  try {
    const edit = { id, version, content: text };
    const { document } = await (token === undefined
      ? client.document.update(edit, { key })
      : client.document.update({ ...edit, token }));
    copy.note(known);
    return document.version;
  } catch (error) {
    // What only a client can know leaves open whether it was done.
    if (!(error instanceof MusterError) || !Object.hasOwn(ERROR_CODES, error.code)) throw error;
    copy.note(known);
    if (error.code !== 'DOCUMENT_CONFLICT') throw error;
    return refused(client, copy, { text, conflictId: conflictOf(error) });
  }
}

function conflictOf({ details }: MusterError): string {
  const id =
    typeof details === 'object' && details !== null && 'conflictId' in details ? details['conflictId'] : undefined;
  return typeof id === 'string' ? id : '';
}

/** The document may have the text already; else it is told what is in the way. */
async function refused(
  client: Client,
  copy: WorkingCopy,
  { text, conflictId }: { readonly text: string; readonly conflictId: string },
): Promise<number> {
  const { known } = copy;
  const head = await headOf(client, known.id);
  if (head.base === text) {
    copy.note({ ...known, merged: [...(known.merged ?? []), conflictId] });
    return head.version;
  }
  const record = { id: conflictId, version: known.version, sha256: hashOf(text) };
  copy.note({ ...known, refused: [...(known.refused ?? []), record] });
  throw await stale(client, copy, { text, head, conflictId });
}

/** The same text was refused before: as long as that conflict is open it is told again, and not made once more. */
async function refuseAgain(client: Client, copy: WorkingCopy, text: string): Promise<void> {
  const { id, version, refused: ones = [] } = copy.known;
  const before = ones.find((one) => one.version === version && one.sha256 === hashOf(text));
  if (before === undefined) return;
  const open = await client.document.conflicts({ id });
  if (!open.conflicts.some((one) => one.id === before.id)) return;
  const head = await headOf(client, id);
  throw await stale(client, copy, { text, head, conflictId: before.id });
}

/** What was refused is in the document by now, merged by whoever pushed: nobody has to look at those conflicts any more. */
async function settle(client: Client, copy: WorkingCopy): Promise<void> {
  const { merged = [], ...settled } = copy.known;
  for (const conflictId of merged) {
    try {
      await client.document.resolve({ conflictId, resolution: 'theirs' });
    } catch (error) {
      // Somebody else resolved it, or removed the document.
      if (!(error instanceof MusterError) || error.code !== 'NOT_FOUND') throw error;
    }
  }
  if (merged.length > 0) copy.note(settled);
}
