/** The schemas of the methods of documents. */
import { z } from 'zod';
import { parseSearch } from '../wire/document-search.ts';
import { DOCUMENT_RESOLUTIONS, type DocumentParams } from '../wire/documents.ts';
import { LIMITS } from '../wire/limits.ts';
import { LOCK_MODES } from '../wire/locks.ts';
import { sha256 } from './blobs.ts';
import { cursor, fence, id, int, limit, name, REASON } from './fields.ts';
import { LOCK_OPTIONS } from './locks.ts';
import { fits } from './size.ts';

const named = z.object({ id });
const version = int(1, Number.MAX_SAFE_INTEGER);
const query = name(LIMITS.searchBytes).check((check) => {
  const parsed = parseSearch(check.value);
  // An empty one is refused as a name.
  if (!parsed.ok && check.value !== '')
    check.issues.push({ code: 'custom', message: parsed.reason, input: check.value });
});
/** Larger than `documentInlineBytes` it is TOO_LARGE: it has to be put as a blob. */
const content = z.string().refine((value) => fits(value, LIMITS.documentInlineBytes), {
  error: REASON.payload(LIMITS.documentInlineBytes),
  params: { code: 'TOO_LARGE' },
});
/** A text, or the name of the blob that it was put as. */
const text = { content: content.exactOptional(), blob: sha256.exactOptional() };
type Text = { readonly content?: string; readonly blob?: string };
const isOne = ({ content: sent, blob }: Text): boolean => (sent === undefined) !== (blob === undefined);
const oneText = { error: 'is needed, or blob, and not both', path: ['content'] };

/** Which text of a document: of `document.get` and `document.html`. */
const read = z
  .object({
    id,
    version: version.exactOptional(),
    snapshotId: id.exactOptional(),
    sectionId: id.exactOptional(),
  })
  .refine(({ version: of, snapshotId }) => of === undefined || snapshotId === undefined, {
    error: 'goes not with snapshotId',
    path: ['version'],
  });

export const DOCUMENT_SCHEMAS: { readonly [M in keyof DocumentParams]: z.ZodType<DocumentParams[M]> } = {
  'document.create': z
    .object({
      name: name(LIMITS.nameBytes),
      ...text,
      workspaceId: id.exactOptional(),
      type: name(LIMITS.typeBytes).exactOptional(),
    })
    .refine(isOne, oneText),
  'document.get': read,
  'document.list': z.object({
    workspaceId: id.exactOptional(),
    type: name(LIMITS.typeBytes).exactOptional(),
    archived: z.boolean().exactOptional(),
    limit: limit.exactOptional(),
    cursor: cursor.exactOptional(),
  }),
  'document.search': z.object({
    query,
    workspaceId: id.exactOptional(),
    type: name(LIMITS.typeBytes).exactOptional(),
    archived: z.boolean().exactOptional(),
    limit: limit.exactOptional(),
    cursor: cursor.exactOptional(),
  }),
  'document.update': z
    .object({
      id,
      ...text,
      version,
      sectionId: id.exactOptional(),
      token: fence.exactOptional(),
    })
    .refine(isOne, oneText),
  'document.delete': named,
  'document.rename': z.object({ id, name: name(LIMITS.nameBytes) }),
  'document.archive': named,
  'document.unarchive': named,
  'document.html': read,
  'document.diff': z.object({ id, from: version, to: version.exactOptional() }),
  'document.restore': z
    .object({
      id,
      version: version.exactOptional(),
      snapshotId: id.exactOptional(),
      token: fence.exactOptional(),
    })
    .refine(({ version: of, snapshotId }) => (of === undefined) !== (snapshotId === undefined), {
      error: 'is needed, or snapshotId, and not both',
      path: ['version'],
    }),
  'document.snapshot': z.object({
    id,
    name: name(LIMITS.nameBytes).exactOptional(),
    version: version.exactOptional(),
  }),
  'document.snapshots': named,
  'document.deleteSnapshot': z.object({ id, snapshotId: id }),
  'document.history': z.object({ id, limit: limit.exactOptional(), before: version.exactOptional() }),
  'document.conflicts': z.object({ id, conflictId: id.exactOptional() }),
  'document.resolve': z
    .object({
      conflictId: id,
      resolution: z.enum(DOCUMENT_RESOLUTIONS),
      ...text,
      token: fence.exactOptional(),
    })
    .refine((asked) => asked.resolution !== 'manual' || asked.content !== undefined || asked.blob !== undefined, {
      error: 'is needed with manual',
      path: ['content'],
    })
    .refine((asked) => isOne(asked) || (asked.content === undefined && asked.blob === undefined), oneText)
    .refine((asked) => !isOne(asked) || !['ours', 'theirs'].includes(asked.resolution), {
      error: 'goes with merged and manual alone',
      path: ['content'],
    }),
  'section.list': z.object({ documentId: id }),
  'section.update': z
    .object({ documentId: id, sectionId: id, ...text, version, token: fence.exactOptional() })
    .refine(isOne, oneText),
  'section.lock': z.object({
    documentId: id,
    sectionId: id,
    mode: z.enum(LOCK_MODES).exactOptional(),
    ...LOCK_OPTIONS,
  }),
  'section.unlock': z.object({ id, token: fence }),
};
