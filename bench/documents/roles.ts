/** What the bench says to the process that edits documents. */
import type { Target } from '../dispatch/roles.ts';

export interface Shape {
  /** Of a document. */
  readonly bytes: number;
  readonly sections: number;
}

/** `section`: a new text of one section; `whole`: of the document, with one section of it changed. */
export type EditKind = 'section' | 'whole';

export interface EditOptions {
  readonly ids: readonly string[];
  readonly kind: EditKind;
  /** Editors, each with one edit under way. No two of them edit one section at the same time. */
  readonly editors: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

export interface EditResult {
  readonly perSecond: number;
  /** Of the edits that were counted. */
  readonly latenciesMs: Float64Array;
}

/** Median ms of one after the other, of each document, in turns. */
export interface TimesResult {
  readonly read: readonly number[];
  readonly edit: readonly number[];
}

export type EditorCalls = {
  readonly connect: { readonly params: Target; readonly result: null };
  /** Ids of new documents. */
  readonly create: { readonly params: Shape & { readonly count: number }; readonly result: readonly string[] };
  readonly edit: { readonly params: EditOptions; readonly result: EditResult };
  /** Edits a document until it has so many versions. */
  readonly age: {
    readonly params: { readonly id: string; readonly versions: number; readonly editors: number };
    readonly result: null;
  };
  /** Median ms of reading its first version, and of the page of its history that has that. */
  readonly past: {
    readonly params: { readonly id: string; readonly rounds: number };
    readonly result: { readonly read: number; readonly list: number };
  };
  readonly times: {
    readonly params: { readonly ids: readonly string[]; readonly rounds: number };
    readonly result: TimesResult;
  };
};
