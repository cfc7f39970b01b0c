/**
 * The index of documents: which of them have given words. Derived: it is built from the state and the texts (node/document-index.ts), may be
 * thrown away at any time, and is not part of a backup.
 *
 * SI1 What was put or removed is found, or not, by every ask that comes after, durable or not.
 * SI2 An index that cannot be read is thrown away and begun anew. Who asked is told `lost`, and so is each tenant that has not listed it since
 *     then: who lists from the beginning knows what is there and puts the rest.
 * SI3 Each tenant has its own: neither what is found nor its order tells what another one has.
 * SI4 No callback runs within the call that was given it.
 */
import type { SearchMark, SearchTerm } from '../../../protocol/wire/document-search.ts';

export interface IndexedText {
  readonly id: string;
  /** Tells whether what is in the index is what it should be. */
  readonly stamp: string;
  readonly version: number;
  readonly name: string;
  readonly text: string;
  /** Where each section begins in the text, in UTF-16 code units, ascending. */
  readonly sections: readonly SectionStart[];
}
export type SectionStart = readonly [id: string, from: number];

export interface Stamped {
  readonly id: string;
  readonly stamp: string;
}

export interface FoundText {
  readonly id: string;
  readonly version: number;
  readonly sectionId?: string;
  readonly excerpt: string;
  readonly marks: readonly SearchMark[];
  readonly nameMarks: readonly SearchMark[];
}

/** `full`: the disk has no room, and nothing was stored. */
export type Indexed<T> =
  { readonly kind: 'done'; readonly value: T } | { readonly kind: 'lost' } | { readonly kind: 'full' };
export type Told<T> = (outcome: Indexed<T>) => void;

export interface SearchIndex {
  /** Ascending, those above `above`; from the empty one on: SI2. */
  list(tenant: string, page: { readonly above: string; readonly limit: number }, done: Told<readonly Stamped[]>): void;
  put(tenant: string, text: IndexedText, done: Told<null>): void;
  remove(tenant: string, id: string, done: Told<null>): void;
  /** Ids of the documents that have all of the terms, the best first. */
  find(tenant: string, terms: readonly SearchTerm[], done: Told<readonly string[]>): void;
  /** What is to be shown of those; those that do not have the terms any more are left out. */
  show(tenant: string, asked: Asked, done: Told<readonly FoundText[]>): void;
  close(done: () => void): void;
}

export interface Asked {
  readonly terms: readonly SearchTerm[];
  readonly ids: readonly string[];
}
