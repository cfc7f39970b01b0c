/**
 * Draws what else is done with documents: they are renamed, archived, compared, restored, kept under names and commented, and sections are
 * listed, edited and locked by methods of their own; in half of the runs of documents, beside the edits.
 */
import { Random } from './random.ts';

/** Places of snapshots and of comments count from the first, and begin again behind the last. */
export type CareJob =
  | { readonly what: 'rename'; readonly to: string }
  | { readonly what: 'archive' | 'unarchive' }
  /** From the version so far back, to the one so far ahead of that; absent: to the current one. */
  | { readonly what: 'diff'; readonly back: number; readonly ahead?: number }
  | { readonly what: 'restore'; readonly back: number; readonly thinkMs: number }
  | { readonly what: 'restoreKept' | 'readKept' | 'dropKept'; readonly place: number }
  | { readonly what: 'keep'; readonly back: number; readonly name?: string }
  | { readonly what: 'kept' | 'sections' | 'archived' }
  | { readonly what: 'comment'; readonly said: string; readonly place?: number; readonly answers: boolean }
  | { readonly what: 'comments'; readonly resolved?: boolean }
  | { readonly what: 'resolveComment'; readonly place: number; readonly resolved: boolean }
  | { readonly what: 'dropComment'; readonly place: number };

const WHATS = [
  ...['rename', 'diff', 'diff', 'restore', 'restore', 'restoreKept', 'readKept', 'dropKept', 'keep', 'keep', 'keep'],
  ...['kept', 'sections', 'archived', 'comment', 'comment', 'comment', 'comment', 'comments', 'comments'],
  ...['resolveComment', 'resolveComment', 'dropComment'],
] as const satisfies readonly Exclude<CareJob['what'], 'archive' | 'unarchive'>[];

export function drawCare(random: Random, n: number): CareJob {
  const what = random.pick(WHATS);
  switch (what) {
    case 'rename':
      return { what, to: `${random.below(3)}` };
    case 'diff':
      return { what, back: random.below(5), ...(random.chance(0.4) ? { ahead: random.below(4) } : {}) };
    case 'restore':
      return { what, back: random.between(1, 5), thinkMs: random.spread(1, 200) };
    case 'restoreKept':
    case 'readKept':
    case 'dropKept':
    case 'dropComment':
      return { what, place: random.below(4) };
    case 'keep':
      return { what, back: random.chance(0.5) ? 0 : random.below(5), ...(random.chance(0.5) ? { name: `k${n}` } : {}) };
    case 'kept':
    case 'sections':
    case 'archived':
      return { what };
    case 'comment': {
      const about = random.chance(0.5) ? { place: random.below(5) } : {};
      return { what, said: `said ${n}`, ...about, answers: random.chance(0.4) };
    }
    case 'comments':
      return { what, ...(random.chance(0.4) ? { resolved: random.chance(0.5) } : {}) };
    case 'resolveComment':
      return { what, place: random.below(4), resolved: random.chance(0.7) };
  }
}
