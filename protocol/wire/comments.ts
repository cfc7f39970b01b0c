/** Comments on documents: on a whole one or on a section, and answers to them. */

export interface CommentView {
  readonly id: string;
  readonly documentId: string;
  /** It is about this section, which may have gone since. */
  readonly sectionId?: string;
  /** The comment that it answers. */
  readonly replyTo?: string;
  readonly by: string;
  readonly at: number;
  /** Of the document, when it was said. */
  readonly version: number;
  readonly resolvedBy?: string;
  readonly resolvedAt?: number;
}

export interface CommentParams {
  'comment.create': {
    readonly documentId: string;
    readonly content: string;
    readonly sectionId?: string;
    readonly replyTo?: string;
  };
  'comment.list': {
    readonly documentId: string;
    readonly sectionId?: string;
    readonly resolved?: boolean;
    readonly limit?: number;
    readonly cursor?: string;
  };
  /** `resolved`: true unless it is said. */
  'comment.resolve': { readonly id: string; readonly resolved?: boolean };
  'comment.delete': { readonly id: string };
}

export interface CommentResults {
  'comment.create': { readonly comment: CommentView };
  /** In the order in which they were said. */
  'comment.list': {
    readonly comments: readonly (CommentView & { readonly content: string })[];
    readonly cursor?: string;
  };
  'comment.resolve': { readonly comment: CommentView };
  'comment.delete': { readonly id: string };
}
