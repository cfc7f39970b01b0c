/**
 * What is done with a document beside editing it: named anew, archived, kept under a name; and locks of its sections.
 *
 * DC1 An archived document is read, deleted, kept and unarchived; its text and its name stay as they are.
 * DC2 A version that the state keeps no more is kept under a name with the sections that come with the request, out of the store.
 */
import { documentPath, type DocumentParams, type DocumentResults } from '../../../protocol/wire/documents.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import { OLD_BASES_VERSION, type PreparedParams } from '../port.ts';
import { acquireLock } from '../locks/acquire.ts';
import type { DocumentRecord, DocumentSnapshotRecord } from './document-records.ts';
import { caredFor, change, editable, isSnapshotOf, NO_SNAPSHOT, tell } from './documents.ts';
import { notKept, sectionsAt } from './edits.ts';
import { documentView, snapshotView } from './view.ts';

export const renameDocument: Decide<DocumentParams['document.rename']> = (s, c, { session, params }) => {
  const there = caredFor(s, params.id);
  const known = 'ok' in there ? there : editable(s, params.id); // DC1
  if ('ok' in known) return known;
  const { name } = params;
  if (known.name === name) return accepted({ document: documentView(known) });
  const by = session.principal.id;
  const record: DocumentRecord = { ...known, name, updatedBy: by, updatedAt: c.now };
  change(c, { kind: 'put', record });
  tell(c, record, { what: 'renamed', by, data: { name } });
  return accepted({ document: documentView(record) });
};

const setArchived =
  (archived: boolean): Decide<DocumentParams['document.archive']> =>
  (s, c, { session, params }) => {
    const known = caredFor(s, params.id);
    if ('ok' in known) return known;
    if ((known.archived === true) === archived) return accepted({ document: documentView(known) });
    const by = session.principal.id;
    const { archived: _, ...rest } = known;
    const put: DocumentRecord = { ...rest, updatedBy: by, updatedAt: c.now };
    const record: DocumentRecord = archived ? { ...put, archived } : put;
    change(c, { kind: 'put', record });
    tell(c, record, { what: archived ? 'archived' : 'unarchived', by });
    return accepted({ document: documentView(record) });
  };

export const archiveDocument = setArchived(true);
export const unarchiveDocument = setArchived(false);

export const snapshotDocument: Decide<PreparedParams['document.snapshot']> = (s, c, { session, params }) => {
  const known = caredFor(s, params.id);
  if ('ok' in known) return known;
  const { name, version = known.version } = params;
  if (s.snapshotsByDocument.count(known.id) >= LIMITS.documentSnapshotsMax) {
    return rejected('LIMIT_EXCEEDED', `A document has at most ${LIMITS.documentSnapshotsMax} snapshots.`);
  }
  const early = s.counters.engineVersion < OLD_BASES_VERSION;
  const sections = sectionsAt(s, known, version) ?? (early ? undefined : params.sections); // DC2
  if (sections === undefined) return notKept(known, version);
  const by = session.principal.id;
  const made = { id: c.random.id('dsn'), document: known.id, name, version };
  const record: DocumentSnapshotRecord = { ...made, by, at: c.now, sections };
  change(c, { kind: 'snapshot', record });
  tellSnapshot(c, known, { record, what: 'snapshot', by });
  const result: DocumentResults['document.snapshot'] = { snapshot: snapshotView(record) };
  return accepted(result);
};

function tellSnapshot(
  c: Context,
  known: DocumentRecord,
  { record, what, by }: { readonly record: DocumentSnapshotRecord; readonly what: string; readonly by: string },
): void {
  const { id: snapshotId, version, name } = record;
  tell(c, known, { what, by, data: { snapshotId, version, ...(name === undefined ? {} : { name }) } });
}

export const deleteDocumentSnapshot: Decide<DocumentParams['document.deleteSnapshot']> = (
  s,
  c,
  { session, params },
) => {
  const known = caredFor(s, params.id);
  if ('ok' in known) return known;
  const record = s.documentSnapshots.get(params.snapshotId);
  if (record === undefined || !isSnapshotOf(s, known, record.id)) return NO_SNAPSHOT;
  change(c, { kind: 'unsnapshot', id: record.id });
  tellSnapshot(c, known, { record, what: 'snapshotDeleted', by: session.principal.id });
  return accepted({ snapshotId: record.id });
};

export const lockSection: Decide<DocumentParams['section.lock']> = (s, c, { session, params }) => {
  const { documentId, sectionId, ...options } = params;
  const known = caredFor(s, documentId);
  if ('ok' in known) return known;
  if (!known.sections.some(({ sid }) => sid === sectionId)) return rejected('NOT_FOUND', 'No such section.');
  return acquireLock(s, c, { session, params: { ...options, path: documentPath({ ...known, sectionId }) } });
};
