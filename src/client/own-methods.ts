/** What the client has for tasks and documents beside the methods of the protocol. */
import type { OutputPiece } from '../../protocol/wire/control.ts';
import type { TaskCreate, TaskView, Value } from '../../protocol/wire/types.ts';
import type { RequestOptions } from './methods.ts';
import type { WatchOptions } from './output-watch.ts';

export type { DocumentMethods } from './document-methods.ts';
export { documentsOf } from './document-methods.ts';
export type { Digest, DocumentCalls } from './document-texts.ts';

export interface WaitOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface TaskMethods {
  /** The task when it has ended, however it ended. */
  wait(task: string | { readonly id: string }, options?: WaitOptions): Promise<TaskView>;
  /** Its partial output, piece by piece, from an offset until the task has ended. */
  watchOutput(task: string | { readonly id: string }, options?: WatchOptions): AsyncGenerator<OutputPiece, void>;
  /** Creates a task and waits for its result; rejects if it does not complete. */
  run(params: TaskCreate, options?: RequestOptions): Promise<Value>;
}
