/**
 * Versions of documents that the state keeps no more, out of the store.
 *
 * Owns: how they are found. Does not own: which they are (engine/documents), how they are written (kept.ts), for how long they stay (store/port.ts, S8).
 *
 * NV1 The state is asked first. What it goes back to is where the store goes on from: it was put there before the state let it go.
 * NV2 What is asked of one document is about that document as it was when it was asked; what the state has let go since then is in the store.
 */
import type { Rejection } from '../../protocol/wire/codes.ts';
import type { DocumentParams, DocumentResults } from '../../protocol/wire/documents.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { State } from '../engine/kernel/state.ts';
import type { SectionRecord } from '../engine/port.ts';
import { documentHistory, oldestSections, sectionsBefore, sectionsOf, versionView } from '../engine/queries.ts';
import type { VersionArchive, WayBack } from '../store/port.ts';
import { sectionsIn, versionOf } from './kept.ts';

type KnownDocument = NonNullable<ReturnType<State['documents']['get']>>;
type History = DocumentResults['document.history'];

export interface FoundSections {
  readonly version: number;
  readonly sections: readonly SectionRecord[];
  /** It is out of the store: the state does not name its texts. */
  readonly archived?: true;
}

export interface ArchiveParts {
  readonly state: State;
  readonly archive: VersionArchive;
}

export const DAMAGED_VERSION: Rejection = {
  code: 'INTERNAL',
  message: "There was such a version, and its record is damaged on the server's disk.",
};

/** The sections of a version or of a snapshot; undefined: it is not there. */
export function findSections(
  { state, archive: asked }: ArchiveParts,
  of: {
    readonly known: KnownDocument;
    readonly version?: number | undefined;
    readonly snapshotId?: string | undefined;
  },
  done: (found: FoundSections | 'damaged' | undefined) => void,
): void {
  const { known, version } = of;
  const found = sectionsOf(state, known, of);
  if (found !== undefined || version === undefined || version < 1 || version > known.version) return done(found);
  const oldest = oldestSections(state, known); // NV1
  asked.wayBack({ document: known.id, version, from: oldest.version }, (way) => {
    if (way === undefined || way === 'damaged') return done(way);
    done({ version, sections: wentBack(oldest.sections, way), archived: true });
  });
}

function wentBack(from: readonly SectionRecord[], { anchor, records }: WayBack): readonly SectionRecord[] {
  const begin = anchor === undefined ? from : sectionsIn(anchor);
  return records.reduce((sections, record) => sectionsBefore(sections, versionOf(record)), begin);
}

/** The newest first: those of the state, then those of the store. */
export function findHistory(
  { state, archive: asked }: ArchiveParts,
  of: { readonly known: KnownDocument; readonly params: DocumentParams['document.history'] },
  done: (history: History) => void,
): void {
  const { known, params } = of;
  const { limit = LIMITS.pageDefault, before = Infinity } = params;
  const newest = documentHistory(state, known, params);
  const below = newest.versions.at(-1)?.version ?? Math.min(known.version + 1, before);
  if (newest.next !== undefined || below <= 1) return done(newest);
  const left = limit - newest.versions.length;
  asked.list({ document: known.id, below, limit: Math.max(left, 1) }, (rows, next) => {
    if (left === 0) return done(rows.length === 0 ? newest : { ...newest, next: below });
    const versions = [
      ...newest.versions,
      ...rows.map((row) => versionView({ ...versionOf(row.record), version: row.version })),
    ];
    done(next === undefined ? { versions } : { versions, next });
  });
}
