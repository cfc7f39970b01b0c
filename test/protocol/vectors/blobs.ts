/** Conversations about blobs, and their params. Part of protocol/vectors/sessions.json and params.json. */
import { createHash } from 'node:crypto';
import type { BlobParams } from '../../../protocol/wire/blobs.ts';
import type { Transcript } from '../transcript.ts';
import type { Json } from './json-form.ts';
import { bad, good, large, type ParamsVector } from './params-forms.ts';
import { call, fails, open } from './steps.ts';

const TEXT = '# One\n\na\n';
const bytes = TEXT.length;
const sha256 = createHash('sha256').update(TEXT).digest('hex');
const bin = (text: string): Json => ({ $bin: Buffer.from(text).toString('base64') });
const piece = (offset: number, text: string): { readonly [key: string]: Json } => ({
  sha256,
  bytes,
  offset,
  data: bin(text),
});
const none = (offset: number): { readonly [key: string]: Json } => piece(offset, '');

export const BLOBS: readonly Transcript[] = [
  {
    name: 'document-blob',
    rules: ['D16', 'D17', 'D18', 'D19'],
    steps: [
      ...open('s'),
      ...open('t', '$admin2'),
      ...call('s', [1, 'blob.put', none(0)], { offset: 0, complete: false }),
      ...call('s', [2, 'blob.put', piece(0, '# One\n')], { offset: 6, complete: false }),
      // Sent again, and one that is not the next: the answer says where to go on.
      ...call('s', [3, 'blob.put', piece(0, '# One\n')], { offset: 6, complete: false }),
      ...call('s', [4, 'blob.put', piece(7, 'a\n')], { offset: 6, complete: false }),
      ...call('s', [5, 'blob.put', piece(6, '\na\n')], { offset: 9, complete: true }),
      ...call('s', [6, 'blob.put', none(0)], { offset: 9, complete: true }),
      ...call('s', [7, 'blob.get', { sha256, offset: 2, limit: 3 }], { bytes: 9, offset: 2, data: bin('One') }),
      // Whoever knows the name alone has nothing of it.
      ...fails('t', [1, 'blob.get', { sha256 }], 'NOT_FOUND'),
      ...fails('t', [2, 'document.create', { name: 'plan', blob: sha256 }], 'NOT_FOUND'),
      ...call('s', [8, 'document.create', { name: 'plan', blob: sha256 }], {
        document: { id: '$doc', version: 1, bytes: 9 },
      }),
      ...call('t', [3, 'document.get', { id: '$doc' }], { version: 1, content: TEXT }),
      ...call('t', [4, 'blob.get', { sha256, documentId: '$doc' }], { bytes: 9, offset: 0, data: bin(TEXT) }),
      ...fails('s', [9, 'document.update', { id: '$doc', version: 1, blob: '0'.repeat(64) }], 'NOT_FOUND'),
      ...call('s', [10, 'blob.put', { sha256: 'f'.repeat(64), bytes: 1, offset: 0, data: bin('') }], { offset: 0 }),
      ...fails(
        's',
        [11, 'blob.put', { sha256: 'f'.repeat(64), bytes: 1, offset: 0, data: bin('a') }],
        'INVALID_PARAMS',
      ),
    ],
  },
];

export const BLOB_PARAMS: { readonly [M in keyof BlobParams]: readonly ParamsVector[] } = {
  'blob.put': [
    good('a piece', { sha256, bytes: 9, offset: 3, data: bin('ne\n') }),
    good('the largest', { sha256, bytes: 10_485_760, offset: 10_485_759, data: bin('a') }),
    good('the empty blob', { sha256, bytes: 0, offset: 0, data: bin('') }),
    bad('nothing', {}, 'sha256', 'bytes', 'offset', 'data'),
    bad('a name in upper case', { sha256: sha256.toUpperCase(), bytes: 9, offset: 0, data: bin('') }, 'sha256'),
    bad('a text for data', { sha256, bytes: 9, offset: 0, data: 'a' }, 'data'),
    bad('a piece behind the end', { sha256, bytes: 9, offset: 8, data: bin('ab') }, 'data'),
    bad('a negative offset', { sha256, bytes: 9, offset: -1, data: bin('') }, 'offset'),
    large('a blob that is too large', { sha256, bytes: 10_485_761, offset: 0, data: bin('') }, 'bytes'),
    large('a piece that is too large', { sha256, bytes: 200_000, offset: 0, data: bin('a'.repeat(131_073)) }, 'data'),
  ],
  'blob.get': [
    good('a name', { sha256 }),
    good('a part of what a document names', { sha256, documentId: 'doc_1', offset: 5, limit: 131_072 }),
    bad('nothing', {}, 'sha256'),
    bad('a limit above the most', { sha256, limit: 131_073 }, 'limit'),
    bad('limit 0', { sha256, limit: 0 }, 'limit'),
  ],
};
