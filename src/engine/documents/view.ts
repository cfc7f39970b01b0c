/** Documents as clients see them, and what is read of them. */
import type {
  DocumentConflictView,
  DocumentParams,
  DocumentResults,
  DocumentSnapshotView,
  DocumentVersionView,
  DocumentView,
  SectionView,
} from '../../../protocol/wire/documents.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { rejected } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Refusal, SessionPrincipal } from '../port.ts';
import { may } from '../workspaces/roles.ts';
import { sectionsAt } from './edits.ts';
import {
  versionKey,
  type DocumentConflictRecord,
  type DocumentRecord,
  type DocumentSnapshotRecord,
  type DocumentVersionRecord,
  type SectionRecord,
} from './document-records.ts';

type Who = Pick<SessionPrincipal, 'id' | 'role' | 'agent'>;

/** How many documents one page looks at before it returns what it has, with a cursor. */
const SCAN_MAX = 5_000;

export function documentView(known: DocumentRecord): DocumentView {
  const { id, workspaceId, name, type, version, bytes, createdBy, createdAt, updatedBy, updatedAt } = known;
  const view = { id, name, type, version, bytes, createdBy, createdAt, updatedBy, updatedAt };
  const more = known.archived === true ? { ...view, archived: known.archived } : view;
  return workspaceId === undefined ? more : { ...more, workspaceId };
}

export function snapshotView(record: DocumentSnapshotRecord): DocumentSnapshotView {
  const { id, document, name, version, by, at } = record;
  const view = { id, documentId: document, version, by, at };
  return name === undefined ? view : { ...view, name };
}

export function sectionView({ sid, heading, level, version, bytes }: SectionRecord): SectionView {
  return { id: sid, heading, level, version, bytes };
}

export function conflictView(record: DocumentConflictRecord): DocumentConflictView {
  const { id, document, by, at, baseVersion, version } = record;
  return { id, documentId: document, by, at, baseVersion, version };
}

const reads = (s: State, who: Who, { workspaceId }: DocumentRecord): boolean =>
  workspaceId === undefined || may(s, who, { workspace: workspaceId, to: 'read' });

/** The document, if the caller may read it. */
export function readableDocument(s: State, who: Who, id: string): DocumentRecord | Refusal {
  const known = s.documents.get(id);
  return known === undefined || !reads(s, who, known) ? rejected('NOT_FOUND', 'No such document.') : known;
}

export function listDocuments(
  s: State,
  who: Who,
  asked: DocumentParams['document.list'],
): DocumentResults['document.list'] {
  const { workspaceId, type, archived, limit = LIMITS.pageDefault, cursor = '' } = asked;
  const rows =
    workspaceId === undefined ? s.documentsById.after(cursor) : s.documentsByWorkspace.after(workspaceId, cursor);
  const documents: DocumentView[] = [];
  let looked = 0;
  for (const known of rows) {
    looked += 1;
    const wanted =
      (type ?? known.type) === known.type && (archived === undefined || archived === (known.archived === true));
    if (wanted && reads(s, who, known)) documents.push(documentView(known));
    if (documents.length === limit || looked === SCAN_MAX) return { documents, cursor: known.id };
  }
  return { documents };
}

export function versionView({
  version,
  by,
  at,
  touched,
  restored,
}: Pick<DocumentVersionRecord, 'version' | 'by' | 'at' | 'touched' | 'restored'>): DocumentVersionView {
  const view = { version, by, at, sections: touched };
  return restored === undefined ? view : { ...view, restored };
}

/** The newest first, as far as the state has them. */
export function documentHistory(
  s: State,
  { id, version }: DocumentRecord,
  { limit = LIMITS.pageDefault, before }: DocumentParams['document.history'],
): DocumentResults['document.history'] {
  const versions: DocumentVersionView[] = [];
  for (let at = Math.min(version, (before ?? Infinity) - 1); at > 0; at -= 1) {
    const made = s.documentVersions.get(versionKey(id, at));
    if (made === undefined) break;
    if (versions.length === limit) return { versions, next: at + 1 };
    versions.push(versionView(made));
  }
  return { versions };
}

export function conflictsOf(s: State, { id }: DocumentRecord): readonly DocumentConflictRecord[] {
  return [...s.conflictsByDocument.after(id, '')];
}

/** The newest first. */
export function listDocumentSnapshots(s: State, { id }: DocumentRecord): DocumentResults['document.snapshots'] {
  return { snapshots: [...s.snapshotsByDocument.after(id, '')].toReversed().map(snapshotView) };
}

/** The sections of a version or of a snapshot; undefined: it is not there. */
export function sectionsOf(
  s: State,
  known: DocumentRecord,
  of: { readonly version?: number | undefined; readonly snapshotId?: string | undefined },
): { readonly version: number; readonly sections: readonly SectionRecord[] } | undefined {
  const { snapshotId, version = known.version } = of;
  if (snapshotId !== undefined) {
    const kept = s.documentSnapshots.get(snapshotId);
    return kept?.document === known.id ? { version: kept.version, sections: kept.sections } : undefined;
  }
  const sections = sectionsAt(s, known, version);
  return sections === undefined ? undefined : { version, sections };
}
