/** What of an entry goes into the store, and what comes out of it. */
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import type { Value } from '../../protocol/wire/types.ts';
import { assert, must } from '../base/assert.ts';
import type { State } from '../engine/kernel/state.ts';
import type { ArchiveFact, DocumentVersionRecord, EntryOutput, SectionRecord } from '../engine/port.ts';
import type { ArchivedVersion, FinishedTask, VersionArchive } from '../store/port.ts';

type TaskRecord = EntryOutput['finished'][number];

/** A finished task as the store keeps it. */
export function finishedRow(task: TaskRecord, views: State['views']): FinishedTask {
  return {
    id: task.id,
    rev: task.rev,
    type: task.type,
    status: task.status,
    dead: task.dead,
    finishedAt: must(task.finishedAt, 'a finished task says when'),
    view: views.whole(task),
    agentId: task.agentId,
    workspaceId: task.workspaceId,
    labels: task.labels,
    errorCode: task.error?.code,
    parentId: task.parentId,
  };
}

/** What an entry says of versions of documents. */
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

/** What stands beside its number. */
type Packed = Omit<DocumentVersionRecord, 'key' | 'document' | 'version'>;

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

export function sectionsIn(anchor: Uint8Array): readonly SectionRecord[] {
  return listOf(decodeValue(anchor)).map(sectionOf);
}

export function versionOf(record: Uint8Array): Packed {
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
