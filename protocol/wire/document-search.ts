/** What is searched for in documents: words, "phrases" and beginnings of words (`plan*`), of which a document must have all. */
import { LIMITS } from './limits.ts';
import type { DocumentView } from './documents.ts';

export interface DocumentSearchParams {
  readonly query: string;
  readonly workspaceId?: string;
  readonly type?: string;
  readonly archived?: boolean;
  readonly limit?: number;
  readonly cursor?: string;
}

/** Where something was found in a text, from here on and before there, in UTF-16 code units. */
export type SearchMark = readonly [from: number, to: number];

export interface DocumentHit {
  readonly document: DocumentView;
  /** Whose text was searched: the newest one, or one that was so a moment ago. */
  readonly version: number;
  /** Of the section in which the excerpt begins to be found; absent: it was found in the name alone. */
  readonly sectionId?: string;
  /** A piece of the text, as it is written there; the beginning if it was found in the name alone. */
  readonly excerpt: string;
  /** In the excerpt, ascending. */
  readonly marks: readonly SearchMark[];
  /** In the name. */
  readonly nameMarks: readonly SearchMark[];
}

export interface DocumentSearchResult {
  /** The best first. */
  readonly hits: readonly DocumentHit[];
  readonly cursor?: string;
}

export interface SearchTerm {
  /** One word or several in a row. */
  readonly text: string;
  /** Every word that begins so. */
  readonly prefix: boolean;
}

export type SearchQuery =
  { readonly ok: true; readonly terms: readonly SearchTerm[] } | { readonly ok: false; readonly reason: string };

/** What words are made of; all else stands between them. */
const SEARCHED = /[\p{L}\p{N}\p{Co}]/u;
const PREFIX = /[\p{L}\p{N}\p{Co}]{2}\*$/u;
const PHRASE = /^"([^"]*)"$/u;
/** A phrase with what touches it, or what stands between spaces. */
const PARTS = /"[^"]*"\S*|\S+/gu;

export function parseSearch(query: string): SearchQuery {
  const terms: SearchTerm[] = [];
  for (const part of query.match(PARTS) ?? []) {
    const found = part.includes('"') ? phraseOf(part) : wordOf(part);
    if (typeof found === 'string') return { ok: false, reason: found };
    if (!SEARCHED.test(found.text)) {
      return { ok: false, reason: 'every word and phrase must have a letter or a digit' };
    }
    terms.push(found);
  }
  if (terms.length === 0) return { ok: false, reason: 'must have a word' };
  if (terms.length > LIMITS.searchTermsMax) {
    return { ok: false, reason: `must have at most ${LIMITS.searchTermsMax} words and phrases` };
  }
  return { ok: true, terms };
}

function phraseOf(part: string): SearchTerm | string {
  const text = PHRASE.exec(part)?.[1];
  if (text !== undefined) return { text, prefix: false };
  return part.startsWith('"') && part.indexOf('"', 1) > 0
    ? 'after a phrase comes a space: a * goes with a word alone'
    : 'a " has no other one: a phrase stands between two, after a space';
}

function wordOf(part: string): SearchTerm | string {
  if (!part.includes('*')) return { text: part, prefix: false };
  const alone = part.indexOf('*') === part.length - 1;
  if (alone && PREFIX.test(part)) return { text: part.slice(0, -1), prefix: true };
  return 'a * stands at the end of a word, after two letters or digits at least';
}
