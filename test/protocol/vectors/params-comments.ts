/** Params of the methods of comments. Source of protocol/vectors/params.json. */
import type { CommentParams } from '../../../protocol/wire/comments.ts';
import { bad, good, large, type ParamsVector } from './params-forms.ts';

const content = 'Is this still so?';

export const COMMENT_PARAMS: { readonly [M in keyof CommentParams]: readonly ParamsVector[] } = {
  'comment.create': [
    good('on a document', { documentId: 'doc_1', content }),
    good('an answer, on a section', { documentId: 'doc_1', content, sectionId: 's1', replyTo: 'cmt_1' }),
    bad('no text', { documentId: 'doc_1' }, 'content'),
    bad('an empty text', { documentId: 'doc_1', content: '' }, 'content'),
    large('a text that is too large', { documentId: 'doc_1', content: { $repeat: ['a', 4_096] } }, 'content'),
  ],
  'comment.list': [
    good('of a document', { documentId: 'doc_1' }),
    good('a page of what is open on a section', {
      documentId: 'doc_1',
      sectionId: 's1',
      resolved: false,
      limit: 10,
      cursor: 'cmt_1',
    }),
    bad('no document', {}, 'documentId'),
  ],
  'comment.resolve': [
    good('one', { id: 'cmt_1' }),
    good('opens it again', { id: 'cmt_1', resolved: false }),
    bad('no bool', { id: 'cmt_1', resolved: 1 }, 'resolved'),
  ],
  'comment.delete': [good('one', { id: 'cmt_1' }), bad('none', {}, 'id')],
};
