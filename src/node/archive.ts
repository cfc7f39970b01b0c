/**
 * Versions of documents that the state keeps no more: into the store and out of it.
 *
 * Owns: how they are written there. Does not own: which they are (engine/documents), and for how long they stay (store/port.ts, S8).
 *
 * NV1 The state is asked first. What it goes back to is where the store goes on from: it was put there before the state let it go.
 * NV2 What is asked of one document is about that document as it was when it was asked; what the state has let go since then is in the store.
 */
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import type { Rejection } from '../../protocol/wire/codes.ts';
import type { DocumentParams, DocumentResults, DocumentVersionView } from '../../protocol/wire/documents.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Value } from '../../protocol/wire/types.ts';
import { assert } from '../base/assert.ts';
import type { State } from '../engine/kernel/state.ts';
import type { ArchiveFact, DocumentVersionRecord, SectionRecord } from '../engine/port.ts';
import { documentHistory, oldestSections, sectionsBefore, sectionsOf, versionView } from '../engine/queries.ts';
import type { ArchivedVersion, VersionArchive, WayBack } from '../store/port.ts';

type KnownDocument = NonNullable<ReturnType<State['documents']['get']>>;
type History = DocumentResults['document.history'];
export interface FoundSections {
  readonly version: number;
  readonly sections: readonly SectionRecord[];
}

export interface ArchiveParts {
  readonly state: State;
  readonly archive: VersionArchive;
}

export const DAMAGED_VERSION: Rejection = {
  code: 'INTERNAL',
  message: "There was such a version, and its record is damaged on the server's disk.",
};

/** What an entry says goes there. */
export function archive(facts: readonly ArchiveFact[], to: Pick<VersionArchive, 'put' | 'drop'>): void {
  let versions: ArchivedVersion[] = [];
  for (const fact of facts) {
    if (fact.kind === 'version') {
      versions.push(archivedVersion(fact));
      continue;
    }
    to.put(versions);
    versions = [];
    to.drop(fact.document);
  }
  to.put(versions);
}

function archivedVersion({ record, sections }: ArchiveFact & { readonly kind: 'version' }): ArchivedVersion {
  const { document, version, by, at, touched, replaced, whole, restored } = record;
  const ended = new Set(touched);
  return {
    document,
    version,
    // Copies: what is encoded is part of a larger block.
    record: encodeValue([by, at, touched, whole, restored ?? null, replaced.map(packSection)]).slice(),
    anchor: sections === undefined ? undefined : encodeValue(sections.map(packSection)).slice(),
    // The others have the same texts in this version.
    texts: replaced.filter(({ sid }) => ended.has(sid)).map(({ sha256, bytes }) => ({ sha256, bytes })),
  };
}

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
    done({ version, sections: wentBack(oldest.sections, way) });
  });
}

function wentBack(from: readonly SectionRecord[], { anchor, records }: WayBack): readonly SectionRecord[] {
  const begin = anchor === undefined ? from : listOf(decodeValue(anchor)).map(sectionOf);
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
    const versions = [...newest.versions, ...rows.map((row) => viewOf(row.version, versionOf(row.record)))];
    done(next === undefined ? { versions } : { versions, next });
  });
}

type Packed = Omit<DocumentVersionRecord, 'key' | 'document' | 'version'>;

const viewOf = (version: number, packed: Packed): DocumentVersionView => versionView({ ...packed, version });

function packSection({ sid, heading, level, version, sha256, bytes, open }: SectionRecord): Value {
  return [sid, heading, level, version, sha256, bytes, open === true];
}

function sectionOf(packed: Value): SectionRecord {
  const [sid, heading, level, version, sha256, bytes, open] = listOf(packed);
  const texts = typeof sid === 'string' && typeof heading === 'string' && typeof sha256 === 'string';
  const numbers = typeof level === 'number' && typeof version === 'number' && typeof bytes === 'number';
  assert(texts && numbers, 'a section that was not written here');
  const section = { sid, heading, level, version, sha256, bytes };
  return open === true ? { ...section, open } : section;
}

function versionOf(record: Uint8Array): Packed {
  const [by, at, touched, whole, restored, replaced] = listOf(decodeValue(record));
  assert(typeof by === 'string' && typeof at === 'number', 'a version that was not written here');
  const made = { by, at, touched: listOf(touched).map(textOf), whole: whole === true };
  const packed = { ...made, replaced: listOf(replaced).map(sectionOf) };
  return typeof restored === 'number' ? { ...packed, restored } : packed;
}

function listOf(value: Value | undefined): readonly Value[] {
  assert(Array.isArray(value), 'a list that was not written here');
  const list: readonly Value[] = value;
  return list;
}

function textOf(value: Value): string {
  assert(typeof value === 'string', 'a text that was not written here');
  return value;
}
