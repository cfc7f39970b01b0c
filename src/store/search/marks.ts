/** What is shown of a text that was found: a piece of it, and where in it. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { SearchMark } from '../../../protocol/wire/document-search.ts';
import { assert } from '../../base/assert.ts';
import type { FoundText, SectionStart } from './port.ts';

/** SD3 of database.ts. */
export const OPEN = '\u0001';
export const SHUT = '\u0002';
const KEPT_FREE = new RegExp(`[\\0${OPEN}${SHUT}]`, 'gu');
const MARK = new RegExp(`[${OPEN}${SHUT}]`, 'u');

/** As long as the text. */
export function indexable(text: string): string {
  return text.replaceAll(KEPT_FREE, ' ');
}

export interface Marked {
  readonly text: string;
  readonly marks: readonly SearchMark[];
}

/** A text with marks in it: without them, and where they are. */
export function marked(given: string): Marked {
  // Every other part lies between two marks.
  const parts = given.split(MARK);
  const marks: SearchMark[] = [];
  let from = 0;
  for (const [place, { length }] of parts.entries()) {
    if (place % 2 === 1) marks.push([from, from + length]);
    from += length;
  }
  return { text: parts.join(''), marks };
}

/** At most `searchExcerpt` of the piece, with its first mark; and the section in which that is. */
export function excerptOf(
  { text: piece, marks }: Marked,
  text: string,
  sections: string,
): Pick<FoundText, 'sectionId' | 'excerpt' | 'marks'> {
  const [first] = marks;
  const begin = first === undefined ? 0 : cut(piece, Math.max(0, first[0] - LIMITS.searchExcerpt / 4));
  const end = cut(piece, Math.min(piece.length, begin + LIMITS.searchExcerpt));
  const shown = marks.filter(([from]) => from < end);
  const excerpt = piece.slice(begin, end);
  const within = shown.map(([from, to]): SearchMark => [from - begin, Math.min(to, end) - begin]);
  const sectionId = first === undefined ? undefined : sectionAt(sections, text.indexOf(piece) + first[0]);
  return { excerpt, marks: within, ...(sectionId === undefined ? {} : { sectionId }) };
}

/** Never between the two halves of a character. */
function cut(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at;
}

function sectionAt(sections: string, at: number): string | undefined {
  return startsOf(sections).findLast(([, from]) => from <= at)?.[0];
}

function startsOf(sections: string): SectionStart[] {
  const starts: unknown = JSON.parse(sections);
  assert(Array.isArray(starts) && starts.every(isStart), 'where sections begin was written here');
  return starts;
}

function isStart(value: unknown): value is SectionStart {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'number';
}
