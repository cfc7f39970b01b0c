/** Documents as texts: merging, comparing; and the thread in which that is done. */
export { MERGE_LIMITS, merge, type Merge, type MergeInput, type MergeLimits, type Refusal } from './text/merge.ts';
export { unifiedDiff, type Diff, type DiffInput } from './text/unified.ts';
export { DocumentThread, THREAD_LIMITS, type ThreadLimits } from './thread.ts';
export type { NoResult, Outcome, WorkName } from './jobs.ts';
