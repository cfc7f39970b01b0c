/**
 * Merges a stale edit of a whole document. By sections first, so that edits of different sections never conflict, not even in the lines on both sides of a
 * border; where sections cannot be told apart (both changed their order at one place, one removed what the other changed) all of the text is merged by lines.
 *
 * D1 If no section was changed by both, and the order of sections by one side at most, the result is clean, unless D2 forbids it.
 * D2 What is clean has the sections that were merged: a merge by sections whose text would be read as other sections is not taken.
 */
import { merge, MERGE_LIMITS, type Merge, type MergeInput, type MergeLimits } from '../text/merge.ts';
import { textOf } from './edit.ts';
import { identify, type Identified, type Section } from './identity.ts';
import type { DocumentForm, SectionParser } from './parse.ts';

export interface DocumentMergeInput {
  readonly form: DocumentForm;
  /** The version that ours was made of. */
  readonly base: Identified;
  readonly ours: string;
  /** The current version: its sections have the ids of base where they are the same. */
  readonly theirs: Identified;
  readonly labels?: NonNullable<MergeInput['labels']>;
}

type ById = ReadonlyMap<string, Section>;

const byId = (sections: readonly Section[]): ById => new Map(sections.map((section) => [section.id, section]));

/** Sections that ours added, told apart from those that theirs did under the same number. */
function oursOf(input: DocumentMergeInput, parser: SectionParser): Section[] {
  const known = byId(input.base.sections);
  const { sections } = identify(input.base, parser.parse(input.ours, input.form));
  return sections.map((section) => (known.has(section.id) ? section : { ...section, id: `new ${section.id}` }));
}

/** The order of sections, merged as if each were a line; undefined in conflict. */
function orderOf(base: readonly Section[], ours: readonly Section[], theirs: readonly Section[]): string[] | undefined {
  const listed = (sections: readonly Section[]) => sections.map(({ id }) => `${id}\n`).join('');
  const merged = merge({ base: listed(base), ours: listed(ours), theirs: listed(theirs) });
  if (merged.kind !== 'clean') return undefined;
  const order = merged.text.split('\n').slice(0, -1);
  return new Set(order).size === order.length ? order : undefined;
}

interface Sides {
  readonly base: ById;
  readonly ours: ById;
  readonly theirs: ById;
}

/** The text of one section; undefined in conflict. */
function sectionText(id: string, sides: Sides, limits: MergeLimits): string | undefined {
  const base = sides.base.get(id)?.text;
  const ours = sides.ours.get(id)?.text;
  const theirs = sides.theirs.get(id)?.text;
  if (base === undefined) return ours ?? theirs;
  if (ours === undefined || theirs === undefined) return undefined;
  if (ours === base || ours === theirs) return theirs;
  if (theirs === base) return ours;
  const merged = merge({ base, ours, theirs }, limits);
  return merged.kind === 'clean' ? merged.text : undefined;
}

/** One side removed what the other changed. */
function losesChange(sides: Sides): boolean {
  return [...sides.base].some(([id, { text }]) => {
    const ours = sides.ours.get(id);
    const theirs = sides.theirs.get(id);
    return (
      (ours === undefined && theirs !== undefined && theirs.text !== text) ||
      (theirs === undefined && ours !== undefined && ours.text !== text)
    );
  });
}

function bySections(input: DocumentMergeInput, parser: SectionParser, limits: MergeLimits): string | undefined {
  const ours = oursOf(input, parser);
  const sides: Sides = { base: byId(input.base.sections), ours: byId(ours), theirs: byId(input.theirs.sections) };
  if (losesChange(sides)) return undefined;
  const order = orderOf(input.base.sections, ours, input.theirs.sections);
  if (order === undefined) return undefined;
  const texts: string[] = [];
  for (const id of order) {
    const text = sectionText(id, sides, limits);
    if (text === undefined) return undefined;
    texts.push(text);
  }
  const text = texts.join('');
  const parsed = parser.parse(text, input.form).map((section) => section.text);
  return parsed.length === texts.length && parsed.every((one, index) => one === texts[index]) ? text : undefined; // D2
}

export function mergeDocument(
  input: DocumentMergeInput,
  parser: SectionParser,
  limits: MergeLimits = MERGE_LIMITS,
): Merge {
  const texts = { base: textOf(input.base.sections), ours: input.ours, theirs: textOf(input.theirs.sections) };
  const byLines = merge({ ...texts, ...(input.labels && { labels: input.labels }) }, limits);
  if (byLines.kind === 'refused' || input.form === 'plain') return byLines;
  const text = bySections(input, parser, limits);
  return text === undefined ? byLines : { kind: 'clean', text };
}
