/** From an `async` handler to what the agent core can start and stop. */
import type { TaskLock } from '../../protocol/wire/locks.ts';
import type { TaskView, Value } from '../../protocol/wire/types.ts';
import type { Job, JobHandle, Outcome, StartJob, StopReason } from './agent-core.ts';
import { Conversation, type AskOptions, type ExtendOptions, type Message } from './conversation.ts';
import { clientError, TaskFailure, type MusterError } from './errors.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { ChildPolicy, DelegateTo } from '../../protocol/wire/trees.ts';
import type { NotificationHandler } from './notifications.ts';
import { Ending, type Spawn } from './subtasks.ts';

export interface TaskContext {
  /** Aborted when the task is cancelled, its lease is lost or the client closes; the reason is a MusterError. */
  readonly signal: AbortSignal;
  /** Counts from 1; a failed attempt adds one, the loss of an agent does not. */
  readonly attempt: number;
  /** Fencing token: larger than that of every assignment before. Give it to what the task writes to. */
  readonly token: string;
  /** What the task needs locked: each with its fencing token, for what the path names. Held until the attempt has ended. */
  readonly locks: readonly TaskLock[];
  /** Percent in 0 … 100 and what is being done; the latest is sent now and then. */
  readonly progress: (percentComplete: number, status?: string) => void;
  /** The task is paused, and is to rest where it can. */
  readonly paused: boolean;
  /** Resolves at once, or when a paused task is resumed: to be awaited where the work can rest. */
  readonly resumed: () => Promise<void>;
  /** Called when the task is paused; the server hears that it rests when what it returns has resolved. */
  readonly onPause: (heed: (reason: string | undefined) => unknown) => void;
  readonly onResume: (heed: (reason: string | undefined) => unknown) => void;
  /** Called for each message into the running task, one after the other, in their order. */
  readonly onSteer: (heed: (message: Message) => unknown) => void;
  /** Stored for the next attempt, which finds it in `task.checkpoint.data`. */
  readonly checkpoint: (data: Value) => Promise<void>;
  /** Partial output, which others can follow; resolves when it is durable. */
  readonly output: { readonly write: (data: string | Uint8Array) => Promise<void> };
  /** Asks a person or an agent, and waits for the answer. */
  readonly ask: (question: string, options?: AskOptions) => Promise<Value>;
  /** More time for this task. */
  readonly extend: (limits: ExtendOptions) => Promise<void>;
  /** Creates a task below this one, as long as this agent holds it. */
  readonly spawn: Spawn;
  /** To be returned: hands the task to another agent, which gets it as it is. If that is refused the task fails. */
  readonly delegate: (to: DelegateTo, reason?: string) => Ending;
  /** To be returned in place of an output, where tasks below have not ended: `wait` for them, `cancel` them, or `leave` them. */
  readonly done: (output: Value | undefined, children: ChildPolicy) => Ending;
}

/** What it returns becomes the result; what it throws the failure. */
export type TaskHandler = (task: TaskView, context: TaskContext) => unknown;

export interface AgentMethods {
  /** Runs `handler` for each task of this type; `*` takes those without a handler of their own. */
  handle(type: string, handler: TaskHandler): void;
  /** Runs `handler` for what is said to this agent, one after the other. Returns how to end it. */
  onNotification(handler: NotificationHandler): () => void;
}

const NONE: readonly TaskLock[] = [];

/** Creates a task below that of a job. */
export type Spawner = (job: Job, params: Parameters<Spawn>[0]) => ReturnType<Spawn>;

/**
 * Makes its AbortController, and the function for progress that callers take apart, only when asked: most handlers of
 * short tasks never do, and the controller costs more than a frame.
 */
class Context implements TaskContext {
  readonly attempt: number;
  readonly token: string;
  readonly locks: readonly TaskLock[];
  readonly #handle: JobHandle;
  readonly #job: Job;
  readonly #spawn: Spawner;
  #conversation: Conversation | undefined;
  #controller: AbortController | undefined;
  #stopped: MusterError | undefined;

  constructor(handle: JobHandle, job: Job, spawn: Spawner) {
    this.#handle = handle;
    this.#spawn = spawn;
    this.#job = job;
    this.attempt = job.attempt;
    this.token = job.token;
    this.locks = job.locks ?? NONE;
  }

