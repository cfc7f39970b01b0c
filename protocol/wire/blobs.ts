/** Blobs: texts that are too large for a message, named by their content, sent and fetched piece by piece. */

/** A text by its name: lower-case hex of its SHA-256. */
export interface BlobRef {
  readonly sha256: string;
  readonly bytes: number;
}

export interface BlobParams {
  /** `bytes`: of the whole. What is before `offset` was sent already; `data` may be empty, to ask how far it has come. */
  'blob.put': {
    readonly sha256: string;
    readonly bytes: number;
    readonly offset: number;
    readonly data: Uint8Array;
  };
  /** `documentId`: a document that names it; without it: what the caller put. */
  'blob.get': {
    readonly sha256: string;
    readonly documentId?: string;
    readonly offset?: number;
    readonly limit?: number;
  };
}

export interface BlobResults {
  /** `offset`: how much is there; go on with what follows. `complete`: all of it, and it is what its name says. */
  'blob.put': { readonly offset: number; readonly complete: boolean };
  /** `bytes`: of the whole. */
  'blob.get': { readonly bytes: number; readonly offset: number; readonly data: Uint8Array };
}
