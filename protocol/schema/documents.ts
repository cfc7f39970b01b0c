/** The schemas of the methods of documents. */
import { z } from 'zod';
import { DOCUMENT_RESOLUTIONS, type DocumentParams } from '../wire/documents.ts';
import { LIMITS } from '../wire/limits.ts';
import { LOCK_MODES } from '../wire/locks.ts';
import { cursor, fence, id, int, limit, name, REASON } from './fields.ts';
import { LOCK_OPTIONS } from './locks.ts';
import { fits } from './size.ts';

const named = z.object({ id });
const version = int(1, Number.MAX_SAFE_INTEGER);
/** Larger than `documentBytes` it is TOO_LARGE. */
const content = z.string().refine((value) => fits(value, LIMITS.documentBytes), {
  error: REASON.payload(LIMITS.documentBytes),
  params: { code: 'TOO_LARGE' },
});

export const DOCUMENT_SCHEMAS: { readonly [M in keyof DocumentParams]: z.ZodType<DocumentParams[M]> } = {
  'document.create': z.object({
    name: name(LIMITS.nameBytes),
    content,
    workspaceId: id.exactOptional(),
    type: name(LIMITS.typeBytes).exactOptional(),
  }),
  'document.get': z
    .object({
      id,
      version: version.exactOptional(),
      snapshotId: id.exactOptional(),
      sectionId: id.exactOptional(),
    })
    .refine(({ version: of, snapshotId }) => of === undefined || snapshotId === undefined, {
      error: 'goes not with snapshotId',
      path: ['version'],
    }),
  'document.list': z.object({
    workspaceId: id.exactOptional(),
    type: name(LIMITS.typeBytes).exactOptional(),
    archived: z.boolean().exactOptional(),
    limit: limit.exactOptional(),
    cursor: cursor.exactOptional(),
  }),
  'document.update': z.object({
    id,
    content,
    version,
    sectionId: id.exactOptional(),
    token: fence.exactOptional(),
  }),
  'document.delete': named,
  'document.rename': z.object({ id, name: name(LIMITS.nameBytes) }),
  'document.archive': named,
  'document.unarchive': named,
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
      content: content.exactOptional(),
      token: fence.exactOptional(),
    })
    .refine(({ resolution, content: text }) => resolution !== 'manual' || text !== undefined, {
      error: 'is needed with manual',
      path: ['content'],
    })
    .refine(({ resolution, content: text }) => text === undefined || !['ours', 'theirs'].includes(resolution), {
      error: 'goes with merged and manual alone',
      path: ['content'],
    }),
  'section.list': z.object({ documentId: id }),
  'section.update': z.object({ documentId: id, sectionId: id, content, version, token: fence.exactOptional() }),
  'section.lock': z.object({
    documentId: id,
    sectionId: id,
    mode: z.enum(LOCK_MODES).exactOptional(),
    ...LOCK_OPTIONS,
  }),
  'section.unlock': z.object({ id, token: fence }),
};
