/** Documents: texts with versions, edited by sections; conflicts keep every text. */
import type { BlobRef } from './blobs.ts';
import type { DocumentSearchParams, DocumentSearchResult } from './document-search.ts';
import type { LockAcquired, LockMode, LockOptions } from './locks.ts';

export const DOCUMENT_RESOLUTIONS = ['ours', 'theirs', 'merged', 'manual'] as const;
export type DocumentResolution = (typeof DOCUMENT_RESOLUTIONS)[number];

/** The type of which a document has sections; one of any other type is one section. */
export const MARKDOWN = 'markdown';
/** Of documents that `document.html` reads as HTML. */
export const HTML = 'html';

export interface SectionView {
  /** Stays when the section is edited, renamed or moved; never used again. */
  readonly id: string;
  readonly heading: string;
  /** 1 to 6; 0: before the first heading, or of a type without sections. */
  readonly level: number;
  /** Of the document, when the section was changed last. */
  readonly version: number;
  readonly bytes: number;
}

export interface DocumentView {
  readonly id: string;
  readonly workspaceId?: string;
  readonly name: string;
  readonly type: string;
  /** How many edits it has, the first text counted. */
  readonly version: number;
  /** It is not edited any more. */
  readonly archived?: true;
  readonly bytes: number;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedBy: string;
  readonly updatedAt: number;
}

export interface DocumentVersionView {
  readonly version: number;
  readonly by: string;
  readonly at: number;
  /** Ids of the sections that it touched. */
  readonly sections: readonly string[];
  /** The version whose text it has again. */
  readonly restored?: number;
}

/** A version that is kept under a name. */
export interface DocumentSnapshotView {
  readonly id: string;
  readonly documentId: string;
  readonly name?: string;
  readonly version: number;
  readonly by: string;
  readonly at: number;
}

export interface DocumentConflictView {
  readonly id: string;
  readonly documentId: string;
  /** Who made the edit that was refused. */
  readonly by: string;
  readonly at: number;
  /** The version that it was made of, and the one that was current. */
  readonly baseVersion: number;
  readonly version: number;
}

/** A text as it is sent: in the message, or, if it has more than `documentInlineBytes`, as the blob that it was put as (its SHA-256). */
export interface SentText {
  readonly content?: string;
  readonly blob?: string;
}

interface Page {
  readonly limit?: number;
  readonly cursor?: string;
}

export interface DocumentParams {
  'document.create': {
    readonly content?: string;
    readonly blob?: string;
    readonly name: string;
    readonly workspaceId?: string;
    readonly type?: string;
  };
  /** `sectionId`: the content of this section alone. */
  'document.get': {
    readonly id: string;
    readonly version?: number;
    readonly snapshotId?: string;
    readonly sectionId?: string;
  };
  'document.list': Page & { readonly workspaceId?: string; readonly type?: string; readonly archived?: boolean };
  'document.search': DocumentSearchParams;
  /** `version`: the one that the content was made of. `sectionId`: the content is that of this section. */
  'document.update': {
    readonly content?: string;
    readonly blob?: string;
    readonly id: string;
    readonly version: number;
    readonly sectionId?: string;
    /** Of a lock that the caller holds on what it changes. */
    readonly token?: string;
  };
  'document.delete': { readonly id: string };
  'document.rename': { readonly id: string; readonly name: string };
  'document.archive': { readonly id: string };
  'document.unarchive': { readonly id: string };
  /** `to`: the current version unless it is said. */
  'document.diff': { readonly id: string; readonly from: number; readonly to?: number };
  /** As `document.get`, for a browser. */
  'document.html': DocumentParams['document.get'];
  /** One of `version` and `snapshotId`. */
  'document.restore': {
    readonly id: string;
    readonly version?: number;
    readonly snapshotId?: string;
    readonly token?: string;
  };
  /** `version`: the current one unless it is said. */
  'document.snapshot': { readonly id: string; readonly name?: string; readonly version?: number };
  'document.snapshots': { readonly id: string };
  'document.deleteSnapshot': { readonly id: string; readonly snapshotId: string };
  'document.history': { readonly id: string; readonly limit?: number; readonly before?: number };
  /** `conflictId`: this one, with its texts. */
  'document.conflicts': { readonly id: string; readonly conflictId?: string };
  /** A text: of `manual` always; of `merged` unless the server is to merge. */
  'document.resolve': {
    readonly content?: string;
    readonly blob?: string;
    readonly conflictId: string;
    readonly resolution: DocumentResolution;
    readonly token?: string;
  };
  'section.list': { readonly documentId: string };
  /** As `document.update` with `sectionId`. */
  'section.update': {
    readonly content?: string;
    readonly blob?: string;
    readonly documentId: string;
    readonly sectionId: string;
    readonly version: number;
    readonly token?: string;
  };
  /** As `lock.acquire` on the path of the section. */
  'section.lock': { readonly documentId: string; readonly sectionId: string; readonly mode?: LockMode } & LockOptions;
  /** As `lock.release`: `id` is that of the lock. */
  'section.unlock': { readonly id: string; readonly token: string };
}

