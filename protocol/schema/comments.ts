/** The schemas of the methods of comments. */
import { z } from 'zod';
import type { CommentParams } from '../wire/comments.ts';
import { LIMITS } from '../wire/limits.ts';
import { cursor, id, limit, REASON } from './fields.ts';
import { fits } from './size.ts';

/** Larger than `commentBytes` it is TOO_LARGE. */
const content = z
  .string()
  .min(1)
  .refine((value) => fits(value, LIMITS.commentBytes), {
    error: REASON.payload(LIMITS.commentBytes),
    params: { code: 'TOO_LARGE' },
  });

export const COMMENT_SCHEMAS: { readonly [M in keyof CommentParams]: z.ZodType<CommentParams[M]> } = {
  'comment.create': z.object({
    documentId: id,
    content,
    sectionId: id.exactOptional(),
    replyTo: id.exactOptional(),
  }),
  'comment.list': z.object({
    documentId: id,
    sectionId: id.exactOptional(),
    resolved: z.boolean().exactOptional(),
    limit: limit.exactOptional(),
    cursor: cursor.exactOptional(),
  }),
  'comment.resolve': z.object({ id, resolved: z.boolean().exactOptional() }),
  'comment.delete': z.object({ id }),
};
