/** What the main thread and the thread of the blobs say to each other. */
import type { FromThread } from '../thread.ts';
import type { BlobHash, BlobUsage, Got, Settling } from './port.ts';

export interface BlobCalls {
  readonly put: {
    readonly ask: { readonly tenant: string; readonly data: readonly Uint8Array[] };
    readonly answer: readonly BlobHash[] | 'full';
  };
  readonly hold: {
    readonly ask: { readonly tenant: string; readonly hashes: readonly BlobHash[] };
    /** What is missing. */
    readonly answer: readonly BlobHash[] | 'full';
  };
  readonly has: {
    readonly ask: { readonly tenant: string; readonly hashes: readonly BlobHash[] };
    readonly answer: readonly BlobHash[];
  };
  readonly get: { readonly ask: { readonly tenant: string; readonly hash: BlobHash }; readonly answer: Got };
  readonly list: {
    readonly ask: { readonly tenant: string; readonly above: BlobHash; readonly limit: number };
    readonly answer: readonly BlobHash[];
  };
  readonly settle: {
    readonly ask: { readonly tenant: string; readonly settling: Settling };
    readonly answer: BlobUsage | 'full';
  };
  readonly usage: { readonly ask: { readonly tenant: string }; readonly answer: BlobUsage };
  /** BD4 of database.ts. */
  readonly freeze: { readonly ask: object; readonly answer: null };
  readonly thaw: { readonly ask: object; readonly answer: null };
  readonly close: { readonly ask: object; readonly answer: null };
}

export type BlobCallKind = keyof BlobCalls;
export type BlobAsk = { [K in BlobCallKind]: { readonly kind: K } & BlobCalls[K]['ask'] }[BlobCallKind];
export type BlobAskOf<K extends BlobCallKind> = Extract<BlobAsk, { readonly kind: K }>;
export type BlobAnswer = BlobCalls[BlobCallKind]['answer'];

export interface BlobAskMessage {
  readonly id: number;
  readonly ask: BlobAsk;
}

export type FromBlobWorker = FromThread<BlobAnswer>;
