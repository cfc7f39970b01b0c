/** What a handler does with the tasks below its own, and how it can end other than with a result. */
import type { ChildPolicy, DelegateTo } from '../../protocol/wire/trees.ts';
import type { TaskCreate, TaskView, Value } from '../../protocol/wire/types.ts';

/** A task that a handler created below its own. */
export interface Subtask {
  readonly id: string;
  readonly task: TaskView;
  /** The task when it has ended, however it ended. */
  readonly ended: () => Promise<TaskView>;
  /** Its result; rejects if it does not complete. */
  readonly result: () => Promise<Value>;
}

export type Spawn = (params: TaskCreate) => Promise<Subtask>;

/** Made by `context.delegate` and `context.done`: to be returned by the handler. */
export class Ending {
  readonly how:
    | { readonly kind: 'delegated'; readonly to: DelegateTo; readonly reason: string | undefined }
    | { readonly kind: 'done'; readonly output: Value | undefined; readonly children: ChildPolicy | undefined };

  constructor(how: Ending['how']) {
    this.how = how;
  }
}
