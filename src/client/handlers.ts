/** From an `async` handler to what the agent core can start and stop. */
import type { TaskView, Value } from '../../protocol/wire/types.ts';
import type { JobHandle, Outcome, StartJob, StopReason } from './agent-core.ts';
import { clientError, TaskFailure } from './errors.ts';

export interface TaskContext {
  /** Aborted when the task is cancelled, its lease is lost or the client closes; the reason is a MusterError. */
  readonly signal: AbortSignal;
  /** Counts from 1; a failed attempt adds one, the loss of an agent does not. */
  readonly attempt: number;
  /** Fencing token: larger than that of every assignment before. Give it to what the task writes to. */
  readonly token: string;
  /** Percent in 0 … 100 and what is being done; the latest is sent now and then. */
  readonly progress: (percentComplete: number, status?: string) => void;
}

/** What it returns becomes the result; what it throws the failure. */
export type TaskHandler = (task: TaskView, context: TaskContext) => unknown;

/**
 * Makes its AbortController, and the function for progress that callers take apart, only when asked: most handlers of
 * short tasks never do, and the controller costs more than a frame.
 */
class Context implements TaskContext {
  readonly attempt: number;
  readonly token: string;
  readonly #handle: JobHandle;
  #controller: AbortController | undefined;
  #stopped: Error | undefined;

  constructor(handle: JobHandle, attempt: number, token: string) {
    this.#handle = handle;
    this.attempt = attempt;
    this.token = token;
  }

  get progress(): TaskContext['progress'] {
    return (percentComplete, status) => this.#handle.progress(percentComplete, status);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#stopped !== undefined) this.#controller.abort(this.#stopped);
    }
    return this.#controller.signal;
  }

  stop(reason: StopReason, detail: string): void {
    this.#stopped = clientError('TASK_STOPPED', MESSAGES[reason], { details: { reason, detail } });
    this.#controller?.abort(this.#stopped);
  }
}

const MESSAGES: { readonly [R in StopReason]: string } = {
  cancel: 'The task was cancelled.',
  leaseLost: 'The task is no longer held by this agent.',
  closing: 'The client is being closed.',
};

export function startHandler(handler: TaskHandler): StartJob {
  return (job, handle) => {
    const context = new Context(handle, job.attempt, job.token);
    try {
      const output = handler(job.task, context);
      if (isThenable(output)) {
        output.then(
          (value) => handle.finish(completed(value)),
          (error) => handle.finish(failed(error)),
        );
      } else handle.finish(completed(output));
    } catch (error) {
      handle.finish(failed(error));
    }
    return (reason, detail) => context.stop(reason, detail);
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** What cannot be sent is refused when it is encoded, and fails the task. */
function completed(output: unknown): Outcome {
  return output === undefined ? { kind: 'completed' } : { kind: 'completed', output: output as Value };
}

function failed(error: unknown): Outcome {
  if (error instanceof TaskFailure)
    return { kind: 'failed', error: { code: error.code, message: error.message }, retryable: error.retryable };
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', error: { code: 'HANDLER_ERROR', message }, retryable: true };
}
