/**
 * Documents: made, edited, deleted; conflicts, and how they are resolved.
 *
 * DO1 An edit that is refused as a conflict leaves a record with all three texts, until it is resolved or the document is deleted.
 * DO2 A conflict is resolved once, by an edit under the same rules as every other, or by leaving what is there.
 * DO3 Texts are durable outside before a command names them.
 */
import {
  documentTopic,
  MARKDOWN,
  type DocumentParams,
  type DocumentResults,
} from '../../../protocol/wire/documents.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { workspaceTopic } from '../../../protocol/wire/workspaces.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import {
  DOCUMENT_CARE_VERSION,
  DOCUMENTS_VERSION,
  type BaseSection,
  type PreparedParams,
  type PreparedSection,
  type PreparedText,
  type Refusal,
  type Reply,
} from '../port.ts';
import type { SessionRecord } from '../records.ts';
import { refuseUse } from '../workspaces/usage.ts';
import type { DocumentChange } from './changes.ts';
import {
  anchorEvery,
  versionKey,
  type DocumentConflictRecord,
  type DocumentRecord,
  type DocumentVersionRecord,
} from './document-records.ts';
import { judgeEdit, notKept, recordOf, refuseLocked, sectionsAt } from './edits.ts';
import { documentView } from './view.ts';

export const NO_DOCUMENT = rejected('NOT_FOUND', 'No such document.');
export const NO_CONFLICT = rejected('NOT_FOUND', 'No such conflict.');
/** The text was not prepared: what it is about came to be only after the request was taken. */
const NOT_PREPARED = rejected('UNAVAILABLE');
export const NO_SNAPSHOT = rejected('NOT_FOUND', 'No such snapshot.');
const ARCHIVED = rejected('INVALID_TRANSITION', 'The document is archived.');

export function change(c: Context, one: DocumentChange): void {
  c.events.push({ kind: 'documents', change: one });
}

/** Tells the topic of the document and that of its workspace. */
export function tell(
  c: Context,
  known: DocumentRecord,
  told: { readonly what: string; readonly by: string; readonly data?: object },
): void {
  const topic = documentTopic(known.id);
  const above = known.workspaceId === undefined ? [] : [`t:${workspaceTopic(known.workspaceId)}`];
  c.events.push({
    kind: 'pushed',
    event: `document.${told.what}`,
    to: [`t:${topic}`, ...above],
    topic,
    data: { id: known.id, by: told.by, at: c.now, ...told.data },
  });
}

/** The state is of a version without documents: another node may still run that. */
const isEarly = (s: State, version = DOCUMENTS_VERSION): boolean => s.counters.engineVersion < version;

/** The document, if it is there and its text may be changed. */
export function editable(s: State, id: string): DocumentRecord | Refusal {
  const known = s.documents.get(id);
  if (known === undefined) return NO_DOCUMENT;
  return known.archived === true ? ARCHIVED : known;
}

/** The same for what there is since `DOCUMENT_CARE_VERSION`. */
export function caredFor(s: State, id: string): DocumentRecord | Refusal {
  return isEarly(s, DOCUMENT_CARE_VERSION) ? rejected('UNAVAILABLE') : (s.documents.get(id) ?? NO_DOCUMENT);
}

export const createDocument: Decide<PreparedParams['document.create']> = (s, c, { session, params }) => {
  if (isEarly(s)) return rejected('UNAVAILABLE');
  const { name, workspaceId, type = MARKDOWN, text } = params;
  if (s.documents.size >= LIMITS.documentsMax) {
    return rejected('LIMIT_EXCEEDED', `The tenant has ${s.documents.size} documents, which is its limit.`);
  }
  if (text.sections.length > LIMITS.documentSectionsMax) {
    return rejected('LIMIT_EXCEEDED', `A document has at most ${LIMITS.documentSectionsMax} sections.`);
  }
  const bytes = text.sections.reduce((sum, section) => sum + section.bytes, 0);
  const workspace = workspaceId === undefined ? undefined : s.workspaces.get(workspaceId);
  const full = workspace === undefined ? undefined : refuseUse(s, workspace, { documents: 1, storageBytes: bytes });
  if (full !== undefined) return full;
  const by = session.principal.id;
  const record: DocumentRecord = {
    id: c.random.id('doc'),
    workspaceId,
    name,
    type,
    version: 1,
    sections: text.sections.map(recordOf(s, 1)),
    nextNumber: text.nextNumber,
    bytes,
    createdBy: by,
    createdAt: c.now,
    updatedBy: by,
    updatedAt: c.now,
  };
  const touched = text.sections.map(({ sid }) => sid);
  const made = { key: versionKey(record.id, 1), document: record.id, version: 1, by, at: c.now };
  change(c, { kind: 'put', record });
  change(c, { kind: 'version', record: { ...made, touched, replaced: [], whole: true } });
  tell(c, record, { what: 'created', by, data: { name, type, version: 1 } });
  return accepted({ document: documentView(record), sections: touched });
};

