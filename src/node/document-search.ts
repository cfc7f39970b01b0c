/**
 * Answers `document.search`.
 *
 * NF1 What is found is told to those who may read it when it is told: each is looked at when the page is chosen, and again when it is answered.
 * NF2 A cursor is the last document of a page, so it tells nothing of others; it is taken only of a document that the caller may read.
 */
import { parseSearch, type DocumentHit, type DocumentSearchParams } from '../../protocol/wire/document-search.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Rejection } from '../../protocol/wire/codes.ts';
import { documentView, readableDocument } from '../engine/queries.ts';
import type { FoundText } from '../store/search/port.ts';
import { refuse, withCursor, type Answer, type ReadParts } from './read-parts.ts';

/** Looked at before others get their turn. */
const AT_ONCE = 1_000;

const NO_INDEX: Rejection = { code: 'UNAVAILABLE', message: 'This server has no index of documents.' };
const NO_PLACE = 'is of a document in which this is not found any more: begin anew';

export function searchDocuments(parts: ReadParts, params: DocumentSearchParams, done: Answer): void {
  const { index } = parts;
  const parsed = parseSearch(params.query);
  if (index === undefined) return refuse(parts, NO_INDEX, done);
  if (!parsed.ok) return refuse(parts, wrong('query', parsed.reason), done);
  const { terms } = parsed;
  index.find(terms, (found) => {
    if (!found.ok) return refuse(parts, found.rejection, done);
    const { cursor } = params;
    const place = cursor === undefined || isHit(parts, params, cursor) ? found.value.indexOf(cursor ?? '') : -1;
    if (cursor !== undefined && place < 0) return refuse(parts, wrong('cursor', NO_PLACE), done); // NF2
    choose(parts, { params, ids: found.value, from: place + 1 }, (ids, more) => {
      if (ids.length === 0) return answer(parts, { hits: [] }, done);
      index.show({ terms, ids }, (shown) => {
        if (!shown.ok) return refuse(parts, shown.rejection, done);
        const hits = shown.value.flatMap((one) => hitOf(parts, params, one));
        answer(parts, withCursor({ hits }, more ? ids.at(-1) : undefined), done);
      });
    });
  });
}

function wrong(path: string, reason: string): Rejection {
  return { code: 'INVALID_PARAMS', message: `${path}: ${reason}`, details: [{ path, reason }] };
}

function answer(parts: ReadParts, result: object, done: Answer): void {
  done({ ok: true, rev: parts.tenant.engine.state.rev, result });
}

function isHit(parts: ReadParts, { workspaceId, type, archived }: DocumentSearchParams, id: string): boolean {
  const known = readableDocument(parts.tenant.engine.state, parts.caller.principal, id);
  if ('ok' in known) return false;
  return (
    (workspaceId ?? known.workspaceId) === known.workspaceId &&
    (type ?? known.type) === known.type &&
    (archived === undefined || archived === (known.archived === true))
  );
}

interface Choice {
  readonly params: DocumentSearchParams;
  readonly ids: readonly string[];
  /** Where in them the page begins. */
  readonly from: number;
}

/** The next page, and whether there is another one behind it. */
function choose(
  parts: ReadParts,
  { params, ids, from }: Choice,
  done: (page: readonly string[], more: boolean) => void,
): void {
  const { limit = LIMITS.pageDefault } = params;
  const page: string[] = [];
  const look = (at: number): void => {
    const end = Math.min(at + AT_ONCE, ids.length);
    for (const id of ids.slice(at, end)) {
      if (!isHit(parts, params, id)) continue;
      if (page.length === limit) return done(page, true);
      page.push(id);
    }
    if (end === ids.length) done(page, false);
    else parts.scheduler.defer(() => look(end));
  };
  look(from);
}

/** NF1 */
function hitOf(parts: ReadParts, params: DocumentSearchParams, found: FoundText): readonly DocumentHit[] {
  if (!isHit(parts, params, found.id)) return [];
  const known = readableDocument(parts.tenant.engine.state, parts.caller.principal, found.id);
  if ('ok' in known) return [];
  const { id: _, ...shown } = found;
  return [{ document: documentView(known), ...shown }];
}
