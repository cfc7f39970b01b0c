/**
 * Dead letters: tasks that have failed for good, looked into, edited, replayed and discarded, one or many.
 *
 * Owns: their shapes, params and results of their methods. types.ts joins them to the others.
 */
import type { TaskCreate, TaskStatus, TaskView } from './types.ts';

export const LETTER_STATES = ['open', 'replayed', 'discarded'] as const;
/** Only open ones stand in the queue. */
export type LetterState = (typeof LETTER_STATES)[number];

/** One failure of a task. */
export interface AttemptError {
  readonly attempt: number;
  readonly agentId?: string;
  readonly at: number;
  readonly code: string;
  readonly message: string;
}

/** What is to be another way when the letter is replayed. */
export type LetterEdit = Partial<Omit<TaskCreate, 'delayMs' | 'watch' | 'parentId'>>;

/** What was done with a letter. */
export interface LetterMark {
  readonly id: string;
  readonly state: LetterState;
  /** Of an open one. */
  readonly edit?: LetterEdit;
  /** The task that came of it. */
  readonly replayedAs?: string;
  readonly at: number;
  readonly by: string;
}

export interface LetterView {
  readonly id: string;
  readonly state: LetterState;
  /** As it died; never changed. */
  readonly task: TaskView;
  readonly edit?: LetterEdit;
  readonly replayedAs?: string;
  /** When it was edited, replayed or discarded, and by whom. */
  readonly at?: number;
  readonly by?: string;
}

/** Which letters; all that is named must hold. */
export interface LetterFilter {
  readonly type?: string;
  readonly status?: Extract<TaskStatus, 'failed' | 'timed_out'>;
  readonly agentId?: string;
  readonly workspaceId?: string;
  /** Of the last error. */
  readonly code?: string;
  /** They ended at or after, and before. */
  readonly from?: number;
  readonly until?: number;
}

export const LETTER_RUN_STATES = ['running', 'done', 'stopped'] as const;

/** Many letters, replayed or discarded one after the other. */
export interface LetterRunView {
  readonly id: string;
  readonly kind: 'replay' | 'discard';
  readonly state: (typeof LETTER_RUN_STATES)[number];
  readonly filter: LetterFilter;
  readonly edit?: LetterEdit;
  readonly perSecond?: number;
  readonly max?: number;
  /** Letters that were replayed or discarded, and those of which no task could be made: they stay open. */
  readonly handled: number;
  readonly refused: number;
  /** Why the last one was refused, or why it waits. */
  readonly code?: string;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly endedAt?: number;
}

export interface LetterParams {
  'deadLetter.list': LetterFilter & {
    readonly state?: LetterState;
    readonly limit?: number;
    readonly cursor?: string;
  };
  'deadLetter.get': { readonly id: string };
  'deadLetter.edit': { readonly id: string; readonly edit: LetterEdit };
  'deadLetter.replay': { readonly id: string; readonly edit?: LetterEdit };
  'deadLetter.discard': { readonly id: string };
  'deadLetter.replayMany': LetterFilter & {
    readonly edit?: LetterEdit;
    readonly perSecond?: number;
    readonly max?: number;
  };
  'deadLetter.discardMany': LetterFilter & { readonly max?: number };
  'deadLetter.runs': { readonly id?: string; readonly limit?: number; readonly cursor?: string };
  'deadLetter.stop': { readonly id: string };
}

type LetterResult = { readonly letter: LetterView };
type RunResult = { readonly run: LetterRunView };

export interface LetterResults {
  /** Newest first, by their creation; `letters`: what was done with those of them with which something was. */
  'deadLetter.list': {
    readonly tasks: readonly TaskView[];
    readonly letters?: readonly LetterMark[];
    readonly cursor?: string;
  };
  'deadLetter.get': LetterResult;
  'deadLetter.edit': LetterResult;
  'deadLetter.replay': { readonly task: TaskView };
  'deadLetter.discard': { readonly id: string };
  'deadLetter.replayMany': RunResult;
  'deadLetter.discardMany': RunResult;
  'deadLetter.runs': { readonly runs: readonly LetterRunView[]; readonly cursor?: string };
  'deadLetter.stop': RunResult;
}
