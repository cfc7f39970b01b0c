/**
 * Dead letters: tasks that have failed for good.
 *
 * Owns: params and results of their methods. types.ts joins them to the others.
 */
import type { TaskView } from './types.ts';

export interface LetterParams {
  'deadLetter.list': { readonly type?: string; readonly limit?: number; readonly cursor?: string };
}

export interface LetterResults {
  'deadLetter.list': { readonly tasks: readonly TaskView[]; readonly cursor?: string };
}