/** What the edit was made of, the edit, what was current. */
export type ConflictSide = 'base' | 'ours' | 'theirs';

interface Changed {
  readonly document: DocumentView;
  /** Ids of the sections that were touched; none: it was so already, and there is no new version. */
  readonly sections: readonly string[];
}

export interface DocumentResults {
  'document.create': Changed;
  'document.get': {
    readonly content?: string;
    readonly blobs?: readonly BlobRef[];
    readonly document: DocumentView & { readonly sections: readonly SectionView[] };
    /** Of the version that was asked for. */
    readonly version: number;
  };
  'document.list': { readonly documents: readonly DocumentView[]; readonly cursor?: string };
  'document.search': DocumentSearchResult;
  'document.update': Changed;
  'document.delete': { readonly id: string };
  'document.rename': { readonly document: DocumentView };
  'document.archive': { readonly document: DocumentView };
  'document.unarchive': { readonly document: DocumentView };
  /** `diff`: what was changed, by lines, in the unified form; empty: nothing. */
  'document.diff': {
    readonly from: number;
    readonly to: number;
    readonly diff: string;
    readonly added: number;
    readonly removed: number;
  };
  /** `html`: a fragment without scripts, styles, forms and frames, whatever the document has. */
  'document.html': { readonly version: number; readonly html: string };
  'document.restore': Changed;
  'document.snapshot': { readonly snapshot: DocumentSnapshotView };
  'document.snapshots': { readonly snapshots: readonly DocumentSnapshotView[] };
  'document.deleteSnapshot': { readonly snapshotId: string };
  /** The newest first; `next`: go on before this one. */
  'document.history': { readonly versions: readonly DocumentVersionView[]; readonly next?: number };
  /** `blobs`: instead of the texts, if they have more than `documentInlineBytes` together. */
  'document.conflicts': {
    readonly conflicts: readonly (DocumentConflictView & {
      readonly base?: string;
      readonly ours?: string;
      readonly theirs?: string;
      readonly blobs?: { readonly [S in ConflictSide]: readonly BlobRef[] };
    })[];
  };
  'document.resolve': Changed & { readonly conflictId: string };
  'section.list': {
    readonly document: DocumentView;
    readonly sections: readonly (SectionView & { readonly path: string })[];
  };
  'section.update': Changed;
  'section.lock': LockAcquired;
  'section.unlock': { readonly remaining: number };
}

/** The topic on which is told what becomes of a document. */
export function documentTopic(id: string): string {
  return `document.${id}`;
}

/** The path under which a document, or a section of it, is locked. */
export function documentPath(of: {
  readonly id: string;
  readonly workspaceId?: string | undefined;
  readonly sectionId?: string | undefined;
}): string {
  const { id, workspaceId, sectionId } = of;
  const path = workspaceId === undefined ? `document/${id}` : `workspace/${workspaceId}/document/${id}`;
  return sectionId === undefined ? path : `${path}/${sectionId}`;
}
