/** Reads of documents: from the state, and their texts from where they are kept. */
import type { CommentParams } from '../../protocol/wire/comments.ts';
import { documentPath, type DocumentParams, type DocumentResults } from '../../protocol/wire/documents.ts';
import type { BlobParams, BlobRef } from '../../protocol/wire/blobs.ts';
import { encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { ResultOf } from '../documents/jobs.ts';
import type { Rejection } from '../../protocol/wire/codes.ts';
import {
  commentView,
  conflictsOf,
  conflictView,
  documentView,
  listComments,
  listDocuments,
  listDocumentSnapshots,
  readableDocument,
  sectionView,
} from '../engine/queries.ts';
import { DAMAGED_VERSION, findHistory, findSections, type FoundSections } from './archive.ts';
import type { ConflictRecord, ConflictTexts } from './documents.ts';
import type { Found } from './text-work.ts';
import { now, refuse, withCursor, type Answer, type ReadParts } from './read-parts.ts';

export function readBlob(parts: ReadParts, params: BlobParams['blob.get'], done: Answer): void {
  const { rev } = parts.tenant.engine.state;
  parts.blobs.get(parts.caller.principal, params, (found) => {
    if (found.ok) parts.scheduler.defer(() => done({ ok: true, rev, result: found.params }));
    else refuse(parts, found.rejection, done);
  });
}

export function readDocument(parts: ReadParts, params: DocumentParams['document.get'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.id);
  if ('ok' in known) return refuse(parts, known.rejection, done);
  const { rev } = state;
  const { version, snapshotId } = params;
  findSections({ state, archive: parts.store.archive }, { known, version, snapshotId }, (found) => {
    if (found === undefined) return refuse(parts, notThere(params, known.version), done);
    if (found === 'damaged') return refuse(parts, DAMAGED_VERSION, done);
    readFound(parts, { known, found, rev, sectionId: params.sectionId }, done);
  });
}

/** As of `rev`. */
function readFound(
  parts: ReadParts,
  of: {
    readonly known: KnownDocument;
    readonly found: FoundSections;
    readonly rev: number;
    readonly sectionId: string | undefined;
  },
  done: Answer,
): void {
  const { known, found, rev, sectionId } = of;
  const { version, sections } = found;
  const wanted = sectionId === undefined ? sections : sections.filter(({ sid }) => sid === sectionId);
  if (sectionId !== undefined && wanted.length === 0) {
    return refuse(parts, { code: 'NOT_FOUND', message: 'No such section.' }, done);
  }
  const document = { ...documentView(known), sections: sections.map(sectionView) };
  if (!hasRoom(total(wanted), document, sections.length)) {
    const blobs: readonly BlobRef[] = wanted.map(({ sha256, bytes }) => ({ sha256, bytes }));
    return parts.scheduler.defer(() => done({ ok: true, rev, result: { document, version, blobs } }));
  }
  parts.documents.work.texts(
    wanted.map(({ sha256 }) => sha256),
    (texts, why) => {
      if (texts === undefined) return refuse(parts, why, done);
      parts.scheduler.defer(() => done({ ok: true, rev, result: { document, version, content: texts.join('') } }));
    },
  );
}

type KnownDocument = Exclude<ReturnType<typeof readableDocument>, { readonly ok: false }>;

/** Of a frame, for what stands in it beside the result, and for the names and lengths of texts. */
const FRAME_ROOM = 256;

/** More than the view of a document, or of a section, ever takes: names and headings have 128 units at most. */
const VIEW_BYTES_MAX = 1_024;

/** Whether texts of so many bytes fit a message with what else the answer has; that is only measured where it may matter. */
function hasRoom(bytes: number, beside: object, sections = 0): boolean {
  if (bytes > LIMITS.documentInlineBytes) return false;
  const left = LIMITS.frameBytes - FRAME_ROOM - bytes;
  return left >= VIEW_BYTES_MAX * (1 + sections) || (left >= 0 && encodeValue(beside).length <= left);
}

const total = (all: readonly { readonly bytes: number }[]): number => all.reduce((sum, { bytes }) => sum + bytes, 0);

export function readDocuments(parts: ReadParts, params: DocumentParams['document.list'], done: Answer): void {
  now(parts, listDocuments(parts.tenant.engine.state, parts.caller.principal, params), done);
}

export function readVersions(parts: ReadParts, params: DocumentParams['document.history'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.id);
  if ('ok' in known) return refuse(parts, known.rejection, done);
  const { rev } = state;
  findHistory({ state, archive: parts.store.archive }, { known, params }, (result) =>
    parts.scheduler.defer(() => done({ ok: true, rev, result })),
  );
}

export function readConflicts(parts: ReadParts, params: DocumentParams['document.conflicts'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.id);
  if ('ok' in known) return refuse(parts, known.rejection, done);
  const { conflictId } = params;
  const records = conflictsOf(state, known);
  if (conflictId === undefined) return now(parts, { conflicts: records.map(conflictView) }, done);
  const record = records.find(({ id }) => id === conflictId);
  if (record === undefined) return refuse(parts, { code: 'NOT_FOUND', message: 'No such conflict.' }, done);
  const { rev } = state;
  parts.documents.conflict(record, known.bytes, (said) => {
    if (said.ok) parts.scheduler.defer(() => done({ ok: true, rev, result: conflictOf(record, said.params) }));
    else refuse(parts, said.rejection, done);
  });
}

function conflictOf(record: ConflictRecord, sides: ConflictTexts): DocumentResults['document.conflicts'] {
  const { base, ours, theirs } = sides;
  const view = conflictView(record);
  if (!hasRoom(total([...base, ...ours, ...theirs]), view)) {
    return { conflicts: [{ ...view, blobs: { base: refsOf(base), ours: refsOf(ours), theirs: refsOf(theirs) } }] };
  }
  return { conflicts: [{ ...view, base: joined(base), ours: joined(ours), theirs: joined(theirs) }] };
}

const refsOf = (texts: ConflictTexts['base']): BlobRef[] => texts.map(({ sha256, bytes }) => ({ sha256, bytes }));
const joined = (texts: ConflictTexts['base']): string => texts.map(({ text }) => text).join('');

function notThere(
  { version, snapshotId }: { version?: number; snapshotId?: string },
  currentVersion: number,
): Rejection {
  if (snapshotId !== undefined) return { code: 'NOT_FOUND', message: 'No such snapshot.' };
  return { code: 'NOT_FOUND', message: `Version ${version ?? ''} is not kept.`, details: { currentVersion } };
}

export function readDocumentSnapshots(
  parts: ReadParts,
  params: DocumentParams['document.snapshots'],
  done: Answer,
): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.id);
  if ('ok' in known) refuse(parts, known.rejection, done);
  else now(parts, listDocumentSnapshots(state, known), done);
}

