/**
 * A conflict of a document: an edit that could not be merged. It keeps all three texts, so that whatever is decided later nothing was lost.
 *
 * F1 A conflict never changes; what it was resolved to is an edit of its own.
 */
import { err, ok, type Result } from '../base/result.ts';
import type { MergeInput } from './text/merge.ts';

export interface Conflict {
  /** What both were made of. */
  readonly base: string;
  /** The edit that was refused. */
  readonly ours: string;
  /** What was current then. */
  readonly theirs: string;
  /** Ours and theirs in one text, with markers where they contradict; none if they were not merged (too large, no text). */
  readonly marked?: string;
  readonly labels?: NonNullable<MergeInput['labels']>;
}

export type Resolution =
  | { readonly kind: 'ours' }
  | { readonly kind: 'theirs' }
  /** A text that somebody made of both. */
  | { readonly kind: 'merged'; readonly content: string }
  /** Any other text. */
  | { readonly kind: 'manual'; readonly content: string };

/** `MARKERS_LEFT`: a merged text still has a line that marks a conflict. */
export type ResolutionRefusal = 'MARKERS_LEFT';

const lines = (text: string): string[] => text.split(/\r?\n/);

/** Lines of markers that were put in, and that no side had. */
function markersOf({ base, ours, theirs, marked = '' }: Conflict): Set<string> {
  const had = new Set([base, ours, theirs].flatMap(lines));
  return new Set(lines(marked).filter((line) => /^(?:<{7}|={7}|>{7})(?: |$)/.test(line) && !had.has(line)));
}

/** The text that a conflict is resolved to. `merged` must not have its markers any more; `manual` is taken as it is. */
export function resolve(conflict: Conflict, resolution: Resolution): Result<string, ResolutionRefusal> {
  switch (resolution.kind) {
    case 'ours':
      return ok(conflict.ours);
    case 'theirs':
      return ok(conflict.theirs);
    case 'merged': {
      const markers = markersOf(conflict);
      return lines(resolution.content).some((line) => markers.has(line)) ? err('MARKERS_LEFT') : ok(resolution.content);
    }
    case 'manual':
      return ok(resolution.content);
  }
}
