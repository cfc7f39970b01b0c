/** The schemas of the methods of blobs. */
import { z } from 'zod';
import type { BlobParams } from '../wire/blobs.ts';
import { LIMITS } from '../wire/limits.ts';
import { id, int, position, REASON } from './fields.ts';

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, { error: 'must be 64 hexadecimal digits in lower case' });

const tooLarge = (max: number) => ({ error: REASON.payload(max), params: { code: 'TOO_LARGE' } });

const data = z
  .custom<Uint8Array>((one) => one instanceof Uint8Array, { error: 'must be a binary value' })
  .refine((one) => one.length <= LIMITS.blobPieceBytes, tooLarge(LIMITS.blobPieceBytes));

export const BLOB_SCHEMAS: { readonly [M in keyof BlobParams]: z.ZodType<BlobParams[M]> } = {
  'blob.put': z
    .object({
      sha256,
      bytes: position.refine((one) => one <= LIMITS.documentBytes, tooLarge(LIMITS.documentBytes)),
      offset: position,
      data,
    })
    .refine(({ bytes, offset, data: piece }) => offset + piece.length <= bytes, {
      error: 'ends behind the end of the blob',
      path: ['data'],
    }),
  'blob.get': z.object({
    sha256,
    documentId: id.exactOptional(),
    offset: position.exactOptional(),
    limit: int(1, LIMITS.blobPieceBytes).exactOptional(),
  }),
};
