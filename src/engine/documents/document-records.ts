/**
 * The records of documents. Texts are not here: a section names the SHA-256 of its text, which is kept outside.
 *
 * DR1 A version before the current one is found by going back from that: each keeps what it replaced.
 * DR2 Those that the state keeps no more are told (`ArchiveFact`), some with all of their sections: so that going back begins there and takes
 *     few steps, however long the history is.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';

export interface SectionRecord {
  readonly sid: string;
  readonly heading: string;
  readonly level: number;
  /** Of the document, when it was changed last. */
  readonly version: number;
  readonly sha256: string;
  readonly bytes: number;
  /** It would swallow an underlined heading behind it; never said of texts from before `DOCUMENT_CARE_VERSION`. */
  readonly open?: true;
}

export interface DocumentRecord {
  readonly id: string;
  readonly workspaceId: string | undefined;
  readonly name: string;
  readonly type: string;
  readonly version: number;
  readonly sections: readonly SectionRecord[];
  /** Numbers of ids of sections from here on were never used. */
  readonly nextNumber: number;
  readonly bytes: number;
  readonly archived?: true;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedBy: string;
  readonly updatedAt: number;
}

export interface DocumentVersionRecord {
  /** `<document> <version>`, the number with leading zeros. */
  readonly key: string;
  readonly document: string;
  readonly version: number;
  readonly by: string;
  readonly at: number;
  /** Ids of sections. */
  readonly touched: readonly string[];
  /** DR1: the sections that were changed, as they were; or all of them, if their order or number changed. */
  readonly replaced: readonly SectionRecord[];
  readonly whole: boolean;
  /** The version whose text it has again. */
  readonly restored?: number;
}

/** A version that is kept under a name, however many come after it. */
export interface DocumentSnapshotRecord {
  readonly id: string;
  readonly document: string;
  readonly name: string | undefined;
  readonly version: number;
  readonly by: string;
  readonly at: number;
  readonly sections: readonly SectionRecord[];
}

export interface DocumentConflictRecord {
  readonly id: string;
  readonly document: string;
  readonly by: string;
  readonly at: number;
  readonly baseVersion: number;
  readonly version: number;
  /** Hashes of the texts of the sections, in their order. */
  readonly base: readonly string[];
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
}

/** A comment; its text is outside, as those of sections are. */
export interface CommentRecord {
  readonly id: string;
  readonly document: string;
  readonly section: string | undefined;
  readonly replyTo: string | undefined;
  readonly sha256: string;
  readonly bytes: number;
  readonly by: string;
  readonly at: number;
  readonly version: number;
  readonly resolvedBy?: string;
  readonly resolvedAt?: number;
}

/** What is told of versions that the state keeps no more. */
export type ArchiveFact =
  | {
      readonly kind: 'version';
      readonly record: DocumentVersionRecord;
      /** All of that version, with every `anchorEvery()`th: DR2. */
      readonly sections: readonly SectionRecord[] | undefined;
    }
  /** The document was deleted, and nothing of it is kept. */
  | { readonly kind: 'gone'; readonly document: string };

/** DR2. Half of what the state keeps, so that tests which keep few have anchors too. */
export const anchorEvery = (): number => Math.max(1, LIMITS.documentVersionsKept >> 1);

export const versionKey = (document: string, version: number): string =>
  `${document} ${String(version).padStart(16, '0')}`;
