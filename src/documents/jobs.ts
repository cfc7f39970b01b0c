/**
 * Work upon texts that may take long, as values: what is sent to the documents' thread and what comes back. Each is a pure function.
 */
import { merge, type Merge, type MergeInput } from './text/merge.ts';
import { unifiedDiff, type Diff, type DiffInput } from './text/unified.ts';

/** Work by its name: what is given, and what comes of it. */
export interface Work {
  readonly merge: { readonly input: MergeInput; readonly result: Merge };
  readonly diff: { readonly input: DiffInput; readonly result: Diff };
}

export type WorkName = keyof Work;
export type InputOf<N extends WorkName> = Work[N]['input'];
export type ResultOf<N extends WorkName> = Work[N]['result'];

/** The thread did not answer: `TIMEOUT` it took too long, `MEMORY` it needed too much, `BUSY` too much waits, `CLOSED`. */
export type NoResult = 'TIMEOUT' | 'MEMORY' | 'BUSY' | 'CLOSED';

export type Outcome<N extends WorkName> =
  { readonly kind: 'done'; readonly result: ResultOf<N> } | { readonly kind: 'none'; readonly reason: NoResult };

type Performers = { readonly [N in WorkName]: (input: InputOf<N>) => ResultOf<N> };

const PERFORMERS: Performers = {
  merge: (input) => merge(input),
  diff: (input) => unifiedDiff(input),
};

export function perform<N extends WorkName>(name: N, input: InputOf<N>): ResultOf<N> {
  return PERFORMERS[name](input);
}