export function readSections(parts: ReadParts, params: DocumentParams['section.list'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.documentId);
  if ('ok' in known) return refuse(parts, known.rejection, done);
  const sections = known.sections.map((section) => ({
    ...sectionView(section),
    path: documentPath({ ...known, sectionId: section.sid }),
  }));
  now(parts, { document: documentView(known), sections }, done);
}

export function readDiff(parts: ReadParts, params: DocumentParams['document.diff'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.id);
  if ('ok' in known) return refuse(parts, known.rejection, done);
  const { from, to = known.version } = params;
  const { rev } = state;
  const at = { state, archive: parts.store.archive };
  findSections(at, { known, version: from }, (before) =>
    findSections(at, { known, version: to }, (after) => {
      if (before === 'damaged' || after === 'damaged') return refuse(parts, DAMAGED_VERSION, done);
      if (before !== undefined && after !== undefined) return compare(parts, { before, after, rev }, done);
      refuse(parts, notThere({ version: before === undefined ? from : to }, known.version), done);
    }),
  );
}

function compare(
  parts: ReadParts,
  of: { readonly before: FoundSections; readonly after: FoundSections; readonly rev: number },
  done: Answer,
): void {
  const { before, after, rev } = of;
  const [from, to] = [before.version, after.version];
  const hashes = [...before.sections, ...after.sections].map(({ sha256 }) => sha256);
  const bytes = total(before.sections) + total(after.sections);
  parts.documents.work.within<Found<DocumentResults['document.diff']>>(
    bytes,
    (found) => {
      if (found.ok) parts.scheduler.defer(() => done({ ok: true, rev, result: found.params }));
      else refuse(parts, found.rejection, done);
    },
    (compared) => {
      parts.documents.work.texts(hashes, (texts, why) => {
        if (texts === undefined) return compared({ ok: false, rejection: why });
        const split = before.sections.length;
        const sides = { before: texts.slice(0, split).join(''), after: texts.slice(split).join('') };
        parts.documents.diff({ ...sides, from, to }, (worked) => compared(shownDiff(worked, { from, to })));
      });
    },
  );
}

