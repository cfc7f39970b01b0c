/**
 * Uploads: blobs that have not come whole, piece by piece. They are of no value but that nobody has to send them again: no backup has them.
 *
 * UP1 Pieces are appended in order. One that is not the next is not taken; the answer says where to go on.
 * UP2 What was taken is there after a restart, or part of it: whoever sends asks where to go on. Nothing here is durable.
 * UP3 Each upload is of one owner: who sends the same content for somebody else begins at nothing.
 * UP4 So many of a tenant and of one of its owners; one that was left alone for `uploadMs` is forgotten by a sweep.
 * UP5 What is whole stays until it is forgotten by whoever took it over.
 * UP6 No callback runs within the call that was given it.
 */

export interface UploadOf {
  readonly tenant: string;
  /** Who sends it. */
  readonly owner: string;
  /** What it is to become; not looked at here. */
  readonly sha256: string;
  /** Of the whole. */
  readonly bytes: number;
}

/** `full`: the disk has no room. `busy`: too many pieces of the tenant wait. `many`: so many uploads, and this would be one more. */
export type UploadRefusal = { readonly kind: 'full' } | { readonly kind: 'busy' } | { readonly kind: 'many' };

export type Appended =
  /** UP1: so much is there. */
  | { readonly kind: 'at'; readonly offset: number }
  | { readonly kind: 'whole'; readonly data: Uint8Array }
  | UploadRefusal;

export interface UploadUsage {
  readonly count: number;
  /** That have come. */
  readonly bytes: number;
}

export interface Uploads {
  append(
    of: UploadOf,
    piece: { readonly offset: number; readonly data: Uint8Array },
    done: (outcome: Appended) => void,
  ): void;
  /** UP5; also of one that is not there. */
  forget(of: UploadOf, done: () => void): void;
  /** UP4 */
  sweep(now: number, done: (removed: UploadUsage) => void): void;
  usage(): UploadUsage;
  /** `done` when nothing is written any more. */
  close(done: () => void): void;
}