  /** Begun when the handler first uses it: most never do. */
  #talk(): Conversation {
    if (this.#conversation === undefined) {
      this.#conversation = new Conversation(this.#handle, this.#job);
      if (this.#stopped !== undefined) this.#conversation.stop(this.#stopped);
    }
    return this.#conversation;
  }

  get paused(): boolean {
    return this.#talk().paused;
  }

  get resumed(): TaskContext['resumed'] {
    return () => this.#talk().resumed();
  }

  get onPause(): TaskContext['onPause'] {
    return (heed) => this.#talk().onPause(heed);
  }

  get onResume(): TaskContext['onResume'] {
    return (heed) => this.#talk().onResume(heed);
  }

  get onSteer(): TaskContext['onSteer'] {
    return (heed) => this.#talk().onSteer(heed);
  }

  get checkpoint(): TaskContext['checkpoint'] {
    return (data) => this.#talk().checkpoint(data);
  }

  get output(): TaskContext['output'] {
    return { write: (data) => this.#talk().write(data) };
  }

  get ask(): TaskContext['ask'] {
    return (question, options) => this.#talk().ask(question, options);
  }

  get extend(): TaskContext['extend'] {
    return (limits) => this.#talk().extend(limits);
  }

  get spawn(): TaskContext['spawn'] {
    return (params) => this.#spawn(this.#job, params);
  }

  get delegate(): TaskContext['delegate'] {
    return (to, reason) => new Ending({ kind: 'delegated', to, reason });
  }

  get done(): TaskContext['done'] {
    return (output, children) => new Ending({ kind: 'done', output, children });
  }

  /** What was written and has not arrived: the task ends after it. */
  flushed(): Promise<void> | undefined {
    return this.#conversation?.flushed();
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
    this.#conversation?.stop(this.#stopped);
  }
}

const MESSAGES: { readonly [R in StopReason]: string } = {
  cancel: 'The task was cancelled.',
  leaseLost: 'The task is no longer held by this agent.',
  closing: 'The client is being closed.',
};

export function startHandler(handler: TaskHandler, spawn: Spawner): StartJob {
  return (job, handle) => {
    const context = new Context(handle, job, spawn);
    try {
      const output = handler(job.task, context);
      if (isThenable(output)) {
        output.then(
          (value) => void complete(context, handle, value),
          (error) => handle.finish(failed(error)),
        );
      } else handle.finish(completed(output));
    } catch (error) {
      handle.finish(failed(error));
    }
    return (reason, detail) => context.stop(reason, detail);
  };
}

/**
 * Begins the work when what the turn has to say is written: a handler that blocks its thread must not hold back the confirmation of its
 * own task. The turn is written in the next step of the event loop, so this waits for the one after.
 */
export function startLater(start: StartJob, scheduler: Scheduler): StartJob {
  return (job, handle) => {
    let stop: ReturnType<StartJob> | undefined;
    let stopped: Parameters<ReturnType<StartJob>> | undefined;
    const begin = (): void => {
      if (stopped === undefined) stop = start(job, handle);
      else handle.finish(failed(clientError('TASK_STOPPED', MESSAGES[stopped[0]])));
    };
    scheduler.defer(() => scheduler.defer(begin));
    return (...why) => {
      stopped = why;
      stop?.(...why);
    };
  };
}

/** After what was written to the output. */
async function complete(context: Context, handle: JobHandle, value: unknown): Promise<void> {
  const flushed = context.flushed();
  if (flushed !== undefined) await flushed;
  handle.finish(completed(value));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** What cannot be sent is refused when it is encoded, and fails the task. */
function completed(output: unknown): Outcome {
  if (output instanceof Ending) {
    const { how } = output;
    if (how.kind === 'delegated') return how;
    return {
      kind: 'completed',
      ...(how.output === undefined ? undefined : { output: how.output }),
      ...(how.children === undefined ? undefined : { children: how.children }),
    };
  }
  return output === undefined ? { kind: 'completed' } : { kind: 'completed', output: output as Value };
}

function failed(error: unknown): Outcome {
  if (error instanceof TaskFailure)
    return { kind: 'failed', error: { code: error.code, message: error.message }, retryable: error.retryable };
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', error: { code: 'HANDLER_ERROR', message }, retryable: true };
}