function shownDiff(
  worked: Found<ResultOf<'diff'>>,
  versions: { readonly from: number; readonly to: number },
): Found<DocumentResults['document.diff']> {
  if (!worked.ok) return worked;
  const { params: found } = worked;
  if (found.kind === 'refused' || found.text.length > LIMITS.documentInlineBytes) {
    return { ok: false, rejection: TOO_FAR };
  }
  return { ok: true, params: { ...versions, diff: found.text, added: found.added, removed: found.removed } };
}

const TOO_FAR: Rejection = { code: 'TOO_LARGE', message: 'The versions differ in more than a diff has room for.' };

export function readHtml(parts: ReadParts, params: DocumentParams['document.html'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.id);
  if ('ok' in known) return refuse(parts, known.rejection, done);
  const { rev } = state;
  const { version, snapshotId, sectionId } = params;
  findSections({ state, archive: parts.store.archive }, { known, version, snapshotId }, (found) => {
    if (found === undefined) return refuse(parts, notThere(params, known.version), done);
    if (found === 'damaged') return refuse(parts, DAMAGED_VERSION, done);
    const wanted = sectionId === undefined ? found.sections : found.sections.filter(({ sid }) => sid === sectionId);
    if (sectionId !== undefined && wanted.length === 0) {
      return refuse(parts, { code: 'NOT_FOUND', message: 'No such section.' }, done);
    }
    render(parts, { type: known.type, found: { ...found, sections: wanted }, rev }, done);
  });
}

/** What is too large to be shown is refused by its bytes, before it is read. */
function render(
  parts: ReadParts,
  of: { readonly type: string; readonly found: FoundSections; readonly rev: number },
  done: Answer,
): void {
  const { type, rev } = of;
  const { version, sections } = of.found;
  const bytes = total(sections);
  if (bytes > LIMITS.documentInlineBytes) return refuse(parts, TOO_MUCH, done);
  parts.documents.work.within<Found<DocumentResults['document.html']>>(
    bytes,
    (shown) => {
      if (shown.ok) parts.scheduler.defer(() => done({ ok: true, rev, result: shown.params }));
      else refuse(parts, shown.rejection, done);
    },
    (shown) => {
      parts.documents.work.texts(
        sections.map(({ sha256 }) => sha256),
        (texts, why) => {
          if (texts === undefined) return shown({ ok: false, rejection: why });
          parts.documents.html({ text: texts.join(''), type }, (made) => shown(shownHtml(made, version)));
        },
      );
    },
  );
}

function shownHtml(made: Found<ResultOf<'html'>>, version: number): Found<DocumentResults['document.html']> {
  if (!made.ok) return made;
  const { params: shown } = made;
  if (shown.kind === 'refused') {
    return { ok: false, rejection: shown.reason === 'TOO_LARGE' ? TOO_MUCH : TOO_DEEP };
  }
  if (shown.html.length > LIMITS.documentInlineBytes) return { ok: false, rejection: TOO_MUCH };
  return { ok: true, params: { version, html: shown.html } };
}

const TOO_MUCH: Rejection = { code: 'TOO_LARGE', message: 'The text is too large to be shown; ask for a section.' };
const TOO_DEEP: Rejection = { code: 'TOO_LARGE', message: 'Elements are too deep in each other to be shown.' };

export function readComments(parts: ReadParts, params: CommentParams['comment.list'], done: Answer): void {
  const { state } = parts.tenant.engine;
  const known = readableDocument(state, parts.caller.principal, params.documentId);
  if ('ok' in known) return refuse(parts, known.rejection, done);
  const { records, cursor } = listComments(state, known, params);
  const { rev } = state;
  parts.documents.work.texts(
    records.map(({ sha256 }) => sha256),
    (texts, why) => {
      if (texts === undefined) return refuse(parts, why, done);
      const comments = records.map((record, place) => ({ ...commentView(record), content: texts[place] ?? '' }));
      parts.scheduler.defer(() => done({ ok: true, rev, result: withCursor({ comments }, cursor) }));
    },
  );
}