/** The edit is done; the oldest version goes, if there are too many. */
function apply(
  s: State,
  c: Context,
  made: { readonly record: DocumentRecord; readonly version: DocumentVersionRecord },
): void {
  const { record, version } = made;
  change(c, { kind: 'put', record });
  change(c, { kind: 'version', record: version });
  const { restored } = version;
  archiveOldest(s, c, record);
  tell(c, record, {
    what: 'updated',
    by: version.by,
    data: { version: record.version, sections: version.touched, ...(restored === undefined ? {} : { restored }) },
  });
}

/** DR2 of document-records.ts. */
function archiveOldest(s: State, c: Context, { id, version }: DocumentRecord): void {
  const record = s.documentVersions.get(versionKey(id, version - LIMITS.documentVersionsKept));
  const before = s.documents.get(id);
  if (record === undefined || before === undefined) return;
  const sections = record.version % anchorEvery() === 0 ? sectionsAt(s, before, record.version) : undefined;
  change(c, { kind: 'archive', record, sections });
}

export const updateDocument: Decide<PreparedParams['document.update']> = (s, c, { session, params }) => {
  const known = editable(s, params.id);
  if ('ok' in known) return known;
  const { text, token } = params;
  if (text === undefined && sectionsAt(s, known, params.version) === undefined) return notKept(known, params.version);
  return edit(s, c, { session, known, text, token });
};

export const updateSection: Decide<PreparedParams['section.update']> = (s, c, { session, params }) => {
  const { documentId: id, ...rest } = params;
  return isEarly(s, DOCUMENT_CARE_VERSION)
    ? rejected('UNAVAILABLE')
    : updateDocument(s, c, { session, params: { ...rest, id } });
};

/** An edit of the version that was current when it was asked for, with the text of another one. */
export const restoreDocument: Decide<PreparedParams['document.restore']> = (s, c, { session, params }) => {
  const there = caredFor(s, params.id);
  const known = 'ok' in there ? there : editable(s, params.id);
  if ('ok' in known) return known;
  const { text, token, snapshotId, version = s.documentSnapshots.get(snapshotId ?? '')?.version } = params;
  if (version === undefined || (snapshotId !== undefined && !isSnapshotOf(s, known, snapshotId))) return NO_SNAPSHOT;
  if (text === undefined && sectionsAt(s, known, version) === undefined) return notKept(known, version);
  return edit(s, c, { session, known, text, token, restored: version });
};

export function isSnapshotOf(s: State, { id }: DocumentRecord, snapshotId: string): boolean {
  return s.documentSnapshots.get(snapshotId)?.document === id;
}

function edit(
  s: State,
  c: Context,
  asked: {
    readonly session: SessionRecord;
    readonly known: DocumentRecord;
    readonly text: PreparedText | undefined;
    readonly token: string | undefined;
    readonly restored?: number;
  },
): Reply {
  const { session, known, text } = asked;
  if (text === undefined) return NOT_PREPARED;
  const judged = judgeEdit(s, c, { ...asked, text });
  if ('ok' in judged) return judged;
  if (judged.kind === 'same') return accepted({ document: documentView(known), sections: [] });
  if (judged.kind === 'conflict') {
    return conflict(s, c, { session, known, base: judged.base, baseVersion: text.base, ours: text.sections });
  }
  apply(s, c, judged);
  return accepted({ document: documentView(judged.record), sections: judged.version.touched });
}

const textsOf = (sections: readonly { readonly sha256: string }[]): string[] => sections.map(({ sha256 }) => sha256);

