/** Params of the methods of documents. Source of protocol/vectors/params.json. */
import type { DocumentParams } from '../../../protocol/wire/documents.ts';
import { bad, good, large, type ParamsVector } from './params-forms.ts';

const content = '# Plan\n';
const tooLarge = { $repeat: ['a', 262_144] };

export const DOCUMENT_PARAMS: { readonly [M in keyof DocumentParams]: readonly ParamsVector[] } = {
  'document.create': [
    good('a name and a text', { name: 'plan', content }),
    good('everything', { name: 'plan', content: '', workspaceId: 'wsp_1', type: 'text' }),
    bad('no name', { content }, 'name'),
    bad('no text', { name: 'plan' }, 'content'),
    large('a text that is too large', { name: 'plan', content: tooLarge }, 'content'),
    bad('an empty type', { name: 'plan', content, type: '' }, 'type'),
    good('a blob', { name: 'plan', blob: 'a'.repeat(64) }),
    bad('a text and a blob', { name: 'plan', content, blob: 'a'.repeat(64) }, 'content'),
    bad('a blob that is no name of one', { name: 'plan', blob: 'a' }, 'blob'),
  ],
  'document.get': [
    good('an id', { id: 'doc_1' }),
    good('a section of a version', { id: 'doc_1', version: 3, sectionId: 's2' }),
    bad('nothing', {}, 'id'),
    bad('version 0', { id: 'doc_1', version: 0 }, 'version'),
    good('a snapshot', { id: 'doc_1', snapshotId: 'dsn_1' }),
    bad('a version and a snapshot', { id: 'doc_1', version: 1, snapshotId: 'dsn_1' }, 'version'),
  ],
  'document.list': [
    good('nothing', {}),
    good('a page of a workspace', { workspaceId: 'wsp_1', type: 'markdown', limit: 200, cursor: 'x' }),
    good('those that are archived', { archived: true }),
    bad('limit 0', { limit: 0 }, 'limit'),
  ],
  'document.search': [
    good('words, a phrase and the beginning of a word', { query: 'release "to be done" plan*' }),
    good('what looks like syntax of others', { query: "AND NOT (a:b) -c ^d NEAR 'e' {f}" }),
    good('a page of what is archived', {
      query: 'é',
      workspaceId: 'wsp_1',
      type: 'markdown',
      archived: true,
      limit: 200,
      cursor: 'doc_1',
    }),
    bad('nothing', {}, 'query'),
    bad('an empty query', { query: '' }, 'query'),
    bad('spaces', { query: '  ' }, 'query'),
    bad('a quotation mark alone', { query: 'a "b c' }, 'query'),
    bad('a phrase of nothing', { query: 'a ""' }, 'query'),
    bad('no letter and no digit', { query: 'a - b' }, 'query'),
    bad('a star alone', { query: '*' }, 'query'),
    bad('a star after one letter', { query: 'a*' }, 'query'),
    bad('a star within', { query: 'pla*n' }, 'query'),
    bad('a star after a phrase', { query: '"to be"*' }, 'query'),
    bad('too many words', { query: 'a b c d e f g h i j k l m n o p q' }, 'query'),
    bad('limit 0', { query: 'a', limit: 0 }, 'limit'),
  ],
  'document.update': [
    good('a text', { id: 'doc_1', content, version: 1 }),
    good('a section, under a lock', { id: 'doc_1', content, version: 2, sectionId: 's1', token: '1099511627777' }),
    bad('no version', { id: 'doc_1', content }, 'version'),
    bad('no text', { id: 'doc_1', version: 1 }, 'content'),
    bad('a token that is no number', { id: 'doc_1', content, version: 1, token: 'x' }, 'token'),
  ],
  'document.delete': [good('an id', { id: 'doc_1' }), bad('nothing', {}, 'id')],
  'document.rename': [
    good('another name', { id: 'doc_1', name: 'é' }),
    bad('no name', { id: 'doc_1' }, 'name'),
    bad('an empty name', { id: 'doc_1', name: '' }, 'name'),
  ],
  'document.archive': [good('an id', { id: 'doc_1' }), bad('nothing', {}, 'id')],
  'document.unarchive': [good('an id', { id: 'doc_1' }), bad('nothing', {}, 'id')],
  'document.diff': [
    good('since a version', { id: 'doc_1', from: 1 }),
    good('between two', { id: 'doc_1', from: 7, to: 2 }),
    bad('no version', { id: 'doc_1' }, 'from'),
    bad('version 0', { id: 'doc_1', from: 0 }, 'from'),
  ],
  'document.html': [
    good('the current version', { id: 'doc_1' }),
    good('a section of a version', { id: 'doc_1', version: 3, sectionId: 's2' }),
    bad('nothing', {}, 'id'),
    bad('a version and a snapshot', { id: 'doc_1', version: 1, snapshotId: 'dsn_1' }, 'version'),
  ],
  'document.restore': [
    good('a version, under a lock', { id: 'doc_1', version: 3, token: '7' }),
    good('a snapshot', { id: 'doc_1', snapshotId: 'dsn_1' }),
    bad('neither', { id: 'doc_1' }, 'version'),
    bad('both', { id: 'doc_1', version: 1, snapshotId: 'dsn_1' }, 'version'),
  ],
  'document.snapshot': [
    good('the current version', { id: 'doc_1' }),
    good('a version under a name', { id: 'doc_1', version: 3, name: 'before the review' }),
    bad('an empty name', { id: 'doc_1', name: '' }, 'name'),
  ],
  'document.snapshots': [good('an id', { id: 'doc_1' }), bad('nothing', {}, 'id')],
  'document.deleteSnapshot': [
    good('one', { id: 'doc_1', snapshotId: 'dsn_1' }),
    bad('none', { id: 'doc_1' }, 'snapshotId'),
  ],
  'section.list': [good('of a document', { documentId: 'doc_1' }), bad('nothing', {}, 'documentId')],
  'section.update': [
    good('a text', { documentId: 'doc_1', sectionId: 's1', content, version: 1 }),
    good('under a lock', { documentId: 'doc_1', sectionId: 's1', content, version: 1, token: '7' }),
    bad('no section', { documentId: 'doc_1', content, version: 1 }, 'sectionId'),
    large(
      'a text that is too large',
      { documentId: 'doc_1', sectionId: 's1', version: 1, content: tooLarge },
      'content',
    ),
  ],
  'section.lock': [
    good('a section', { documentId: 'doc_1', sectionId: 's1' }),
    good('shared, and to wait', { documentId: 'doc_1', sectionId: 's1', mode: 'shared', waitMs: 1_000, ttlMs: 5_000 }),
    bad('no section', { documentId: 'doc_1' }, 'sectionId'),
    bad('an unknown mode', { documentId: 'doc_1', sectionId: 's1', mode: 'x' }, 'mode'),
  ],
  'section.unlock': [good('a lock', { id: 'lck_1', token: '7' }), bad('no token', { id: 'lck_1' }, 'token')],
  'document.history': [
    good('an id', { id: 'doc_1' }),
    good('a page', { id: 'doc_1', limit: 200, before: 7 }),
    bad('before the first', { id: 'doc_1', before: 0 }, 'before'),
  ],
  'document.conflicts': [
    good('all', { id: 'doc_1' }),
    good('one', { id: 'doc_1', conflictId: 'dcf_1' }),
    bad('nothing', {}, 'id'),
  ],
  'document.resolve': [
    good('ours', { conflictId: 'dcf_1', resolution: 'ours' }),
    good('merged by the server', { conflictId: 'dcf_1', resolution: 'merged' }),
    good('merged by hand, under a lock', { conflictId: 'dcf_1', resolution: 'merged', content, token: '7' }),
    good('any text', { conflictId: 'dcf_1', resolution: 'manual', content }),
    bad('any text without one', { conflictId: 'dcf_1', resolution: 'manual' }, 'content'),
    bad('theirs with a text', { conflictId: 'dcf_1', resolution: 'theirs', content }, 'content'),
    bad('an unknown resolution', { conflictId: 'dcf_1', resolution: 'mine' }, 'resolution'),
  ],
};
