/**
 * Three-way merge by lines: what ours and theirs made of a common base, in one text. Verdict and text are those of `git merge-file`, to the byte,
 * for conflicts too (its default style).
 *
 * Owns: limits of size and work, and how conflicts look. Does not own: the comparison (compare.ts) and what is a conflict (regions.ts).
 *
 * M1 When one side did not change anything the other one is the result.
 * M2 What is refused is refused by size, kind or counted work: always, or never. A bound in time is the worker's.
 * M3 No text is ever dropped: a conflict has both sides between markers.
 */
import { Budget } from './budget.ts';
import { compareLines } from './compare.ts';
import { countLines, Numbering, slice, type Lines } from './lines.ts';
import { joinClose, overlay, refine, type Region, type Versions } from './regions.ts';
import { Occurrences } from './select-lines.ts';

export interface MergeInput {
  readonly base: string;
  readonly ours: string;
  readonly theirs: string;
  /** What stands behind the markers of a conflict. */
  readonly labels?: { readonly ours: string; readonly theirs: string };
  readonly form?: TextForm;
}

/** What a unit of the texts stands for: UTF-16, or, for bytes that may be no UTF-8, one byte. */
export type TextForm = 'utf8' | 'latin1';

export interface MergeLimits {
  /** Of one text, in UTF-16 units. */
  readonly unitsMax: number;
  /** Of one text. */
  readonly linesMax: number;
  /** Of all comparisons together. */
  readonly steps: number;
}

/** A document's 10 MiB; a million lines; about a second of work. */
export const MERGE_LIMITS: MergeLimits = { unitsMax: 10 * 1_024 * 1_024, linesMax: 1_000_000, steps: 200_000_000 };

/**
 * `BINARY`: a text has a NUL near its beginning, so it is none. `TOO_LARGE`: too long or too many lines. `TOO_COMPLEX`: so much
 * differs, or so many lines are alike, that comparing them takes too many steps.
 */
export type Refusal = 'BINARY' | 'TOO_LARGE' | 'TOO_COMPLEX';

export type Merge =
  | { readonly kind: 'clean'; readonly text: string }
  | { readonly kind: 'conflict'; readonly text: string; readonly conflicts: number }
  | { readonly kind: 'refused'; readonly reason: Refusal };

/** Where git looks for a NUL. */
const BINARY_BYTES = 8_000;
const MARKER_SIZE = 7;

/** Whether git would call it binary: by bytes of UTF-8, or by units if each stands for a byte. */
function isBinary(text: string, form: TextForm): boolean {
  const at = text.indexOf('\0');
  if (at < 0 || at >= BINARY_BYTES) return false;
  return form === 'latin1' || new TextEncoder().encode(text.slice(0, at)).length < BINARY_BYTES;
}

function refusal({ base, ours, theirs, form = 'utf8' }: MergeInput, limits: MergeLimits): Refusal | undefined {
  const texts = [base, ours, theirs];
  if (texts.some((text) => text.length > limits.unitsMax)) return 'TOO_LARGE';
  if (texts.some((text) => isBinary(text, form))) return 'BINARY';
  return texts.some((text) => countLines(text) > limits.linesMax) ? 'TOO_LARGE' : undefined;
}

/** Whether a line ends in CR LF; for the last line without an end the one before speaks. Undefined if none does. */
function endsInCrLf({ text, starts, ids }: Lines, line: number): boolean | undefined {
  const crLf = (of: number) => {
    const end = starts[of + 1] ?? 0;
    return end - (starts[of] ?? 0) > 1 && text[end - 2] === '\r';
  };
  if (ids.length === 0) return undefined;
  if (line < ids.length - 1 || text.endsWith('\n')) return crLf(line);
  return line === 0 ? undefined : crLf(line - 1);
}

/**
 * Markers end as git ends them: in CR LF when the lines before them in both texts do, or do not say, and the first line of the
 * base does.
 */
function lineEnd(versions: Versions, region: Region): string {
  const against =
    endsInCrLf(versions.ours, Math.max(0, region.ours - 1)) === false ||
    endsInCrLf(versions.theirs, Math.max(0, region.theirs - 1)) === false;
  return !against && endsInCrLf(versions.base, 0) === true ? '\r\n' : '\n';
}

/** Text of a side in a conflict, which ends its last line. */
function sideOf(lines: Lines, range: { first: number; size: number }, end: string): string {
  const text = slice(lines, range.first, range.size);
  return text === '' || text.endsWith('\n') ? text : text + end;
}

function marked(region: Region, versions: Versions, labels: { ours: string; theirs: string }): string {
  const end = lineEnd(versions, region);
  const marker = (sign: string, label: string) => sign.repeat(MARKER_SIZE) + (label && ` ${label}`) + end;
  return [
    marker('<', labels.ours),
    sideOf(versions.ours, { first: region.ours, size: region.oursSize }, end),
    marker('=', ''),
    sideOf(versions.theirs, { first: region.theirs, size: region.theirsSize }, end),
    marker('>', labels.theirs),
  ].join('');
}

function assemble(regions: readonly Region[], versions: Versions, labels: { ours: string; theirs: string }): string {
  const { ours, theirs } = versions;
  const parts: string[] = [];
  let at = 0;
  for (const region of regions) {
    if (region.verdict === 'same') continue;
    parts.push(slice(ours, at, region.ours - at));
    if (region.verdict === 'conflict') parts.push(marked(region, versions, labels));
    else if (region.verdict === 'ours') parts.push(slice(ours, region.ours, region.oursSize));
    else parts.push(slice(theirs, region.theirs, region.theirsSize));
    at = region.ours + region.oursSize;
  }
  parts.push(slice(ours, at, ours.ids.length - at));
  return parts.join('');
}

const TOO_COMPLEX: Merge = { kind: 'refused', reason: 'TOO_COMPLEX' };

export function merge(input: MergeInput, limits: MergeLimits = MERGE_LIMITS): Merge {
  const reason = refusal(input, limits);
  if (reason !== undefined) return { kind: 'refused', reason };

  const numbering = new Numbering();
  const base = numbering.lines(input.base);
  const ours = numbering.lines(input.ours);
  const theirs = numbering.lines(input.theirs);
  const budget = new Budget(limits.steps);
  const counts = new Occurrences(numbering.size);
  const changes = {
    ours: compareLines({ before: base, after: ours }, counts, budget),
    theirs: compareLines({ before: base, after: theirs }, counts, budget),
  };
  if (changes.ours === undefined || changes.theirs === undefined) return TOO_COMPLEX;
  if (changes.ours.length === 0) return { kind: 'clean', text: input.theirs }; // M1
  if (changes.theirs.length === 0) return { kind: 'clean', text: input.ours };

  const versions: Versions = { base, ours, theirs };
  const regions = overlay({ ours: changes.ours, theirs: changes.theirs }, versions);
  const refined = refine(regions, versions, { counts, budget });
  if (refined === undefined) return TOO_COMPLEX;
  const final = joinClose(refined, ours);
  const text = assemble(final, versions, input.labels ?? { ours: 'ours', theirs: 'theirs' });
  const conflicts = final.filter((region) => region.verdict === 'conflict').length;
  return conflicts === 0 ? { kind: 'clean', text } : { kind: 'conflict', text, conflicts };
}
