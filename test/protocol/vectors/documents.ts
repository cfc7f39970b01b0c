/** Conversations about documents. Part of protocol/vectors/sessions.json. */
import type { Transcript } from '../transcript.ts';
import type { Json } from './json-form.ts';
import { call, expect, fails, int, open } from './steps.ts';

const push = (e: string, d: { readonly [key: string]: Json }): Json => [11, 0, { rev: int, e, t: TOPIC, d }];

const DOCUMENT = { id: '$doc' };
const TOPIC = { $join: ['document.', '$doc'] };
const TEXT = '# One\n\na\n\n# Two\n\nb\n';
const edit = (from: string, to: string): Json => TEXT.replace(from, to);
const created = call('s', [1, 'document.create', { name: 'plan', content: TEXT }], {
  document: { ...DOCUMENT, version: 1, type: 'markdown' },
  sections: ['$one', '$two'],
});

export const DOCUMENTS: readonly Transcript[] = [
  {
    name: 'document-sections',
    rules: ['D1', 'D2', 'D3', 'D4', 'D5'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...created,
      ...call('t', [1, 'topic.subscribe', { topic: TOPIC }], {}),
      ...call('s', [2, 'document.update', { ...DOCUMENT, version: 1, content: edit('a', 'A') }], {
        document: { ...DOCUMENT, version: 2 },
        sections: ['$one'],
      }),
      expect('t', push('document.updated', { ...DOCUMENT, version: 2, sections: ['$one'] })),
      // Of an older version, and of another section.
      ...call('t', [2, 'document.update', { ...DOCUMENT, version: 1, sectionId: '$two', content: '# Two\n\nB\n' }], {
        document: { version: 3 },
        sections: ['$two'],
      }),
      expect('t', push('document.updated', { ...DOCUMENT, version: 3 })),
      ...call('s', [3, 'document.get', DOCUMENT], {
        version: 3,
        content: '# One\n\nA\n\n# Two\n\nB\n',
        document: {
          sections: [
            { id: '$one', heading: 'One', level: 1, version: 2 },
            { id: '$two', heading: 'Two', level: 1, version: 3 },
          ],
        },
      }),
      ...call('s', [4, 'document.get', { ...DOCUMENT, version: 1 }], { version: 1, content: TEXT }),
      ...call('s', [5, 'document.history', { ...DOCUMENT, limit: 2 }], {
        versions: [
          { version: 3, sections: ['$two'] },
          { version: 2, sections: ['$one'] },
        ],
        next: 2,
      }),
      ...fails(
        's',
        [6, 'document.update', { ...DOCUMENT, version: 3, sectionId: '$two', content: 'no heading\n' }],
        'INVALID_PARAMS',
      ),
    ],
  },
  {
    name: 'document-search',
    rules: ['D22', 'D23'],
    steps: [
      ...open('s'),
      ...created,
      ...call('s', [2, 'document.search', { query: 'TWO' }], {
        hits: [{ document: DOCUMENT, version: 1, sectionId: '$two', excerpt: TEXT, marks: [[12, 15]], nameMarks: [] }],
      }),
      ...call('s', [3, 'document.search', { query: '"two b" pla*' }], {
        hits: [{ document: DOCUMENT, marks: [[12, 18]], nameMarks: [[0, 4]] }],
      }),
      ...call('s', [4, 'document.search', { query: 'one three' }], { hits: [] }),
      ...call('s', [5, 'document.update', { ...DOCUMENT, version: 1, content: edit('b', 'three') }], {
        document: { version: 2 },
      }),
      ...call('s', [6, 'document.search', { query: 'one three' }], { hits: [{ document: DOCUMENT, version: 2 }] }),
      ...call('s', [7, 'document.delete', DOCUMENT], DOCUMENT),
      ...call('s', [8, 'document.search', { query: 'one' }], { hits: [] }),
      ...fails('s', [9, 'document.search', { query: 'one "three' }], 'INVALID_PARAMS'),
    ],
  },
  {
    name: 'document-conflict',
    rules: ['D6', 'D8', 'D9'],
    steps: [
      ...open('s'),
      ...created,
      ...call('s', [2, 'document.update', { ...DOCUMENT, version: 1, content: edit('a', 'theirs') }], {
        document: { version: 2 },
      }),
      ...fails(
        's',
        [3, 'document.update', { ...DOCUMENT, version: 1, content: edit('a', 'ours') }],
        'DOCUMENT_CONFLICT',
        { conflictId: '$conflict', currentVersion: 2 },
      ),
      ...call('s', [4, 'document.conflicts', { ...DOCUMENT, conflictId: '$conflict' }], {
        conflicts: [
          {
            id: '$conflict',
            baseVersion: 1,
            version: 2,
            base: TEXT,
            ours: edit('a', 'ours'),
            theirs: edit('a', 'theirs'),
          },
        ],
      }),
      ...fails('s', [5, 'document.resolve', { conflictId: '$conflict', resolution: 'merged' }], 'DOCUMENT_CONFLICT', {
        conflictId: '$conflict',
      }),
      ...call(
        's',
        [6, 'document.resolve', { conflictId: '$conflict', resolution: 'merged', content: edit('a', 'both') }],
        { document: { version: 3 } },
      ),
      ...call('s', [7, 'document.conflicts', DOCUMENT], { conflicts: [] }),
      ...fails('s', [8, 'document.resolve', { conflictId: '$conflict', resolution: 'theirs' }], 'NOT_FOUND'),
    ],
  },
  {
    name: 'document-under-a-lock',
    rules: ['D7'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...created,
      ...call('s', [2, 'lock.acquire', { path: { $join: ['document/', '$doc', '/', '$one'] } }], {
        granted: true,
        lock: { token: '$token' },
      }),
      ...fails('t', [1, 'document.update', { ...DOCUMENT, version: 1, content: edit('a', 'A') }], 'BUSY', {
        owner: '$session-s',
      }),
      ...call('t', [2, 'document.update', { ...DOCUMENT, version: 1, content: edit('b', 'B') }], {
        document: { version: 2 },
      }),
      ...call('s', [3, 'document.update', { ...DOCUMENT, version: 1, content: edit('a', 'A'), token: '$token' }], {
        document: { version: 3 },
      }),
      ...fails('s', [4, 'document.update', { ...DOCUMENT, version: 3, content: TEXT, token: '$token' }], 'NOT_HELD'),
      ...fails('t', [3, 'document.delete', DOCUMENT], 'BUSY'),
    ],
  },
];
