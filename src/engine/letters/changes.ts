/** What happened to dead letters and to runs over them. */
import { unreachable } from '../../base/assert.ts';
import type { State } from '../kernel/state.ts';
import type { LetterRecord, LetterRunRecord } from '../records.ts';

export type LetterChange =
  | { readonly what: 'marked'; readonly record: LetterRecord }
  | { readonly what: 'forgotten'; readonly id: string }
  | { readonly what: 'run'; readonly record: LetterRunRecord }
  | { readonly what: 'runForgotten'; readonly id: string };

export function changeLetters(s: State, change: LetterChange): void {
  switch (change.what) {
    case 'marked':
      return s.letters.put(change.record);
    case 'forgotten':
      return s.letters.drop(change.id);
    case 'run':
      return s.letterRuns.put(change.record);
    case 'runForgotten':
      return s.letterRuns.drop(change.id);
  }
  unreachable(change);
}
