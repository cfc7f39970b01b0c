/** What happened to documents, as whole new records, and how that becomes state. */
import type { State } from '../kernel/state.ts';
import type {
  ArchiveFact,
  CommentRecord,
  DocumentConflictRecord,
  DocumentRecord,
  DocumentSnapshotRecord,
  DocumentVersionRecord,
  SectionRecord,
} from './document-records.ts';

export type DocumentChange =
  | { readonly kind: 'put'; readonly record: DocumentRecord }
  | { readonly kind: 'drop'; readonly id: string }
  | { readonly kind: 'version'; readonly record: DocumentVersionRecord }
  | { readonly kind: 'unversion'; readonly key: string }
  /** It is one of too many: the state keeps it no more, others may. */
  | {
      readonly kind: 'archive';
      readonly record: DocumentVersionRecord;
      readonly sections: readonly SectionRecord[] | undefined;
    }
  | { readonly kind: 'conflict'; readonly record: DocumentConflictRecord }
  | { readonly kind: 'unconflict'; readonly id: string }
  | { readonly kind: 'snapshot'; readonly record: DocumentSnapshotRecord }
  | { readonly kind: 'unsnapshot'; readonly id: string }
  | { readonly kind: 'comment'; readonly record: CommentRecord }
  | { readonly kind: 'uncomment'; readonly id: string };

export interface ArchiveEffects {
  archived(fact: ArchiveFact): void;
}

export function changeDocuments(s: State, change: DocumentChange, effects: ArchiveEffects): void {
  switch (change.kind) {
    case 'put': {
      const before = s.documents.get(change.record.id);
      s.documents.put(change.record);
      return count(s, before, change.record);
    }
    case 'drop': {
      const before = s.documents.get(change.id);
      s.documents.drop(change.id);
      effects.archived({ kind: 'gone', document: change.id });
      return count(s, before, undefined);
    }
    case 'version':
      return s.documentVersions.put(change.record);
    case 'unversion':
      return s.documentVersions.drop(change.key);
    case 'archive':
      effects.archived({ kind: 'version', record: change.record, sections: change.sections });
      return s.documentVersions.drop(change.record.key);
    case 'conflict':
      return s.documentConflicts.put(change.record);
    case 'unconflict':
      return s.documentConflicts.drop(change.id);
    case 'snapshot':
      return s.documentSnapshots.put(change.record);
    case 'unsnapshot':
      return s.documentSnapshots.drop(change.id);
    case 'comment':
      return s.comments.put(change.record);
    case 'uncomment':
      return s.comments.drop(change.id);
  }
}

/** What the workspace has of them. */
function count(s: State, before: DocumentRecord | undefined, after: DocumentRecord | undefined): void {
  const known = s.workspaces.get((after ?? before)?.workspaceId ?? '');
  if (known === undefined) return;
  s.workspaces.put({
    ...known,
    documents: known.documents + Number(after !== undefined) - Number(before !== undefined),
    documentBytes: known.documentBytes + (after?.bytes ?? 0) - (before?.bytes ?? 0),
  });
}