/** DO1 */
function conflict(
  s: State,
  c: Context,
  of: {
    readonly session: SessionRecord;
    readonly known: DocumentRecord;
    readonly base: readonly BaseSection[];
    readonly baseVersion: number;
    readonly ours: readonly PreparedSection[];
  },
): Refusal {
  const { session, known, base, baseVersion, ours } = of;
  if (s.conflictsByDocument.count(known.id) >= LIMITS.documentConflictsMax) {
    return rejected('LIMIT_EXCEEDED', `A document has at most ${LIMITS.documentConflictsMax} open conflicts.`, {
      currentVersion: known.version,
    });
  }
  const by = session.principal.id;
  const record: DocumentConflictRecord = {
    id: c.random.id('dcf'),
    document: known.id,
    by,
    at: c.now,
    baseVersion,
    version: known.version,
    base: textsOf(base),
    ours: textsOf(ours),
    theirs: textsOf(known.sections),
  };
  change(c, { kind: 'conflict', record });
  tell(c, known, { what: 'conflict', by, data: { conflictId: record.id, version: known.version } });
  return conflictRefusal(record.id, known.version);
}

function conflictRefusal(conflictId: string, currentVersion: number): Refusal {
  return rejected('DOCUMENT_CONFLICT', undefined, { conflictId, currentVersion });
}

/** DO2 */
export const resolveConflict: Decide<PreparedParams['document.resolve']> = (s, c, { session, params }) => {
  const record = s.documentConflicts.get(params.conflictId);
  const known = record === undefined ? undefined : s.documents.get(record.document);
  if (record === undefined || known === undefined) return NO_CONFLICT;
  const { text, token, resolution } = params;
  if (resolution === 'theirs')
    return resolved(c, { record, known, by: session.principal.id, resolution, sections: [] });
  if (known.archived === true) return ARCHIVED;
  if (text === undefined) return NOT_PREPARED;
  const judged = judgeEdit(s, c, { session, known, text, token });
  if ('ok' in judged) return judged;
  if (judged.kind === 'conflict') return conflictRefusal(record.id, known.version);
  if (judged.kind === 'made') apply(s, c, judged);
  const after = judged.kind === 'made' ? judged.record : known;
  const sections = judged.kind === 'made' ? judged.version.touched : [];
  return resolved(c, { record, known: after, by: session.principal.id, resolution, sections });
};

function resolved(
  c: Context,
  of: {
    readonly record: DocumentConflictRecord;
    readonly known: DocumentRecord;
    readonly by: string;
    readonly resolution: DocumentParams['document.resolve']['resolution'];
    readonly sections: readonly string[];
  },
): Reply {
  const { record, known, by, resolution, sections } = of;
  change(c, { kind: 'unconflict', id: record.id });
  const data = { conflictId: record.id, resolution, version: known.version };
  tell(c, known, { what: 'resolved', by, data });
  const result: DocumentResults['document.resolve'] = {
    conflictId: record.id,
    document: documentView(known),
    sections,
  };
  return accepted(result);
}

export const deleteDocument: Decide<PreparedParams['document.delete']> = (s, c, { session, params }) => {
  const known = s.documents.get(params.id);
  if (known === undefined) return NO_DOCUMENT;
  const locked = refuseLocked(s, session, { known, touched: undefined, token: undefined });
  if (locked !== undefined) return locked;
  forget(s, c, { known, by: session.principal.id });
  return accepted({ id: known.id });
};

/** With its versions and conflicts, which are few. It is told while it is still known whom it concerns. */
export function forget(s: State, c: Context, gone: { readonly known: DocumentRecord; readonly by: string }): void {
  const { known, by } = gone;
  tell(c, known, { what: 'deleted', by });
  for (const { id } of s.conflictsByDocument.after(known.id, '')) change(c, { kind: 'unconflict', id });
  for (const { id } of s.commentsByDocument.after(known.id, '')) change(c, { kind: 'uncomment', id });
  for (const { id } of s.snapshotsByDocument.after(known.id, '')) change(c, { kind: 'unsnapshot', id });
  for (const { key } of s.versionsByDocument.after(known.id, '')) change(c, { kind: 'unversion', key });
  change(c, { kind: 'drop', id: known.id });
}
