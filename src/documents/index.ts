/** Documents as texts: sections, merging, comparing, showing; and the thread in which that is done. */
export { resolve, type Conflict, type Resolution, type ResolutionRefusal } from './conflicts.ts';
export type { Shown, ShownForm } from './html.ts';
export type { InputOf, NoResult, Outcome, ResultOf, WorkName } from './jobs.ts';
export { SECTION_UNITS_MAX, textOf, touched, type EditRefusal, type Touched } from './sections/edit.ts';
export { NO_SECTIONS, type Identified, type Section } from './sections/identity.ts';
export type { DocumentMergeInput } from './sections/merge.ts';
export type { DocumentForm } from './sections/parse.ts';
export { MERGE_LIMITS, type Merge, type MergeInput, type MergeLimits, type Refusal } from './text/merge.ts';
export type { Diff, DiffInput } from './text/unified.ts';
export { DocumentThread, THREAD_LIMITS, type ThreadLimits } from './thread.ts';
