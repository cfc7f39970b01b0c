/** The schemas of the methods of documents. */
import { z } from 'zod';
import { DOCUMENT_RESOLUTIONS, type DocumentParams } from '../wire/documents.ts';
import { LIMITS } from '../wire/limits.ts';
import { cursor, fence, id, int, limit, name, REASON } from './fields.ts';
import { fits } from './size.ts';

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
  'document.get': z.object({ id, version: version.exactOptional(), sectionId: id.exactOptional() }),
  'document.list': z.object({
    workspaceId: id.exactOptional(),
    type: name(LIMITS.typeBytes).exactOptional(),
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
  'document.delete': z.object({ id }),
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
};
