/**
 * Comments on documents.
 *
 * CM1 A comment goes with its document, and answers go with what they answer. It stays when its section goes.
 * CM2 Whoever said it may delete it, and whoever may delete in its workspace; of no workspace an administrator of the tenant.
 * CM3 Their texts are durable outside before a command names them, as those of documents.
 */
import type { CommentParams, CommentResults, CommentView } from '../../../protocol/wire/comments.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { accepted, rejected, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { PreparedParams, Refusal } from '../port.ts';
import type { SessionRecord } from '../records.ts';
import { may } from '../workspaces/roles.ts';
import type { CommentRecord, DocumentRecord } from './document-records.ts';
import { caredFor, change, tell } from './documents.ts';

export const NO_COMMENT = rejected('NOT_FOUND', 'No such comment.');

export function commentView(record: CommentRecord): CommentView {
  const { id, document, section, replyTo, by, at, version, resolvedBy, resolvedAt } = record;
  return {
    id,
    documentId: document,
    by,
    at,
    version,
    ...(section === undefined ? {} : { sectionId: section }),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(resolvedBy === undefined ? {} : { resolvedBy }),
    ...(resolvedAt === undefined ? {} : { resolvedAt }),
  };
}

export const createComment: Decide<PreparedParams['comment.create']> = (s, c, { session, params }) => {
  const { documentId, sectionId, replyTo, sha256, bytes } = params;
  const known = caredFor(s, documentId);
  if ('ok' in known) return known;
  if (replyTo !== undefined && s.comments.get(replyTo)?.document !== known.id) return NO_COMMENT;
  if (sectionId !== undefined && !known.sections.some(({ sid }) => sid === sectionId)) {
    return rejected('NOT_FOUND', 'No such section.');
  }
  if (s.commentsByDocument.count(known.id) >= LIMITS.commentsMax) {
    return rejected('LIMIT_EXCEEDED', `A document has at most ${LIMITS.commentsMax} comments.`);
  }
  const by = session.principal.id;
  const about = { document: known.id, section: sectionId, replyTo };
  const record: CommentRecord = {
    id: c.random.id('cmt'),
    ...about,
    sha256,
    bytes,
    by,
    at: c.now,
    version: known.version,
  };
  change(c, { kind: 'comment', record });
  const data = {
    commentId: record.id,
    ...(sectionId === undefined ? {} : { sectionId }),
    ...(replyTo === undefined ? {} : { replyTo }),
  };
  tell(c, known, { what: 'commented', by, data });
  const result: CommentResults['comment.create'] = { comment: commentView(record) };
  return accepted(result);
};

interface Found {
  readonly record: CommentRecord;
  readonly known: DocumentRecord;
}

function found(s: State, id: string): Found | Refusal {
  const record = s.comments.get(id);
  const known = s.documents.get(record?.document ?? '');
  return record === undefined || known === undefined ? NO_COMMENT : { record, known };
}

export const resolveComment: Decide<CommentParams['comment.resolve']> = (s, c, { session, params }) => {
  const there = found(s, params.id);
  if ('ok' in there) return there;
  const { record, known } = there;
  const { resolved = true } = params;
  if ((record.resolvedAt !== undefined) === resolved) return accepted({ comment: commentView(record) });
  const by = session.principal.id;
  const { resolvedBy: _by, resolvedAt: _at, ...open } = record;
  const after: CommentRecord = resolved ? { ...open, resolvedBy: by, resolvedAt: c.now } : open;
  change(c, { kind: 'comment', record: after });
  tell(c, known, { what: 'commentResolved', by, data: { commentId: record.id, resolved } });
  return accepted({ comment: commentView(after) });
};

/** CM2 */
function mayDelete(s: State, { principal }: SessionRecord, { record, known }: Found): boolean {
  if (record.by === principal.id || principal.role === 'admin') return true;
  return known.workspaceId !== undefined && may(s, principal, { workspace: known.workspaceId, to: 'delete' });
}

export const deleteComment: Decide<CommentParams['comment.delete']> = (s, c, { session, params }) => {
  const there = found(s, params.id);
  if ('ok' in there) return there;
  if (!mayDelete(s, session, there)) return rejected('UNAUTHORIZED', 'It is not yours to delete.');
  const { record, known } = there;
  // CM1: of one document there are few. Of those of one millisecond an answer may come before what it answers.
  const gone = new Set([record.id]);
  for (let before = 0; before < gone.size;) {
    before = gone.size;
    for (const one of s.commentsByDocument.after(known.id, '')) {
      if (one.replyTo !== undefined && gone.has(one.replyTo)) gone.add(one.id);
    }
  }
  for (const id of gone) change(c, { kind: 'uncomment', id });
  tell(c, known, { what: 'commentDeleted', by: session.principal.id, data: { commentId: record.id } });
  return accepted({ id: record.id });
};

/** In the order in which they were said, to the millisecond. */
export function listComments(
  s: State,
  { id }: DocumentRecord,
  { sectionId, resolved, limit = LIMITS.pageDefault, cursor = '' }: CommentParams['comment.list'],
): { readonly records: readonly CommentRecord[]; readonly cursor?: string } {
  const records: CommentRecord[] = [];
  for (const record of s.commentsByDocument.after(id, cursor)) {
    const wanted =
      (sectionId === undefined || record.section === sectionId) &&
      (resolved === undefined || resolved === (record.resolvedAt !== undefined));
    if (!wanted) continue;
    const last = records.at(-1);
    if (records.length === limit && last !== undefined) return { records, cursor: last.id };
    records.push(record);
  }
  return { records };
}
